"""Changes to a show file's text that leave everything else as its author wrote it, byte for byte.

The texts are files that `read` took. What is taken out goes with the comments inside of it; those above it stay.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from mirage_protocol import DEFAULT_STREAM, PARAMETERS, ParameterValue, ProtocolError
from mirage_runtime.show.document import Binding, Cue
from mirage_runtime.show.positions import Path, Statement, inside, statements
from mirage_runtime.show.reading import read

_DIGITS = 6  # a fader's 0.30000001192092896 is 0.3

# Behind an item: its comma, a comment, and nothing but a comment until the line ends.
_COMMA = re.compile(r"(?:\s|#[^\n]*\n)*,")
_COMMENT = re.compile(r"[ \t]*#[^\r\n]*")
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?\n")

Span = tuple[int, int]


def with_preset(text: str, name: str, stream: str, values: Mapping[str, ParameterValue]) -> str:
    """Return the text with a preset's values for one stream; what it says of other streams stays."""
    preset = tomllib.loads(text).get("presets", {}).get(name, {})
    own = stream == DEFAULT_STREAM and stream not in preset
    table: Path = ("presets", name) if own else ("presets", name, stream)
    for parameter in PARAMETERS:
        value = values.get(parameter)
        if value == [] and parameter == "prompts":  # to name the prompt alone says that already
            text = _without(text, (*table, parameter))
        elif value is not None:
            text = _with(text, (*table, parameter), value)
    return text


def without_preset(text: str, name: str) -> str:
    """Return the text without a preset; raises `ProtocolError` where there is none of that name."""
    if name not in tomllib.loads(text).get("presets", {}):
        raise ProtocolError("unsupported", f"there is no preset {name[:80]!r}", "preset")
    return _without(text, ("presets", name))


def with_cue(text: str, cue: Cue) -> str:
    """Return the text with a cue: that of the same number changed, or one more at the end."""
    said: dict[str, Any] = {"number": cue.number, "name": cue.name, "preset": cue.preset, "fade": cue.fade}
    said |= {"curve": cue.curve, "follow": cue.follow, "osc": cue.osc}
    usual = {"name": "", "fade": 0.0, "curve": "linear", "follow": None, "osc": None}
    unsaid = [key for key, value in usual.items() if said[key] == value]
    place = read(text, "the show file").index(cue.number)
    if place is None:
        return _with_one_more(text, "cues", {key: value for key, value in said.items() if key not in unsaid})
    for key in said.keys() - {"number"}:
        path: Path = ("cues", place, key)
        text = _without(text, path) if key in unsaid else text
    for key, value in said.items():
        if key not in unsaid and key != "number":
            text = _with(text, ("cues", place, key), value)
    return text


def without_cue(text: str, number: str) -> str:
    """Return the text without a cue; raises `ProtocolError` where there is none of that number.

    The others keep their numbers: those that had none are given the one they had.
    """
    show = read(text, "the show file")
    place = show.index(number)
    if place is None:
        raise ProtocolError("unsupported", f"there is no cue {number[:80]!r}", "cue")
    cues = tomllib.loads(text)["cues"]
    numbers = {index: show.cues[index].number for index in range(place + 1, len(cues)) if "number" not in cues[index]}
    return _without(_numbered(text, numbers), ("cues", place))


def with_binding(text: str, binding: Binding) -> str:
    """Return the text with a MIDI control that moves a parameter; it takes the place of those that moved it before."""
    assert binding.parameter is not None
    said: dict[str, Any] = {binding.kind: True if binding.number is None else binding.number}
    said |= {"channel": binding.channel, "port": binding.port, "stream": binding.stream, "parameter": binding.parameter}
    unsaid = [key for key, value in said.items() if value is None or (key, value) == ("stream", DEFAULT_STREAM)]
    text = _without_bindings(text, binding.stream, binding.parameter)
    return _with_one_more(text, "midi", {key: value for key, value in said.items() if key not in unsaid})


def without_bindings(text: str, stream: str, parameter: str) -> str:
    """Return the text without the MIDI controls that move a parameter; raises `ProtocolError` where there are none."""
    changed = _without_bindings(text, stream, parameter)
    if changed == text:
        raise ProtocolError("unsupported", f"no MIDI control moves {parameter} of the stream {stream}", "parameter")
    return changed


def _without_bindings(text: str, stream: str, parameter: str) -> str:
    bindings = read(text, "the show file").midi
    for index in reversed(range(len(bindings))):
        if (bindings[index].stream, bindings[index].parameter) == (stream, parameter):
            text = _without(text, ("midi", index))
    return text


# One value, one table.


def _with(text: str, path: Path, value: Any) -> str:
    """Return the text with a value where it has one, else behind what its table says, else in a new table."""
    there, table = statements(text), path[:-1]
    around = _around(text, there, path)
    for each in there if around is None else inside(text, around):
        if each.path == path and not each.header:
            return text[: each.value] + _toml(value) + text[each.stop :]
    if around is not None:
        return _with_item(text, around, _entry(path[len(around.path) :], value))
    if any(each.header and each.path == table for each in there):
        return _with_lines(text, _block(there, table)[1], [_entry(path[-1:], value)])
    # A table that `a.b = 1` makes by the way may have no header: there its keys stand beside that one.
    for each in reversed(there):
        outside = len(each.path) - each.own
        if not each.header and each.path[:-1][: len(table)] == table and outside < len(table):
            return _with_lines(text, each.end, [_entry(path[outside:], value)])
    header = f"[{'.'.join(map(_key, table))}]"
    return _with_table(text, _behind(there, table), [header, _entry(path[-1:], value)])


