"""What holds for every message and for every string of bytes."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mirage_protocol as protocol
from mirage_protocol import Camera, Plane, ProtocolError
from mirage_protocol.messages import peek

ids = st.integers(0, protocol.MAX_SAFE_INTEGER)
numbers = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(0, 1e30)
names = st.text(max_size=60)
values = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | numbers | names | st.binary(max_size=20)
maps = st.dictionaries(
    names, values | st.lists(values, max_size=4) | st.dictionaries(names, values, max_size=3), max_size=5
)
matrices = st.tuples(*[numbers] * 16)
cameras = st.builds(Camera, matrices, matrices, positive, positive)


@st.composite
def planes(draw: st.DrawFn) -> dict[str, Plane]:
    step = draw(st.integers(1, 3))
    width, height = draw(st.integers(1, 5)) * step, draw(st.integers(1, 5)) * step
    chosen = draw(st.lists(st.sampled_from(sorted(protocol.PLANE_FORMATS)), unique=True))
    result = {}
    for name in draw(st.permutations(sorted({"color", *chosen}))):
        size = (width, height) if name == "color" or draw(st.booleans()) else (width // step, height // step)
        format_ = draw(st.sampled_from(protocol.PLANE_FORMATS[name]))
        length = protocol.BYTES_PER_PIXEL.get(format_, 0) * size[0] * size[1]
        data = draw(st.binary(min_size=length or 1, max_size=length or 50))
        result[name] = Plane.of(format_, *size, data)
    return result


client_messages = st.one_of(
    st.builds(
        protocol.ClientHello,
        st.sampled_from(protocol.ROLES),
        protocol=st.integers(1, 2**16),
        client=names,
        token=st.none() | names,
        take_over=st.booleans(),
        window=st.integers(1, 64),
        parameters=maps,
    ),
    st.builds(protocol.Frame, ids, planes(), ids, st.none() | ids, st.none() | cameras),
    st.builds(protocol.Set, ids, maps),
    st.builds(
        protocol.Play,
        ids,
        st.sampled_from(["watch", "go", "learn"]),
        *[st.none() | names] * 4,
        st.none() | st.floats(0, 86_400),
    ),
    st.builds(protocol.Ping, ids),
)
server_messages = st.one_of(
    st.builds(protocol.ServerHello, st.integers(1, 9), names, names, maps, maps, st.tuples(maps, maps), st.booleans()),
    st.builds(protocol.Ready, ids, st.sampled_from(protocol.ROLES), names, st.integers(1, 64), maps),
    st.builds(
        protocol.Result,
        ids,
        planes(),
        ids,
        ids,
        st.lists(ids, max_size=64).map(tuple),
        ids,
        ids,
        st.dictionaries(names, positive, max_size=6),
        maps,
        ids,
        st.floats(0, 1),
    ),
    st.builds(protocol.Dropped, st.lists(ids, max_size=9).map(tuple), st.sampled_from(["newer", "failed"])),
    st.builds(protocol.Acknowledged, ids, maps, st.none() | maps),
    st.builds(protocol.ParametersChanged, maps),
    st.builds(protocol.Status, st.sampled_from(["waiting", "streaming", "paused", "recovering"]), names),
    st.builds(protocol.Error, st.just("internal"), names, st.none() | names, st.none() | ids, st.none() | ids),
    st.builds(
        protocol.ShowState,
        names,
        names,
        st.lists(names, max_size=4).map(tuple),
        st.lists(maps, max_size=4).map(tuple),
        st.none() | names,
        st.none() | names,
        positive,
        st.none() | positive,
    ),
    st.builds(protocol.Pong, ids, ids),
)


def decode_or_refuse(data: bytes) -> None:
    """Every way to read ``data`` gives a message or a `ProtocolError` that can itself be sent."""
    for decode in (protocol.decode_client, protocol.decode_server):
        try:
            decode(data)
        except ProtocolError as error:
            answer = protocol.ServerProtocol.error(error, data)
            assert protocol.decode_server(protocol.encode(answer)) == answer


@given(client_messages)
def test_every_client_message_round_trips(message: protocol.ClientMessage) -> None:
    assert protocol.decode_client(protocol.encode(message)) == message


@given(server_messages)
def test_every_server_message_round_trips(message: protocol.ServerMessage) -> None:
    assert protocol.decode_server(protocol.encode(message)) == message


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    decode_or_refuse(data)


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_any_bytes_for_a_header(body: bytes, payload: bytes) -> None:
    decode_or_refuse(len(body).to_bytes(4, "little") + body + payload)


junk: Any = st.recursive(values, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))
fields = st.sampled_from(
    ["type", "id", "time", "planes", "camera", "request", "parameters", "role", "token", "ids", "timings", "model"]
)
types = st.sampled_from(
    ["hello", "frame", "set", "ping", "ready", "result", "dropped", "ack", "parameters", "status", "error", "pong"]
)


@given(st.dictionaries(fields, junk, max_size=8), types)
def test_any_values_in_the_fields_of_a_message(header: dict[str, Any], kind: str) -> None:
    body = msgpack.packb(header | {"type": kind})
    decode_or_refuse(len(body).to_bytes(4, "little") + body)


@settings(max_examples=200)
@given(client_messages | server_messages, st.data())
def test_mutated_messages(message: protocol.Message, data: st.DataObject) -> None:
    encoded = bytearray(protocol.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(encoded) - 1, 0)))
        encoded[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    decode_or_refuse(bytes(encoded))


@given(client_messages, st.data())
def test_truncated_messages_are_refused_or_lose_only_what_is_ignored(
    message: protocol.Message, data: st.DataObject
) -> None:
    encoded = protocol.encode(message)
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    with pytest.raises(ProtocolError):
        protocol.decode_client(cut)


@given(st.binary(max_size=200))
def test_peek_never_raises(data: bytes) -> None:
    assert peek(data).keys() <= {"id", "request"}


@given(st.dictionaries(names | st.sampled_from(sorted(protocol.PARAMETERS)), junk, max_size=4))
def test_parameters_are_kept_or_refused(parameters: dict[str, Any]) -> None:
    problem = None
    try:
        kept = protocol.check_parameters(parameters)
    except ProtocolError as error:
        problem = error
    if problem is None:
        assert protocol.check_parameters(kept) == kept == parameters
    else:
        assert problem.code in {"unknown-parameter", "wrong-type", "out-of-range", "missing-field"}


weights = st.floats(0, 1000)
blends = st.lists(st.fixed_dictionaries({"text": names, "weight": weights}), max_size=8).filter(
    lambda blend: not blend or any(item["weight"] > 0 for item in blend)
)


@given(blends, names)
def test_every_blend_is_kept_and_has_shares(blend: list[Any], prompt: str) -> None:
    message = protocol.decode_client(protocol.encode(protocol.Set(1, {"prompts": blend})))
    assert isinstance(message, protocol.Set)
    kept = protocol.check_parameters(message.parameters)
    assert kept == {"prompts": blend}
    shares = protocol.weighted_prompts(protocol.defaults() | {"prompt": prompt} | kept)
    assert sum(share for _, share in shares) == pytest.approx(1.0)
    assert all(0.0 < share <= 1.0 for _, share in shares)
    texts = [text for text, _ in shares]
    assert len(set(texts)) == len(texts)
    assert set(texts) <= ({item["text"] for item in blend} or {prompt})


@given(st.lists(st.none() | st.dictionaries(st.sampled_from(["text", "weight", "x"]), junk, max_size=3), max_size=9))
def test_any_items_of_a_blend(blend: list[Any]) -> None:
    problem, kept = None, {}
    try:
        kept = protocol.check_parameters({"prompts": blend})
    except ProtocolError as error:
        problem = error
    if problem is None:
        assert protocol.check_parameters(kept) == kept
        assert len(kept["prompts"]) == len(blend)  # type: ignore[arg-type]
    else:
        assert problem.code in {"wrong-type", "out-of-range", "missing-field"}
        assert (problem.field or "").startswith("parameters.prompts")


settable = st.dictionaries(st.sampled_from(["prompt", "seed"]), names) | st.builds(
    lambda values, blend: values | {"prompts": blend}, st.dictionaries(st.just("prompt"), names), blends
)


@given(settable, blends)
def test_what_is_implied_leaves_the_prompt_that_was_set_in_force(values: Any, blend: list[Any]) -> None:
    current = protocol.defaults() | {"prompts": blend}
    settled = protocol.implied(values, current)
    assert settled.items() >= values.items()
    assert protocol.implied(settled, current) == settled
    if "prompt" in values and not values.get("prompts"):
        assert protocol.weighted_prompts(current | settled) == ((values["prompt"], 1.0),)
    if not values.keys() & {"prompt", "prompts"}:
        assert settled == values
