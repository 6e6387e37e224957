"""A stream: the newest frame in, the worker, and everybody who watches or controls."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from mirage_protocol import (
    Dropped,
    DropReason,
    Frame,
    Message,
    ParametersChanged,
    ParameterValue,
    Plane,
    Result,
    Role,
    Status,
    encode_pieces,
    implied,
)
from mirage_runtime.controls import Controls, describe
from mirage_runtime.metrics import Metrics
from mirage_runtime.models import Settings
from mirage_runtime.worker.handle import FrameFailed, Transformed, WorkerHandle, WorkerLost
from mirage_runtime.worker.planes import Moved, Work

_log = logging.getLogger("mirage.stream")

_DROPPED_IDS_KEPT = 64
# Never used twice: a stream that is left and made again under its name must not find the old one's memory.
_source_numbers = itertools.count(1)
_MOST_MOTION = 4  # frames that motion is composed over; beyond, it is estimated


def microseconds() -> int:
    """Return the monotonic clock that results carry."""
    return time.monotonic_ns() // 1000


class Encoded:
    """A message for many: in pieces, which are views of what it was made of, or in one, put together once."""

    def __init__(self, pieces: Sequence[memoryview | bytes]) -> None:
        self.pieces = pieces
        self.size = sum(map(len, pieces))

    @cached_property
    def whole(self) -> bytes:
        """The message as one."""
        return b"".join(self.pieces)


class Subscriber(Protocol):
    """A connection, as a stream sees it."""

    role: Role

    def post(self, message: Message) -> None:
        """Queue a message; never waits."""

    def post_result(self, frame_id: int, result: Encoded) -> int | None:
        """Queue an encoded result; it replaces one that was not sent yet, whose frame id is returned."""

    def evict(self) -> None:
        """Tell a source that another took its place, and close it."""


@dataclass
class Waiting:
    """The frame in a stream's mailbox."""

    frame: Frame
    source: Subscriber
    received: int = field(default_factory=microseconds)
    motion: tuple[Moved, ...] = ()
    """The frame's own motion, then that of the frames that it replaced, newest first."""


class Stream:
    """One name, its parameters, its source and its subscribers. The mailbox holds one frame: the newest."""

    def __init__(self, name: str, *, metrics: Metrics, on_frame: Callable[[], None]) -> None:
        self.name = name
        self.controls = Controls()
        self.waiting: Waiting | None = None
        self.source: Subscriber | None = None
        self.last_left = time.monotonic()
        self._subscribers: list[Subscriber] = []
        self._dropped = 0
        self._dropped_ids: deque[int] = deque(maxlen=_DROPPED_IDS_KEPT)
        self._source_number = 0
        self._resets = 0
        self._metrics = metrics
        self._on_frame = on_frame

    @property
    def deserted(self) -> bool:
        """Whether nobody is connected."""
        return not self._subscribers

    def join(self, subscriber: Subscriber, *, take_over: bool = False) -> bool:
        """Attach a connection; False when it wants to be the source and there is one already."""
        if subscriber.role == "source":
            if self.source is not None and not take_over:
                return False
            if self.source is not None:
                evicted = self.source
                self.leave(evicted)
                evicted.evict()
            self.source = subscriber
            self._source_number = next(_source_numbers)
            self._dropped = self._resets = 0
            self._dropped_ids.clear()
        self._subscribers.append(subscriber)
        return True

    def leave(self, subscriber: Subscriber) -> None:
        """Detach a connection; a source that leaves frees its place at once."""
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)
            self.last_left = time.monotonic()
        if self.source is subscriber:
            if self.waiting is not None:
                self._metrics.frames.labels(self.name, "dropped").inc()
            self.source = None
            self.waiting = None

    def offer(self, frame: Frame, source: Subscriber) -> None:
        """Put a frame into the mailbox; the one that waited there is dropped and its source told."""
        if source is not self.source:
            return
        motion = _motion(frame)
        if self.waiting is not None:
            self.drop(self.waiting.frame.id, self.waiting.source, "newer", "dropped")
            if motion and motion[-1].source == self.waiting.frame.id:
                motion = (*motion, *self.waiting.motion)[:_MOST_MOTION]
        self.waiting = Waiting(frame, source, motion=motion)
        self._on_frame()

    def work(self, waiting: Waiting, settings: Settings) -> Work:
        """Return what the worker is given of a frame. Each source has a memory of its own."""
        frame = waiting.frame
        planes = frame.planes
        return Work(
            self.name,
            frame.id,
            planes["color"],
            settings,
            source=self._source_number,
            motion=waiting.motion,
            depth=planes.get("depth"),
            camera=frame.camera,
        )

    def take(self) -> Waiting | None:
        """Take the newest frame out of the mailbox."""
        waiting, self.waiting = self.waiting, None
        return waiting

    def drop(
        self, frame_id: int, source: Subscriber, reason: DropReason, outcome: Literal["dropped", "failed", "unread"]
    ) -> None:
        """Count a frame that will have no result, and tell its source."""
        self._metrics.frames.labels(self.name, outcome).inc()
        if source is self.source:
            self._dropped += 1
            self._dropped_ids.append(frame_id)
            source.post(Dropped((frame_id,), reason))

    def set(self, values: Mapping[str, ParameterValue], by: Subscriber | None = None) -> dict[str, ParameterValue]:
        """Change parameters and tell everybody but whoever did; returns all that have changed."""
        changed = implied(values, self.controls.values)
        self.controls.set(changed, time.monotonic())
        if changed:
            self.post(ParametersChanged(changed), but=by)
        return changed

    def post(self, message: Message, *, but: Subscriber | None = None) -> None:
        """Send a message to everybody on the stream."""
        for subscriber in self._subscribers:
            if subscriber is not but:
                subscriber.post(message)

    def publish(self, waiting: Waiting, record: dict[str, Any], transformed: Transformed) -> None:
        """Send a result to the source and the viewers, encoded once."""
        frame, color = waiting.frame, waiting.frame.planes["color"]
        self._metrics.observe(self.name, transformed.timings)
        if waiting.source is not self.source:
            return
        self._resets += transformed.reset
        result = Result(
            frame.id,
            {"color": Plane(color.format, color.width, color.height, transformed.data)},
            time=frame.time,
            dropped=self._dropped,
            dropped_ids=tuple(self._dropped_ids),
            received=waiting.received,
            sent=microseconds(),
            timings=transformed.timings,
            parameters=record,
            resets=self._resets,
            memory=transformed.memory,
        )
        self._dropped_ids.clear()
        encoded = Encoded(encode_pieces(result))
        for subscriber in self._subscribers:
            if subscriber.role == "controller":
                continue
            replaced = subscriber.post_result(frame.id, encoded)
            if replaced is not None and subscriber is self.source:
                self.drop(replaced, subscriber, "newer", "unread")

    def status(self, worker: WorkerHandle) -> Status:
        """Return what the stream is doing."""
        if not worker.ready:
            return Status("recovering", worker.problem or "")
        if self.source is None:
            return Status("waiting", "no source is connected")
        return Status("streaming")


