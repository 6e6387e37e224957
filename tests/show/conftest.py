"""Clients of OSC and OSCQuery, as consoles are: python-osc over a real socket, and plain HTTP."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

import mirage

PATIENCE = 30.0
GREY = np.full((16, 16, 3), 128, np.uint8)


class Console:
    """One UDP socket that sends to a daemon and hears what comes back."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]

    def send(self, address: str, *arguments: Any) -> None:
        """Send one message; arguments are of the types that they have."""
        builder = OscMessageBuilder(address)
        for argument in arguments:
            builder.add_arg(argument)
        self.socket.send(builder.build().dgram)

    def hear(self, address: str, *, patience: float = PATIENCE) -> list[Any]:
        """Return the arguments of the next message to an address; others are passed over."""
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                message = OscMessage(self.socket.recv(65536))
                if message.address == address:
                    return list(message.params)
        raise AssertionError(f"{address} was not heard of for {patience:g} s")

    def everything(self, seconds: float) -> list[tuple[str, list[Any]]]:
        """Return all that is heard for so long."""
        heard, deadline = [], time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                message = OscMessage(self.socket.recv(65536))
                heard.append((message.address, list(message.params)))
        return heard


@pytest.fixture
def console() -> Iterator[Callable[[Any], Console]]:
    """`console(daemon)` opens a socket that ends with the test."""
    with contextlib.ExitStack() as stack:

        def opened(daemon: Any) -> Console:
            made = Console(daemon.osc_port)
            stack.callback(made.socket.close)
            return made

        yield opened


def tree(daemon: Any, path: str = "/", headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Return the status and the JSON of a path of OSCQuery, with its query."""
    request = urllib.request.Request(daemon.http + urllib.parse.quote(path, safe="/?=&"), headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            body = answer.read()
            return answer.status, json.loads(body) if body else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def value(daemon: Any, path: str) -> Any:
    """Return the one value of an address."""
    status, found = tree(daemon, f"{path}?VALUE")
    assert status == 200, found
    return found["VALUE"][0]


@pytest.fixture(name="tree")
def tree_fixture() -> Callable[..., tuple[int, Any]]:
    """`tree(daemon, path)` asks OSCQuery."""
    return tree


@pytest.fixture(name="value")
def value_fixture() -> Callable[[Any, str], Any]:
    """`value(daemon, path)` asks OSCQuery for one value."""
    return value


@pytest.fixture
def source() -> Iterator[Callable[..., mirage.Stream]]:
    """`source(daemon)` sends frames; every one ends with the test."""
    with contextlib.ExitStack() as stack:

        def opened(daemon: Any, stream: str = "main", **options: Any) -> mirage.Stream:
            return stack.enter_context(mirage.connect(f"ws://127.0.0.1:{daemon.port}/{stream}", **options))

        yield opened


@pytest.fixture
def record() -> Callable[[mirage.Stream], dict[str, Any]]:
    """`record(stream)` transforms a grey frame and returns the parameters that it was transformed with."""
    return lambda stream: dict(stream.transform(GREY).parameters)


@pytest.fixture
def show(tmp_path: Path) -> Callable[[str], Path]:
    """`show(text)` is a show file."""

    def write(text: str) -> Path:
        path = tmp_path / "show.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
