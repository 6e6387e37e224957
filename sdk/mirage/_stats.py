"""How long frames take and how many come, over the last seconds, and what the server's clock says beside ours."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

WINDOW: Final = 10.0
"""Seconds that are looked back on."""
PING_EVERY: Final = 1_000_000
"""Microseconds between two questions for the server's clock."""
_MOST_SAMPLES: Final = 8192
_EXCHANGES: Final = 16


@dataclass(frozen=True)
class Stats:
    """The last ten seconds of a stream.

    ``p50``, ``p95`` and ``p99`` are percentiles of glass-to-glass latency in milliseconds: for a source from sending a
    frame until its result is in hand, for a viewer from the frame's arrival at the server, by the server's clock. NaN
    while there is none. ``jitter`` is the mean difference between one latency and the next, in milliseconds. ``rate``
    is in results a second, ``results`` and ``drops`` are counts. ``offset`` is what the server's clock is ahead of
    `time.monotonic`, in microseconds, None until it is known; it may be wrong by half of ``round_trip``, the shortest
    lately between asking for it and hearing it, in milliseconds.
    """

    p50: float
    p95: float
    p99: float
    jitter: float
    rate: float
    results: int
    drops: int
    offset: float | None
    round_trip: float | None


class Clock:
    """The server's clock, from pings and their answers: the shortest exchange says most (NTP's filter, RFC 5905)."""

    def __init__(self) -> None:
        self._exchanges: deque[tuple[int, float]] = deque(maxlen=_EXCHANGES)
        self._asked = -PING_EVERY

    def asks(self, now: int) -> bool:
        """Whether it is time to ask again; if so, it counts as asked."""
        if now - self._asked < PING_EVERY:
            return False
        self._asked = now
        return True

    def heard(self, sent: int, server: int, now: int) -> None:
        """Take in an answer: when it was asked for, what the server's clock was, and when it came."""
        self._exchanges.append((now - sent, server - (sent + now) / 2))

    @property
    def offset(self) -> float | None:
        """What the server's clock is ahead of ours, in microseconds; None until it is known."""
        return min(self._exchanges)[1] if self._exchanges else None

    @property
    def round_trip(self) -> float | None:
        """Milliseconds of the shortest exchange."""
        return min(self._exchanges)[0] / 1000 if self._exchanges else None


class Meter:
    """Counts results and drops over a sliding window; times are microseconds of our own clock."""

    def __init__(self) -> None:
        self._latencies: deque[tuple[int, float]] = deque(maxlen=_MOST_SAMPLES)
        self._drops: deque[tuple[int, int]] = deque(maxlen=_MOST_SAMPLES)

    def came(self, now: int, latency: float | None) -> None:
        """Count a result; its latency in milliseconds, where that is known."""
        self._latencies.append((now, math.nan if latency is None else latency))

    def dropped(self, now: int, count: int = 1) -> None:
        """Count frames that have no result."""
        if count:
            self._drops.append((now, count))

    def stats(self, now: int, clock: Clock) -> Stats:
        """Return the figures of the window that ends now."""
        begin = now - round(WINDOW * 1e6)
        recent = [(when, latency) for when, latency in self._latencies if when >= begin]
        known = np.array([latency for _, latency in recent if not math.isnan(latency)])
        p50, p95, p99 = np.percentile(known, (50, 95, 99)).tolist() if len(known) else (math.nan,) * 3
        seconds = (recent[-1][0] - recent[0][0]) / 1e6 if recent else 0.0
        return Stats(
            p50=p50,
            p95=p95,
            p99=p99,
            jitter=float(np.abs(np.diff(known)).mean()) if len(known) > 1 else math.nan,
            rate=(len(recent) - 1) / seconds if seconds > 0 else 0.0,
            results=len(recent),
            drops=sum(count for when, count in self._drops if when >= begin),
            offset=clock.offset,
            round_trip=clock.round_trip,
        )
