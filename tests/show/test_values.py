"""Values as controllers send them, and what they come to."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mirage_protocol import PARAMETERS, Parameter, ParametersChanged, ProtocolError, encode
from mirage_runtime.show.values import at_fraction, sent, understood

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

INF, NAN = math.inf, math.nan


def part(text: Any, weight: Any = 1.0) -> dict[str, Any]:
    return {"text": text, "weight": weight}


def refusal(name: str, *arguments: Any, by: Any = understood) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        by(PARAMETERS[name], list(arguments))
    assert len(caught.value.message) < 1000
    return caught.value


def same(one: object, two: object) -> bool:
    return (type(one), one) == (type(two), two)


UNDERSTOOD: list[tuple[str, list[Any], Any]] = [
    ("strength", [0.5], 0.5),
    ("strength", [1], 1.0),
    ("strength", [True], 1.0),
    ("strength", [False], 0.0),
    ("strength", [1.5], 1.0),
    ("strength", [-3], 0.0),
    ("strength", [INF], 1.0),
    ("strength", [-INF], 0.0),
    ("strength", [10**400], 1.0),
    ("transition", [61], 60.0),
    ("steps", [2], 2),
    ("steps", [2.0], 2),
    ("steps", [2.4], 2),
    ("steps", [2.6], 3),
    ("steps", [0.2], 1),
    ("steps", [99.5], 4),
    ("steps", [True], 1),
    ("steps", [-INF], 1),
    ("steps", [10**400], 4),
    ("seed", [7.0], 7),
    ("seed", [6.6], 7),
    ("seed", [-0.4], 0),
    ("seed", [True], 1),
    ("seed", [2.0**31 - 1], 2**31 - 1),
    ("prompt", ["ink"], "ink"),
    ("prompt", [""], ""),
    ("prompt", ["[1]"], "[1]"),
    ("mask_ids", [], []),
    ("mask_ids", [1, 2], [1, 2]),
    ("mask_ids", [1.0, 2**32 - 1], [1, 2**32 - 1]),
    ("mask_ids", ["[]"], []),
    ("mask_ids", [" [3, 4] "], [3, 4]),
    ("mask_ids", [None, 5], [5]),
    ("prompts", [], []),
    ("prompts", ["[]"], []),
    ("prompts", ['[["lava", 3], ["ice", 1]]'], [part("lava", 3.0), part("ice")]),
    ("prompts", ['[{"text": "ink", "weight": 0.5, "more": 1}]'], [part("ink", 0.5)]),
    ("prompts", ["lava", 3, "ice", 1.5], [part("lava", 3.0), part("ice", 1.5)]),
    ("prompts", ["lava", 1000], [part("lava", 1000.0)]),
]


@pytest.mark.parametrize(("name", "arguments", "value"), UNDERSTOOD)
def test_what_is_understood(name: str, arguments: list[Any], value: Any) -> None:
    assert same(understood(PARAMETERS[name], arguments), value)
    assert same(understood(PARAMETERS[name], tuple(arguments)), value)


REFUSED: list[tuple[str, list[Any], str, str]] = [
    ("strength", [], "wrong-type", "strength takes one value, not 0"),
    ("strength", [1, 2], "wrong-type", "strength takes one value, not 2"),
    ("strength", ["0.5"], "wrong-type", "strength must be a number, not a string"),
    ("strength", [None], "wrong-type", "strength must be a number, not nil"),
    ("strength", [b"1"], "wrong-type", "strength must be a number, not binary"),
    ("strength", [[0.5]], "wrong-type", "strength must be a number, not an array"),
    ("strength", [NAN], "out-of-range", "strength must be finite, not nan"),
    ("steps", [NAN], "wrong-type", "steps must be an integer, not a float"),
    ("seed", [-1], "out-of-range", "seed must be 0 to 2147483647, not -1"),
    ("seed", [-0.6], "out-of-range", "seed must be 0 to 2147483647, not -1"),
    ("seed", [2**31], "out-of-range", "seed must be 0 to 2147483647, not 2147483648"),
    ("seed", [INF], "wrong-type", "seed must be an integer, not a float"),
    ("seed", [1e30], "wrong-type", "seed must be an integer, not a float"),
    ("seed", [10**400], "out-of-range", "seed must be 0 to 2147483647, not 1000"),
    ("prompt", [1], "wrong-type", "prompt must be a string, not an integer"),
    ("prompt", [b"ink"], "wrong-type", "prompt must be a string, not binary"),
    ("prompt", ["x" * 1001], "out-of-range", "prompt must have at most 1000 characters, not 1001"),
    ("prompt", ["two", "words"], "wrong-type", "prompt takes one value, not 2"),
    ("mask_ids", [1.5], "wrong-type", "mask_ids.0 must be an integer, not a float"),
    ("mask_ids", [True], "wrong-type", "mask_ids.0 must be an integer, not a boolean"),
    ("mask_ids", [INF], "wrong-type", "mask_ids.0 must be an integer, not a float"),
    ("mask_ids", [NAN], "wrong-type", "mask_ids.0 must be an integer, not a float"),
    ("mask_ids", [1, 2**32], "out-of-range", "mask_ids.1 must be 0 to 4294967295"),
    ("mask_ids", [1e300], "out-of-range", "mask_ids.0 must be 0 to 4294967295"),
    ("mask_ids", [[1]], "wrong-type", "mask_ids.0 must be an integer, not an array"),
    ("mask_ids", list(range(65)), "out-of-range", "mask_ids must have at most 64 items, not 65"),
    ("mask_ids", ["1, 2"], "malformed", "mask_ids is no JSON: "),
    ("mask_ids", [""], "malformed", "mask_ids is no JSON: "),
    ("mask_ids", ["7"], "wrong-type", "mask_ids must be an array, not an integer"),
    ("mask_ids", ["[1, [2]]"], "wrong-type", "mask_ids.1 must be an integer, not an array"),
    ("mask_ids", ["[NaN]"], "wrong-type", "mask_ids.0 must be an integer, not a float"),
    ("mask_ids", ["[" * 100_000], "malformed", "mask_ids is no JSON: "),
    ("mask_ids", ["[" + "1" * 5000 + "]"], "malformed", "mask_ids is no JSON: "),
    ("prompts", ["lava"], "malformed", "prompts is no JSON: "),
    ("prompts", ["lava", 1, "ice"], "wrong-type", "prompts takes texts and weights in turn, or JSON"),
    ("prompts", [1], "wrong-type", "prompts takes texts and weights in turn, or JSON"),
    ("prompts", [1, "lava"], "wrong-type", "prompts.0.text must be a string, not an integer"),
    ("prompts", ["lava", "1"], "wrong-type", "prompts.0.weight must be a number, not a string"),
    ("prompts", ["lava", None], "missing-field", "prompts.0.weight is missing"),
    ("prompts", ["lava", NAN], "out-of-range", "prompts.0.weight must be finite, not nan"),
    ("prompts", ["lava", -1], "out-of-range", "prompts.0.weight must be 0 to 1000, not -1"),
    ("prompts", ["lava", 10**400], "out-of-range", "prompts.0.weight must be 0 to 1000, not 1000"),
    ("prompts", ["lava", 0], "out-of-range", "prompts must have a weight over 0"),
    ("prompts", ["lava", True], "wrong-type", "prompts.0.weight must be a number, not a boolean"),
    ("prompts", ["a", 1] * 9, "out-of-range", "prompts must have at most 8 items, not 9"),
    ("prompts", ['{"text": "ink", "weight": 1}'], "wrong-type", "prompts must be an array, not a map"),
    ("prompts", ['["ink", 1]'], "wrong-type", "prompts.0 must be a map, not a string"),
    ("prompts", ['[["ink", 1, 2]]'], "wrong-type", "prompts.0 must be a map, not an array"),
    ("prompts", ['[{"text": "ink"}]'], "missing-field", "prompts.0.weight is missing"),
    ("prompts", ["null"], "wrong-type", "prompts must be an array, not nil"),
]


@pytest.mark.parametrize(("name", "arguments", "code", "words"), REFUSED)
def test_what_is_refused(name: str, arguments: list[Any], code: str, words: str) -> None:
    problem = refusal(name, *arguments)
    assert problem.code == code
    assert problem.message.startswith(words)


@pytest.mark.parametrize("text", ['[["\\ud800", 1]]', '[{"text": "a\\udfff", "weight": 1}]'])
def test_half_a_character_does_not_come_in_by_json(text: str) -> None:
    refusal("prompts", text)


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("strength", 0.25, 0.25),
        ("strength", 1, 1.0),
        ("strength", True, 1.0),
        ("strength", 7, 1.0),
        ("strength", -INF, 0.0),
        ("transition", 0.25, 15.0),
        ("transition", INF, 60.0),
        ("steps", 0.0, 1),
        ("steps", 0.5, 2),
        ("steps", 1, 4),
        ("seed", 1, 2**31 - 1),
        ("seed", 0.5, 2**30),
    ],
)
def test_a_fraction_of_the_range(name: str, argument: Any, value: Any) -> None:
    assert same(at_fraction(PARAMETERS[name], [argument]), value)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("strength", [], "strength/normalized takes one value, not 0"),
        ("strength", [1, 1], "strength/normalized takes one value, not 2"),
        ("strength", ["1"], "strength/normalized takes a number from 0 to 1"),
        ("strength", [b"1"], "strength/normalized takes a number from 0 to 1"),
        ("strength", [None], "strength/normalized takes a number from 0 to 1"),
        ("strength", [[1]], "strength/normalized takes a number from 0 to 1"),
        ("strength", [(1,)], "strength/normalized takes a number from 0 to 1"),
        ("strength", [NAN], "strength/normalized must be 0 to 1, not nan"),
        ("prompt", [1], "prompt is no number and has no range"),
        ("mask_ids", [1], "mask_ids is no number and has no range"),
    ],
)
def test_no_fraction(name: str, arguments: list[Any], words: str) -> None:
    assert refusal(name, *arguments, by=at_fraction).message == words


def test_a_fraction_beyond_all_floats_is_the_end_of_the_range() -> None:
    assert at_fraction(PARAMETERS["strength"], [10**400]) == 1.0


@pytest.mark.parametrize(
    ("name", "value", "argument"),
    [
        ("prompt", "[1]", "[1]"),
        ("strength", 0.5, 0.5),
        ("seed", 7, 7),
        ("mask_ids", [], "[]"),
        ("mask_ids", [1, 2], "[1, 2]"),
        ("prompts", [], "[]"),
        ("prompts", [part("lava ü\n", 3.0), part("ice", 0.5)], '[["lava ü\\n", 3.0], ["ice", 0.5]]'),
    ],
)
def test_what_is_sent(name: str, value: Any, argument: Any) -> None:
    assert same(sent(PARAMETERS[name], value), argument)


SCALARS = st.one_of(
    st.text(max_size=5),
    st.integers(),
    st.sampled_from([2**31, 2**32, 2**53, 2**63, 10**400, -(10**400)]),
    st.floats(),
    st.booleans(),
    st.binary(max_size=3),
    st.none(),
)
ARGUMENTS = st.lists(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=4), max_size=6)
JSON = st.recursive(
    st.one_of(st.text(max_size=3), st.integers(), st.floats(), st.booleans(), st.none()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "weight", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
).map(lambda value: [json.dumps(value, ensure_ascii=False)])
PAIRS = st.lists(st.tuples(st.text(max_size=3), st.floats(0, 1000)), max_size=4).map(
    lambda pairs: [argument for pair in pairs for argument in pair]
)
EACH = pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=PARAMETERS)


@EACH
@unhurried
@given(arguments=st.one_of(ARGUMENTS, JSON, PAIRS))
@example(arguments=[10**400])
@example(arguments=["", 5e-324])
def test_any_arguments_make_a_value_of_the_table_or_are_refused(parameter: Parameter, arguments: list[Any]) -> None:
    before = list(arguments)
    try:
        value = understood(parameter, arguments)
    except ProtocolError:
        value = parameter.default
    assert same(parameter.check(value), value)
    assert [*map(repr, arguments)] == [*map(repr, before)]


@EACH
@unhurried
@given(arguments=ARGUMENTS)
def test_any_fraction_is_in_the_range_or_refused(parameter: Parameter, arguments: list[Any]) -> None:
    if any(isinstance(argument, int) and abs(argument) > 2**1000 for argument in arguments):
        return
    try:
        value = at_fraction(parameter, arguments)
    except ProtocolError:
        return
    assert same(parameter.check(value), value)


def checked_values(parameter: Parameter) -> st.SearchStrategy[Any]:
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    if parameter.type == "text":
        return texts
    if parameter.type == "blend":
        parts = st.fixed_dictionaries({"text": texts, "weight": st.floats(0, 1000)})
        return st.lists(parts, max_size=8).filter(lambda blend: not blend or any(each["weight"] for each in blend))
    assert parameter.minimum is not None
    assert parameter.maximum is not None
    if parameter.type == "float":
        return st.floats(parameter.minimum, parameter.maximum)
    whole = st.integers(int(parameter.minimum), int(parameter.maximum))
    return whole if parameter.type == "integer" else st.lists(whole, max_size=64)


@EACH
@unhurried
@given(data=st.data())
def test_what_is_sent_is_understood(parameter: Parameter, data: st.DataObject) -> None:
    value = data.draw(checked_values(parameter))
    assert same(understood(parameter, [sent(parameter, value)]), value)
    encode(ParametersChanged({parameter.name: value}))
    if parameter.type in ("float", "integer"):
        fraction = parameter.fraction(value)
        assert at_fraction(parameter, [fraction]) == pytest.approx(value, rel=1e-12, abs=1e-12)
