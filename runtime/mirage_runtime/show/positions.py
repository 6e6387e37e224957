"""Where in a TOML file a key stands: parsers say that of a syntax error, and of nothing else."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from typing import Any

Path = tuple[str | int, ...]
"""Keys from the outermost in, and the index of a table in an array of tables."""

Position = tuple[int, int]
"""Line and column, from 1."""

_KEY = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEYS})\s*\]")
_ENTRY = re.compile(rf"\s*({_KEYS})\s*=")
_QUOTES = re.compile(r'"""|\'\'\'')


def positions(text: str) -> Mapping[Path, Position]:
    """Return where each table and key begins of a text that is valid TOML, but for keys inside of inline tables."""
    found: dict[Path, Position] = {}
    counts: Counter[Path] = Counter()
    table: Path = ()
    quote = None
    for number, line in enumerate(text.splitlines(), 1):
        if quote is None and (header := _HEADER.match(line)):
            table = _of_header(_keys(header[2]), header[1] == "[[", counts)
            found[table] = (number, header.start(1) + 1)
        elif quote is None and (entry := _ENTRY.match(line)):
            found.setdefault(table + _keys(entry[1]), (number, entry.start(1) + 1))
        quote = _open_quote(line, quote)
    return found


def position(found: Mapping[Path, Position], path: Path) -> Position:
    """Return where ``path`` stands, or the innermost thing around it that is known."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path, (1, 1))


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


def _open_quote(line: str, quote: str | None) -> str | None:
    """Return the quotes of a string over several lines that is open at the end of this line."""
    for mark in _QUOTES.findall(line):
        if quote is None:
            quote = mark
        elif quote == mark:
            quote = None
    return quote


def syntax_error(error: tomllib.TOMLDecodeError) -> tuple[Any, str]:
    """Return the position (None where it is the end of the file) and the text of a parser's complaint."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
    if found is None:
        return None, str(error)
    return (int(found[2]), int(found[3])) if found[2] else None, found[1]
