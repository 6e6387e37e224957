"""The rules of a conversation: who may say what, in which order, and what is in flight."""

from __future__ import annotations

import hmac
from typing import Any

import msgpack
import pytest

import mirage_protocol as protocol
from mirage_protocol import ClientHello, ClientProtocol, Frame, Plane, ProtocolError, Refused, ServerProtocol

PIXELS = Plane.of("rgba8", 2, 1, bytes(8))


def server(hello: ClientHello | None = None, **options: Any) -> ServerProtocol:
    """Return a server that has had a hello."""
    machine = ServerProtocol(**options)
    machine.receive(protocol.encode(hello or ClientHello("source")))
    return machine


def frame(id: int, plane: Plane = PIXELS, **fields: Any) -> bytes:
    return protocol.encode(Frame(id, {"color": plane}, **fields))


def refusal(machine: ServerProtocol, message: protocol.Message | bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        machine.receive(message if isinstance(message, bytes) else protocol.encode(message))
    return caught.value


@pytest.mark.parametrize("role", protocol.ROLES)
def test_hello_is_returned(role: protocol.Role) -> None:
    machine = ServerProtocol()
    hello = ClientHello(role, window=5)
    assert machine.receive(protocol.encode(hello)) == hello == machine.hello


@pytest.mark.parametrize(
    ("hello", "code", "field", "close_code"),
    [
        (protocol.Ping(1), "handshake", "type", 4400),
        (Frame(0, {"color": PIXELS}), "handshake", "type", 4400),
        (protocol.Set(0, {}), "handshake", "type", 4400),
        (ClientHello("source", protocol=2), "handshake", "protocol", 4400),
        (ClientHello("viewer", parameters={"seed": 1}), "not-allowed", "parameters", 4403),
        (ClientHello("source", parameters={"sed": 1}), "unknown-parameter", "parameters.sed", 4400),
        (ClientHello("source", parameters={"seed": -1}), "out-of-range", "parameters.seed", 4400),
    ],
)
def test_a_wrong_hello_ends_the_connection(
    hello: protocol.Message, code: str, field: str | None, close_code: int
) -> None:
    machine = ServerProtocol()
    problem = refusal(machine, hello)
    assert isinstance(problem, Refused)
    assert (problem.code, problem.field, problem.close_code) == (code, field, close_code)
    assert machine.hello is None


def test_malformed_bytes_for_a_hello_end_the_connection() -> None:
    problem = refusal(ServerProtocol(), b"\x00")
    assert isinstance(problem, Refused)
    assert (problem.code, problem.close_code) == ("malformed", 4400)


@pytest.mark.parametrize("code", ["internal", "source-taken", "limit", "unauthorized"])
def test_close_codes_are_those_of_the_specification(code: protocol.ErrorCode) -> None:
    expected = {"internal": 1011, "source-taken": 4409, "limit": 4429, "unauthorized": 4401}
    assert Refused(code, "no").close_code == expected[code]


def test_parameters_of_a_hello_are_kept_as_a_set_keeps_them() -> None:
    hello = server(ClientHello("source", parameters={"strength": 1})).hello
    assert hello is not None
    assert isinstance(hello.parameters["strength"], float)


@pytest.mark.parametrize(("given", "message"), [(None, "needs a token"), ("", "needs a token"), ("s3cre", "wrong")])
def test_wrong_tokens(given: str | None, message: str) -> None:
    problem = refusal(ServerProtocol(token="s3cret"), ClientHello("source", token=given))
    assert isinstance(problem, Refused)
    assert (problem.code, problem.field, problem.close_code) == ("unauthorized", "token", 4401)
    assert message in problem.message
    assert "s3cret" not in problem.message


@pytest.mark.parametrize("token", ["s3cret", "шифр-🔑"])
def test_the_right_token(token: str) -> None:
    assert server(ClientHello("source", token=token), token=token).hello is not None


def test_a_token_that_nobody_asked_for_is_ignored() -> None:
    assert server(ClientHello("source", token="x")).hello is not None


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or compare(a, b))
    server(ClientHello("source", token="s3cret"), token="s3cret")
    assert compared == [(b"s3cret", b"s3cret")]


