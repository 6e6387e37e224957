"""The faulty server of `tests/tools`, and one way to drive both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fake_server import FakeServer

import mirage


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.close()


class Driven:
    """An `AsyncStream` with the calls of a `Stream`, so that one test holds for both."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stream: mirage.AsyncStream) -> None:
        self.__dict__.update(_loop=loop, stream=stream)

    def __getattr__(self, name: str) -> Any:
        if isinstance(getattr(mirage.AsyncStream, name), property):
            self._loop.run_until_complete(asyncio.sleep(0.02))  # as if the program had awaited something
            return getattr(self.stream, name)
        attribute = getattr(self.stream, name)
        return lambda *args, **options: self._loop.run_until_complete(attribute(*args, **options))

    def __iter__(self) -> Iterator[mirage.Result]:
        results = self.stream.__aiter__()
        while True:
            try:
                yield self._loop.run_until_complete(anext(results))
            except StopAsyncIteration:
                return


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """`connect(url, …)` of each client; what it opened is closed with the test."""
    opened: list[Any] = []
    loop = asyncio.new_event_loop()

    async def open_async(*args: Any, **options: Any) -> mirage.AsyncStream:
        return await mirage.connect_async(*args, **options)

    def connect(*args: Any, **options: Any) -> Any:
        if request.param == "blocking":
            opened.append(mirage.connect(*args, **options))
        else:
            opened.append(Driven(loop, loop.run_until_complete(open_async(*args, **options))))
        return opened[-1]

    yield connect
    for stream in opened:
        stream.close()
    loop.close()


@pytest.fixture
def picture() -> Callable[..., Any]:
    """`picture(height, width, channels, seed)`: noise, so that a pixel in the wrong place shows."""

    def make(height: int = 24, width: int = 32, channels: int = 4, seed: int = 0) -> Any:
        return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)

    return make
