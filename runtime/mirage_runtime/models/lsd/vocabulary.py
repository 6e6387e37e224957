"""The words that ``lsd-mini`` was told: reads ``vocabulary.toml`` and finds its phrases in a text.

The longest phrase wins, plurals and common endings are folded, near misspellings of the names of looks are accepted.
Pure Python; nothing is imported but the standard library.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "vocabulary.toml"

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE, _APOSTROPHE = re.compile(r"(?<=\w)['’]s\b", re.IGNORECASE), re.compile(r"['’]")
_ENDINGS = ("s", "es", "ed", "d", "ing", "y", "ish", "style", "like", "ly")
# What anybody would write, with room to spare: a thousand ligatures unfold to eighteen thousand letters.
_LONGEST_TEXT, _LONGEST_WORD, _MOST_WORDS = 2000, 40, 200


@dataclass(frozen=True)
class Match:
    """A run of words: a known phrase, or one word that is none (``phrase`` is empty then)."""

    words: tuple[str, ...]
    """As they stand in the text."""
    phrase: tuple[str, ...] = ()
    """As the vocabulary has it."""
    strength: float = 1.0
    """Product of the words before it that scale a modifier."""
    negated: bool = False


@dataclass
class Vocabulary:
    """The vocabulary, turned around: from phrases, as tuples of words, to meanings."""

    looks: dict[tuple[str, ...], str] = field(default_factory=dict)
    weak: dict[tuple[str, ...], str] = field(default_factory=dict)
    modifiers: dict[tuple[str, ...], Mapping[str, float]] = field(default_factory=dict)
    strength: dict[str, float] = field(default_factory=dict)
    negations: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    longest: int = 1

    def knows(self, phrase: tuple[str, ...]) -> bool:
        """Whether this is a look's or a modifier's phrase."""
        return phrase in self.looks or phrase in self.weak or phrase in self.modifiers

    def function_word(self, word: str) -> bool:
        """Whether a word says nothing of its own: an article, a negation, "very"."""
        known = word in self.strength or word in self.negations or word in self.ignored
        return known or (word.endswith("s") and word[:-1] in self.ignored)


def words(text: str) -> list[str]:
    """Lower-case words without accents, apostrophes and the possessive's s; at most 200 of at most 40 letters."""
    plain = unicodedata.normalize("NFKD", _APOSTROPHE.sub("", _POSSESSIVE.sub("", text[:_LONGEST_TEXT].casefold())))
    letters = "".join(c for c in plain[:_LONGEST_TEXT] if not unicodedata.combining(c))
    return [word[:_LONGEST_WORD] for word in _WORD.findall(letters)[:_MOST_WORDS]]


def matches(run: list[str], known: Callable[[str], bool] = lambda _: False) -> Iterator[Match]:
    """Walk over words, the longest phrase first; function words act on what follows them.

    A word that is ``known`` elsewhere is never taken for a misspelling.
    """
    vocabulary = read()
    place, strength, negated = 0, 1.0, False
    while place < len(run):
        phrase, taken = _phrase_at(run, place, known)
        if phrase:
            yield Match(tuple(run[place : place + taken]), phrase, strength, negated)
            strength, negated = 1.0, False
        elif run[place] in vocabulary.negations:
            negated = True
        elif run[place] in vocabulary.strength:
            strength *= vocabulary.strength[run[place]]
        elif not vocabulary.function_word(run[place]):
            yield Match((run[place],), strength=strength, negated=negated)
            strength, negated = 1.0, False
        place += taken


@cache
def read() -> Vocabulary:
    """Read ``vocabulary.toml``, once."""
    content = table()
    result = Vocabulary()
    for name, look in content["looks"].items():
        result.looks |= {tuple(phrase.split()): name for phrase in look["phrases"]}
        result.weak |= {tuple(phrase.split()): name for phrase in look.get("weak", ())}
    for modifier in content["modifiers"].values():
        result.modifiers |= {tuple(phrase.split()): modifier["values"] for phrase in modifier["phrases"]}
    result.strength = content["strength"]
    result.negations = frozenset(content["negation"]["words"])
    result.ignored = frozenset(content["ignored"]["words"])
    result.longest = max(len(phrase) for phrase in [*result.looks, *result.weak, *result.modifiers])
    return result


@cache
def table() -> dict[str, Any]:
    """The file's content as it stands."""
    return tomllib.loads(PATH.read_text(encoding="utf-8"))


def _phrase_at(run: list[str], place: int, known: Callable[[str], bool]) -> tuple[tuple[str, ...], int]:
    """The longest known phrase that starts at ``place`` and how many words it takes; an empty one takes one."""
    vocabulary = read()
    for length in range(min(vocabulary.longest, len(run) - place), 0, -1):
        phrase = tuple(run[place : place + length])
        if vocabulary.knows(phrase):
            return phrase, length
        folded = tuple(_folded(word, vocabulary) for word in phrase)
        if vocabulary.knows(folded):
            return folded, length
    word = run[place]
    if not vocabulary.function_word(word) and not known(word) and (close := _misspelt(word)):
        return (close,), 1
    return (), 1


def _folded(word: str, vocabulary: Vocabulary) -> str:
    """A known single word that ``word`` is a form of, else the word itself."""
    if vocabulary.function_word(word):
        return word
    return next((form for form in forms(word) if vocabulary.knows((form,))), word)


def forms(word: str) -> list[str]:
    """What ``word`` may be a form of: without an ending, or with one."""
    bare = [word.removesuffix(e) for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 3]
    bare += [form + "e" for form in bare] + [form + "y" for form in bare]
    bare += [form[:-1] for form in bare if len(form) > 3 and form[-1] == form[-2]]
    return [*bare, word + "s", word + "y"]


@cache
def _single_words() -> tuple[str, ...]:
    """Single words that misspellings may mean: names and synonyms of looks."""
    return tuple(phrase[0] for phrase in read().looks if len(phrase) == 1 and len(phrase[0]) >= 4)


def _misspelt(word: str) -> str:
    """A known word of the one look that ``word`` is a slip away from, or "".

    Two neighbours exchanged (from four letters), a letter too many or too few (from six), another letter (from eight):
    short words have too many honest neighbours. The first letter must be right.
    """
    if len(word) < 4 or len(word) > 24:
        return ""
    close = {known for known in _single_words() if known[0] == word[0] and _one_slip(word, known)}
    meant = {read().looks[(known,)] for known in close}
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
