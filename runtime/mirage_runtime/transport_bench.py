"""`mirage bench transport`: a frame's round trip through the daemon, beside what this machine can do at all.

The model echo gives frames back by shared memory and by WebSocket; bare copies and bare echoes of the same bytes take
turns with them, so that a noisy machine is noisy for all.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from websockets.exceptions import WebSocketException

import mirage
from mirage_protocol import DEFAULT_MAX_HEIGHT, DEFAULT_MAX_WIDTH
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.measuring import (
    PATIENCE,
    START_TIMEOUT,
    TcpClient,
    Times,
    machine,
    server,
    tcp_echo,
    websocket_client,
    websocket_echo,
    websocket_round_trip,
)

SIZES = ((512, 288), (768, 432), (1280, 720), (1920, 1080), (3840, 2160))
_TURN = 0.4  # seconds after which a turn ends even if it had fewer frames: what bounds the whole run
_COPIES = 4  # the yardstick: from the client to the daemon, to the model, back to the daemon, back to the client

Bytes = npt.NDArray[np.uint8]


@dataclass
class Spread:
    """The milliseconds of one thing: the median, the 95th percentile, and how often it was measured."""

    p50: float
    p95: float
    samples: int


@dataclass
class SizeReport:
    """The figures of one size: round trips through the daemon, and below them the machine's own."""

    size: str
    shared_memory: Spread
    websocket: Spread
    copies_hot: Spread
    """Four copies between the same two buffers: a small frame stays in the processor's cache."""
    copies_through_memory: Spread
    """Four copies from each of five buffers to the next, as a frame is handed on."""
    bare_websocket: Spread
    """The library `websockets` alone, echoing the frame's bytes."""
    bare_websocket_64_bytes: Spread
    """The same, echoing 64 bytes: the cost of a round trip that carries nothing."""
    bare_tcp: Spread
    """Plain sockets, echoing the frame's bytes."""

    @property
    def shared_to_copies_hot(self) -> float:
        """A round trip by shared memory, in units of four hot copies. Goal: at most 3 at 1920x1080."""
        return self.shared_memory.p50 / self.copies_hot.p50

    @property
    def shared_to_copies_through_memory(self) -> float:
        """A round trip by shared memory, in units of four copies through memory."""
        return self.shared_memory.p50 / self.copies_through_memory.p50

    @property
    def shared_beyond_copies_to_64_bytes(self) -> float:
        """What shared memory takes beyond four hot copies, in units of the echo of 64 bytes.

        Goal: at most 1.3 at 768x432.
        """
        return (self.shared_memory.p50 - self.copies_hot.p50) / self.bare_websocket_64_bytes.p50

    @property
    def websocket_to_bare(self) -> float:
        """A round trip by WebSocket, in units of the bare WebSocket echo. Goal: at most 1.3 at 1920x1080."""
        return self.websocket.p50 / self.bare_websocket.p50

    def as_json(self) -> dict[str, Any]:
        """Return the figures, in milliseconds, and their ratios as plain data."""
        return asdict(self) | {
            "shared_to_copies_hot": self.shared_to_copies_hot,
            "shared_to_copies_through_memory": self.shared_to_copies_through_memory,
            "shared_beyond_copies_to_64_bytes": self.shared_beyond_copies_to_64_bytes,
            "websocket_to_bare": self.websocket_to_bare,
        }


@dataclass
class Report:
    """A whole run."""

    machine: str
    sizes: list[SizeReport]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {"machine": self.machine, "sizes": [size.as_json() for size in self.sizes]}


@dataclass
class _Subject:
    """One thing to measure: ``call`` takes bytes of ``payload``'s shape and gives them back."""

    call: Callable[[Bytes], Any]
    payload: Bytes


