"""Whatever is wrong gets one clear line, and everybody else is served on."""

import contextlib
import http.client
import subprocess
import sys

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import mirage_protocol as protocol

SUBPROTOCOLS = [protocol.SUBPROTOCOL]


def refused(url, **options):
    """The status and the body that an upgrade is refused with."""
    with pytest.raises(InvalidStatus) as caught, connect(url, **{"subprotocols": SUBPROTOCOLS} | options):
        pass
    return caught.value.response.status_code, caught.value.response.body.decode()


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol": "mirage.v1",
}


def status_of(port, path, hosts, headers=None):
    """The status that a request with these Host headers, or none, is answered with."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.putrequest("GET", path, skip_host=True)
        for name, value in [("Host", host) for host in hosts] + list((headers or {}).items()):
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status


@pytest.fixture
def source(echo_daemon, peer, noise):
    """A source that must be served before and after whatever the test does."""
    opened = peer(echo_daemon, path="good")
    frame = noise(16, 16)
    assert np.array_equal(opened.transform(frame), frame)
    yield opened
    assert np.array_equal(opened.transform(frame), frame)


def frame_message(**changes):
    plane = {"format": "rgb8", "width": 4, "height": 2, "offset": 0, "size": 24} | changes.pop("color", {})
    header = {"type": "frame", "id": 10**6, "planes": {"color": plane}} | changes
    from mirage_protocol.framing import pack

    return pack(header, [bytes(24)])


@pytest.mark.parametrize(
    ("data", "code", "field", "words"),
    [
        (b"", "malformed", None, "4 bytes"),
        (b"\xff\xff\xff\xff{}", "malformed", None, "header"),
        (b"\x05\x00\x00\x00\xc1\xc1\xc1\xc1\xc1", "malformed", None, "MessagePack"),
        ("a text message", "malformed", None, "binary"),
        (frame_message(type="fraem"), "unknown-message", "type", "fraem"),
        (frame_message(type="x\nERROR all is lost \x1b[31m"), "unknown-message", "type", "x\\nERROR"),
        (frame_message(color={"size": 23}), "plane-size", "planes.color.size", "24"),
        (frame_message(color={"width": 5}), "plane-size", "planes.color.size", "30"),
        (frame_message(color={"offset": 16}), "plane-size", "planes.color", "payload"),
        (frame_message(color={"width": 5000, "height": 1, "size": 15000}), "plane-size", None, ""),
        (frame_message(color={"format": "bmp"}), "unsupported", "planes.color.format", "rgba8"),
        (frame_message(id=-1), "out-of-range", "id", "0"),
        (frame_message(id=True), "wrong-type", "id", "integer"),
    ],
)
def test_a_bad_message_is_answered_and_the_connection_goes_on(source, data, code, field, words):
    source.socket.send(data)
    error = source.next(protocol.Error)
    assert error.code == code
    if field is not None:
        assert error.field == field
    assert words in error.message
    assert "\n" not in error.message


def test_a_frame_over_the_limit_is_named_with_the_limit(daemon_factory, peer, noise):
    daemon = daemon_factory("--model", "echo", "--max-size", "64x32")
    source = peer(daemon)
    for shape in ((32, 65), (33, 64)):
        frame_id = source.send(noise(*shape))
        error = source.next(protocol.Error)
        assert (error.code, error.id) == ("too-large", frame_id)
        assert "64x32" in error.message
    frame = noise(32, 64)
    assert np.array_equal(source.transform(frame), frame)


@pytest.mark.parametrize(
    ("parameters", "code", "words"),
    [
        ({"strenght": 1.0}, "unknown-parameter", "'strength'"),
        ({"x\ny": 1.0}, "unknown-parameter", "'x\\ny'"),
        ({"strength": 1.5}, "out-of-range", "0 to 1"),
        ({"strength": "much"}, "wrong-type", "a number"),
        ({"steps": 5}, "out-of-range", "1 to 4"),
        ({"steps": 1.5}, "wrong-type", "an integer"),
        ({"prompt": "x" * 1001}, "out-of-range", "1000"),
        ({"strength": 0.5, "seed": -1}, "out-of-range", "seed"),
    ],
)
def test_a_bad_parameter_changes_nothing(source, parameters, code, words):
    source.socket.send(protocol.encode(protocol.Set(77, parameters)))
    error = source.next(protocol.Error)
    assert (error.code, error.request) == (code, 77)
    assert words in error.message
    assert source.set().parameters == {}
    source.send(np.zeros((2, 2, 3), np.uint8))
    assert source.next(protocol.Result).parameters["strength"] == 1.0


def test_roles_are_kept(echo_daemon, source, peer):
    viewer = peer(echo_daemon, "viewer", path="good")
    viewer.socket.send(protocol.encode(protocol.Set(1, {"strength": 0.1})))
    assert viewer.next(protocol.Error).code == "not-allowed"
    viewer.send(np.zeros((2, 2, 3), np.uint8))
    assert viewer.next(protocol.Error).code == "not-allowed"


@pytest.mark.parametrize(
    "first", [b"nonsense", protocol.encode(protocol.Ping(1)), protocol.encode(protocol.ClientHello("source", 2))]
)
def test_a_bad_hello_ends_the_connection_with_a_reason(echo_daemon, source, first):
    with connect(f"ws://127.0.0.1:{echo_daemon.port}", subprotocols=SUBPROTOCOLS) as socket:
        socket.recv(timeout=60)
        socket.send(first)
        error = protocol.decode_server(socket.recv(timeout=60))
        assert isinstance(error, protocol.Error)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=60)
    assert closed.value.rcvd.code == 4400
    assert closed.value.rcvd.reason


def test_an_upgrade_with_another_subprotocol_is_refused(echo_daemon, source):
    for path, offered in (("/main", None), ("/", ["mirage.v2"]), ("/main", ["chat"])):
        status, body = refused(f"ws://127.0.0.1:{echo_daemon.port}{path}", subprotocols=offered)
        assert status == 400
        assert "mirage.v1" in body


def test_a_stream_with_a_bad_name_is_refused(echo_daemon, source):
    for path in ("Main", "a/b", "/main", "main/", "/[", "x" * 65, "health", "metrics", "mirage", "cue", "%20"):
        status, body = refused(f"ws://127.0.0.1:{echo_daemon.port}/{path}")
        assert status == 404
        assert "a-z" in body


def test_a_hostile_page_and_a_rebound_name_are_refused(echo_daemon, source):
    url = f"ws://127.0.0.1:{echo_daemon.port}"
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"):
        assert refused(url, origin=origin)[0] == 403
    for hosts in (["rebound.example"], ["127.0.0.1.evil.example:8765"], ["[::1", "127.0.0.1"], []):
        for path in ("/", "/health", "/metrics", "/page.js"):
            assert status_of(echo_daemon.port, path, hosts) == 403
            assert status_of(echo_daemon.port, path, hosts, UPGRADE) == 403
    assert status_of(echo_daemon.port, "/", ["localhost:1"], UPGRADE) == 101
    assert "rebound" not in echo_daemon.output()
    with connect(url, subprotocols=SUBPROTOCOLS, origin=f"http://127.0.0.1:{echo_daemon.port}"):
        pass


def test_an_origin_can_be_allowed(daemon_factory):
    daemon = daemon_factory("--model", "echo", "--allow-origin", "https://show.example")
    with connect(f"ws://127.0.0.1:{daemon.port}", subprotocols=SUBPROTOCOLS, origin="https://show.example"):
        pass


def test_a_token_is_asked_for_everywhere(daemon_factory, peer, noise):
    daemon = daemon_factory("--model", "echo", "--token", "s3cret", token="s3cret")
    assert daemon.health()[0] == 401
    assert daemon.health("wrong")[0] == 401
    for token in (None, "wrong", "s3cret "):
        stranger = peer(daemon, ready=False, token=token)
        assert stranger.next(protocol.Error).code == "unauthorized"
        with pytest.raises(ConnectionClosed) as closed:
            stranger.next(protocol.Ready)
        assert closed.value.rcvd.code == 4401
    frame = noise(4, 4)
    assert np.array_equal(peer(daemon, token="s3cret").transform(frame), frame)
    assert "s3cret" not in daemon.output()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--model", "lsd-mimi"], "did you mean 'lsd-mini'"),
        (["serve", "--engine", "tensorflow"], "openvino"),
        (["serve", "--host", "0.0.0.0"], "--token"),
        (["serve", "--host", "192.0.2.1", "--insecure", "--model", "echo"], "192.0.2.1"),
        (["serve", "--host", "0.0.0.0", "--token", ""], "the token is empty"),
        (["serve", "--max-size", "big"], "WIDTHxHEIGHT"),
        (["serve", "--log-level", "loud"], "debug, info"),
        (["demo", "--model", "nothing"], "lsd-mini"),
    ],
)
def test_a_bad_command_line_is_one_line_and_no_traceback(arguments, words):
    done = subprocess.run(
        [sys.executable, "-m", "mirage_runtime", *arguments], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_port_in_use_is_said(echo_daemon):
    command = [sys.executable, "-m", "mirage_runtime", "serve", "--model", "echo", "--port", str(echo_daemon.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 1
    assert f"port {echo_daemon.port} is in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_a_source_that_was_let_in_may_send_much(echo_daemon, source, peer):
    viewer = peer(echo_daemon, "viewer", path="good")
    viewer.socket.send(bytes(2**17 + 1))
    with pytest.raises(ConnectionClosed) as closed:
        viewer.next(protocol.Error)
    assert closed.value.rcvd.code == 1009
    with connect(f"ws://127.0.0.1:{echo_daemon.port}", subprotocols=SUBPROTOCOLS) as stranger:
        stranger.recv(timeout=60)
        stranger.send(bytes(2**17 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            stranger.recv(timeout=60)
    assert closed.value.rcvd.code == 1009


def test_an_open_daemon_on_the_network_answers_to_no_name_that_it_was_not_told(daemon_factory):
    daemon = daemon_factory("--model", "echo", "--host", "0.0.0.0", "--insecure", "--allow-host", "show.example")
    for host, status in (("127.0.0.1", 200), ("192.0.2.7:80", 200), ("show.example", 200), ("rebound.example", 403)):
        assert status_of(daemon.port, "/health", [host]) == status


def test_what_a_client_says_of_itself_cannot_forge_the_log(daemon_factory, noise):
    daemon = daemon_factory("--model", "echo")
    with connect(f"ws://127.0.0.1:{daemon.port}", subprotocols=SUBPROTOCOLS) as socket:
        socket.recv(timeout=60)
        socket.send(protocol.encode(protocol.ClientHello("viewer", client="x\nCRITICAL all is lost \x1b[31m")))
        socket.recv(timeout=60)
    assert "\nCRITICAL" not in daemon.output()
    assert "\x1b" not in daemon.output()
