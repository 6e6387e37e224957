"""Where the memory of a Shared Mem TOP is found, by its name: named memory on Windows, files elsewhere.

TouchDesigner's own Shared Mem TOPs can be reached on Windows. On Linux there is no TouchDesigner, and on macOS it keeps
a directory of its own in shared memory; files with the same bytes serve tests and other programs there.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Protocol

PREFIX = "TouchSHM"


class Reader(Protocol):
    """Memory that another program writes."""

    @property
    def size(self) -> int:
        """Its bytes."""

    @property
    def guarded(self) -> bool:
        """Whether its writer locks it, so that what is read under the lock is whole."""

    def locked(self) -> AbstractContextManager[bool]:
        """Keep its writer out; gives False at once where somebody else has the lock."""

    def read(self, offset: int, into: memoryview) -> None:
        """Fill a buffer with what is at ``offset``; raises `TouchError` where the memory ends before."""

    def view(self, offset: int, size: int) -> memoryview | None:
        """Return the memory itself, where nobody can cut it short; else None. For as long as the lock is held."""

    def is_current(self) -> bool:
        """Whether the name still means this memory."""

    def close(self) -> None:
        """Let go of it."""


class Writer(Protocol):
    """Memory that we make and another program reads."""

    def locked(self) -> AbstractContextManager[bool]:
        """Keep its readers out; gives False where one of them does not let go of the lock for a second."""

    def room(self, size: int) -> memoryview:
        """Return the memory's first ``size`` bytes, writable; it grows where it has to.

        Raises `TouchError` where there is no room, or the memory is not ours any more.
        """

    def close(self) -> None:
        """Let go of it, and remove its name."""


def open_reader(name: str) -> Reader | None:
    """Open the memory that a Shared Mem Out TOP of this name writes; None where there is none.

    Raises `TouchError` for memory that may not be read.
    """
    if sys.platform == "win32":
        from mirage_runtime.transports.touch.windows import WindowsReader

        return WindowsReader.open(name)
    from mirage_runtime.transports.touch.files import FileReader

    return FileReader.open(name)


def create_writer(name: str) -> Writer:
    """Create the memory that a Shared Mem In TOP of this name reads.

    Raises `TouchError` where another daemon writes it, or there is no room.
    """
    if sys.platform == "win32":
        from mirage_runtime.transports.touch.windows import WindowsWriter

        return WindowsWriter.create(name)
    from mirage_runtime.transports.touch.files import FileWriter

    return FileWriter.create(name)
