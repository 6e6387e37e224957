"""The parameter table, and changes to it that pass or fail (SPEC.md section 6)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import mirage_protocol as protocol
from vector_cases.build import Json, packed, to_json


def parameters() -> Json:
    """Return the table and the vectors; ``bytes`` are a whole `set`, so that integers and floats stay apart."""
    return {
        "table": [to_json(parameter.describe()) for parameter in protocol.PARAMETERS.values()],
        "good": [_good(*case) for case in good_cases()],
        "bad": [_bad(*case) for case in bad_cases()],
    }


def good_cases() -> Iterator[tuple[str, Json, Json]]:
    """Yield a name, values that pass, and the values that are kept."""
    yield "nothing", {}, {}
    yield "strength at its least", {"strength": 0.0}, {"strength": 0.0}
    yield "strength at its most", {"strength": 1.0}, {"strength": 1.0}
    yield "an integer serves for a float", {"strength": 1, "transition": 60}, {"strength": 1.0, "transition": 60.0}
    yield "steps at their ends", {"steps": 4}, {"steps": 4}
    yield "the largest seed", {"seed": 2**31 - 1}, {"seed": 2**31 - 1}
    yield "an empty prompt", {"prompt": ""}, {"prompt": ""}
    yield "a prompt of 1,000 characters", {"prompt": "é" * 1000}, {"prompt": "é" * 1000}
    yield "1,000 characters outside the basic plane", {"prompt": "🌊" * 1000}, {"prompt": "🌊" * 1000}
    several = {"prompt": "ink", "strength": 0.5, "steps": 1, "seed": 0, "transition": 2.5}
    yield "all of them", several, several


def bad_cases() -> Iterator[tuple[str, Json, protocol.ErrorCode, str, str | None]]:
    """Yield a name, values that fail, the code, the field, and the name that the message suggests."""
    for value in (-0.001, 1.001, float("nan"), float("inf"), 2**64 - 1):
        yield f"strength is {value}", {"strength": value}, "out-of-range", "parameters.strength", None
    odd: dict[str, object] = {"true": True, "text": "0.5", "an array": [0.5], "nil": None}
    for name, thing in odd.items():
        yield f"strength is {name}", {"strength": thing}, "wrong-type", "parameters.strength", None
    for value in (0, 5, -1):
        yield f"steps is {value}", {"steps": value}, "out-of-range", "parameters.steps", None
    yield "steps is 1.5", {"steps": 1.5}, "wrong-type", "parameters.steps", None
    yield "a float does not serve for an integer", {"steps": 2.0}, "wrong-type", "parameters.steps", None
    yield "seed is 2^31", {"seed": 2**31}, "out-of-range", "parameters.seed", None
    yield "seed is false", {"seed": False}, "wrong-type", "parameters.seed", None
    yield "transition is 60.5", {"transition": 60.5}, "out-of-range", "parameters.transition", None
    yield "prompt of 1,001 characters", {"prompt": "x" * 1001}, "out-of-range", "parameters.prompt", None
    yield "prompt is a number", {"prompt": 5}, "wrong-type", "parameters.prompt", None
    yield "prompt is binary", {"prompt": b"ink"}, "wrong-type", "parameters.prompt", None
    yield "one bad one among good ones", {"seed": 1, "steps": 9}, "out-of-range", "parameters.steps", None
    for name, nearest in (
        ("strenght", "strength"),
        ("promt", "prompt"),
        ("step", "steps"),
        ("transitions", "transition"),
    ):
        yield f"no such parameter: {name}", {name: 1}, "unknown-parameter", f"parameters.{name}", nearest
    yield "no such parameter: zzz", {"zzz": 1}, "unknown-parameter", "parameters.zzz", None
    yield "no such parameter: an empty name", {"": 1}, "unknown-parameter", "parameters.", None


def _good(name: str, values: Json, kept: Json) -> Json:
    checked = protocol.check_parameters(values)
    assert checked == kept, name
    assert [type(value) for value in checked.values()] == [type(value) for value in kept.values()], name
    return {"name": name, "bytes": _set(values), "kept": to_json(kept)}


def _bad(name: str, values: Json, code: protocol.ErrorCode, field: str, nearest: str | None) -> Json:
    problem = _refusal(values)
    assert (problem.code, problem.field) == (code, field), name
    assert f"'{nearest}'" in problem.message or nearest is None, name
    return {"name": name, "bytes": _set(values), "error": {"code": code, "field": field}, "nearest": nearest}


def _refusal(values: Json) -> protocol.ProtocolError:
    try:
        kept = protocol.check_parameters(values)
    except protocol.ProtocolError as problem:
        return problem
    raise AssertionError(f"should have been refused: {kept}")


def _set(values: dict[str, Any]) -> str:
    return base64.b64encode(packed({"type": "set", "request": 1, "parameters": values})).decode()
