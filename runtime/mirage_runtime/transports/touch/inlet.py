"""Reading a Shared Mem Out TOP: is there a picture that we do not have yet?

Nothing in that memory counts frames. So a few lines are compared with the picture that was read last, others at each
look, until one differs: a moving picture is noticed at once, a change of a single pixel after a few dozen looks. All of
it happens under the lock that the TOP takes to write; where a writer has none, the picture is read twice.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from mirage_runtime.transports.touch import header as headers
from mirage_runtime.transports.touch import pixels, segments
from mirage_runtime.transports.touch.header import Header, TouchError
from mirage_runtime.transports.touch.pixels import Bytes
from mirage_runtime.transports.touch.segments import PREFIX, Reader
from mirage_runtime.transports.touch.slots import Slot, Slots

_LINES: Final = 8
_CHECK_EVERY: Final = 0.25
_LOCKED_FOR: Final = 2.0
_SETTLED_FOR: Final = 0.002
"""Seconds for which a picture must stand unchanged where its writer has no lock."""


class Missing(TouchError):
    """There is no memory of that name."""


@dataclass(frozen=True)
class Picture:
    """A picture that was read: RGBA from the top down in a slot, and the header that it came with."""

    header: Header
    slot: Slot


class Inlet:
    """One Shared Mem Out TOP. For one thread."""

    def __init__(self, name: str, slots: Slots, most: tuple[int, int]) -> None:
        self._name = name
        self._slots = slots
        self._most = most
        self._reader: Reader | None = None
        self._checked = 0.0
        self._locked_since: float | None = None
        self._last: Picture | None = None
        self._known: Bytes | None = None  # the rows of the last picture as they lie in the memory
        self._raw: Bytes = np.empty((0, 0), np.uint8)
        self._band: Bytes = np.empty(0, np.uint8)
        self._turn = 0

    @property
    def last(self) -> Picture | None:
        """The picture that was read last, held for as long as it is that."""
        return self._last

    def look(self) -> Picture | None:
        """Return the picture where it is another than at the last look, else None.

        Raises `Missing` where there is no such memory, `TouchError` where it cannot be used.
        """
        reader = self._opened()
        with reader.locked() as held:
            if self._is_stuck(held):
                raise TouchError(f"{PREFIX}{self._name} stays locked: is the program that writes it hanging?")
            if not held:
                return None
            try:
                header, size = self._header(reader), reader.size
                if self._is_known(reader, header):
                    return None
                picture = self._read(reader, header)
            except TouchError as error:
                self._forget()
                raise TouchError(f"{PREFIX}{self._name}: {error}") from None
            if picture is None or not (reader.guarded or self._is_whole(reader, header, size)):
                self._forget()
                return None
        if not pixels.is_plain(header.format):
            out = np.frombuffer(picture.slot.view, np.uint8, header.width * header.height * 4)
            pixels.to_rgba8(self._raw, header.format, out.reshape(header.height, header.width, 4))
        return picture

    def close(self) -> None:
        """Let go of it."""
        self._forget()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _opened(self) -> Reader:
        now = time.monotonic()
        if self._reader is not None and now - self._checked > _CHECK_EVERY:
            self._checked = now
            if not self._reader.is_current():
                self._reader.close()
                self._reader = None
        if self._reader is None:
            self._reader = segments.open_reader(self._name)
            self._checked = now
        if self._reader is None:
            self._forget()
            raise Missing(
                f"there is no {PREFIX}{self._name}: is there a Shared Mem Out TOP that is active, has the name "
                f"'{self._name}' and is of the type Local?"
            )
        return self._reader

    def _is_stuck(self, held: bool) -> bool:
        now = time.monotonic()
        self._locked_since = None if held else self._locked_since or now
        return self._locked_since is not None and now - self._locked_since > _LOCKED_FOR

    def _header(self, reader: Reader) -> Header:
        data = bytearray(min(reader.size, headers.LONGEST))
        reader.read(0, memoryview(data))
        return headers.read(data, reader.size, self._most)

    def _is_known(self, reader: Reader, header: Header) -> bool:
        """Whether it is the picture of the last look, as far as this look's lines tell."""
        if self._last is None or self._known is None or header != self._last.header:
            return False
        step = -(-header.height // _LINES)
        self._turn = (self._turn + 1) % step
        line = np.empty(header.row, np.uint8)
        for number in range(self._turn, header.height, step):
            reader.read(header.offset + number * header.row, line.data)
            if not np.array_equal(line, self._known[number]):
                return False
        return True

    def _read(self, reader: Reader, header: Header) -> Picture | None:
        """Read the whole picture; None where there is no slot for it just now."""
        slot = self._slots.take(header.width * header.height * 4)
        if slot is None:
            return None
        if self._last is not None:
            self._slots.give(self._last.slot)
        self._last, self._known = Picture(header, slot), None
        if pixels.is_plain(header.format):
            rows = np.frombuffer(slot.view, np.uint8, header.size).reshape(header.height, header.row)[::-1]
            self._read_rows(reader, header, rows)
            self._known = rows
        else:
            if self._raw.shape != (header.height, header.row):
                self._raw = np.empty((header.height, header.row), np.uint8)
            reader.read(header.offset, self._raw.data.cast("B"))
            self._known = self._raw
        return self._last

    def _read_rows(self, reader: Reader, header: Header, rows: Bytes) -> None:
        """Copy the pixels into ``rows``."""
        view = reader.view(header.offset, header.size)
        if view is not None:
            np.copyto(rows, np.frombuffer(view, np.uint8).reshape(header.height, header.row))
            return
        # Rows are turned over in the processor's cache: in one system call, row by row, it takes no less.
        for band in pixels.bands(header.height, header.row):
            part = self._band_of((band.stop - band.start) * header.row)
            reader.read(header.offset + band.start * header.row, part.data)
            rows[band] = part.reshape(-1, header.row)

    def _band_of(self, size: int) -> Bytes:
        """Return memory for a band, the same again: new memory costs as much as what is read into it."""
        if self._band.size < size:
            self._band = np.empty(size, np.uint8)
        return self._band[:size]

    def _is_whole(self, reader: Reader, header: Header, size: int) -> bool:
        """Whether what was read stands there still: where nobody locks, it might have been half a picture."""
        time.sleep(_SETTLED_FOR)
        again = np.empty((header.height, header.row), np.uint8)
        with contextlib.suppress(TouchError):
            reader.read(header.offset, again.data.cast("B"))
            same = self._known is not None and np.array_equal(again, self._known)
            return same and reader.size == size and self._header(reader) == header
        return False

    def _forget(self) -> None:
        last, self._last, self._known = self._last, None, None
        if last is not None:
            self._slots.give(last.slot)
