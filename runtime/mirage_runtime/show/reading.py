"""A show file's text becomes a `Show`, or a line that says where it is wrong (SHOW.md describes the file)."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NoReturn, get_args

from mirage_protocol import DEFAULT_STREAM, PARAMETERS, Curve, Parameter, ParameterValue, ProtocolError
from mirage_protocol.checks import Check, Choice, Flag, Integer, ListOf, MapOf, Number, Text, anything
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.names import is_stream
from mirage_runtime.show.document import (
    ACTIONS,
    FEATURES,
    MIDI_KINDS,
    Binding,
    Cue,
    Preset,
    Route,
    Show,
    Sound,
    Values,
)
from mirage_runtime.show.positions import Path, position, positions, syntax_error

_LONGEST = 86_400.0
_NAME = Text(200)
_SECONDS = Number(0.0, _LONGEST)
_TABLE = MapOf(anything)
_RANGE = ListOf(Number(), length=2)
_CURVE = Choice(get_args(Curve))


class ShowFileError(MirageRuntimeError):
    """A show file says something that it must not; the text names the file, the line and the column."""


def read(text: str, name: str) -> Show:
    """Return the show of a TOML text; ``name`` is the file's, for messages. Raises `ShowFileError`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where, problem = syntax_error(error)
        line = f"line {where[0]}, column {where[1]}" if where else "at its end"
        raise ShowFileError(f"{name}, {line}: {problem}") from None
    except (RecursionError, OverflowError, ValueError) as error:
        raise ShowFileError(f"{name}: this is too much of something: {error}") from None
    return _Reader(text, name).show(data)


