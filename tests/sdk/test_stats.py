"""Latency, rate and drops as the client counts them, and the server's clock as it works it out."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mirage
import mirage_protocol as protocol
from mirage._stats import Clock, Meter

SECOND = 1_000_000


def test_nothing_has_come_yet() -> None:
    stats = Meter().stats(5 * SECOND, Clock())
    assert (stats.results, stats.drops, stats.rate, stats.offset) == (0, 0, 0.0, None)
    assert math.isnan(stats.p50)
    assert math.isnan(stats.jitter)


def test_figures_are_those_of_the_last_ten_seconds() -> None:
    meter = Meter()
    for index in range(400):  # 20 seconds at 20 a second; latencies go to and fro between 30 and 34
        meter.came(index * 50_000, 30.0 + index % 2 * 4.0)
    meter.dropped(1 * SECOND, 100)
    meter.dropped(15 * SECOND, 2)
    meter.dropped(16 * SECOND)
    stats = meter.stats(20 * SECOND, Clock())
    assert (stats.results, stats.drops) == (200, 3)
    assert stats.rate == pytest.approx(20.0)
    assert (stats.p50, stats.p95, stats.p99) == pytest.approx((32.0, 34.0, 34.0))
    assert stats.jitter == pytest.approx(4.0)


@given(st.lists(st.floats(0.1, 1000.0), min_size=2, max_size=200))
def test_percentiles_are_in_order_and_within_what_was_seen(latencies: list[float]) -> None:
    meter = Meter()
    for index, latency in enumerate(latencies):
        meter.came(index * 1000, latency)
    stats = meter.stats(len(latencies) * 1000, Clock())
    seen = [min(latencies), stats.p50, stats.p95, stats.p99, max(latencies)]
    assert all(one <= two * (1 + 1e-9) for one, two in itertools.pairwise(seen))


@given(st.integers(-(10**12), 10**12), st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1))
def test_the_clock_is_right_within_half_a_round_trip(ahead: int, delays: list[tuple[int, int]]) -> None:
    clock, now = Clock(), 0
    for there, back in delays:
        now += 1000
        clock.heard(now, now + there + ahead, now + there + back)
    assert clock.offset is not None
    assert clock.round_trip is not None
    assert abs(clock.offset - ahead) <= clock.round_trip * 1000 / 2 + 1e-6
    assert clock.round_trip * 1000 == pytest.approx(min(there + back for there, back in delays[-16:]))


def test_the_clock_is_asked_for_once_a_second() -> None:
    clock = Clock()
    assert [clock.asks(now) for now in (0, 1, SECOND - 1, SECOND, SECOND + 5, 3 * SECOND)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("transport", ["websocket", "shared-memory"])
def test_a_source_sees_what_it_measured_itself(echo_daemon: Any, transport: Any) -> None:
    frame = np.zeros((48, 64, 4), np.uint8)
    with mirage.connect(echo_daemon.url, transport=transport, take_over=True, timeout=60) as stream:
        seen = [stream.transform(frame).round_trip for _ in range(20)]
        time.sleep(0.2)
        stats = stream.stats
    assert stats.results == 20
    assert min(seen) <= stats.p50 <= stats.p95 <= stats.p99 <= max(seen)
    assert stats.rate > 0
    assert stats.offset is not None
    assert stats.round_trip is not None
    # One machine, one clock: what the exchange says it is ahead is within half of its round trip.
    assert abs(stats.offset) <= stats.round_trip * 1000 / 2 + 1


def test_a_viewer_measures_by_the_servers_clock(echo_daemon: Any) -> None:
    frame = np.zeros((48, 64, 4), np.uint8)
    with (
        mirage.connect(echo_daemon.url, take_over=True, timeout=60) as source,
        mirage.connect(echo_daemon.url, role="viewer", timeout=60) as viewer,
    ):
        for _ in range(20):
            source.transform(frame)
            viewer.receive()
            time.sleep(0.01)
        stats = viewer.stats
    assert stats.results == 20
    assert 0 < stats.p50 < 1000


def test_drops_are_counted(connect: Any, server: Any) -> None:
    server.on_frame = lambda frame: [protocol.Dropped((frame.id,), "newer")]
    stream = connect(server.url)
    for _ in range(3):
        with pytest.raises(mirage.FrameDropped):
            stream.transform(np.zeros((4, 4, 3), np.uint8))
    assert stream.stats.drops == 3
    assert stream.stats.results == 0
