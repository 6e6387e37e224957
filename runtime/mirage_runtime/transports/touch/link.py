"""A stream's source and its results in the memory of Shared Mem TOPs, with no client between.

Two threads do the work, one that reads and one that writes; the daemon's own loop touches no pixel. Pictures lie where
the worker reads them, and results come where the writing thread takes them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np

from mirage_protocol import Dropped, Frame, Message, Plane, Refused, Result, Role, decode_server
from mirage_runtime.clock import microseconds
from mirage_runtime.config import Config, TouchConfig
from mirage_runtime.metrics import Metrics
from mirage_runtime.streams import Encoded, Stream
from mirage_runtime.transports.touch.header import RGBA8, Header, TouchError
from mirage_runtime.transports.touch.inlet import Inlet, Picture
from mirage_runtime.transports.touch.notices import Notices
from mirage_runtime.transports.touch.outlet import Outlet, Written
from mirage_runtime.transports.touch.reading import Reading
from mirage_runtime.transports.touch.slots import Slots
from mirage_runtime.worker.handle import WorkerHandle
from mirage_runtime.worker.planes import Target

_log = logging.getLogger("mirage.touch")

_PATIENCE: Final = 0.1
"""Seconds that the writing thread waits for a result before it looks whether it is to stop, and after a problem."""
_JOIN_EVERY: Final = 1.0
_KEPT_UP: Final = 1.0
"""Seconds after which a still picture is transformed again in any case."""


class Hub(Protocol):
    """What a link needs of the daemon."""

    config: Config
    metrics: Metrics
    worker: WorkerHandle

    def stream(self, name: str) -> Stream:
        """Return the stream of that name, made where it is new; raises `Refused` when there are too many."""


class TouchLink:
    """One stream's memory: a source where it has an input, else a viewer; a stream's subscriber either way."""

    def __init__(self, config: TouchConfig, hub: Hub) -> None:
        self.role: Role = "source" if config.input else "viewer"
        self.quality: int | None = None
        self._config = config
        self._hub = hub
        self._slots = Slots(results=config.output is not None)
        self._most = (hub.config.max_width, hub.config.max_height)
        self._outlet = Outlet(config.output) if config.output else None
        self._notices = Notices(config.stream)
        self._stopped = threading.Event()
        self._ids = itertools.count(1)
        self._in_flight: dict[int, Picture] = {}
        self._offered: tuple[float, object] = (0.0, None)
        self._stream: Stream | None = None
        self._results = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def describe(self) -> dict[str, object]:
        """Return what `/health` says of it."""
        described: dict[str, object] = {"stream": self._config.stream}
        described |= {"in": self._config.input} if self._config.input else {}
        described |= {"out": self._config.output} if self._config.output else {}
        state = "joined" if self._stream is not None else "waiting"
        return described | {"state": state, "written": self._results, "problems": self._notices.problems}

    # Life, in the daemon's loop.

    async def run(self) -> None:
        """Read and write until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._stopped.clear()
        work = [self._reads] if self._config.input else []
        work += [self._writes] if self._outlet else []
        threads = [threading.Thread(target=each, name=f"touch {each.__name__}", daemon=True) for each in work]
        for thread in threads:
            thread.start()
        try:
            while True:
                if self.role == "viewer" and self._stream is None:
                    self._join()
                await asyncio.sleep(_JOIN_EVERY)
        finally:
            self._stopped.set()
            self._leave()
            for thread in threads:
                thread.join()
            self._forget(self._slots.close())

    def _join(self) -> bool:
        if self._stream is not None:
            return True
        try:
            stream = self._hub.stream(self._config.stream)
        except Refused as refusal:
            self._notices.say("stream", refusal.message)
            return False
        if not stream.join(self):
            self._notices.say("stream", f"stream {stream.name} has a source already: pictures wait until it has gone")
            return False
        self._notices.say("stream", None)
        self._stream = stream
        self._hub.metrics.connections.labels(self.role).inc()
        _log.info("stream %s: shared memory is a %s", stream.name, self.role)
        stream.post(stream.status(self._hub.worker), but=self)
        return True

    def _leave(self) -> None:
        stream, self._stream = self._stream, None
        for number in list(self._in_flight):
            self._settle(number)
        if stream is not None:
            stream.leave(self)
            self._hub.metrics.connections.labels(self.role).dec()
            _log.info("stream %s: shared memory is no %s any more", stream.name, self.role)
            stream.post(stream.status(self._hub.worker))

    def _offer(self, picture: Picture) -> None:
        """Give the stream a picture, which the reading thread holds for us."""
        if self._stopped.is_set() or not self._join():
            self._slots.give(picture.slot)
            return
        assert self._stream is not None
        number, header = next(self._ids), picture.header
        self._in_flight[number] = picture
        self._offered = (time.monotonic(), self._stream.controls.resolve(time.monotonic()))
        data = picture.slot.view[: header.width * header.height * 4]
        plane = Plane("rgba8", header.width, header.height, data)
        self._stream.offer(Frame(number, {"color": plane}, time=microseconds()), self, picture.slot.lease())
        self._forget(self._slots.drain())

    def _offer_again(self, picture: Picture) -> None:
        """Give the stream a still picture again, where it would look different by now, and each second."""
        now = time.monotonic()
        offered, settings = self._offered
        stream = self._stream
        fresh = stream is not None and now - offered < _KEPT_UP and stream.controls.resolve(now) == settings
        if fresh or any(each.slot is picture.slot for each in self._in_flight.values()):
            self._slots.give(picture.slot)
        else:
            self._offer(picture)

    def _settle(self, number: int) -> Picture | None:
        picture = self._in_flight.pop(number, None)
        if picture is not None:
            self._slots.give(picture.slot)
        return picture

    def _forget(self, blocks: list[Any]) -> None:
        for block in blocks:
            self._hub.worker.forget(block)

    # What a stream calls.

    def post(self, message: Message) -> None:
        """Take a message: only what became of frames means anything here."""
        if isinstance(message, Dropped):
            for number in message.ids:
                self._settle(number)

    def post_result(self, frame_id: int, result: Encoded) -> int | None:
        """Take a result that is not in memory of ours: a viewer's."""
        picture = self._settle(frame_id) if self.role == "source" else None
        if self._outlet is not None:
            message = decode_server(result.whole)
            assert isinstance(message, Result)
            color = message.planes["color"]
            pixels = np.frombuffer(color.data, np.uint8).reshape(color.height, color.width, -1)
            self._outlet.offer(Written(pixels, picture.header if picture else _header(color)))
        return None

    def reserve(self, size: int) -> Target | None:
        """Return where the worker may put a result of ``size`` bytes."""
        return self._slots.target(size)

    def finish(self, target: Target, result: Result) -> bool:
        """Pass on a result whose picture is where `reserve` said; False where it has to be posted after all."""
        if self._outlet is None or not self._slots.finish(target, result):
            return False
        picture = self._settle(result.id)
        color = result.planes["color"]
        pixels = np.frombuffer(target.view, np.uint8).reshape(color.height, color.width, 4)
        header = picture.header if picture else _header(color)
        self._outlet.offer(Written(pixels, header, lambda: self._slots.holds(target)))
        return True

    def evict(self) -> None:
        """Make room for another source; `Stream` has let go of this one already."""
        self._leave()
        self._notices.say("stream", f"another source took over stream {self._config.stream}")

    # The threads.

    def _reads(self) -> None:
        assert self._config.input is not None
        inlet = Inlet(self._config.input, self._slots, self._most)
        reading = Reading(inlet, self._slots, self._notices, self._call)
        self._guarded("in", lambda: reading.step(self._offer, self._offer_again, self._leave))
        inlet.close()

    def _writes(self) -> None:
        outlet = self._outlet
        assert outlet is not None

        def step() -> float:
            outlet.open()
            self._results += outlet.write(_PATIENCE)
            self._notices.say("out", None)
            return 0.0

        self._guarded("out", step)
        outlet.close()

    def _guarded(self, part: str, step: Callable[[], float]) -> None:
        """Do one step after the other, each as long after the last as that says; whatever goes wrong is told."""
        pause = 0.0
        while not (self._stopped.wait(pause) if pause else self._stopped.is_set()):
            try:
                pause = step()
            except TouchError as error:
                self._notices.say(part, str(error))
                pause = _PATIENCE
            except Exception as error:  # the memory is somebody else's, and must not end a thread of ours
                _log.exception("stream %s: a fault of ours", self._config.stream)
                self._notices.say(part, f"a fault of ours: {error}")
                pause = 1.0

    def _call(self, function: Callable[..., None], *arguments: Any) -> bool:
        """Have a function called in the daemon's loop; False where that has ended."""
        try:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return False
        return True


def _header(color: Plane) -> Header:
    """Return the header for a result of which no frame's header is known."""
    return Header(color.width, color.height, RGBA8, aspect=(float(color.width), float(color.height)))
