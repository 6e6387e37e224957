"""Understands prompts: free text to weights of looks, modifiers, how sure that is, and the words that had no effect.

What the vocabulary tells is certain, and an operator in a show can rely on it: a prompt whose words it has is
understood as it says, and a word that nobody knows takes no weight from one that is known. Words beyond it are read by
what was learned (`meaning`), and the answer says how likely it is. Nothing here imports an engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from mirage_runtime.models.lsd import layout, meaning, vocabulary
from mirage_runtime.models.lsd.vocabulary import Match

_SIGNED = ("temperature", "brightness")
# A look that is named has its odds multiplied by this before a guess has a say: twenty to one.
_NAMED = math.exp(3)
# A guess keeps the looks that come near the best one: what is a third as likely is doubt, not a blend.
_FLOOR, _MOST_LOOKS = 0.35, 3
_UNSURE, _HOPELESS = 0.5, 0.25
# What is certain is less so for each word that had no effect, down to this where all but one had none.
_UNREAD = 0.3


@dataclass(frozen=True)
class Understanding:
    """What a prompt was taken to mean."""

    looks: Mapping[str, float]
    """Weights of the looks that it means, adding up to 1; ``photo`` alone where it means none."""
    modifiers: Mapping[str, float]
    """Modifiers that it names: temperature and brightness -1..1, vividness and softness 0..1."""
    unknown_words: tuple[str, ...]
    """Content words that the model does not know, in order, each once."""
    confidence: float = 1.0
    """How likely the looks are what was meant, 0..1."""
    nearest: tuple[str, ...] = ()
    """Where the confidence is below a half, the looks that come nearest, the nearest first."""


@lru_cache(maxsize=256)
def understand(prompt: str) -> Understanding:
    """Understand a prompt of any length and language: total, never raises.

    ``"an ink drawing, warm"`` is ink, and warm: looks that are named share the weight equally, ``very`` and
    ``slightly`` scale the modifier after them, ``no`` and ``without`` strike out the next phrase. ``"mermaid kingdom"``
    is more than the vocabulary has: coral, by a guess. Where it is likelier than not that no look is meant the best
    guess still counts, unless it is worth less than a quarter: that is ``photo``. The nearest looks are offered then.
    """
    words = vocabulary.words(prompt)
    matches = list(vocabulary.matches(words, meaning.known))
    kept = [match for match in matches if not match.negated]
    unread = [match for match in kept if not match.phrase]
    unknown = tuple(dict.fromkeys(m.words[0] for m in matches if not m.phrase and not meaning.known(m.words[0])))
    modifiers = MappingProxyType(_modifiers(kept))
    named = _named(kept)
    readable = [match for match in unread if match.words[0] not in unknown]
    guess = meaning.guess(_without(words, matches)) if readable or (unread and not named) else None
    decided = None if guess is None else _decided(guess, _strong(kept))
    if decided is None or (not readable and decided.confidence < _UNSURE):
        told = MappingProxyType({name: 1 / len(named) for name in named} or {"photo": 1.0})
        lost = len(unread) / max(len(kept), 1)
        return Understanding(told, modifiers, unknown, round(1 - _UNREAD * lost, 3) if lost < 1 else 0.0)
    effectless = unknown if readable else ()  # else the encoder knew what the table did not
    return replace(decided, modifiers=modifiers, unknown_words=effectless)


def _named(matches: Sequence[Match]) -> tuple[str, ...]:
    """The looks that are named, in order; by phrases that count only where there is no other, if need be."""
    weak = vocabulary.read().weak
    return _strong(matches) or tuple(dict.fromkeys(weak[m.phrase] for m in matches if m.phrase in weak))


def _strong(matches: Sequence[Match]) -> tuple[str, ...]:
    looks = vocabulary.read().looks
    named = dict.fromkeys(looks[match.phrase] for match in matches if match.phrase in looks)
    if len(named) > 1:
        named.pop("photo", None)  # "a photo turned into ice" is ice
    return tuple(named)


def _without(words: Sequence[str], matches: Iterable[Match]) -> list[str]:
    """The words but for those that were struck out, and for the negations."""
    negations = vocabulary.read().negations
    struck = {word for match in matches if match.negated for word in match.words}
    return [word for word in words if word not in struck and word not in negations]


def _decided(shares: Mapping[str, float], named: Sequence[str]) -> Understanding:
    """Make a few weights of the shares of all classes, the confidence, and what to offer where that is low."""
    odds = {name: share * (_NAMED if name in named and name != "photo" else 1) for name, share in shares.items()}
    total = sum(odds.values())
    ranked = sorted(layout.LOOK_NAMES, key=lambda name: -odds[name])
    floor = _FLOOR * odds[ranked[0]]
    best = [name for name in ranked[:_MOST_LOOKS] if odds[name] >= floor]
    best = ["photo"] if best[0] == "photo" else [name for name in best if name != "photo"]
    together = sum(odds[name] for name in best)
    confidence = round(together / total, 3)
    looks = {name: round(odds[name] / together, 3) for name in best[1:]}
    looks = {best[0]: round(1.0 - sum(looks.values()), 3), **looks}
    nearest = tuple(name for name in ranked if name != "photo")[:_MOST_LOOKS] if confidence < _UNSURE else ()
    weights = MappingProxyType(looks if confidence >= _HOPELESS else {"photo": 1.0})
    return Understanding(weights, MappingProxyType({}), (), confidence, nearest)


def _modifiers(matches: Sequence[Match]) -> dict[str, float]:
    """Add up what the matches say of each modifier, within its range; what cancels out is left out."""
    values = vocabulary.read().modifiers
    total: dict[str, float] = {}
    for match in matches:
        for name, value in values.get(match.phrase, {}).items():
            total[name] = total.get(name, 0.0) + value * match.strength
    clipped = {name: max(-1.0 if name in _SIGNED else 0.0, min(1.0, value)) for name, value in total.items()}
    return {name: round(value, 6) for name, value in clipped.items() if value}


LOOKS: tuple[str, ...] = layout.LOOK_NAMES
"""Names of the looks, each understood as a prompt."""

DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {name: vocabulary.table()["looks"][name]["description"] for name in layout.LOOK_NAMES}
)
"""One line about each look."""
