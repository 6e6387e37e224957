"""The parameter table and the table in SPEC.md are one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mirage_protocol as protocol
from mirage_protocol import PARAMETERS, ProtocolError

SPEC = (Path(__file__).parents[2] / "protocol" / "SPEC.md").read_text(encoding="utf-8")


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
    assert described.keys() == {"name", "type", "default", "unit", "help"} | bounds
    assert described["help"]
    assert all(value is not None for value in described.values())


@pytest.mark.parametrize("name", [name for name, parameter in PARAMETERS.items() if parameter.type != "text"])
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
    protocol.defaults()["seed"] = 9
    assert protocol.defaults()["seed"] == 0


def test_numbers_beyond_a_float() -> None:
    for huge in (10**400, -(10**400)):
        with pytest.raises(ProtocolError) as caught:
            protocol.check_parameters({"strength": huge})
        assert caught.value.code == "out-of-range"