class Dispatcher:
    """Gives the worker the newest frame of each stream in turn."""

    def __init__(self, streams: Mapping[str, Stream], worker: WorkerHandle) -> None:
        self._streams = streams
        self._worker = worker
        self._arrived = asyncio.Event()
        self._idle = False
        self._claimed: tuple[Stream, Waiting] | None = None
        self._last = ""

    def wake(self) -> None:
        """Say that a frame has arrived.

        An idle worker claims it at once: were it left in the mailbox until `run` is scheduled, a second frame that
        arrives in the same moment would replace it, though both fit the client's window.
        """
        if self._idle and self._claimed is None:
            self._claimed = self._next()
            self._arrived.set()

    async def run(self) -> None:
        """Transform frames until cancelled.

        A result is encoded and sent while the worker is at the next frame.
        """
        finished: Callable[[], None] | None = None
        while True:
            found, self._claimed = self._claimed or self._next(), None
            if found is not None:
                finished = await self._transform(*found, finished)
            elif finished is not None:
                finished()
                finished = None
            elif not self._worker.ready:
                await self._worker.wait_ready()
            else:
                self._arrived.clear()
                self._idle = True
                await self._arrived.wait()
                self._idle = False

    async def _transform(
        self, stream: Stream, waiting: Waiting, finished: Callable[[], None] | None
    ) -> Callable[[], None] | None:
        """Start one frame, publish the last, and return what publishes this one."""
        settings = stream.controls.resolve(time.monotonic())
        record = describe(settings, stream.controls.values)
        queued = (microseconds() - waiting.received) / 1000.0
        work = stream.work(waiting, settings)
        try:
            begun = self._worker.begin(work)
            if finished is not None:
                finished()
                finished = None
            transformed = await self._worker.finish(begun)
        except Exception as problem:  # whatever it is: no single frame may end the daemon
            if finished is not None:
                finished()
            if isinstance(problem, FrameFailed):
                reason = f"frame {waiting.frame.id} could not be transformed: {problem}"
                stream.post(dataclasses.replace(stream.status(self._worker), message=reason))
            elif not isinstance(problem, WorkerLost):
                _log.exception("stream %s: frame %d cannot be handed to the worker", stream.name, waiting.frame.id)
            stream.drop(waiting.frame.id, waiting.source, "failed", "failed")
            return None
        transformed.timings["queue"] = queued
        return lambda: self._publish(stream, waiting, record, transformed)

    @staticmethod
    def _publish(stream: Stream, waiting: Waiting, record: dict[str, Any], transformed: Transformed) -> None:
        """Publish a result; one that cannot be encoded is dropped."""
        try:
            stream.publish(waiting, record, transformed)
        except Exception:
            _log.exception("stream %s: the result of frame %d cannot be sent", stream.name, waiting.frame.id)
            stream.drop(waiting.frame.id, waiting.source, "failed", "failed")

    def _next(self) -> tuple[Stream, Waiting] | None:
        if not self._worker.ready:
            return None
        for name in _after(sorted(self._streams), self._last):
            waiting = self._streams[name].take()
            if waiting is not None:
                self._last = name
                return self._streams[name], waiting
        return None


def _motion(frame: Frame) -> tuple[Moved, ...]:
    plane = frame.planes.get("motion")
    if plane is None or frame.motion_from is None:
        return ()
    return (Moved(plane, frame.id, frame.motion_from),)


def _after(names: Iterable[str], last: str) -> list[str]:
    """Return ``names`` starting behind ``last``, so that each stream has its turn."""
    names = list(names)
    return [name for name in names if name > last] + [name for name in names if name <= last]