def test_a_second_hello_is_refused_and_the_connection_goes_on() -> None:
    machine = server()
    problem = refusal(machine, ClientHello("controller"))
    assert (problem.code, problem.field) == ("handshake", "type")
    assert not isinstance(problem, Refused)
    machine.receive(frame(0))


@pytest.mark.parametrize(
    ("role", "message", "allowed"),
    [
        ("source", Frame(0, {"color": PIXELS}), True),
        ("source", protocol.Set(0, {"seed": 1}), True),
        ("source", protocol.Ping(0), True),
        ("controller", Frame(0, {"color": PIXELS}), False),
        ("controller", protocol.Set(0, {"seed": 1}), True),
        ("controller", protocol.Ping(0), True),
        ("viewer", Frame(0, {"color": PIXELS}), False),
        ("viewer", protocol.Set(0, {"seed": 1}), False),
        ("viewer", protocol.Ping(0), True),
        ("source", protocol.Play(0, "go"), True),
        ("controller", protocol.Play(0, "go"), True),
        ("viewer", protocol.Play(0, "go"), False),
        ("viewer", protocol.Play(0, "watch"), True),
    ],
)
def test_roles(role: protocol.Role, message: protocol.Message, allowed: bool) -> None:
    machine = server(ClientHello(role))
    if allowed:
        assert machine.receive(protocol.encode(message)) == message
    else:
        problem = refusal(machine, message)
        assert problem.code == "not-allowed"
        assert not isinstance(problem, Refused)


def test_ids_must_rise_and_may_leave_gaps() -> None:
    machine = server()
    for good in (0, 1, 7, protocol.MAX_SAFE_INTEGER - 1):
        machine.receive(frame(good))
        for bad in (0, good):
            problem = refusal(machine, frame(bad))
            assert (problem.code, problem.field) == ("out-of-range", "id")


def test_a_frame_that_was_refused_does_not_use_up_its_id() -> None:
    machine = server(max_width=1)
    refusal(machine, frame(5))
    machine.receive(frame(5, Plane.of("rgba8", 1, 1, bytes(4))))


@pytest.mark.parametrize("motion_from", [5, 6])
def test_motion_must_come_from_an_earlier_frame(motion_from: int) -> None:
    problem = refusal(server(), frame(5, motion_from=motion_from))
    assert (problem.code, problem.field) == ("out-of-range", "motion_from")


@pytest.mark.parametrize(("width", "height", "good"), [(4, 3, True), (5, 3, False), (4, 4, False)])
def test_size_limits(width: int, height: int, good: bool) -> None:
    machine = server(max_width=4, max_height=3)
    message = frame(0, Plane.of("rgb8", width, height, bytes(width * height * 3)))
    if good:
        machine.receive(message)
    else:
        problem = refusal(machine, message)
        assert (problem.code, problem.field) == ("too-large", "planes.color")


def test_a_format_that_the_server_does_not_take() -> None:
    problem = refusal(server(), frame(0, Plane.of("jpeg", 2, 2, b"jpeg")))
    assert (problem.code, problem.field) == ("unsupported", "planes.color.format")
    server(color_formats=("jpeg",)).receive(frame(0, Plane.of("jpeg", 2, 2, b"jpeg")))


def test_set_checks_all_or_nothing() -> None:
    machine = server()
    assert machine.receive(protocol.encode(protocol.Set(3, {"strength": 1}))) == protocol.Set(3, {"strength": 1.0})
    assert refusal(machine, protocol.Set(3, {"strength": 1, "seed": "x"})).field == "parameters.seed"


