"""Writing for a Shared Mem In TOP: a thread that writes the newest result and passes over those that came between."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mirage_runtime.transports.touch import header as headers
from mirage_runtime.transports.touch import pixels, segments
from mirage_runtime.transports.touch.header import Header, TouchError
from mirage_runtime.transports.touch.pixels import Bytes
from mirage_runtime.transports.touch.segments import PREFIX, Writer


@dataclass(frozen=True)
class Written:
    """A result on its way out: RGB or RGBA from the top down, and the header of the frame that it came of.

    ``intact`` says whether the picture is still there.
    """

    picture: Bytes
    header: Header
    intact: Callable[[], bool] = lambda: True


class Outlet:
    """One Shared Mem In TOP. `offer` never waits; the rest happens in the thread that calls `write`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._writer: Writer | None = None
        self._waiting: Written | None = None
        self._something = threading.Condition()
        self._rows: Bytes = np.empty((0, 0), np.uint8)

    def offer(self, written: Written) -> None:
        """Give it a result; one that was not written yet is passed over."""
        with self._something:
            self._waiting = written
            self._something.notify()

    def open(self) -> None:
        """Take the name; raises `TouchError` where another program has it."""
        if self._writer is None:
            self._writer = segments.create_writer(self._name)

    def write(self, patience: float) -> bool:
        """Write the newest result, waiting for one as long as ``patience`` says, in seconds; False when there is none.

        Raises `TouchError` where it cannot be written.
        """
        with self._something:
            if self._waiting is None:
                self._something.wait(patience)
            written, self._waiting = self._waiting, None
        if written is None:
            return False
        self.open()
        try:
            return self._put(written)
        except TouchError:
            self.close()
            raise

    def _put(self, written: Written) -> bool:
        height, width = written.picture.shape[:2]
        format_ = pixels.answered(written.header.format)
        header = dataclasses.replace(written.header, width=width, height=height, format=format_)
        begin = headers.write(header)
        plain = pixels.is_plain(header.format) and written.picture.shape[2] == 4
        rows = written.picture.reshape(height, header.row)[::-1] if plain else self._converted(written.picture, header)
        assert self._writer is not None
        with self._writer.locked() as held:
            if not held:
                raise TouchError(f"{PREFIX}{self._name} stays locked: is the program that reads it hanging?")
            # Newer results may have gone over it while the lock was waited for: one of them is next.
            if not written.intact():
                return False
            memory = self._writer.room(len(begin) + header.size)
            target = np.frombuffer(memory, np.uint8, header.size, len(begin)).reshape(height, header.row)
            np.copyto(target, rows)
            memory[: len(begin)] = begin
        return True

    def close(self) -> None:
        """Let go of the memory and its name."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _converted(self, picture: Bytes, header: Header) -> Bytes:
        """Return the rows as they are to lie, from the bottom up."""
        if self._rows.shape != (header.height, header.row):
            self._rows = np.empty((header.height, header.row), np.uint8)
        pixels.from_rgba8(picture, header.format, self._rows)
        return self._rows
