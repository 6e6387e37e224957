"""A stream: the newest frame in, the worker, and everybody who watches or controls."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, cast

import numpy as np

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
from mirage_runtime.changes import Change, Changes
from mirage_runtime.clock import microseconds
from mirage_runtime.controls import Controls, Fade, describe
from mirage_runtime.jpeg import Encoder, Job
from mirage_runtime.metrics import Metrics, Recent
from mirage_runtime.models import Settings
from mirage_runtime.worker.handle import FrameFailed, Outcome, Overwritten, Transformed, WorkerHandle, WorkerLost
from mirage_runtime.worker.planes import Lease, Moved, Target, Work, result_format

_log = logging.getLogger("mirage.stream")

_DROPPED_IDS_KEPT = 64
# Never used twice: a stream that is left and made again under its name must not find the old one's memory.
_source_numbers = itertools.count(1)
_MOST_MOTION = 4  # frames that motion is composed over; beyond, it is estimated


class Encoded:
    """A message for many, encoded once: in pieces, which are views of what it was made of, or in one."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @cached_property
    def pieces(self) -> list[memoryview | bytes]:
        """What the message consists of, copied nowhere."""
        return encode_pieces(self._message)

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return sum(map(len, self.pieces))

    @cached_property
    def whole(self) -> bytes:
        """The message as one."""
        return b"".join(self.pieces)


class Subscriber(Protocol):
    """A connection, as a stream sees it."""

    role: Role
    quality: int | None
    """Of the JPEGs that it wants results as; None where it wants them as they are."""

    def post(self, message: Message) -> None:
        """Queue a message; never waits."""

    def post_result(self, frame_id: int, result: Encoded) -> int | None:
        """Queue an encoded result; it replaces one that was not sent yet, whose frame id is returned."""

    def reserve(self, size: int) -> Target | None:
        """Return where the worker may put a result of ``size`` bytes for this connection, if anywhere."""

    def finish(self, target: Target, result: Result) -> bool:
        """Pass on a result whose picture is where `reserve` said; False where it has to be posted after all."""

    def evict(self) -> None:
        """Tell a source that another took its place, and close it."""


class Observer(Protocol):
    """Whoever wants to know of a stream without being connected to it."""

    def changed(self, stream: Stream, changes: Mapping[str, Change]) -> None:
        """Parameters have new values."""

    def said(self, stream: Stream, status: Status) -> None:
        """The stream's status was sent to everybody."""

    def published(self, stream: Stream, frame_id: int) -> None:
        """A result was sent to everybody."""

    def paused(self, stream: Stream) -> None:
        """The stream was paused, or goes on."""


@dataclass
class Waiting:
    """The frame in a stream's mailbox."""

    frame: Frame
    source: Subscriber
    received: int = field(default_factory=microseconds)
    motion: tuple[Moved, ...] = ()
    """The frame's own motion, then that of the frames that it replaced, newest first."""
    lease: Lease | None = None
    """Where the frame is memory that its client shares."""
    target: Target | None = None
    """Where its result's picture goes, if that is memory that its client shares."""


