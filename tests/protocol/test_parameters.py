"""The parameter table and the table in SPEC.md are one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import mirage_protocol as protocol
from mirage_protocol import PARAMETERS, ProtocolError

SPEC = (Path(__file__).parents[2] / "protocol" / "SPEC.md").read_text(encoding="utf-8")


def part(text: str, weight: float = 1.0) -> protocol.WeightedText:
    return {"text": text, "weight": weight}


def number(text: str) -> float:
    """Read 0, 1,000 or 2^31 - 1."""
    power = re.fullmatch(r"2\^(\d+) - 1", text)
    return 2 ** int(power[1]) - 1 if power else float(text.replace(",", ""))


def specified() -> dict[str, tuple[str, str, str]]:
    section = SPEC[SPEC.index("## 6. Parameters") : SPEC.index("## 7.")]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return {name: (kind, extent, default.strip("`")) for name, kind, extent, default, _ in rows[2:]}


def test_the_table_names_every_parameter_in_order() -> None:
    assert list(specified()) == list(PARAMETERS) == [parameter.name for parameter in PARAMETERS.values()]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_row_of_the_table(name: str) -> None:
    parameter = PARAMETERS[name]
    kind, extent, default = specified()[name]
    assert kind == parameter.type
    if kind == "text":
        length = re.fullmatch(r"up to ([\d,]+) characters", extent)
        assert length is not None
        assert (number(length[1]), default) == (parameter.max_length, parameter.default)
    elif kind == "blend":
        sizes = re.fullmatch(r"up to (\d+) texts of up to ([\d,]+) characters, weights (\S+) to (\S+)", extent)
        assert sizes is not None
        expected = (parameter.max_items, parameter.max_length, parameter.minimum, parameter.maximum)
        assert (tuple(map(number, sizes.groups())), default) == (expected, str(parameter.default))
    elif kind == "integers":
        sizes = re.fullmatch(r"up to (\d+) integers, (\S+) to (\S+ - 1)", extent)
        assert sizes is not None
        expected = (parameter.max_items, parameter.minimum, parameter.maximum)
        assert (tuple(map(number, sizes.groups())), default) == (expected, str(parameter.default))
    else:
        bounds = re.fullmatch(r"(\S+) to (\S+(?: - 1)?)(?: (\S+))?", extent)
        assert bounds is not None
        expected = (number(bounds[1]), number(bounds[2]), bounds[3] or "", number(default))
        assert expected == (parameter.minimum, parameter.maximum, parameter.unit, parameter.default)


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=PARAMETERS)
def test_every_parameter_takes_its_default_and_describes_itself(parameter: protocol.Parameter) -> None:
    assert parameter.check(parameter.default) == parameter.default
    described = parameter.describe()
    bounds = {"max_length"} if parameter.type == "text" else {"minimum", "maximum"}
    bounds |= {"max_length", "max_items"} if parameter.type == "blend" else set()
    bounds |= {"max_items"} if parameter.type == "integers" else set()
    bounds |= {"clip"} if parameter.clip else set()
    assert described.keys() == {"name", "type", "default", "unit", "help"} | bounds
    assert described["help"]
    assert all(value is not None for value in described.values())


def test_fractions_and_clipping() -> None:
    transition, steps, seed = (PARAMETERS[name] for name in ("transition", "steps", "seed"))
    assert [transition.at(fraction) for fraction in (-1, 0, 0.25, 1, 7)] == [0, 0, 15, 60, 60]
    assert [steps.at(fraction) for fraction in (0, 0.2, 0.5, 1)] == [1, 2, 2, 4]
    assert (transition.fraction(15.0), steps.fraction(4), seed.fraction(0)) == (0.25, 1.0, 0.0)
    assert (transition.clipped(99.0), steps.clipped(-3), seed.clipped(-3)) == (60.0, 1, -3)
    with pytest.raises(ProtocolError, match="prompt is no number"):
        PARAMETERS["prompt"].at(0.5)


@pytest.mark.parametrize(
    "name", [name for name, parameter in PARAMETERS.items() if parameter.type in ("float", "integer")]
)
def test_both_ends_are_included_and_nothing_beyond(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter.minimum is not None
    assert parameter.maximum is not None
    whole = parameter.type == "integer"
    for good in (parameter.minimum, parameter.maximum):
        assert parameter.check(int(good) if whole else good) == good
    step = 1 if whole else 1e-9
    for bad in (parameter.minimum - step, parameter.maximum + step):
        with pytest.raises(ProtocolError) as caught:
            parameter.check(int(bad) if whole else bad)
        assert (caught.value.code, caught.value.field) == ("out-of-range", name)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("promt", "prompt"), ("Strength", "strength"), ("stepps", "steps"), ("sead", "seed"), ("trans", "transition")],
)
def test_the_nearest_name_is_told(wrong: str, right: str) -> None:
    with pytest.raises(ProtocolError, match=f"did you mean '{right}'"):
        protocol.check_parameters({wrong: 1})


def test_a_name_like_none_gets_the_list() -> None:
    with pytest.raises(ProtocolError, match=", ".join(PARAMETERS)):
        protocol.check_parameters({"zzzzzz": 1})


def test_long_names_do_not_make_long_errors() -> None:
    with pytest.raises(ProtocolError) as caught:
        protocol.check_parameters({"x" * 30_000: 1})
    assert len(caught.value.message) < 200
    assert len(caught.value.field or "") <= 200


def test_values_that_are_no_map() -> None:
    with pytest.raises(ProtocolError) as caught:
        protocol.check_parameters(["prompt"])
    assert caught.value.code == "wrong-type"


def test_defaults_are_a_copy() -> None:
    mine: Any = protocol.defaults()
    mine["seed"] = 9
    mine["prompts"].append(part("ink"))
    PARAMETERS["prompts"].describe()["default"].append(part("ink"))
    assert (protocol.defaults()["seed"], protocol.defaults()["prompts"]) == (0, [])
    assert PARAMETERS["prompts"].describe()["default"] == []


def test_numbers_beyond_a_float() -> None:
    for huge in (10**400, -(10**400)):
        with pytest.raises(ProtocolError) as caught:
            protocol.check_parameters({"strength": huge})
        assert caught.value.code == "out-of-range"


def test_a_blend_is_kept_as_a_new_list() -> None:
    given = [part("lava", 3), part("ice", 1)]
    kept: Any = protocol.check_parameters({"prompts": given})["prompts"]
    kept[0]["weight"] = 5.0
    assert kept == [part("lava", 5.0), part("ice", 1.0)]
    assert given == [part("lava", 3), part("ice", 1)]
    assert protocol.check_parameters({"prompts": tuple(given)})["prompts"] == given


def test_the_largest_blends_fit_a_header() -> None:
    wave = "\U0001f30a" * 1000
    values = protocol.check_parameters({"prompt": wave, "prompts": [part(wave, 1000.0)] * 8})
    for message in (
        protocol.ClientHello("controller", token="x" * 1000, parameters=values),
        protocol.ParametersChanged(protocol.defaults() | values),
        protocol.Acknowledged(1, values, {"unknown_words": ["x" * 40] * 100}),
    ):
        assert len(protocol.encode(message)) < 65_536


BLEND = [part("lava", 1.0)]


@pytest.mark.parametrize(
    ("values", "current", "expected"),
    [
        ({}, {"prompts": BLEND}, {}),
        ({"seed": 1}, {"prompts": BLEND}, {"seed": 1}),
        ({"prompt": "ink"}, {"prompts": BLEND}, {"prompt": "ink", "prompts": []}),
        ({"prompt": "ink", "seed": 1}, {"prompts": BLEND}, {"prompt": "ink", "seed": 1, "prompts": []}),
        ({"prompt": "ink"}, {"prompts": []}, {"prompt": "ink"}),
        ({"prompt": "ink"}, {}, {"prompt": "ink"}),
        ({"prompt": "ink", "prompts": BLEND}, {"prompts": BLEND}, {"prompt": "ink", "prompts": BLEND}),
        ({"prompt": "ink", "prompts": BLEND}, {"prompts": []}, {"prompt": "ink", "prompts": BLEND}),
        ({"prompts": []}, {"prompts": BLEND}, {"prompts": []}),
        ({"prompts": BLEND}, {"prompts": []}, {"prompts": BLEND}),
    ],
)
def test_what_a_change_implies(values: Any, current: Any, expected: Any) -> None:
    before = (dict(values), dict(current))
    assert protocol.implied(values, current) == expected
    assert (values, current) == before


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (("oil painting", 1.0),)),
        ({"prompt": ""}, (("", 1.0),)),
        ({"prompt": "moss", "prompts": [part("ink", 20.0)]}, (("ink", 1.0),)),
        ({"prompts": [part("lava", 3.0), part("ice", 1.0)]}, (("lava", 0.75), ("ice", 0.25))),
        ({"prompts": [part("lava", 0.0), part("ice", 0.5)]}, (("ice", 1.0),)),
        ({"prompts": [part("a", 1.0), part("b", 2.0), part("a", 1.0)]}, (("a", 0.5), ("b", 0.5))),
        ({"prompts": [part("a", 5e-324), part("b", 5e-324)]}, (("a", 0.5), ("b", 0.5))),
        ({"prompts": [part("a", 1000.0), part("b", 5e-324)]}, (("a", 1.0),)),
    ],
)
def test_the_prompts_in_force(values: Any, expected: Any) -> None:
    checked = protocol.check_parameters(values)
    assert protocol.weighted_prompts(protocol.defaults() | checked) == expected


def test_the_error_of_an_item_names_it() -> None:
    with pytest.raises(ProtocolError, match=r"parameters\.prompts\.1\.weight must be 0 to 1000, not -1") as caught:
        protocol.check_parameters({"prompts": [part("ink"), part("ice", -1)]})
    assert caught.value.field == "parameters.prompts.1.weight"
    with pytest.raises(ProtocolError, match="must have a weight over 0"):
        protocol.check_parameters({"prompts": [part("ink", 0)]})
    with pytest.raises(ProtocolError, match="at most 8 items, not 9"):
        protocol.check_parameters({"prompts": [part("ink")] * 9})