class _Reader:
    """Goes through the tables of one file; `_fail` knows where each key stands."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._positions = positions(text)

    def show(self, data: dict[str, Any]) -> Show:
        kinds: dict[str, Check] = {"name": _NAME, "loop": Flag(), "autostart": Flag()}
        kinds |= {"presets": _TABLE, "cues": _tables, "midi": _tables, "sound": _TABLE}
        values = self._fields(data, (), kinds)
        presets = {name: self._preset(name, table) for name, table in values.pop("presets", {}).items()}
        cues = tuple(self._cue(place, table, presets) for place, table in enumerate(values.pop("cues", ())))
        self._check_numbers(cues)
        midi = [self._binding(place, table, presets, cues) for place, table in enumerate(values.pop("midi", ()))]
        sound = values.pop("sound", None)
        return Show(
            presets=presets,
            cues=cues,
            midi=tuple(midi),
            sound=None if sound is None else self._sound(sound),
            **values,
        )

    def _preset(self, name: str, table: Any) -> Preset:
        path: Path = ("presets", name)
        table = self._checked(_TABLE, table, path)
        self._checked(_NAME, name, path)
        streams: dict[str, Values] = {}
        own = {key: value for key, value in table.items() if not isinstance(value, dict)}
        if own:
            streams[DEFAULT_STREAM] = self._values(own, path)
        for stream, values in table.items():
            if isinstance(values, dict):
                inner = (*path, stream)
                named = self._stream(stream, inner)
                streams[named] = {**streams.get(named, {}), **self._values(values, inner)}
        return Preset(name, streams)

    def _values(self, table: Mapping[str, Any], path: Path) -> dict[str, ParameterValue]:
        return {
            key: self._checked(self._parameter(key, (*path, key)).check, value, (*path, key))
            for key, value in table.items()
        }

    def _cue(self, place: int, table: Any, presets: Collection[str]) -> Cue:
        path: Path = ("cues", place)
        kinds: dict[str, Check] = {"number": _number, "preset": _NAME, "name": _NAME, "fade": _SECONDS}
        kinds |= {"curve": _CURVE, "follow": _SECONDS, "osc": _address}
        values = self._fields(table, path, kinds, needs=("preset",))
        self._among(values["preset"], presets, (*path, "preset"), "preset")
        return Cue(**({"number": str(place + 1)} | values))

    def _check_numbers(self, cues: Iterable[Cue]) -> None:
        seen: dict[str, set[str]] = {"number": set(), "osc": set()}
        for place, cue in enumerate(cues):
            for key, values in seen.items():
                value = getattr(cue, key)
                if value in values:
                    self._fail(("cues", place, key), f"two cues have the {key} {value}")
                if value is not None:
                    values.add(value)

    def _binding(self, place: int, table: Any, presets: Collection[str], cues: Iterable[Cue]) -> Binding:
        path: Path = ("midi", place)
        kinds: dict[str, Check] = {"control": Integer(0, 127), "note": Integer(0, 127), "program": Integer(0, 127)}
        kinds |= {"pitchwheel": Flag(), "channel": Integer(1, 16), "port": _NAME, "stream": _NAME, "parameter": _NAME}
        kinds |= {"range": _RANGE, "action": Choice(ACTIONS), "cue": _number, "preset": _NAME, "fade": _SECONDS}
        values = self._fields(table, path, kinds)
        kind = self._one_of(values, MIDI_KINDS, path, "the control that is moved")
        self._one_of(values, ("parameter", "action", "cue", "preset"), path, "what it does")
        if "preset" in values:
            self._among(values["preset"], presets, (*path, "preset"), "preset")
        if "cue" in values:
            self._among(values["cue"], {cue.number for cue in cues}, (*path, "cue"), "cue")
        number = values.pop(kind)
        if number is False:
            self._fail((*path, kind), "pitchwheel is true, or not there")
        values |= self._target(values, path)
        return Binding(kind, None if kind == "pitchwheel" else number, **values)

    def _sound(self, table: dict[str, Any]) -> Sound:
        kinds: dict[str, Check] = {"input": Text(1000), "gain": Number(0.0, 1000.0), "routes": _tables}
        values = self._fields(table, ("sound",), kinds, needs=("input",))
        routes = [self._route(place, route) for place, route in enumerate(values.pop("routes", ()))]
        return Sound(routes=tuple(routes), **values)

    def _route(self, place: int, table: Any) -> Route:
        path: Path = ("sound", "routes", place)
        kinds: dict[str, Check] = {"feature": Choice(FEATURES), "parameter": _NAME, "stream": _NAME, "range": _RANGE}
        kinds |= {"attack": Number(0.0, 60.0), "release": Number(0.0, 60.0), "values": ListOf(anything)}
        values = self._fields(table, path, kinds, needs=("feature", "parameter"))
        if "values" in values:
            parameter = self._parameter(values["parameter"], (*path, "parameter"))
            values["values"] = tuple(
                self._checked(parameter.check, value, (*path, "values")) for value in values["values"]
            )
            if not values["values"]:
                self._fail((*path, "values"), "values needs one at least")
        values |= self._target(values, path)
        return Route(**values)

    def _target(self, values: dict[str, Any], path: Path) -> dict[str, Any]:
        """Check what a control or a feature moves; return the range's two ends instead of ``range``."""
        extent = values.pop("range", None)
        if "stream" in values:
            self._stream(values["stream"], (*path, "stream"))
        if "parameter" not in values:
            return {}
        parameter = self._parameter(values["parameter"], (*path, "parameter"))
        if values.get("values"):
            return {}
        if parameter.type not in ("float", "integer"):
            self._fail((*path, "parameter"), f"{parameter.name} is no number that something could move")
        low, high = extent or (parameter.minimum, parameter.maximum)
        for end in (low, high):
            self._checked(Number(parameter.minimum or 0.0, parameter.maximum or 0.0), end, (*path, "range"))
        return {"low": low, "high": high}

    def _parameter(self, name: str, path: Path) -> Parameter:
        self._among(name, PARAMETERS, path, "parameter")
        return PARAMETERS[name]

    def _stream(self, name: str, path: Path) -> str:
        if not is_stream(name):
            self._fail(
                path, f"{name[:80]!r} is no parameter, and no stream's name: those have 1 to 64 of a-z, 0-9, - and _"
            )
        return name

    def _one_of(self, values: Mapping[str, Any], names: tuple[str, ...], path: Path, what: str) -> Any:
        given = [name for name in names if name in values]
        if len(given) != 1:
            self._fail(path, f"{what} is one of {', '.join(names)}" + (f", not {' and '.join(given)}" if given else ""))
        return given[0]

    def _fields(
        self, table: Any, path: Path, kinds: Mapping[str, Check], needs: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        table = self._checked(_TABLE, table, path)
        for key in table:
            self._among(key, kinds, (*path, key), "key")
        for key in needs:
            if key not in table:
                self._fail(path, f"{key} is missing")
        return {key: self._checked(kinds[key], value, (*path, key)) for key, value in table.items()}

    def _among(self, name: str, there: Collection[str], path: Path, kind: str) -> None:
        if name in there:
            return
        nearest = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(sorted(there)[:20]) or 'none'}"
        self._fail(path, f"there is no {kind} {name[:80]!r}: {hint}")

    def _checked(self, check: Callable[[Any, str], Any], value: Any, path: Path) -> Any:
        try:
            return check(value, str(path[-1]) if path else "the file")
        except ProtocolError as error:
            self._fail(path, error.message)

    def _fail(self, path: Path, problem: str) -> NoReturn:
        line, column = position(self._positions, path)
        raise ShowFileError(f"{self._name}, line {line}, column {column}: {problem}")


def _tables(value: Any, field: str) -> Any:
    return ListOf(_TABLE)(value, field)


def _number(value: Any, field: str) -> str:
    """Return a cue's number: a text, or a number as it is written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ProtocolError("wrong-type", f"{field} must be a number or a text", field)
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else f"{value:.15g}"
    if not 0 < len(text) <= 40:
        raise ProtocolError("out-of-range", f"{field} must have 1 to 40 characters", field)
    return text


def _address(value: Any, field: str) -> str:
    address: str = _NAME(value, field)
    if not address.startswith("/") or set(" #*,?[]{}") & set(address) or not address.isprintable():
        raise ProtocolError("out-of-range", f"{field} must be an address such as /show/storm", field)
    return address
