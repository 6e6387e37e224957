"""Understands prompts: free text to weights of looks, modifiers, and the words that mean nothing to the model.

A small, predictable encoder over ``vocabulary.toml`` rather than a learned one: an operator in a show must be able to
rely on it. The longest phrase wins, plurals and common endings are folded, near misspellings of known words are
accepted, and a word that is not known never takes weight from one that is: it is named, so that the acknowledgement can
say so. Pure Python; nothing is imported but the standard library.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mirage_runtime.models.lsd import layout

_PATH = Path(__file__).parent / "vocabulary.toml"
_WORD = re.compile(r"[^\W_]+")
_APOSTROPHE = re.compile(r"['’]")
_ENDINGS = ("s", "es", "ed", "d", "ing", "y", "ish", "style", "like", "ly")
_SIGNED = ("temperature", "brightness")
# What anybody would write, with room to spare: a thousand ligatures unfold to eighteen thousand letters.
_LONGEST_TEXT, _LONGEST_WORD, _MOST_WORDS = 2000, 40, 200


@dataclass(frozen=True)
class Understanding:
    """What a prompt was taken to mean."""

    looks: Mapping[str, float]
    """Weights of the looks that it names, adding up to 1; ``photo`` alone where it names none."""
    modifiers: Mapping[str, float]
    """Modifiers that it names: temperature and brightness -1..1, vividness and softness 0..1."""
    unknown_words: tuple[str, ...]
    """Content words that the model does not know, in order, each once."""


@dataclass
class _Vocabulary:
    """The vocabulary, turned around: from phrases, as tuples of words, to meanings."""

    looks: dict[tuple[str, ...], str] = field(default_factory=dict)
    weak: dict[tuple[str, ...], str] = field(default_factory=dict)
    modifiers: dict[tuple[str, ...], Mapping[str, float]] = field(default_factory=dict)
    strength: dict[str, float] = field(default_factory=dict)
    negations: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    longest: int = 1

    def knows(self, phrase: tuple[str, ...]) -> bool:
        return phrase in self.looks or phrase in self.weak or phrase in self.modifiers

    def function_word(self, word: str) -> bool:
        known = self.strength.keys() | self.negations | self.ignored
        return word in known or (word.endswith("s") and word[:-1] in self.ignored)


@dataclass(frozen=True)
class _Match:
    """One phrase that was found, or one word that was not (``phrase`` is empty then)."""

    phrase: tuple[str, ...]
    word: str = ""
    strength: float = 1.0
    negated: bool = False


@lru_cache(maxsize=256)
def understand(prompt: str) -> Understanding:
    """Understand a prompt of any length and language: total, never raises.

    ``"an ink drawing of my dog, warm"`` is ink, warm, and the unknown word ``dog``. Looks that are named share the
    weight equally; ``very`` and ``slightly`` scale the modifier after them; ``no`` and ``without`` strike out the next
    phrase.
    """
    vocabulary = _vocabulary()
    matches = list(_matches(_words(prompt), vocabulary))
    unknown = dict.fromkeys(match.word for match in matches if not match.phrase)
    known = [match for match in matches if match.phrase and not match.negated]
    named = dict.fromkeys(vocabulary.looks[m.phrase] for m in known if m.phrase in vocabulary.looks)
    if not named:
        named = dict.fromkeys(vocabulary.weak[m.phrase] for m in known if m.phrase in vocabulary.weak)
    if len(named) > 1:
        named.pop("photo", None)  # "a photo turned into ice" is ice
    looks = {name: 1 / len(named) for name in named} or {"photo": 1.0}
    return Understanding(MappingProxyType(looks), MappingProxyType(_modifiers(known, vocabulary)), tuple(unknown))


def _modifiers(matches: Sequence[_Match], vocabulary: _Vocabulary) -> dict[str, float]:
    """Add up what the matches say of each modifier, within its range; what cancels out is left out."""
    total: dict[str, float] = {}
    for match in matches:
        for name, value in vocabulary.modifiers.get(match.phrase, {}).items():
            total[name] = total.get(name, 0.0) + value * match.strength
    clipped = {name: max(-1.0 if name in _SIGNED else 0.0, min(1.0, value)) for name, value in total.items()}
    return {name: round(value, 6) for name, value in clipped.items() if value}


def _words(prompt: str) -> list[str]:
    """Lower-case words without accents and apostrophes."""
    plain = unicodedata.normalize("NFKD", _APOSTROPHE.sub("", prompt.casefold()))
    letters = "".join(c for c in plain[:_LONGEST_TEXT] if not unicodedata.combining(c))
    return [word[:_LONGEST_WORD] for word in _WORD.findall(letters)[:_MOST_WORDS]]


def _matches(words: list[str], vocabulary: _Vocabulary) -> Iterator[_Match]:
    """Walk over the words, the longest phrase first; function words act on what follows them."""
    place, strength, negated = 0, 1.0, False
    while place < len(words):
        phrase, taken = _phrase_at(words, place, vocabulary)
        if phrase:
            yield _Match(phrase, strength=strength, negated=negated)
            strength, negated = 1.0, False
        elif words[place] in vocabulary.negations:
            negated = True
        elif words[place] in vocabulary.strength:
            strength *= vocabulary.strength[words[place]]
        elif not vocabulary.function_word(words[place]):
            yield _Match((), word=words[place])
            strength, negated = 1.0, False
        place += taken


def _phrase_at(words: list[str], place: int, vocabulary: _Vocabulary) -> tuple[tuple[str, ...], int]:
    """The longest known phrase that starts at ``place`` and how many words it takes; an empty one takes one."""
    for length in range(min(vocabulary.longest, len(words) - place), 0, -1):
        run = tuple(words[place : place + length])
        if vocabulary.knows(run):
            return run, length
        folded = tuple(_folded(word, vocabulary) for word in run)
        if vocabulary.knows(folded):
            return folded, length
    word = words[place]
    if not vocabulary.function_word(word):
        close = _misspelt(word)
        if close:
            return (close,), 1
    return (), 1


def _folded(word: str, vocabulary: _Vocabulary) -> str:
    """A known single word that ``word`` is a form of, else the word itself."""
    if vocabulary.function_word(word):
        return word
    forms = [word.removesuffix(e) for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 3]
    forms += [form + "e" for form in forms] + [form + "y" for form in forms]
    forms += [form[:-1] for form in forms if len(form) > 3 and form[-1] == form[-2]]
    forms += [word + "s", word + "y"]
    return next((form for form in forms if vocabulary.knows((form,))), word)


@cache
def _vocabulary() -> _Vocabulary:
    """Read ``vocabulary.toml`` once."""
    table: dict[str, Any] = tomllib.loads(_PATH.read_text(encoding="utf-8"))
    result = _Vocabulary()
    for name, look in table["looks"].items():
        result.looks |= {tuple(phrase.split()): name for phrase in look["phrases"]}
        result.weak |= {tuple(phrase.split()): name for phrase in look.get("weak", ())}
    for modifier in table["modifiers"].values():
        result.modifiers |= {tuple(phrase.split()): modifier["values"] for phrase in modifier["phrases"]}
    result.strength = table["strength"]
    result.negations = frozenset(table["negation"]["words"])
    result.ignored = frozenset(table["ignored"]["words"])
    result.longest = max(len(phrase) for phrase in [*result.looks, *result.weak, *result.modifiers])
    return result


@cache
def _single_words() -> tuple[str, ...]:
    """Single words that misspellings may mean: names and synonyms of looks."""
    vocabulary = _vocabulary()
    return tuple(phrase[0] for phrase in vocabulary.looks if len(phrase) == 1 and len(phrase[0]) >= 4)


def _misspelt(word: str) -> str:
    """A known word of the one look that ``word`` is a slip away from, or "".

    Two neighbours exchanged (from four letters), a letter too many or too few (from six), another letter (from eight):
    short words have too many honest neighbours. The first letter must be right.
    """
    if len(word) < 4 or len(word) > 24:
        return ""
    close = {known for known in _single_words() if known[0] == word[0] and _one_slip(word, known)}
    meant = {_vocabulary().looks[(known,)] for known in close}
    return min(close) if len(meant) == 1 else ""


def _one_slip(word: str, known: str) -> bool:
    start = next((i for i, (a, b) in enumerate(zip(word, known, strict=False)) if a != b), min(len(word), len(known)))
    rest, other = word[start:], known[start:]
    if len(word) == len(known):
        swapped = len(rest) > 1 and rest[0] == other[1] and rest[1] == other[0] and rest[2:] == other[2:]
        return swapped or (len(word) >= 8 and rest[1:] == other[1:])
    if abs(len(word) - len(known)) != 1 or max(len(word), len(known)) < 6:
        return False
    return rest[1:] == other if len(word) > len(known) else rest == other[1:]


def _descriptions() -> Mapping[str, str]:
    table = tomllib.loads(_PATH.read_text(encoding="utf-8"))["looks"]
    return MappingProxyType({name: table[name]["description"] for name in layout.LOOK_NAMES})


LOOKS: tuple[str, ...] = layout.LOOK_NAMES
"""Names of the looks, each understood as a prompt."""

DESCRIPTIONS: Mapping[str, str] = _descriptions()
"""One line about each look."""