def test_errors_name_the_message_that_they_answer() -> None:
    problem = ProtocolError("internal", "no", "x")
    assert ServerProtocol.error(problem) == protocol.Error("internal", "no", "x")
    assert ServerProtocol.error(problem, frame(7)).id == 7
    assert ServerProtocol.error(problem, protocol.encode(protocol.Set(8, {}))).request == 8
    half = msgpack.packb({"type": "set", "request": 9, "id": None})
    assert ServerProtocol.error(problem, len(half).to_bytes(4, "little") + half).request == 9
    assert ServerProtocol.error(problem, b"junk").request is None


# The client's side.


def ready(window: int = 2, **options: Any) -> ClientProtocol:
    client = ClientProtocol(**options)
    client.receive(protocol.encode(protocol.Ready(1, client.role, "main", window, protocol.defaults())))
    return client


def receive(client: ClientProtocol, message: protocol.Message) -> protocol.ServerMessage:
    return client.receive(protocol.encode(message))


def test_both_sides_shake_hands() -> None:
    client = ClientProtocol("controller", client="test 1", token="s3cret")
    machine = ServerProtocol(token="s3cret")
    receive(client, protocol.ServerHello(1, "mirage", "main", {}, {}, (), True))
    machine.receive(client.hello(take_over=True, window=7, parameters={"seed": 3}))
    assert machine.hello == ClientHello("controller", 1, "test 1", "s3cret", True, 7, {"seed": 3})
    assert client.server is not None
    assert not client.ready


def test_a_server_of_another_version() -> None:
    with pytest.raises(ProtocolError, match="protocol 2") as caught:
        receive(ClientProtocol(), protocol.ServerHello(2, "mirage", "main", {}, {}, ()))
    assert caught.value.code == "handshake"


def test_nothing_may_be_sent_before_ready() -> None:
    assert not ClientProtocol().may_send
    assert ready().may_send


def test_frames_are_numbered_and_fill_the_window() -> None:
    client = ready(window=3, first_id=4)
    assert [client.frame({"color": PIXELS})[0] for _ in range(3)] == [4, 5, 6]
    assert client.in_flight == {4, 5, 6}
    assert not client.may_send


@pytest.mark.parametrize(
    ("message", "left"),
    [
        (protocol.Result(0, {"color": PIXELS}), {1, 2}),
        (protocol.Result(2, {"color": PIXELS}, dropped_ids=(0, 1)), set()),
        (protocol.Dropped((0, 2), "newer"), {1}),
        (protocol.Dropped((9,), "failed"), {0, 1, 2}),
        (protocol.Error("plane-size", "no", id=1), {0, 2}),
        (protocol.Error("out-of-range", "no", request=1), {0, 1, 2}),
        (protocol.Status("streaming"), {0, 1, 2}),
    ],
)
def test_what_takes_a_frame_out_of_flight(message: protocol.Message, left: set[int]) -> None:
    client = ready(window=3)
    for _ in range(3):
        client.frame({"color": PIXELS})
    receive(client, message)
    assert client.in_flight == left
    assert client.may_send == (len(left) < 3)


def test_a_frame_that_cannot_be_encoded_is_not_in_flight() -> None:
    client = ready()
    with pytest.raises(TypeError):
        client.frame({"color": PIXELS}, time=object())  # type: ignore[arg-type]
    assert not client.in_flight
    assert client.frame({"color": PIXELS})[0] == 0


def test_the_client_keeps_the_parameters() -> None:
    client = ready()
    assert client.parameters == protocol.defaults()
    receive(client, protocol.Acknowledged(0, {"seed": 4}))
    receive(client, protocol.ParametersChanged({"prompt": "moss"}))
    assert client.parameters == protocol.defaults() | {"seed": 4, "prompt": "moss"}


def test_requests_are_numbered() -> None:
    client = ready()
    assert [client.set({"seed": 1})[0], client.set({"seed": 2})[0]] == [0, 1]
    assert protocol.decode_client(client.set({"later": [1]})[1]) == protocol.Set(2, {"later": [1]})