class Stream:
    """One name, its parameters, its source and its subscribers. The mailbox holds one frame: the newest."""

    def __init__(
        self, name: str, *, metrics: Metrics, on_frame: Callable[[], None], observer: Observer | None = None
    ) -> None:
        self.name = name
        self.controls = Controls()
        self.recent = Recent()
        self.paused = False
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
        self._observer = observer
        self._changes = Changes(self._tell)
        self._encoder = Encoder(self._post_jpegs, self._drop_unsent)

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

    def offer(self, frame: Frame, source: Subscriber, lease: Lease | None = None) -> None:
        """Put a frame into the mailbox; the one that waited there is dropped and its source told."""
        if source is not self.source:
            return
        motion = _motion(frame)
        if self.waiting is not None:
            if motion and motion[-1].source == self.waiting.frame.id:
                motion = (*motion, *_kept(self.waiting))[:_MOST_MOTION]
            self.drop(self.waiting.frame.id, self.waiting.source, "newer", "dropped")
        self.waiting = Waiting(frame, source, motion=motion, lease=lease)
        self._on_frame()

    def work(self, waiting: Waiting, settings: Settings) -> Work:
        """Return what the worker is given of a frame. Each source has a memory of its own."""
        frame = waiting.frame
        planes = frame.planes
        work = Work(
            self.name,
            frame.id,
            planes["color"],
            settings,
            source=self._source_number,
            motion=waiting.motion,
            depth=planes.get("depth"),
            ids=planes.get("ids"),
            camera=frame.camera,
            lease=waiting.lease,
        )
        if waiting.source is self.source and waiting.source.quality is None:
            waiting.target = waiting.source.reserve(work.result_size)
        return dataclasses.replace(work, target=waiting.target)

    def take(self) -> Waiting | None:
        """Take the newest frame out of the mailbox; while the stream is paused it stays there."""
        if self.paused:
            return None
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

    def set(
        self, values: Mapping[str, ParameterValue], by: object = None, fade: Fade | None = None
    ) -> dict[str, ParameterValue]:
        """Change parameters and tell everybody but whoever did; returns all that have changed."""
        changed = implied(values, self.controls.values)
        self.controls.set(changed, time.monotonic(), fade)
        self._changes.note(changed, by)
        return changed

    def _tell(self, changes: Mapping[str, Change]) -> None:
        for subscriber in self._subscribers:
            values = {name: value for name, (value, by) in changes.items() if by is not subscriber}
            if values:
                subscriber.post(ParametersChanged(values))
        if self._observer is not None:
            self._observer.changed(self, changes)

    def pause(self, paused: bool) -> None:
        """Stop to transform frames, or go on with the newest. Who watches holds the last picture."""
        if paused != self.paused:
            self.paused = paused
            self._on_frame()
            if self._observer is not None:
                self._observer.paused(self)

    def post(self, message: Message, *, but: Subscriber | None = None) -> None:
        """Send a message to everybody on the stream."""
        for subscriber in self._subscribers:
            if subscriber is not but:
                subscriber.post(message)
        if self._observer is not None and isinstance(message, Status):
            self._observer.said(self, message)

    def publish(self, waiting: Waiting, record: dict[str, Any], transformed: Transformed) -> None:
        """Send a result to the source and the viewers, encoded once."""
        try:
            self._send(waiting, record, transformed)
        finally:
            latency = (microseconds() - waiting.received) / 1000.0
            self._metrics.observe(self.name, _milliseconds(transformed.stages), latency)
            self.recent.add(latency)
            if self._observer is not None:
                self._observer.published(self, waiting.frame.id)

    def _send(self, waiting: Waiting, record: dict[str, Any], transformed: Transformed) -> None:
        frame, color = waiting.frame, waiting.frame.planes["color"]
        if waiting.source is not self.source:
            return
        self._resets += transformed.reset
        result = Result(
            frame.id,
            {"color": Plane(result_format(color), color.width, color.height, transformed.data)},
            time=frame.time,
            dropped=self._dropped,
            dropped_ids=tuple(self._dropped_ids),
            received=waiting.received,
            sent=microseconds(),
            timings=_milliseconds(transformed.stages),
            stages=transformed.stages,
            parameters=record,
            resets=self._resets,
            memory=transformed.memory,
            lag=transformed.lag,
        )
        self._dropped_ids.clear()
        passed_on = waiting.target is not None and waiting.source.finish(waiting.target, result)
        encoded = Encoded(result)
        for subscriber in self._subscribers:
            if subscriber.role == "controller" or (passed_on and subscriber is waiting.source):
                continue
            if subscriber.quality is None:
                self._post_result(subscriber, frame.id, encoded)
        qualities = {subscriber.quality for subscriber in self._subscribers if subscriber.role != "controller"} - {None}
        if qualities:
            plane = result.planes["color"]
            picture = np.frombuffer(plane.data, np.uint8).reshape(plane.height, plane.width, -1).copy()
            self._encoder.offer(Job(result, picture, cast("set[int]", qualities), waiting.source))

    def _post_result(self, subscriber: Subscriber, frame_id: int, encoded: Encoded) -> None:
        replaced = subscriber.post_result(frame_id, encoded)
        if replaced is not None and subscriber is self.source:
            self.drop(replaced, subscriber, "newer", "unread")

    def _post_jpegs(self, job: Job, files: dict[int, bytes], took: tuple[int, int]) -> None:
        """Send a result to those who want it as JPEG, unless its source was replaced meanwhile."""
        if job.source is not self.source:
            return
        result = job.result
        self._metrics.stages.labels(self.name, "encode").observe((took[1] - took[0]) / 1e6)
        color = result.planes["color"]
        result = dataclasses.replace(
            result,
            sent=microseconds(),
            stages=result.stages | {"encode": took},
            timings=result.timings | {"encode": (took[1] - took[0]) / 1000.0},
        )
        messages = {
            quality: Encoded(
                dataclasses.replace(
                    result, planes={"color": Plane("jpeg", color.width, color.height, memoryview(data))}
                )
            )
            for quality, data in files.items()
        }
        for subscriber in self._subscribers:
            if subscriber.role != "controller" and subscriber.quality in messages:
                self._post_result(subscriber, result.id, messages[subscriber.quality])

    def _drop_unsent(self, job: Job) -> None:
        """Note that a result was replaced before it was encoded, or cannot be."""
        if self.source is not None and job.source is self.source and self.source.quality is not None:
            self.drop(job.result.id, self.source, "newer", "unread")

    def status(self, worker: WorkerHandle) -> Status:
        """Return what the stream is doing."""
        if not worker.ready:
            return Status("recovering", worker.problem or "")
        if self.paused:
            return Status("paused")
        if self.source is None:
            return Status("waiting", "no source is connected")
        return Status("streaming")


