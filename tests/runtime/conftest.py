"""A peer that speaks the protocol with no help but the codec's, to say right and wrong things to a daemon."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

import mirage_protocol as protocol

PATIENCE = 90.0


class Peer:
    """One connection; `receive` returns the next message of a kind and keeps none of the others."""

    def __init__(self, url: str, role: protocol.Role, *, token: str | None = None, **hello: Any) -> None:
        subprotocols = [Subprotocol(protocol.SUBPROTOCOL)]
        self.connection = connect(url, subprotocols=subprotocols, compression=None, max_size=None)
        self.socket: ClientConnection = self.connection.__enter__()
        self.protocol = protocol.ClientProtocol(role, client="tests", token=token)
        self.next(protocol.ServerHello)
        self.socket.send(self.protocol.hello(**hello))

    def ready(self) -> Peer:
        self.next(protocol.Ready)
        return self

    def next(self, kind: type[Any], patience: float = PATIENCE) -> Any:
        while True:
            message = self.protocol.receive(self.socket.recv(timeout=patience, decode=False))
            if isinstance(message, kind):
                return message

    def send(self, image: np.ndarray) -> int:
        format_ = {3: "rgb8", 4: "rgba8"}[image.shape[2]]
        plane = protocol.Plane.of(format_, image.shape[1], image.shape[0], np.ascontiguousarray(image))
        frame_id, pieces = self.protocol.frame({"color": plane})
        self.socket.send(b"".join(pieces))
        return frame_id

    def transform(self, image: np.ndarray) -> np.ndarray:
        frame_id = self.send(image)
        result = self.next(protocol.Result)
        assert result.id == frame_id
        return picture(result)

    def set(self, **parameters: Any) -> Any:
        request, message = self.protocol.set(parameters)
        self.socket.send(message)
        acknowledged = self.next(protocol.Acknowledged)
        assert acknowledged.request == request
        return acknowledged


def picture(result: protocol.Result) -> np.ndarray:
    color = result.planes["color"]
    return np.frombuffer(color.data, np.uint8).reshape(color.height, color.width, -1)


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """`peer(daemon, "viewer", path="other", ready=False, …)` connects; every connection ends with the test."""
    with contextlib.ExitStack() as stack:

        def open_peer(
            daemon: Any, role: protocol.Role = "source", *, path: str = "main", ready: bool = True, **options: Any
        ) -> Peer:
            opened = Peer(f"ws://127.0.0.1:{daemon.port}/{path}", role, **options)
            stack.push(opened.connection.__exit__)
            return opened.ready() if ready else opened

        yield open_peer


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """`noise(height, width, channels)` is a picture that no two bytes of repeat by design."""

    def make(height: int, width: int, channels: int = 4, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)

    return make
