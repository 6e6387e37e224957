"""What is wrong with shared memory, one line a part: said once in the log, and in `/health` as long as it lasts."""

from __future__ import annotations

import logging
import time
from typing import Final

_log = logging.getLogger("mirage.touch")

_PACE: Final = 1.0
"""Seconds between two lines of one part in the log: memory may change its mind a hundred times in one."""


class Notices:
    """The problems of one stream's memory. Any thread may tell and ask."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._problems: dict[str, str] = {}
        self._logged: dict[str, tuple[float, str | None]] = {}

    @property
    def problems(self) -> list[str]:
        """What is wrong now."""
        return [self._problems[part] for part in sorted(self._problems)]

    def say(self, part: str, problem: str | None) -> None:
        """Tell what is wrong with a part, ``in``, ``out`` or ``stream``; None for nothing."""
        if problem is None:
            self._problems.pop(part, None)
        else:
            self._problems[part] = problem
        now = time.monotonic()
        when, last = self._logged.get(part, (-_PACE, None))
        if last == problem or now - when < _PACE:
            return
        self._logged[part] = (now, problem)
        if problem is None:
            _log.info("stream %s: shared memory (%s) is well again", self._stream, part)
        else:
            _log.warning("stream %s: %s", self._stream, problem)