class Dispatcher:
    """Gives the worker the newest frame of each stream in turn.

    Everything happens in the callbacks that say that there is a frame, or an answer: nothing waits to be scheduled. A
    result is encoded and sent while the worker is at the next frame. ``before`` is called before each frame: what came
    in until then counts for it.
    """

    def __init__(
        self, streams: Mapping[str, Stream], worker: WorkerHandle, before: Callable[[], None] = lambda: None
    ) -> None:
        self._streams = streams
        self._worker = worker
        self._before = before
        self._busy = False
        self._last = ""

    def wake(self) -> None:
        """Say that a frame has arrived, or that the worker is ready."""
        while not self._busy and (found := self._next()) is not None:
            self._begin(*found)

    def _begin(self, stream: Stream, waiting: Waiting) -> None:
        self._busy = True  # what comes in now may wake this, and must find it at work
        self._before()
        settings = stream.controls.resolve(time.monotonic())
        record = describe(settings, stream.controls.values)
        queued = (waiting.received, microseconds())

        def done(outcome: Outcome) -> None:
            self._busy = False
            self.wake()
            if isinstance(outcome, Transformed):
                outcome.stages["queue"] = queued
                self._publish(stream, waiting, record, outcome)
            else:
                self._fail(stream, waiting, outcome)

        try:
            self._worker.begin(stream.work(waiting, settings), done)
        except Exception as problem:  # whatever it is: no single frame may end the daemon
            self._busy = False
            self._fail(stream, waiting, problem)

    def _fail(self, stream: Stream, waiting: Waiting, problem: Exception) -> None:
        """Drop a frame that cannot be transformed."""
        if isinstance(problem, Overwritten):
            stream.drop(waiting.frame.id, waiting.source, "newer", "dropped")
            return
        if isinstance(problem, FrameFailed):
            reason = f"frame {waiting.frame.id} could not be transformed: {problem}"
            stream.post(dataclasses.replace(stream.status(self._worker), message=reason))
        elif not isinstance(problem, WorkerLost):
            _log.error("stream %s: frame %d: a fault of ours", stream.name, waiting.frame.id, exc_info=problem)
        stream.drop(waiting.frame.id, waiting.source, "failed", "failed")

    def _publish(self, stream: Stream, waiting: Waiting, record: dict[str, Any], transformed: Transformed) -> None:
        """Publish a result; one that cannot be encoded is dropped."""
        try:
            stream.publish(waiting, record, transformed)
        except Exception:
            _log.exception("stream %s: the result of frame %d cannot be sent", stream.name, waiting.frame.id)
            stream.drop(waiting.frame.id, waiting.source, "failed", "failed")
        finally:
            self._worker.release()

    def _next(self) -> tuple[Stream, Waiting] | None:
        if not self._worker.ready:
            return None
        for name in _after(sorted(self._streams), self._last):
            waiting = self._streams[name].take()
            if waiting is not None:
                self._last = name
                return self._streams[name], waiting
        return None


def _kept(waiting: Waiting) -> tuple[Moved, ...]:
    """Return the motion of a frame that is dropped, its own copied: its client may write over it from now on."""
    copied = tuple(
        dataclasses.replace(moved, plane=dataclasses.replace(moved.plane, data=memoryview(bytes(moved.plane.data))))
        for moved in waiting.motion[:1]
    )
    intact = waiting.lease is None or waiting.lease.intact()
    return (*copied, *waiting.motion[1:]) if intact else ()


def _milliseconds(stages: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """Return how long each stage took; `transfer` is the way to the worker and back."""
    took = {stage: (ended - began) / 1000.0 for stage, (began, ended) in stages.items()}
    took["transfer"] = max(0.0, took.pop("handover", 0.0)) + max(0.0, took.pop("return", 0.0))
    return took


def _motion(frame: Frame) -> tuple[Moved, ...]:
    plane = frame.planes.get("motion")
    if plane is None or frame.motion_from is None:
        return ()
    return (Moved(plane, frame.id, frame.motion_from),)


def _after(names: Iterable[str], last: str) -> list[str]:
    """Return ``names`` starting behind ``last``, so that each stream has its turn."""
    names = list(names)
    return [name for name in names if name > last] + [name for name in names if name <= last]