def _with_one_more(text: str, array: str, values: Mapping[str, Any]) -> str:
    """Return the text with one more table at the end of an array."""
    there = statements(text)
    for each in there:
        if each.path == (array,) and not each.header:
            return _with_item(text, each, _toml(values))
    lines = [_entry((key,), value) for key, value in values.items()]
    return _with_table(text, _behind(there, (array,)), [f"[[{array}]]", *lines])


def _without(text: str, path: Path) -> str:
    """Return the text without a value, or a table and all that is in it, or as it was where there is none."""
    there = statements(text)
    around = _around(text, there, path)
    if around is not None:
        found = [index for index, each in enumerate(inside(text, around)) if each.path[: len(path)] == path]
        for index in reversed(found):
            text = _without_item(text, inside(text, around), index)
        return text
    for start, end in reversed(list(_spans(there, path))):
        text = _cut(text, start, end)
    return text


def _numbered(text: str, numbers: Mapping[int, str]) -> str:
    """Return the text with numbers for cues that have none."""
    headers = {each.path: each for each in statements(text) if each.header}
    for index, number in sorted(numbers.items(), reverse=True):
        header = headers.get(("cues", index))
        if header is None:
            text = _with(text, ("cues", index, "number"), number)
        else:
            text = _with_lines(text, header.end, [_entry(("number",), number)])
    return text


# Where things stand.


def _block(there: list[Statement], table: Path) -> Span:
    """Return where a table starts, that has a header, and where it ends: behind its last entry."""
    first = last = next(index for index, each in enumerate(there) if each.header and each.path == table)
    while last + 1 < len(there) and not there[last + 1].header:
        last += 1
    return there[first].start, there[last].end


def _spans(there: list[Statement], path: Path) -> Iterable[Span]:
    """Yield where all stands that is said of a path and of what is in it."""
    block = False
    for each in there:
        within = each.path[: len(path)] == path
        if each.header:
            block = within
        if within and each.header:
            yield _block(there, each.path)
        elif within and not block:
            yield each.start, each.end


def _behind(there: list[Statement], path: Path) -> int | None:
    """Return where a table may begin that belongs beside ``path``, None for the end of the file."""
    for length in range(len(path), 0, -1):
        headers = [each for each in there if each.header and each.path[:length] == path[:length]]
        if headers:
            return _block(there, headers[-1].path)[1]
    return None


def _around(text: str, there: list[Statement], path: Path) -> Statement | None:
    """Return the innermost inline table or array that ``path`` lies in."""
    for each in there:
        holds = not each.header and text[each.value] in "[{"
        if holds and each.path == path[: len(each.path)] and each.path != path:
            return _around(text, inside(text, each), path) or each
    return None


# Text.


def _with_lines(text: str, at: int, lines: list[str]) -> str:
    newline = _newline(text)
    before = text[:at] + (newline if at and text[at - 1] != "\n" else "")
    return before + "".join(line + newline for line in lines) + text[at:]


def _with_table(text: str, at: int | None, lines: list[str]) -> str:
    """Return the text with a table, an empty line before it and one behind it."""
    at = len(text) if at is None else at
    above = [""] if text[:at].strip() and not re.search(r"\n[ \t]*\r?\n\Z", text[:at]) else []
    below = [""] if text[at:].strip() and not re.match(r"[ \t]*\r?\n", text[at:]) else []
    return _with_lines(text, at, [*above, *lines, *below])


def _cut(text: str, start: int, end: int) -> str:
    """Return the text without a part; of the empty lines around it those above are enough."""
    before, after = text[:start], text[end:]
    if not before.strip() or re.search(r"\n[ \t]*\r?\n\Z", before):
        after = re.sub(r"\A(?:[ \t]*\r?\n)+", "", after)
    if not after.strip():
        before = re.sub(r"(?<=\n)(?:[ \t]*\r?\n)+\Z", "", before)
    return before + after


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _entry(keys: Path, value: Any) -> str:
    return f"{'.'.join(map(_key, keys))} = {_toml(value)}"


def _key(key: str | int) -> str:
    text = str(key)
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _toml(text)


def _toml(value: Any) -> str:
    if isinstance(value, float):
        return repr(float(f"{value:.{_DIGITS}g}"))
    if isinstance(value, Mapping):
        return "{" + ", ".join(_entry((key,), inner) for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # JSON's texts, whole numbers and truths are TOML's too, but for one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# Inline tables and arrays.


def _with_item(text: str, around: Statement, item: str) -> str:
    """Return the text with one more item at the end; where each has a line of its own, it has one too."""
    items = inside(text, around)
    if not items:
        return text[: around.value + 1] + item + text[around.value + 1 :]
    last = items[-1]
    margin = re.search(r"(\r?\n[ \t]*)\Z", text[: last.start])
    rest = _COMMA.match(text, last.end)
    comma, at = ("", last.end) if rest is None else (",", rest.end())
    comment = _COMMENT.match(text, at)
    behind, between = (at, " ") if comment is None else (comment.end(), _newline(text))
    before = text[: last.end] + ("" if rest else ",") + text[last.end : behind]
    return before + (margin[1] if margin else between) + item + comma + text[behind:]


def _without_item(text: str, items: list[Statement], index: int) -> str:
    """Return the text without an item, its comma, and its lines where it has them for itself."""
    start, end = items[index].start, items[index].end
    line, comma = text.rfind("\n", 0, start) + 1, _COMMA.match(text, end)
    rest = _REST.match(text, end if comma is None else comma.end())
    if rest and not text[line:start].strip():
        return text[:line] + text[rest.end() :]
    if comma:
        return text[:start] + text[comma.end() :].lstrip(" \t")
    return text[: items[index - 1].end if index else start] + text[end:]
