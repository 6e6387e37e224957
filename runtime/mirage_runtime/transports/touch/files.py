"""The memory of Shared Mem TOPs as files: ``TouchSHMname`` the data, ``TouchSHMnameMutex`` the lock (flock(2)).

They lie in the folder ``MIRAGE_TOUCH_FOLDER``, else ``/dev/shm``, else the user's temporary folder. What others write
is read and not mapped, but for memory that is sealed (fcntl(2)): they may cut a file short at any moment, which would
end a process that has mapped it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mirage_runtime.transports.touch.header import TouchError
from mirage_runtime.transports.touch.segments import PREFIX

if sys.platform != "win32":
    import fcntl

_PATIENCE: Final = 1.0
_CLOSED: Final = getattr(os, "O_CLOEXEC", 0)
_FLAGS: Final = _CLOSED | getattr(os, "O_NOFOLLOW", 0)


def folder() -> Path:
    """Return where the files are."""
    if chosen := os.environ.get("MIRAGE_TOUCH_FOLDER"):
        return Path(chosen)
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else Path(tempfile.gettempdir())


class FileReader:
    """A file that another program writes."""

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file = file
        self._mutex: _Beside | None = None
        self._memory: mmap.mmap | None = None
        self._sealed = _is_sealed(file)

    @classmethod
    def open(cls, name: str) -> FileReader | None:
        """Open it; None where there is none. Raises `TouchError` for one that is not the user's own."""
        path = folder() / f"{PREFIX}{name}"
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _CLOSED)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TouchError(f"{path} cannot be opened: {error.strerror}") from None
        kind = os.fstat(file)
        if kind.st_uid != os.getuid() or not stat.S_ISREG(kind.st_mode):
            os.close(file)
            raise TouchError(f"{path} is no file of this user's")
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
            with contextlib.suppress(OSError):
                self._mutex = _Beside(Path(f"{self._path}Mutex"), create=False)
        return self._mutex.holding(0.0) if self._mutex else contextlib.nullcontext(True)

    def read(self, offset: int, into: memoryview) -> None:
        """Fill a buffer with what is at ``offset``; raises `TouchError` where the file ends before."""
        if os.preadv(self._file, [into], offset) != len(into):
            raise TouchError("it became shorter while it was being read")

    def view(self, offset: int, size: int) -> memoryview | None:
        """Return the memory itself, where it is sealed; else None. Raises `TouchError` where it ends before."""
        if not self._sealed:
            return None
        if self._memory is None or len(self._memory) < offset + size:
            if self.size < offset + size:
                raise TouchError("it became shorter while it was being read")
            self._memory = mmap.mmap(self._file, offset + size, prot=mmap.PROT_READ)
        return memoryview(self._memory)[offset : offset + size]

    def is_current(self) -> bool:
        """Whether the name still means this file."""
        return _is(self._path, self._file) and (self._mutex is None or self._mutex.is_current())

    def close(self) -> None:
        """Let go of it."""
        self._memory = None
        os.close(self._file)
        if self._mutex is not None:
            self._mutex.close()


class FileWriter:
    """A file that we make, and hold a lock beside it, ``TouchSHMnameOwner``: no two daemons write one.

    On Linux it is memory without a name that nobody can cut short, and ``TouchSHMname`` a link to it, which leads
    nowhere once this process is gone; elsewhere an ordinary file.
    """

    @classmethod
    def create(cls, name: str) -> FileWriter:
        """Create it; raises `TouchError` where another daemon writes it, or it cannot be made."""
        path = folder() / f"{PREFIX}{name}"
        try:
            return cls(path)
        except OSError as error:
            raise TouchError(f"{path} cannot be created: {error.strerror}") from None

    def __init__(self, path: Path) -> None:
        self._path = path
        with contextlib.ExitStack() as undo:
            self._owner = _Beside(Path(f"{path}Owner"))
            undo.callback(self._owner.close)
            if not self._owner.taken():
                raise TouchError(f"another daemon writes {path}: give each a name of its own")
            self._mutex = _Beside(Path(f"{path}Mutex"))
            undo.callback(self._mutex.close)
            self._file = self._made()
            undo.callback(os.close, self._file)
            self._memory: mmap.mmap | None = None
            undo.pop_all()

    def _made(self) -> int:
        if sys.platform != "linux":
            return os.open(self._path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        if self._path.exists() and not self._path.is_symlink():
            raise TouchError(f"another program writes {self._path}: choose another name")
        file = os.memfd_create("mirage-touch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        new = Path(f"{self._path}New")
        new.unlink(missing_ok=True)
        new.symlink_to(f"/proc/{os.getpid()}/fd/{file}")
        new.replace(self._path)
        return file

    def locked(self) -> contextlib.AbstractContextManager[bool]:
        """Keep its readers out; gives False where one of them does not let go of the lock for a second."""
        return self._mutex.holding(_PATIENCE)

    def room(self, size: int) -> memoryview:
        """Return the file's first ``size`` bytes, writable; raises `TouchError` where there is no room."""
        if not _is(self._path, self._file):
            raise TouchError(f"{self._path} was removed; it is made again")
        if self._memory is None or len(self._memory) < size:
            self._memory = None
            try:
                if hasattr(os, "posix_fallocate"):  # so that want of memory is an error here, and not a bus error
                    os.posix_fallocate(self._file, 0, size)
                else:
                    os.ftruncate(self._file, size)
                self._memory = mmap.mmap(self._file, size)
            except OSError as error:
                raise TouchError(f"there is no memory of {size} bytes for {self._path}: {error.strerror}") from None
        return memoryview(self._memory)[:size]

    def close(self) -> None:
        """Remove the name and let go of the memory."""
        if _is(self._path, self._file):
            for path in (self._path, self._mutex.path):
                path.unlink(missing_ok=True)
        self._memory = None
        os.close(self._file)
        self._mutex.close()
        self._owner.close(remove=True)


class _Beside:
    """A file that is locked (flock(2)), by whoever opens it."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | _FLAGS | (os.O_CREAT if create else 0), 0o600)

    def is_current(self) -> bool:
        """Whether the name still means this file."""
        return _is(self.path, self._file)

    def taken(self) -> bool:
        """Take the lock for good; False where somebody else has it, or had it and removed the file."""
        return _lock(self._file) and self.is_current()

    @contextlib.contextmanager
    def holding(self, patience: float) -> Iterator[bool]:
        """Hold the lock; gives False when it is not to be had within ``patience`` seconds."""
        deadline = time.monotonic() + patience
        while not _lock(self._file):
            if time.monotonic() >= deadline:
                yield False
                return
            time.sleep(0.0005)
        try:
            yield True
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self, *, remove: bool = False) -> None:
        """Let go of it."""
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def _is(path: Path, file: int) -> bool:
    """Whether a path leads to an open file."""
    try:
        there = path.stat()
    except OSError:
        return False
    own = os.fstat(file)
    return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)


def _is_sealed(file: int) -> bool:
    """Whether nobody can cut a file short any more."""
    if sys.platform != "linux":
        return False
    try:
        return bool(fcntl.fcntl(file, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK)
    except OSError:
        return False


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
