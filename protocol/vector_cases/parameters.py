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
    yield "coherence at its least", {"coherence": 0.0}, {"coherence": 0.0}
    yield "coherence at its most, an integer", {"coherence": 1}, {"coherence": 1.0}
    yield "guidance at its ends", {"guidance": 10}, {"guidance": 10.0}
    yield "no negative prompt", {"negative_prompt": ""}, {"negative_prompt": ""}
    yield "no masked objects", {"mask_ids": []}, {"mask_ids": []}
    yield "masked objects", {"mask_ids": [0, 7, 2**32 - 1]}, {"mask_ids": [0, 7, 2**32 - 1]}
    yield "no prompts", {"prompts": []}, {"prompts": []}
    yield "one prompt", {"prompts": [part("ink", 0.5)]}, {"prompts": [part("ink", 0.5)]}
    integers = [part("lava", 3), part("ice", 1)]
    yield "an integer serves for a weight", {"prompts": integers}, {"prompts": [part("lava", 3.0), part("ice", 1.0)]}
    faded = {"prompts": [part("lava", 0.0), part("ice", 1e-300)]}
    yield "a weight of 0 beside another", faded, faded
    twice = {"prompts": [part("ink", 0.25), part("ink", 0.5), part("", 1.0)]}
    yield "a text twice, and an empty one", twice, twice
    largest = {"prompts": [part("🌊" * 1000, 1000.0), *[part("ink" * 333, 1000.0)] * 7]}
    yield "8 prompts with weights of 1,000, the first of 1,000 characters", largest, largest
    later = {"prompts": [part("ink", 1.0) | {"picture": [1], "note": None}]}
    yield "fields of a prompt that are not known are left out", later, {"prompts": [part("ink", 1.0)]}
    both = {"prompt": "moss", "prompts": [part("ink", 1.0)]}
    yield "prompt and prompts", both, both
    several = {"prompt": "ink", "prompts": [part("lava", 0.5), part("ice", 1.5)], "strength": 0.5, "coherence": 0.25}
    several |= {"steps": 1, "seed": 0, "transition": 2.5}
    yield "all of them", several, several


def bad_cases() -> Iterator[tuple[str, Json, protocol.ErrorCode, str, str | None]]:
    """Yield a name, values that fail, the code, the field, and the name that the message suggests."""
    yield "guidance below 1", {"guidance": 0.5}, "out-of-range", "parameters.guidance", None
    yield "a negative prompt that is a number", {"negative_prompt": 1}, "wrong-type", "parameters.negative_prompt", None
    yield "a masked object of -1", {"mask_ids": [1, -1]}, "out-of-range", "parameters.mask_ids.1", None
    yield "65 masked objects", {"mask_ids": [1] * 65}, "out-of-range", "parameters.mask_ids", None
    yield "a masked object that is a float", {"mask_ids": [1.0]}, "wrong-type", "parameters.mask_ids.0", None
    yield "a masked object that is no list", {"mask_ids": 1}, "wrong-type", "parameters.mask_ids", None
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
    for value in (-0.001, 1.001, float("nan")):
        yield f"coherence is {value}", {"coherence": value}, "out-of-range", "parameters.coherence", None
    yield "coherence is text", {"coherence": "1"}, "wrong-type", "parameters.coherence", None
    yield from bad_blends()
    yield "one bad one among good ones", {"seed": 1, "steps": 9}, "out-of-range", "parameters.steps", None
    for name, nearest in (
        ("strenght", "strength"),
        ("promt", "prompt"),
        ("step", "steps"),
        ("transitions", "transition"),
        ("coherance", "coherence"),
        ("promptss", "prompts"),
    ):
        yield f"no such parameter: {name}", {name: 1}, "unknown-parameter", f"parameters.{name}", nearest
    yield "no such parameter: zzz", {"zzz": 1}, "unknown-parameter", "parameters.zzz", None
    yield "no such parameter: an empty name", {"": 1}, "unknown-parameter", "parameters.", None


def bad_blends() -> Iterator[tuple[str, Json, protocol.ErrorCode, str, str | None]]:
    """Yield what is wrong with `prompts`, as `bad_cases` does."""

    def case(
        name: str, value: object, code: protocol.ErrorCode, path: str = ""
    ) -> tuple[str, Json, protocol.ErrorCode, str, str | None]:
        return f"prompts: {name}", {"prompts": value}, code, f"parameters.prompts{path}", None

    odd: dict[str, object] = {"text": "ink", "a map": part("ink", 1.0), "nil": None, "a number": 1, "true": True}
    for name, thing in odd.items():
        yield case(name, thing, "wrong-type")
    for name, thing in {"text": "ink", "an array": ["ink", 1.0], "nil": None, "a number": 0.5}.items():
        yield case(f"an item is {name}", [part("lava", 1.0), thing], "wrong-type", ".1")
    yield case("9 of them", [part("ink", 1.0)] * 9, "out-of-range")
    yield case("9 of them, and bad ones too", [None] * 9, "out-of-range")
    yield case("no text", [{"weight": 1.0}], "missing-field", ".0.text")
    yield case("no weight", [part("lava", 1.0), {"text": "ink"}], "missing-field", ".1.weight")
    yield case("neither", [{}], "missing-field", ".0.text")
    yield case("the text is nil", [part(None, 1.0)], "missing-field", ".0.text")
    yield case("the weight is nil", [part("ink", None)], "missing-field", ".0.weight")
    yield case("the text is a number", [part(5, 1.0)], "wrong-type", ".0.text")
    yield case("the text is binary", [part(b"ink", 1.0)], "wrong-type", ".0.text")
    yield case("a text of 1,001 characters", [part("é" * 1001, 1.0)], "out-of-range", ".0.text")
    for name, thing in {"text": "1", "true": True, "an array": [1.0]}.items():
        yield case(f"the weight is {name}", [part("lava", 1.0), part("ink", thing)], "wrong-type", ".1.weight")
    for value in (-0.001, -1, 1000.001, 2**64 - 1, float("nan"), float("inf"), float("-inf")):
        yield case(f"a weight of {value}", [part("ink", value)], "out-of-range", ".0.weight")
    yield case("a weight of 0 alone", [part("ink", 0.0)], "out-of-range")
    yield case("weights of 0, an integer and a negative zero", [part("ink", 0), part("ice", -0.0)], "out-of-range")
    eighth = [*[part("ink", 1.0)] * 7, part("ice", 1001.0)]
    yield case("the eighth weight is too large", eighth, "out-of-range", ".7.weight")


def part(text: object, weight: object) -> Json:
    """Return one item of a blend."""
    return {"text": text, "weight": weight}


def _good(name: str, values: Json, kept: Json) -> Json:
    checked = protocol.check_parameters(values)
    assert checked == kept, name
    assert to_json(checked) == to_json(kept), name  # which tells integers from floats
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
