"""What the benches share: a machine's name, times, and servers in processes of their own.

Run as a module, with ``websocket`` or ``tcp``, it is a bare echo server: the floor under every round trip.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket

from mirage_runtime.errors import MirageRuntimeError

START_TIMEOUT = 120.0
"""Seconds that a server may take to start."""
PATIENCE = 60.0
"""Seconds that one round trip may take."""

_SIZE = struct.Struct("<Q")  # before each message to the bare TCP echo


@dataclass
class Times:
    """Milliseconds of one thing, many times."""

    samples: list[float] = field(default_factory=list)

    def percentile(self, percent: float) -> float:
        """Return a percentile, in milliseconds."""
        return float(np.percentile(self.samples, percent))


def machine() -> str:
    """Return the processor, its cores and what it can, in one line."""
    name, flags = platform.processor() or platform.machine(), ""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        name = next(iter(re.findall(r"model name\s*:\s*(.+)", text)), name)
        flags = next(iter(re.findall(r"flags\s*:\s*(.+)", text)), "")
    extras = [label for flag, label in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512 BF16")) if flag in flags.split()]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name.strip()}, {cores} cores{''.join(f', {extra}' for extra in extras)}, {platform.system()}"


@contextlib.contextmanager
def server(module: str, *arguments: str) -> Iterator[int]:
    """Run a module that says its address on standard error, and give its port.

    Raises `MirageRuntimeError` when it does not start.
    """
    # The bench's own daemon lets the bench in, whatever secret the user's has.
    environment = {name: value for name, value in os.environ.items() if name != "MIRAGE_TOKEN"}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stderr=out,
                env=environment,
            )
        try:
            yield _port(process, log)
        finally:
            process.terminate()
            process.wait(10)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(r"(?:http|tcp)://\S+?:(\d+)/", log.read_text(errors="replace")):
            return int(match[1])
        time.sleep(0.01)
    raise MirageRuntimeError("a server for the bench did not start: try `mirage serve` to see why")


def websocket_echo() -> AbstractContextManager[int]:
    """Run a bare WebSocket echo, and give its port; `websocket_client` connects to it."""
    return server("mirage_runtime.measuring", "websocket")


def websocket_client(port: int) -> ClientConnection:
    """Connect to `websocket_echo`; a context manager that closes the connection."""
    return connect_websocket(f"ws://127.0.0.1:{port}", compression=None, max_size=None, proxy=None)


def websocket_round_trip(connection: ClientConnection, payload: bytes | memoryview) -> bytes:
    """Send a message of bytes and return what comes back; raises TimeoutError after `PATIENCE`."""
    connection.send(payload)
    return connection.recv(PATIENCE, decode=False)


def tcp_echo() -> AbstractContextManager[int]:
    """Run a bare TCP echo, and give its port; `TcpClient` connects to it."""
    return server("mirage_runtime.measuring", "tcp")


class TcpClient:
    """A connection to `tcp_echo`; a context manager that closes itself.

    The server takes a whole message before it answers, so that neither side sends while the other one does: two full
    sockets would wait for each other for ever.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()  # used again, as the server's is: fresh memory would be measured too

    def __enter__(self) -> TcpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def round_trip(self, payload: memoryview) -> memoryview:
        """Send bytes and return what comes back, which is good until the next call.

        Raises TimeoutError after `PATIENCE`, ConnectionError when the server is gone.
        """
        if len(self._buffer) < len(payload):
            self._buffer = bytearray(len(payload))
        self._socket.sendall(_SIZE.pack(len(payload)))
        self._socket.sendall(payload)
        back = memoryview(self._buffer)[: len(payload)]
        _fill(back, self._socket)
        return back


def _fill(view: memoryview, connection: socket.socket) -> None:
    """Receive exactly as many bytes as the view has; raises ConnectionError when fewer come."""
    filled = 0
    while filled < len(view):
        count = connection.recv_into(view[filled:])
        if not count:
            raise ConnectionResetError("the other side closed the connection")
        filled += count


def _serve_tcp() -> None:
    """Give back every message as it is, to one client at a time."""
    buffer = bytearray()
    size = bytearray(_SIZE.size)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _announce("tcp", listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, contextlib.suppress(ConnectionError):
                while True:
                    _fill(memoryview(size), connection)
                    (length,) = _SIZE.unpack(size)
                    if len(buffer) < length:
                        buffer = bytearray(length)
                    message = memoryview(buffer)[:length]
                    _fill(message, connection)
                    connection.sendall(message)


async def _serve_websocket() -> None:
    """Give back every message as it is."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve_websocket(echo, "127.0.0.1", 0, compression=None, max_size=None) as echoes:
        _announce("http", echoes.sockets[0].getsockname()[1])
        await echoes.serve_forever()


def _announce(scheme: str, port: int) -> None:
    sys.stderr.write(f"{scheme}://127.0.0.1:{port}/\n")
    sys.stderr.flush()


if __name__ == "__main__":
    if sys.argv[1:] == ["tcp"]:
        _serve_tcp()
    else:
        asyncio.run(_serve_websocket())
