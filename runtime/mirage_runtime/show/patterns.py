"""Address patterns of OSC 1.0 (its section "OSC Message Dispatching and Pattern Matching").

They come from outside, so they are matched in time that grows with pattern times address: a regular expression made of
one with many stars could keep a daemon busy for years.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_TOKEN = re.compile(
    r"(?P<star>\*+)|(?P<any>\?)|\[(?P<set>!?[^\]/]+)\]|\{(?P<choice>[^{}/]*)\}|(?P<literal>[^*?\[\]{}])"
)

# From a place in the address to the places behind what was matched.
_Step = Callable[[str, int], Iterable[int]]

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
            places = {end for start in places for end in step(address, start)}
        return len(address) in places

    return matches


def _step(found: re.Match[str]) -> _Step:
    kind, text = found.lastgroup, found[found.lastgroup or 0]
    if kind == "star":
        return _star
    if kind == "any":
        return lambda address, at: [at + 1] if address[at : at + 1] not in ("", "/") else []
    if kind == "set":
        negated, characters = text.startswith("!"), _characters(text.removeprefix("!"))
        return lambda address, at: [at + 1] if at < len(address) and (address[at] in characters) != negated else []
    if kind == "choice":
        words = text.split(",")
        return lambda address, at: [at + len(word) for word in words if address.startswith(word, at)]
    return lambda address, at: [at + 1] if address.startswith(text, at) else []


def _star(address: str, at: int) -> Iterable[int]:
    end = address.find("/", at)
    return range(at, (len(address) if end < 0 else end) + 1)


def _characters(text: str) -> set[str]:
    """Return the characters of a set such as ``a-cx``."""
    found = set(text)
    for low, high in zip(text, text[2:], strict=False):
        if text[text.index(low) + 1] == "-":
            found |= {chr(code) for code in range(ord(low), min(ord(high), 127) + 1)}
    return found
