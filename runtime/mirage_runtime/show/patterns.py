"""Address patterns of OSC 1.0 (its section "OSC Message Dispatching and Pattern Matching").

They come from outside, so they are matched in time that grows with pattern times address: a regular expression made of
one with many stars could keep a daemon busy for years.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_TOKEN = re.compile(
    r"(?P<star>\*+)|(?P<any>\?)|\[(?P<set>!?[^\]!/][^\]/]*)\]|\{(?P<choice>[^{}/]*)\}|(?P<literal>[^*?\[\]{}])"
)

# From places in the address to the places behind what was matched.
_Step = Callable[[str, set[int]], set[int]]

SPECIAL = frozenset("*?[]{}")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return whether an address matches ``pattern``; raises ValueError for a bracket that nothing closes."""
    steps, place = [], 0
    while place < len(pattern):
        found = _TOKEN.match(pattern, place)
        if found is None:
            raise ValueError(f"the bracket at {place} is not closed")
        steps.append(_step(found))
        place = found.end()

    def matches(address: str) -> bool:
        places = {0}
        for step in steps:
            places = step(address, places)
        return len(address) in places

    return matches


def _step(found: re.Match[str]) -> _Step:
    kind, text = found.lastgroup, found[found.lastgroup or 0]
    if kind == "star":
        return _star
    if kind == "any":
        return _one(lambda character: True)
    if kind == "set":
        negated, characters = text.startswith("!"), _characters(text.removeprefix("!"))
        return _one(lambda character: (character in characters) != negated)
    words = text.split(",") if kind == "choice" else [text]
    return lambda address, places: {at + len(word) for at in places for word in words if address.startswith(word, at)}


def _one(matches: Callable[[str], bool]) -> _Step:
    """Return the step over one character, but no slash, that ``matches``."""
    return lambda address, places: {
        at + 1 for at in places if address[at : at + 1] not in ("", "/") and matches(address[at])
    }


def _star(address: str, places: set[int]) -> set[int]:
    """Step over any characters but slashes, each of them once, however many places lead to it."""
    reached: set[int] = set()
    for at in sorted(places):
        if at not in reached:
            end = address.find("/", at)
            reached.update(range(at, (len(address) if end < 0 else end) + 1))
    return reached


def _characters(text: str) -> set[str]:
    """Return the characters of a set such as ``a-cx``; a minus at an end is one."""
    found, place = set(), 0
    while place < len(text):
        if text[place + 1 : place + 2] == "-" and place + 2 < len(text):
            found |= {chr(code) for code in range(ord(text[place]), min(ord(text[place + 2]), 127) + 1)}
            place += 3
        else:
            found.add(text[place])
            place += 1
    return found
