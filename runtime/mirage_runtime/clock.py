"""The one clock: monotonic, and the same in every process of a machine."""

from __future__ import annotations

import time


def microseconds() -> int:
    """Return the clock that results carry: whole microseconds since some moment in the past."""
    return time.perf_counter_ns() // 1000
