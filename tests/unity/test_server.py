"""What the C# client does when what answers is no daemon, is another version, or breaks the rules of WebSockets."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mirage_protocol as protocol
from mirage_protocol import Acknowledged, Error, Plane, Ready, Result, ServerHello, encode
from mirage_protocol.framing import pack
from mirage_protocol.ring import Layout, described

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HELLO = ServerHello(
    protocol=1,
    server="fake 1",
    stream="main",
    model={"name": "fake"},
    capabilities={"roles": ["source"], "planes": {"color": ["rgba8"]}, "results": ["raw"], "transports": ["websocket"]},
    parameters=(),
)
READY = Ready(connection=1, role="source", stream="main", window=2, parameters={})
RESULT = Result(id=1, planes={"color": Plane.of("rgba8", 4, 2, np.arange(32, dtype=np.uint8))})


class Peer:
    """The server's side of one WebSocket, as rude as a test wants it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.request = b""

    def read_request(self) -> None:
        while b"\r\n\r\n" not in self.request:
            data = self.connection.recv(4096)
            if not data:
                raise ConnectionError
            self.request += data

    def accept(self, **changes: str) -> None:
        """Shake hands; ``changes`` replace fields of the answer."""
        key = next(line for line in self.request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: "))[19:]
        accepted = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()
        fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accepted}
        fields |= {"Sec-WebSocket-Protocol": "mirage.v1"} | {
            key.replace("_", "-"): value for key, value in changes.items()
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        self.connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n".encode())

    def send(self, data: bytes, opcode: int = 2, *, final: bool = True, bits: int = 0, mask: int = 0) -> None:
        size = len(data)
        header = bytes([(0x80 if final else 0) | bits | opcode])
        if size < 126:
            header += bytes([mask | size])
        elif size < 65536:
            header += struct.pack(">BH", mask | 126, size)
        else:
            header += struct.pack(">BQ", mask | 127, size)
        self.connection.sendall(header + data)

    def close(self, code: int) -> None:
        self.send(struct.pack(">H", code) + b"good-bye", 8)

    def receive(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and its content; every frame of a client is masked."""
        first, second = self._take(2)
        assert second & 0x80, "a client's frame is masked"
        size = second & 127
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        mask, data = self._take(4), self._take(size)
        return first & 15, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))

    def expect(self, kind: type[Any]) -> Any:
        """Return the next message of a kind, whatever comes before it."""
        while True:
            opcode, data = self.receive()
            if opcode == 2 and isinstance(message := protocol.decode_client(data), kind):
                return message

    def welcome(self) -> None:
        self.accept()
        self.send(encode(HELLO))
        self.expect(protocol.ClientHello)
        self.send(encode(READY))

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.connection.recv(size - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data


@contextmanager
def server(*turns: Callable[[Peer], None]) -> Iterator[str]:
    """Serve one connection after the other, each as its turn says; the last turn stays."""
    problems: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for count in range(1000):
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection:
                    connection.settimeout(30)
                    peer = Peer(connection)
                    try:
                        peer.read_request()
                        turns[min(count, len(turns) - 1)](peer)
                    except ConnectionError:
                        pass
                    except BaseException as problem:
                        problems.append(problem)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/main"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(60)
    assert not problems


def until_it_goes(peer: Peer) -> None:
    while True:
        peer.receive()


def steady(peer: Peer) -> None:
    """Be a server as it should be, that says nothing more."""
    peer.welcome()
    until_it_goes(peer)


def mute(peer: Peer) -> None:
    peer.connection.recv(1)


def answering(text: str) -> Callable[[Peer], None]:
    return lambda peer: peer.connection.sendall(text.encode())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP 404"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na page\nand more", "HTTP 200: a page\n"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "is no WebSocket server"),
        ("220 mail.example ESMTP\r\n\r\n", "is no HTTP server"),
    ],
)
def test_another_kind_of_server_is_told(csharp: Any, answer: str, reason: str) -> None:
    with server(answering(answer)) as url:
        output = csharp.run("probe", url, "seconds=30")
    assert reason in output
    assert "end Refused unreachable" in output


def test_a_server_without_our_subprotocol_is_told(csharp: Any) -> None:
    with server(lambda peer: peer.accept(Sec_WebSocket_Protocol="chat")) as url:
        output = csharp.run("probe", url, "seconds=30")
    assert "does not speak mirage.v1" in output
    assert "end Refused" in output


def test_an_extension_that_nobody_offered_is_refused(csharp: Any) -> None:
    with server(lambda peer: peer.accept(Sec_WebSocket_Extensions="permessage-deflate")) as url:
        assert "end Refused" in csharp.run("probe", url, "seconds=30")


def test_a_server_that_is_too_busy_is_asked_again(csharp: Any) -> None:
    busy = answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    with server(busy, busy, steady) as url:
        output = csharp.run("probe", url, "seconds=30", "connections=1", "send=no")
    assert "HTTP 503" in output
    assert "end Connected" in output


def test_a_server_that_says_nothing_is_left(csharp: Any) -> None:
    with server(mute) as url:
        output = csharp.run("probe", url, "seconds=30", "errors=1", "timeout=0.3")
    assert "error unreachable" in output


@pytest.mark.parametrize("version", [2, 65_536])
def test_another_version_of_the_protocol_is_told(csharp: Any, version: int) -> None:
    def newer(peer: Peer) -> None:
        peer.accept()
        peer.send(encode(dataclasses.replace(HELLO, protocol=version)))
        until_it_goes(peer)

    with server(newer) as url:
        output = csharp.run("probe", url, "seconds=30")
    assert f"the server speaks protocol {version}" in output
    assert "end Refused handshake" in output


def test_an_older_server_that_refuses_our_version_is_told(csharp: Any) -> None:
    def older(peer: Peer) -> None:
        peer.accept()
        peer.send(encode(HELLO))
        peer.expect(protocol.ClientHello)
        peer.send(encode(Error("handshake", "this server speaks protocol 0", "protocol")))
        peer.close(4400)
        until_it_goes(peer)

    with server(older) as url:
        output = csharp.run("probe", url, "seconds=30")
    assert "end Refused handshake" in output
    assert output.count("error handshake") == 1


def test_our_own_place_that_is_still_held_is_waited_for(csharp: Any) -> None:
    def taken(peer: Peer) -> None:
        peer.accept()
        peer.send(encode(HELLO))
        peer.expect(protocol.ClientHello)
        peer.send(encode(Error("source-taken", "the stream has a source")))
        peer.close(4409)
        until_it_goes(peer)

    with server(Peer.welcome, taken, steady) as url:
        output = csharp.run("probe", url, "seconds=30", "connections=2", "send=no")
    assert "error source-taken" in output
    assert "end Connected" in output
    with server(taken) as url:
        assert "end Refused source-taken" in csharp.run("probe", url, "seconds=30")


def test_too_many_connections_are_waited_for(csharp: Any) -> None:
    def full(peer: Peer) -> None:
        peer.accept()
        peer.send(encode(Error("limit", "too many streams")))
        peer.close(4429)
        until_it_goes(peer)

    with server(full, steady) as url:
        output = csharp.run("probe", url, "seconds=30", "connections=1", "send=no")
    assert "end Connected" in output


def test_messages_in_pieces_with_pings_between(csharp: Any) -> None:
    pongs = []

    def pieces(peer: Peer) -> None:
        peer.welcome()
        data = encode(RESULT)
        peer.send(data[:7], final=False)
        peer.send(b"are you there?", 9)
        peer.send(b"", 0, final=False)
        peer.send(data[7:50], 0, final=False)
        peer.send(b"", 10)
        peer.send(data[50:], 0)
        while True:
            opcode, content = peer.receive()
            if opcode == 10:
                pongs.append(content)

    with server(pieces) as url:
        output = csharp.run("probe", url, "seconds=30", "results=1")
    assert "result 1 Rgba8 4x2 32" in output
    assert pongs == [b"are you there?"]


def test_a_message_of_every_length_of_length(csharp: Any) -> None:
    def large(peer: Peer) -> None:
        peer.welcome()
        for number, (width, height) in enumerate([(1, 1), (100, 60), (700, 500)], 1):
            plane = Plane.of("rgba8", width, height, bytes(width * height * 4))
            peer.send(encode(dataclasses.replace(RESULT, id=number, planes={"color": plane})))
        until_it_goes(peer)

    with server(large) as url:
        output = csharp.run("probe", url, "seconds=30", "results=3", "send=no")
    assert [f"Rgba8 {size}" in output for size in ("1x1 4", "100x60 24000", "700x500 1400000")] == [True] * 3


@pytest.mark.parametrize(
    "rude",
    [
        lambda peer: peer.send(b"", bits=0x40),
        lambda peer: peer.send(b"", mask=0x80),
        lambda peer: peer.send(b"", 3),
        lambda peer: peer.send(b"", 11),
        lambda peer: peer.send(b"", 0),
        lambda peer: (peer.send(b"", final=False), peer.send(b"")),
        lambda peer: peer.send(bytes(126), 9),
        lambda peer: peer.send(b"", 9, final=False),
    ],
    ids=[
        "bits",
        "masked",
        "opcode",
        "control opcode",
        "continues nothing",
        "begins twice",
        "long ping",
        "ping in pieces",
    ],
)
def test_frames_that_break_the_rules_end_the_connection(csharp: Any, rude: Callable[[Peer], None]) -> None:
    codes = []

    def breaking(peer: Peer) -> None:
        peer.welcome()
        rude(peer)
        while True:
            opcode, content = peer.receive()
            if opcode == 8:
                codes.append(int.from_bytes(content[:2], "big"))

    with server(breaking, steady) as url:
        output = csharp.run("probe", url, "seconds=30", "connections=2", "send=no")
    assert codes == [1002]
    assert "end Connected" in output


def test_a_message_that_is_too_large_takes_no_memory(csharp: Any) -> None:
    codes = []

    def boasting(peer: Peer) -> None:
        peer.welcome()
        peer.connection.sendall(struct.pack(">BBQ", 0x82, 127, 1 << 62))
        while True:
            opcode, content = peer.receive()
            if opcode == 8:
                codes.append(int.from_bytes(content[:2], "big"))

    with server(boasting, steady) as url:
        csharp.run("probe", url, "seconds=30", "connections=2", "send=no")
    assert codes == [1009]


def test_messages_that_make_no_sense_are_told_and_passed_over(csharp: Any) -> None:
    def babbling(peer: Peer) -> None:
        peer.welcome()
        peer.send(b"text", 1)
        peer.send(b"\xff\xff\xff\xff")
        peer.send(b"\x07\0\0\0\x81\xa4type\xa4")
        peer.send(pack({"type": "dance"}))
        peer.send(encode(Error("internal", "a fault", id=12345)))
        peer.send(encode(RESULT))
        until_it_goes(peer)

    with server(babbling) as url:
        output = csharp.run("probe", url, "seconds=30", "results=1")
    assert output.count("error malformed") == 3
    assert "error internal" in output
    assert "dance" not in output
    assert "result 1 Rgba8 4x2 32" in output


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/1/fd/99999"])
def test_memory_that_cannot_be_opened_is_done_without(csharp: Any, path: str) -> None:
    reasons = []

    def sharing(peer: Peer) -> None:
        peer.accept()
        peer.send(encode(dataclasses.replace(HELLO, capabilities={"transports": ["websocket", "shared-memory"]})))
        peer.expect(protocol.ClientHello)
        peer.send(encode(READY))
        request = peer.expect(protocol.Share).request
        peer.send(encode(protocol.Memory(request, path, 65536)))
        reasons.append(peer.expect(protocol.Unshared).reason)
        peer.send(encode(protocol.Dropped(tuple(range(1, 10)), "newer")))  # those that came meanwhile
        frame = peer.expect(protocol.Frame)
        peer.send(encode(Result(id=frame.id, planes=frame.planes)))
        until_it_goes(peer)

    with server(sharing) as url:
        output = csharp.run("probe", url, "seconds=30", "results=1")
        refused = csharp.run("probe", url, "seconds=30", "transport=SharedMemory")
    assert "shared=False" in output
    assert "cannot be opened from here" in reasons[0]
    assert "end Refused unsupported" in refused


def test_an_older_server_without_shared_memory_is_done_without(csharp: Any) -> None:
    def older(peer: Peer) -> None:
        peer.accept()
        peer.send(encode(dataclasses.replace(HELLO, capabilities={})))
        peer.expect(protocol.ClientHello)
        peer.send(encode(READY))
        frame = peer.expect(protocol.Frame)
        peer.send(encode(Result(id=frame.id, planes=frame.planes)))
        until_it_goes(peer)

    with server(older) as url:
        output = csharp.run("probe", url, "seconds=30", "results=1")
    assert "shared=False reason=the server has none" in output


def test_memory_that_the_server_lets_go_of_is_done_without(csharp: Any, tmp_path: Path) -> None:
    """Its pipe ends: the frames in it are given up, and the next ones go by WebSocket."""
    layout = Layout.of(3, 70_000, 4, 70_000)
    memory = tmp_path / "memory"
    page = described(layout, bytes(range(16)))
    memory.write_bytes(page + bytes(layout.size - len(page)))

    def fickle(peer: Peer) -> None:
        peer.accept()
        peer.send(encode(dataclasses.replace(HELLO, capabilities={"transports": ["websocket", "shared-memory"]})))
        peer.expect(protocol.ClientHello)
        peer.send(encode(READY))
        request = peer.expect(protocol.Share).request
        file = os.open(memory, os.O_RDWR)
        frames, frames_end = os.pipe()
        results, results_end = os.pipe()
        paths = [f"/proc/{os.getpid()}/fd/{each}" for each in (file, frames_end, results)]
        peer.send(encode(protocol.Memory(request, paths[0], layout.size, paths[1], paths[2])))
        assert peer.expect(protocol.Shared).nonce == bytes(range(16))
        peer.send(encode(Acknowledged(request, {})))
        peer.send(encode(protocol.Dropped(tuple(range(1, 10)), "newer")))  # those that came by WebSocket meanwhile
        os.read(frames, 1)  # there is a frame in the ring
        for each in (file, frames, frames_end, results, results_end):
            os.close(each)
        frame = peer.expect(protocol.Frame)
        while True:
            peer.send(encode(Result(id=frame.id, planes=frame.planes)))
            frame = peer.expect(protocol.Frame)

    with server(fickle) as url:
        output = csharp.run("probe", url, "seconds=30", "results=5")
    assert "shared=False reason=the server has let go of it" in output


def test_a_server_that_falls_silent_is_given_up(csharp: Any) -> None:
    def silent(peer: Peer) -> None:
        peer.welcome()
        with pytest.raises(ConnectionError):
            until_it_goes(peer)

    with server(silent, steady) as url:
        output = csharp.run("probe", url, "seconds=60", "connections=2", "send=no")
    assert "state Reconnecting" in output
    assert "end Connected" in output


def test_a_server_that_reads_nothing_holds_nobody_up(csharp: Any) -> None:
    """Newer frames take the place of those that wait, and the client can be disposed of."""
    release = threading.Event()

    def deaf(peer: Peer) -> None:
        peer.accept()
        peer.send(encode(HELLO))
        peer.expect(protocol.ClientHello)
        peer.send(encode(dataclasses.replace(READY, window=8)))
        release.wait(60)

    with server(deaf) as url:
        output = csharp.run("probe", url, "seconds=1", "window=8", "width=1920", "height=1080", "transport=WebSocket")
        release.set()
    assert "dropped " in output
    assert "end Connected" in output
