"""What the daemon counts, in Prometheus' terms, on a registry of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from statistics import median

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.25, 1.0, 5.0)


class Recent:
    """Results of the last two seconds: how many a second, and how long they took."""

    WINDOW = 2.0

    def __init__(self) -> None:
        self.count = 0
        """Of all results ever."""
        self._results: deque[tuple[float, float]] = deque()

    def add(self, latency: float) -> None:
        """Count a result that took ``latency`` milliseconds."""
        now = time.monotonic()
        self.count += 1
        self._results.append((now, latency))
        self._forget(now)

    def figures(self) -> tuple[float, float]:
        """Return results a second and the median of their milliseconds, 0 and 0 where there are none."""
        self._forget(time.monotonic())
        if not self._results:
            return 0.0, 0.0
        return len(self._results) / self.WINDOW, median(latency for _, latency in self._results)

    def _forget(self, now: float) -> None:
        while self._results and self._results[0][0] < now - self.WINDOW:
            self._results.popleft()


class Metrics:
    """Frames by stream and outcome, seconds by stage and in all, connections by role, restarts of the worker.

    A frame's outcome is transformed, dropped (a newer one took its place) or failed; unread counts those transformed
    whose result was replaced before it could be sent.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self.frames = Counter(
            "mirage_frames",
            "Frames, by what became of them.",
            ["stream", "outcome"],
            registry=registry,
        )
        self.stages = Histogram(
            "mirage_stage_seconds", "Time a stage took.", ["stream", "stage"], buckets=_SECONDS, registry=registry
        )
        self.latency = Histogram(
            "mirage_frame_seconds",
            "Time from a frame's arrival until its result left.",
            ["stream"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.connections = Gauge("mirage_connections", "Open connections.", ["role"], registry=registry)
        self.errors = Counter("mirage_errors", "Messages answered with an error.", ["code"], registry=registry)
        self.osc = Counter(
            "mirage_osc_messages", "Messages of OSC, by what became of them.", ["outcome"], registry=registry
        )
        self.osc_subscribers = Gauge("mirage_osc_subscribers", "Who is sent feedback by OSC.", registry=registry)
        self.restarts = Gauge("mirage_worker_restarts", "Times the worker was started again.", registry=registry)
        self.ready = Gauge("mirage_ready", "1 when a frame can be transformed.", registry=registry)

    def observe(self, stream: str, timings: Mapping[str, float], latency: float) -> None:
        """Count one transformed frame; ``timings`` and ``latency``, from arrival to departure, in milliseconds."""
        self.frames.labels(stream, "transformed").inc()
        self.latency.labels(stream).observe(latency / 1000.0)
        for stage, milliseconds in timings.items():
            self.stages.labels(stream, stage).observe(milliseconds / 1000.0)

    def forget(self, stream: str) -> None:
        """Remove what was counted of a stream."""
        for metric in (self.frames, self.stages, self.latency):
            metric.remove_by_labels({"stream": stream})

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
