"""When to look at a Shared Mem Out TOP, and what to do with what is seen there: the reading thread's steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mirage_runtime.transports.touch.header import TouchError
from mirage_runtime.transports.touch.inlet import Inlet, Missing, Picture
from mirage_runtime.transports.touch.notices import Notices
from mirage_runtime.transports.touch.slots import Slots

# Seconds between two looks: while pictures come, while none does, where something is wrong.
_SOON: Final = 0.001
_STILL: Final = 0.008
_WRONG: Final = 0.1
_MOVING_FOR: Final = 1.0
"""Seconds after a picture for which the next is looked for often."""
_ABSENT_FOR: Final = 2.0
"""Seconds without memory or a picture in it after which the stream is left to others."""
_AGAIN: Final = 0.04
"""Seconds between two looks at a still picture's stream: has a parameter changed?"""


class Reading:
    """The reading thread's steps, and what it remembers between them."""

    def __init__(self, inlet: Inlet, slots: Slots, notices: Notices, call: Callable[..., bool]) -> None:
        self._inlet = inlet
        self._slots = slots
        self._notices = notices
        self._call = call
        self._moved = time.monotonic()
        self._asked = 0.0
        self._good: float | None = None

    def step(
        self,
        offer: Callable[[Picture], None],
        offer_again: Callable[[Picture], None],
        leave: Callable[[], None],
    ) -> float:
        """Look once, pass on what is there, and return the seconds until the next look."""
        now = time.monotonic()
        try:
            picture = self._inlet.look()
        except TouchError as error:
            if self._good is not None and now - self._good > _ABSENT_FOR:
                self._good = None
                self._call(leave)
            self._notices.say("in", str(error))
            return _WRONG if isinstance(error, Missing) else _STILL
        self._good = now
        if self._inlet.last is not None:
            self._notices.say("in", None)
        if picture is not None:
            self._moved = now
            self._pass(picture, offer)
        elif self._inlet.last is not None and now - max(self._moved, self._asked) > _AGAIN:
            self._asked = now
            self._pass(self._inlet.last, offer_again)
        return _SOON if now - self._moved < _MOVING_FOR else _STILL

    def _pass(self, picture: Picture, to: Callable[[Picture], None]) -> None:
        self._slots.hold(picture.slot)
        if not self._call(to, picture):
            self._slots.give(picture.slot)
