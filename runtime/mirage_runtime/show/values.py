"""Parameters' values as controllers send them: numbers of any kind, texts, and lists written as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from mirage_protocol import Parameter, ParameterValue, ProtocolError, WeightedText

OscValue = str | int | float | bool | bytes | None | list[Any] | tuple[Any, ...]


def understood(parameter: Parameter, arguments: Sequence[OscValue]) -> ParameterValue:
    """Return the value that a controller means, checked against the table.

    Whole numbers serve for floats, and floats are rounded for whole numbers; true and false are 1 and 0. A number
    beyond the range of a parameter that clips is brought to its nearest end. Integers are so many numbers, or JSON
    (``[1, 2]``); a blend is JSON (``[["lava", 3], ["ice", 1]]``) or texts and weights in turn. Raises `ProtocolError`.
    """
    if parameter.type == "integers":
        return parameter.check(_integers(parameter, arguments))
    if parameter.type == "blend":
        return parameter.check(_blend(parameter, arguments))
    if len(arguments) != 1:
        raise ProtocolError("wrong-type", f"{parameter.name} takes one value, not {len(arguments)}", parameter.name)
    if parameter.type == "text":
        return parameter.check(arguments[0])
    return parameter.check(_number(parameter, arguments[0]))


def at_fraction(parameter: Parameter, arguments: Sequence[OscValue]) -> ParameterValue:
    """Return the number at a fraction, 0 to 1, of a parameter's range; raises `ProtocolError`."""
    field = f"{parameter.name}/normalized"
    if len(arguments) != 1:
        raise ProtocolError("wrong-type", f"{field} takes one value, not {len(arguments)}", field)
    value = arguments[0]
    if isinstance(value, str | bytes | list | tuple) or value is None:
        raise ProtocolError("wrong-type", f"{field} takes a number from 0 to 1", field)
    if value != value:
        raise ProtocolError("out-of-range", f"{field} must be 0 to 1, not {value}", field)
    return parameter.check(parameter.at(value))


def sent(parameter: Parameter, value: ParameterValue) -> str | int | float:
    """Return a value as one argument of OSC: a number, a text, or a list written as JSON."""
    if parameter.type == "blend":
        parts = cast("list[WeightedText]", value)
        return json.dumps([[part["text"], part["weight"]] for part in parts], ensure_ascii=False)
    return json.dumps(value) if isinstance(value, list) else value


def _number(parameter: Parameter, value: OscValue) -> Any:
    if isinstance(value, bool):
        value = int(value)
    if not isinstance(value, int | float):
        return value  # the table says what is wrong with it
    value = parameter.clipped(value)
    if parameter.type == "integer" and isinstance(value, float) and abs(value) < 2**53:
        return round(value)
    return value


def _integers(parameter: Parameter, arguments: Sequence[OscValue]) -> Any:
    if len(arguments) == 1 and isinstance(arguments[0], str):
        return _from_json(parameter, arguments[0])
    whole = [int(value) if isinstance(value, float) and value.is_integer() else value for value in arguments]
    return [value for value in whole if value is not None]


def _blend(parameter: Parameter, arguments: Sequence[OscValue]) -> Any:
    if len(arguments) == 1 and isinstance(arguments[0], str):
        parts = _from_json(parameter, arguments[0])
    elif len(arguments) % 2 == 0:
        parts = list(zip(arguments[::2], arguments[1::2], strict=True))
    else:
        raise ProtocolError("wrong-type", f"{parameter.name} takes texts and weights in turn, or JSON", parameter.name)
    if not isinstance(parts, list):
        return parts
    pair = (list, tuple)
    return [
        {"text": part[0], "weight": part[1]} if isinstance(part, pair) and len(part) == 2 else part for part in parts
    ]


def _from_json(parameter: Parameter, text: str) -> Any:
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()  # no message can carry half a character
        return found
    except (ValueError, RecursionError) as error:
        raise ProtocolError("malformed", f"{parameter.name} is no JSON: {error}"[:200], parameter.name) from None
