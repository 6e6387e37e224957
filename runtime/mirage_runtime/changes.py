"""Changes of parameters on their way to those who want to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from mirage_protocol import ParameterValue

Change = tuple[ParameterValue, object]
"""A parameter's new value, and who set it."""

INTERVAL = 0.04
"""Seconds between two tellings: a fader may move a thousand times a second, and eyes follow twenty-five."""


class Changes:
    """Collects changes and tells them: the first at once, those that come soon after it together, each name once."""

    def __init__(self, tell: Callable[[Mapping[str, Change]], None]) -> None:
        self._tell = tell
        self._pending: dict[str, Change] = {}
        self._told = -INTERVAL
        self._timer: asyncio.TimerHandle | None = None

    def note(self, values: Mapping[str, ParameterValue], by: object) -> None:
        """Take down what was set, and by whom."""
        self._pending |= {name: (value, by) for name, value in values.items()}
        if self._timer is not None or not self._pending:
            return
        rest = self._told + INTERVAL - time.monotonic()
        if rest <= 0.0:
            self._flush()
        else:
            self._timer = asyncio.get_running_loop().call_later(rest, self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._told = time.monotonic()
        pending, self._pending = self._pending, {}
        self._tell(pending)