def measure(
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
    frames: int = 40,
    rounds: int = 6,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Measure everything at each size (width, height), in ``rounds`` turns of ``frames`` frames.

    A turn ends after 0.4 seconds even if it had fewer, so large frames are measured less often.
    Raises `MirageRuntimeError` when a size is larger than a daemon takes, a server does not start, a connection
    breaks, a transport is not the one that was asked for, or an echo gives back other bytes than it was sent.
    """
    for width, height in sizes:
        if width > DEFAULT_MAX_WIDTH or height > DEFAULT_MAX_HEIGHT:
            problem = f"{width}x{height} is too large: measure at most {DEFAULT_MAX_WIDTH}x{DEFAULT_MAX_HEIGHT}"
            raise MirageRuntimeError(problem)
    reports = []
    try:
        with _echoes() as echoes:
            for width, height in sizes:
                progress(f"measuring {width}x{height}")
                subjects = _subjects(echoes, width, height)
                _warm_up(subjects)
                reports.append(_report(f"{width}x{height}", _in_turns(subjects, frames, rounds)))
    except (mirage.MirageError, WebSocketException, OSError) as error:
        raise MirageRuntimeError(f"the measurement broke off: {error}") from error
    return Report(machine(), reports)


def _in_turns(subjects: Mapping[str, _Subject], frames: int, rounds: int) -> dict[str, Times]:
    times = {name: Times() for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            deadline = time.perf_counter() + _TURN
            for _ in range(frames):
                began = time.perf_counter()
                subject.call(subject.payload)
                ended = time.perf_counter()
                times[name].samples.append((ended - began) * 1000.0)
                if ended > deadline:
                    break
    return times


def _warm_up(subjects: Mapping[str, _Subject]) -> None:
    """Warm every cache and buffer; raises `MirageRuntimeError` where other bytes come back than were sent."""
    for name, subject in subjects.items():
        # Inverted in between, so that what came back before is wrong.
        for sent in (subject.payload, ~subject.payload, subject.payload):
            if bytes(subject.call(sent)) != sent.tobytes():
                raise MirageRuntimeError(f"{name.replace('_', ' ')}: the bytes that came back are not those sent")


def _report(size: str, times: Mapping[str, Times]) -> SizeReport:
    spreads = {
        name: Spread(taken.percentile(50), taken.percentile(95), len(taken.samples)) for name, taken in times.items()
    }
    return SizeReport(size, **spreads)


@contextlib.contextmanager
def _echoes() -> Iterator[dict[str, Callable[[Bytes], Any]]]:
    """Start every server and connect to it, and give the functions that send bytes and return what comes back."""
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(
            server("mirage_runtime", "serve", "--port", "0", "--model", "echo", "--log-level", "warning")
        )
        bare = stack.enter_context(websocket_client(stack.enter_context(websocket_echo())))
        tcp = stack.enter_context(TcpClient(stack.enter_context(tcp_echo())))
        yield {
            "shared_memory": stack.enter_context(_through_daemon(daemon, "shared-memory")),
            "websocket": stack.enter_context(_through_daemon(daemon, "websocket")),
            "bare_websocket": lambda payload: websocket_round_trip(bare, payload.data),
            "bare_tcp": lambda payload: tcp.round_trip(payload.data),
        }


@contextlib.contextmanager
def _through_daemon(port: int, transport: Literal["shared-memory", "websocket"]) -> Iterator[Callable[[Bytes], Any]]:
    url = f"ws://127.0.0.1:{port}/bench-{transport}"
    with mirage.connect(url, transport=transport, timeout=START_TIMEOUT) as stream:

        def call(frame: Bytes) -> Any:
            image = stream.transform(frame, timeout=PATIENCE).image
            if stream.transport != transport:
                reason = stream.transport_reason or "it gives no reason"
                raise MirageRuntimeError(f"{transport} was asked for, and {stream.transport} is in use: {reason}")
            return image

        yield call


def _subjects(echoes: Mapping[str, Callable[[Bytes], Any]], width: int, height: int) -> dict[str, _Subject]:
    """Return what is measured at one size, by the names of `SizeReport`'s fields."""
    frame = np.random.default_rng(1).integers(0, 256, (height, width, 4), np.uint8)
    flat = frame.reshape(-1)
    return {
        "shared_memory": _Subject(echoes["shared_memory"], frame),
        "copies_hot": _Subject(_copies_hot(flat), flat),
        "websocket": _Subject(echoes["websocket"], frame),
        "bare_websocket": _Subject(echoes["bare_websocket"], flat),
        "bare_tcp": _Subject(echoes["bare_tcp"], flat),
        "copies_through_memory": _Subject(_copies_through_memory(flat), flat),
        "bare_websocket_64_bytes": _Subject(echoes["bare_websocket"], np.arange(64, dtype=np.uint8)),
    }


def _copies_hot(like: Bytes) -> Callable[[Bytes], Bytes]:
    target = np.empty_like(like)

    def copy(source: Bytes) -> Bytes:
        for _ in range(_COPIES):
            np.copyto(target, source)
        return target

    return copy


def _copies_through_memory(like: Bytes) -> Callable[[Bytes], Bytes]:
    buffers = [np.empty_like(like) for _ in range(_COPIES)]

    def copy(source: Bytes) -> Bytes:
        for before, after in itertools.pairwise((source, *buffers)):
            np.copyto(after, before)
        return buffers[-1]

    return copy
