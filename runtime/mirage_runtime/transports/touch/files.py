"""The memory of Shared Mem TOPs as files: ``TouchSHMname`` the data, ``TouchSHMnameMutex`` the lock (flock(2)).

They lie in the folder ``MIRAGE_TOUCH_FOLDER``, else ``/dev/shm``, else the user's temporary folder. Files are read and
written, not mapped: another program may cut a file short at any moment, which would end a process that has mapped it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mirage_runtime.transports.touch.header import TouchError
from mirage_runtime.transports.touch.segments import PREFIX

if sys.platform != "win32":
    import fcntl

_PATIENCE: Final = 1.0
_MOST_BUFFERS: Final = 1000  # of one system call: IOV_MAX is 1024
_FLAGS: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def folder() -> Path:
    """Return where the files are."""
    if chosen := os.environ.get("MIRAGE_TOUCH_FOLDER"):
        return Path(chosen)
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else Path(tempfile.gettempdir())


class _Locked:
    """A file that others lock, by the file beside it."""

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file = file
        self._mutex: int | None = None
        self._open_mutex(create=False)

    def _open_mutex(self, *, create: bool) -> None:
        flags = os.O_RDWR | _FLAGS | (os.O_CREAT if create else 0)
        with contextlib.suppress(OSError):
            self._mutex = os.open(f"{self._path}Mutex", flags, 0o600)

    @contextlib.contextmanager
    def _holding(self, patience: float) -> Iterator[bool]:
        """Hold the lock, where there is one; gives False when it is not to be had within ``patience`` seconds."""
        if self._mutex is None:
            yield True
            return
        deadline = time.monotonic() + patience
        while not _lock(self._mutex):
            if time.monotonic() >= deadline:
                yield False
                return
            time.sleep(0.0005)
        try:
            yield True
        finally:
            fcntl.flock(self._mutex, fcntl.LOCK_UN)

    def is_current(self) -> bool:
        """Whether the name still means this file."""
        try:
            there = self._path.lstat()
        except OSError:
            return False
        own = os.fstat(self._file)
        return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)

    def _close(self) -> None:
        os.close(self._file)
        if self._mutex is not None:
            os.close(self._mutex)


class FileReader(_Locked):
    """A file that another program writes."""

    @classmethod
    def open(cls, name: str) -> FileReader | None:
        """Open it; None where there is none. Raises `TouchError` for one that is not the user's own."""
        path = folder() / f"{PREFIX}{name}"
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TouchError(f"{path} cannot be opened: {error.strerror}") from None
        if os.fstat(file).st_uid != os.getuid():
            os.close(file)
            raise TouchError(f"{path} belongs to another user")
        return cls(path, file)

    @property
    def size(self) -> int:
        """Its bytes now."""
        return os.fstat(self._file).st_size

    @property
    def guarded(self) -> bool:
        """Whether there is a lock."""
        return self._mutex is not None

    def locked(self) -> contextlib.AbstractContextManager[bool]:
        """Keep its writer out; gives False at once where somebody else has the lock."""
        if self._mutex is None:
            self._open_mutex(create=False)
        return self._holding(0.0)

    def read(self, offset: int, into: Sequence[memoryview]) -> None:
        """Copy from ``offset`` on into one buffer after the other; raises `TouchError` where the file ends before."""
        for buffers in _batches(into):
            wanted = sum(map(len, buffers))
            if os.preadv(self._file, buffers, offset) != wanted:
                raise TouchError("it became shorter while it was being read")
            offset += wanted

    def close(self) -> None:
        """Let go of it."""
        self._close()


class FileWriter(_Locked):
    """A file that we make. Its lock (flock) is held as long as we write it: so that two daemons never write one."""

    @classmethod
    def create(cls, name: str) -> FileWriter:
        """Create it, or take over what a killed daemon left. Raises `TouchError` where another daemon writes it."""
        path = folder() / f"{PREFIX}{name}"
        while True:
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
            except OSError as error:
                raise TouchError(f"{path} cannot be created: {error.strerror}") from None
            if not _lock(file):
                os.close(file)
                raise TouchError(f"another program writes {path}: give each daemon a name of its own")
            writer = cls(path, file)
            if writer.is_current():  # else its last writer removed it before we had the lock
                writer._open_mutex(create=True)
                return writer
            writer._close()

    def locked(self) -> contextlib.AbstractContextManager[bool]:
        """Keep its readers out; gives False where one of them does not let go of the lock for a second."""
        return self._holding(_PATIENCE)

    def write(self, header: bytes, rows: Sequence[memoryview]) -> None:
        """Write a header and rows behind it; raises `TouchError` where that fails."""
        if not self.is_current():
            raise TouchError(f"{self._path} was removed; it is made again")
        offset = len(header)
        try:
            for buffers in _batches(rows):
                if os.pwritev(self._file, buffers, offset) != sum(map(len, buffers)):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                offset += sum(map(len, buffers))
            os.pwrite(self._file, header, 0)
        except OSError as error:
            raise TouchError(f"{self._path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Remove the file and let go of it."""
        if self.is_current():
            for path in (self._path, Path(f"{self._path}Mutex")):
                with contextlib.suppress(OSError):
                    path.unlink()
        self._close()


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _batches(buffers: Sequence[memoryview]) -> Iterator[Sequence[memoryview]]:
    for begin in range(0, len(buffers), _MOST_BUFFERS):
        yield buffers[begin : begin + _MOST_BUFFERS]
