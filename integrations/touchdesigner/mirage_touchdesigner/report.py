"""How it goes, for the main thread to show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mirage


@dataclass(frozen=True)
class Status:
    """One state, ``off``, ``connecting``, ``connected``, ``reconnecting`` or ``refused``, and what is wrong.

    ``rows`` are the statistics: names and values, as a table shows them.
    """

    state: str = "off"
    message: str = ""
    rows: tuple[tuple[str, str], ...] = ()


def rows(stream: mirage.Stream, status: Status, last: mirage.Result | None) -> tuple[tuple[str, str], ...]:
    """Return the statistics of a stream: latencies in milliseconds, the rate in results a second."""
    stats = stream.stats
    found = [("state", status.state), ("message", status.message), ("stream", stream.state)]
    found += [("model", str(stream.model.get("name", ""))), ("transport", stream.transport)]
    found += [("transport_reason", stream.transport_reason or "")]
    for name in ("rate", "p50", "p95", "p99", "jitter"):
        value = getattr(stats, name)
        found.append((name, "" if math.isnan(value) else f"{value:.2f}"))
    found += [("results", str(stats.results)), ("drops", str(stats.drops))]
    if last is not None:
        found += [("frame", str(last.frame_id)), ("memory", f"{last.memory:.2f}"), ("resets", str(last.resets))]
        found += [(f"ms_{stage}", f"{took:.2f}") for stage, took in last.timings.items()]
    return tuple(found)
