from dataclasses import dataclass
from collections.abc import Mapping
@dataclass(frozen=True)
class Understanding:
    looks: Mapping[str, float]; modifiers: Mapping[str, float]; unknown_words: tuple[str, ...]
