"""A MIDI device that a test plays, for a real daemon: a backend of mido's that speaks to it over TCP.

The test makes a `FakeController` and starts the daemon with its ``environment``. In the daemon mido then finds
`get_devices`, `Input` and `Output` here (as `mido.Backend` asks for them), and every byte goes through mido's parser.

A connection begins with one byte that says what for: ``?`` asks for the device's name, ``i`` is an input, ``o`` an
output. The device answers with its name and a newline, or closes the connection while it is unplugged.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import mido
from mido.ports import BaseInput, BaseOutput

NAME = "Fake Controller:Fake Controller MIDI 1 24:0"
"""As ALSA would call it."""

VARIABLE = "MIRAGE_TEST_MIDI"
"""The environment variable with the devices' TCP ports, separated by commas."""

_PATIENCE = 10.0


def get_devices(**_: Any) -> list[dict[str, Any]]:
    """Return the devices that are plugged in, as mido wants them."""
    return [{"name": name, "is_input": True, "is_output": True} for name in _plugged()]


class Input(BaseInput):
    """A device's messages: a thread reads them and calls back."""

    def _open(self, callback: Callable[[mido.Message], None] | None = None, **_: Any) -> None:
        self.callback = callback
        self._socket = _connected(self.name, b"i")

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._thread = threading.Thread(target=self._read, name="fake MIDI", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        parser = mido.Parser()
        with contextlib.suppress(OSError):
            while data := self._socket.recv(4096):
                parser.feed(data)
                for message in parser:
                    (self.callback or self._messages.append)(message)
        self._socket.close()
        self.closed = True

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE)


class Output(BaseOutput):
    """The way back to a device."""

    def _open(self, **_: Any) -> None:
        self._socket = _connected(self.name, b"o")

    def _send(self, message: mido.Message) -> None:
        self._socket.sendall(message.bin())

    def _close(self) -> None:
        self._socket.close()


def _plugged() -> dict[str, int]:
    """Return the TCP ports of the devices that answer, by name."""
    found = {}
    for port in filter(None, os.environ.get(VARIABLE, "").split(",")):
        with contextlib.suppress(OSError), _asked(int(port), b"?") as (_, name):
            found[name] = int(port)
    return found


@contextlib.contextmanager
def _asked(port: int, purpose: bytes) -> Any:
    with socket.create_connection(("127.0.0.1", port), _PATIENCE) as connection:
        yield connection, _greeted(connection, purpose)


def _greeted(connection: socket.socket, purpose: bytes) -> str:
    connection.sendall(purpose)
    name = b""
    while not name.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError("the device is not plugged in")
        name += byte
    return name[:-1].decode()


def _connected(name: str, purpose: bytes) -> socket.socket:
    port = _plugged().get(name)
    if port is None:
        raise OSError(f"unknown port {name!r}")
    connection = socket.create_connection(("127.0.0.1", port), _PATIENCE)
    try:
        _greeted(connection, purpose)
    except BaseException:
        connection.close()
        raise
    connection.settimeout(None)
    return connection


class FakeController:
    """A MIDI device in a test: `with FakeController() as device: daemon_factory(…, **device.environment)`."""

    def __init__(self, name: str = NAME) -> None:
        self.name = name
        self.received: list[mido.Message] = []
        """What the daemon has sent, in order; only grows."""
        self.asked = ""
        """What each connection was for, in order."""
        self._plugged, self._closed = True, False
        self._lock = threading.Lock()
        self._inputs: list[socket.socket] = []
        self._outputs: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve, name="fake device", daemon=True)]
        self._threads[0].start()

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be started with so that mido finds this device, and no other."""
        path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"MIDO_BACKEND": "midi_backend", VARIABLE: str(self.port), "PYTHONPATH": os.pathsep.join(path)}

    @property
    def connected(self) -> bool:
        """Whether an input listens and an output is there to answer."""
        with self._lock:
            return bool(self._inputs and self._outputs)

    def send(self, *data: int) -> None:
        """Send bytes to whoever listens, whatever they may mean."""
        with self._lock:
            for connection in self._inputs:
                with contextlib.suppress(OSError):  # who listened may be gone this moment
                    connection.sendall(bytes(data))

    def unplug(self) -> None:
        """Be gone: all connections end, and none is made."""
        with self._lock:
            self._plugged = False
            for connection in [*self._inputs, *self._outputs]:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._inputs.clear()
            self._outputs.clear()

    def plug(self) -> None:
        """Be there again."""
        with self._lock:
            self._plugged = True

    def close(self) -> None:
        """End for good."""
        self.unplug()
        self._closed = True
        socket.create_connection(("127.0.0.1", self.port), _PATIENCE).close()  # wakes the thread that accepts
        for thread in self._threads:
            thread.join(_PATIENCE)
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while not self._closed:
            connection = self._server.accept()[0]
            thread = threading.Thread(target=self._attend, args=(connection,), name="fake device", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _attend(self, connection: socket.socket) -> None:
        """Answer a connection and stay with it until it ends."""
        ends: list[socket.socket] | None = None
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_PATIENCE)
            purpose = connection.recv(1)
            ends = {b"i": self._inputs, b"o": self._outputs}.get(purpose)
            with self._lock:
                self.asked += purpose.decode()
                if not self._plugged:
                    return
                connection.sendall(f"{self.name}\n".encode())
                if ends is None:
                    return
                ends.append(connection)
            connection.settimeout(None)
            self._listen(connection)
        with self._lock:
            if ends is not None and connection in ends:
                ends.remove(connection)

    def _listen(self, connection: socket.socket) -> None:
        parser = mido.Parser()
        with contextlib.suppress(OSError):
            while data := connection.recv(4096):
                parser.feed(data)
                self.received.extend(parser)
