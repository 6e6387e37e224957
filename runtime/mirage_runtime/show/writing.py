"""Changes to a show file's text that leave everything else as its author wrote it, comments too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.items import AoT, Array

from mirage_protocol import DEFAULT_STREAM, PARAMETERS, ParameterValue, ProtocolError
from mirage_runtime.show.document import Binding, Cue

_DIGITS = 4  # a fader's 0.30000001192092896 is 0.3


def with_preset(text: str, name: str, stream: str, values: Mapping[str, ParameterValue]) -> str:
    """Return the text with a preset's values for one stream; what it says of other streams stays."""
    document = tomlkit.parse(text)
    presets = document.setdefault("presets", tomlkit.table(is_super_table=True))
    preset = presets.setdefault(name, tomlkit.table())
    place = preset if stream == DEFAULT_STREAM else preset.setdefault(stream, tomlkit.table())
    for parameter in PARAMETERS:
        value = values.get(parameter)
        if value == [] and parameter == "prompts":  # to name the prompt alone says that already
            place.pop(parameter, None)
        elif value is not None:
            place[parameter] = _item(value)
    return _text(document)


def without_preset(text: str, name: str) -> str:
    """Return the text without a preset."""
    document = tomlkit.parse(text)
    presets: Any = document["presets"]
    presets.remove(name)
    return _text(document)


def with_cue(text: str, cue: Cue) -> str:
    """Return the text with a cue: that of the same number changed, or one more at the end."""
    document = tomlkit.parse(text)
    cues = document.setdefault("cues", tomlkit.aot())
    place = _place(cues, cue.number)
    table = tomlkit.table() if place is None else cues[place]
    said: dict[str, Any] = {"number": cue.number, "name": cue.name, "preset": cue.preset, "fade": cue.fade}
    said |= {"curve": cue.curve, "follow": cue.follow, "osc": cue.osc}
    usual = {"name": "", "fade": 0.0, "curve": "linear", "follow": None, "osc": None}
    for key, value in said.items():
        if key in usual and value == usual[key]:
            table.pop(key, None)
        elif key != "number" or place is None:
            table[key] = _item(value)
    if place is None:
        cues.append(table)
    return _text(document)


def without_cue(text: str, number: str) -> str:
    """Return the text without a cue. The others keep their numbers: those that had none are given the one they had."""
    document = tomlkit.parse(text)
    cues: Any = document["cues"]
    place = _place(cues, number)
    for index in range((place or 0) + 1, len(cues)):
        cues[index].setdefault("number", str(index + 1))
    del cues[place]
    return _text(document)


def with_binding(text: str, binding: Binding) -> str:
    """Return the text with a MIDI control that moves a parameter; it takes the place of those that moved it before."""
    assert binding.parameter is not None
    document = tomlkit.parse(_without_bindings(text, binding.stream, binding.parameter))
    table = tomlkit.table()
    table[binding.kind] = True if binding.number is None else binding.number
    said = {"channel": binding.channel, "port": binding.port, "stream": binding.stream, "parameter": binding.parameter}
    for key, value in said.items():
        if value is not None and not (key == "stream" and value == DEFAULT_STREAM):
            table[key] = value
    document.setdefault("midi", tomlkit.aot()).append(table)
    return _text(document)


def without_bindings(text: str, stream: str, parameter: str) -> str:
    """Return the text without the MIDI controls that move a parameter; raises `ProtocolError` where there are none."""
    changed = _without_bindings(text, stream, parameter)
    if changed == text:
        raise ProtocolError("unsupported", f"no MIDI control moves {parameter} of the stream {stream}", "parameter")
    return changed


def _without_bindings(text: str, stream: str, parameter: str) -> str:
    document = tomlkit.parse(text)
    bindings: Any = document.get("midi", [])
    for index in reversed(range(len(bindings))):
        entry = bindings[index]
        if entry.get("parameter") == parameter and entry.get("stream", DEFAULT_STREAM) == stream:
            del bindings[index]
    if "midi" in document and not bindings:
        document.remove("midi")
    return _text(document)


def _place(cues: AoT | Array | Any, number: str) -> int | None:
    """Return where a cue stands; one without a number has that of its place."""
    numbers = [str(cue.get("number", index + 1)) for index, cue in enumerate(cues)]
    numbers = [f"{float(text):g}" if text.replace(".", "", 1).isdigit() else text for text in numbers]
    return numbers.index(number) if number in numbers else None


def _item(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, list):
        parts = tomlkit.array()
        for part in value:
            if isinstance(part, Mapping):
                inline = tomlkit.inline_table()
                inline.update({key: _item(inner) for key, inner in part.items()})
                part = inline
            parts.append(part)
        return parts
    return value


def _text(document: tomlkit.TOMLDocument) -> str:
    return tomlkit.dumps(document)
