"""Where in a TOML file its tables and keys stand: parsers say that of a syntax error, and of nothing else."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Keys from the outermost in, and the index of a table in an array of tables."""

Position = tuple[int, int]
"""Line and column, from 1."""

_KEY = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEYS = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*(?P<brackets>\[\[?)[ \t]*(?P<keys>{_KEYS})[ \t]*\]")
_ENTRY = re.compile(rf"[ \t]*(?P<keys>{_KEYS})[ \t]*=[ \t]*")

# A text, which may have everything else in it; what a value goes on behind; what ends it; and the rest of it.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|(?P<comment>#[^\n]*)|(?P<opens>[\[{])|(?P<closes>[\]}])|(?P<comma>,)|(?P<ends>\n)"
    r"|[^\s,\[\]{}\"'#]+",
    re.DOTALL,
)


@dataclass(frozen=True)
class Statement:
    """``[table]``, ``[[table]]`` or ``key = value``, which may go on over several lines.

    ``own`` of the path's keys are in the statement itself, the others in the header that it stands under. Then come
    places in the text: ``start`` of its first line, ``first`` of what it says, ``value`` of its value, ``stop`` behind
    that (a comment may follow), and ``end`` behind its last line. Of what is inside of a value, ``start`` is ``first``
    and ``end`` is ``stop``.
    """

    path: Path
    own: int
    header: bool
    start: int
    first: int
    value: int
    stop: int
    end: int


def statements(text: str) -> list[Statement]:
    """Return what a text that is valid TOML consists of, in order; `inside` looks into its values."""
    found: list[Statement] = []
    counts: Counter[Path] = Counter()
    table: Path = ()
    for start, stop, end in _lines(text):
        if header := _HEADER.match(text, start, stop):
            keys = _keys(header["keys"])
            table = _of_header(keys, header["brackets"] == "[[", counts)
            found.append(Statement(table, len(keys), True, start, header.start("brackets"), stop, stop, end))
        elif entry := _ENTRY.match(text, start, stop):
            keys = _keys(entry["keys"])
            place = (start, entry.start("keys"), entry.end(), stop, end)
            found.append(Statement((*table, *keys), len(keys), False, *place))
    return found


def inside(text: str, around: Statement) -> list[Statement]:
    """Return the items of a value that is an array or an inline table, and none of any other."""
    if around.header or text[around.value] not in "[{":
        return []
    found: list[Statement] = []
    for start, stop in _items(text, around.value):
        entry = _ENTRY.match(text, start, stop) if text[around.value] == "{" else None
        keys = _keys(entry["keys"]) if entry else (len(found),)
        value = entry.end() if entry else start
        found.append(Statement((*around.path, *keys), len(keys), False, start, start, value, stop, stop))
    return found


def positions(text: str) -> Mapping[Path, Position]:
    """Return where each table, key and item begins of a text that is valid TOML."""
    found: dict[Path, Position] = {}
    line, start, seen = 1, 0, 0
    left = statements(text)[::-1]
    while left:
        each = left.pop()
        left += inside(text, each)[::-1]
        line, seen = line + text.count("\n", seen, each.first), each.first
        start = max(start, text.rfind("\n", start, each.first) + 1)
        here = (line, each.first - start + 1)
        for length in range(1, len(each.path)):
            found.setdefault(each.path[:length], here)
        if each.header:
            found[each.path] = here
        else:
            found.setdefault(each.path, here)
    return found


def position(found: Mapping[Path, Position], path: Path) -> Position:
    """Return where ``path`` stands, or the innermost thing around it that is known."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path, (1, 1))


def _lines(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield where each line starts, where what it says stops, and where it ends; a value may go on over many."""
    start = depth = 0
    comment = None
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "opens":
            depth += 1
        elif token.lastgroup == "closes":
            depth -= 1
        elif token.lastgroup == "comment" and depth == 0:
            comment = token.start()
        elif token.lastgroup == "ends" and depth == 0:
            yield start, _said(text, start, token.start() if comment is None else comment), token.end()
            start, comment = token.end(), None
    yield start, _said(text, start, len(text) if comment is None else comment), len(text)


def _items(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Yield where each item of an array or an inline table starts and stops, of the one that begins ``at``."""
    depth, start, stop = 0, None, at
    for token in _TOKEN.finditer(text, at):
        kind = token.lastgroup
        depth -= kind == "closes"
        if start is not None and (depth == 0 or (depth == 1 and kind == "comma")):
            yield start, stop
            start = None
        elif depth and kind not in ("comma", "comment", "ends"):
            start, stop = token.start() if start is None else start, token.end()
        if depth == 0 and kind == "closes":
            return
        depth += kind == "opens"


def _said(text: str, start: int, stop: int) -> int:
    return start + len(text[start:stop].rstrip(" \t\r"))


def _keys(dotted: str) -> tuple[str, ...]:
    """Return the keys of ``a."b.c".d``."""
    keys, value = [], tomllib.loads(f"{dotted} = 0")
    while isinstance(value, dict):
        ((key, inner),) = value.items()
        keys.append(key)
        value = inner
    return tuple(keys)


def _of_header(keys: tuple[str, ...], array: bool, counts: Counter[Path]) -> Path:
    """Return the table that a header opens: in arrays of tables, inside of the newest one."""
    path: Path = ()
    for depth, key in enumerate(keys, 1):
        path = (*path, key)
        if array and depth == len(keys):
            counts[path] += 1
        if counts[path]:
            path = (*path, counts[path] - 1)
    return path


def syntax_error(error: tomllib.TOMLDecodeError) -> tuple[Any, str]:
    """Return the position (None where it is the end of the file) and the text of a parser's complaint."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
    if found is None:
        return None, str(error)
    return (int(found[2]), int(found[3])) if found[2] else None, found[1]
