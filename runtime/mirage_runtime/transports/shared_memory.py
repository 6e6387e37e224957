"""The shared-memory transport: frames and results of one connection in memory that its client maps too.

The daemon creates everything and names it; the WebSocket stays the control line (SPEC.md section 10). On Linux the
memory is an anonymous file, sealed so that nobody can shrink it under the daemon's feet, which the client opens through
``/proc``: it has no name that a killed process could leave behind, no other user can open it, and it does not count
against the 64 MB that a container's ``/dev/shm`` may have. Elsewhere it is a file in the user's temporary folder.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mirage_protocol.ring import NONCE_SIZE, Layout, RingReader, RingWriter, described

_PREFIX = "mirage-memory-"


class SharedMemory:
    """The memory of one connection, with a ring to read frames from and one to write results to.

    On Linux there may be a pipe beside each ring: a byte in it says that something is new, and its end that the other
    side is gone. A pipe is the cheapest thing that wakes a process, whatever it is written in.
    """

    def __init__(self, layout: Layout, *, pipes: bool) -> None:
        """Create it; the space is taken at once. Raises OSError where there is no room for it."""
        self.size = layout.size
        self.nonce = secrets.token_bytes(NONCE_SIZE)
        self.frames_pipe: str | None = None
        self.results_pipe: str | None = None
        self.woken: int | None = None
        """What becomes readable when the client has written a frame."""
        self._waking: int | None = None
        with contextlib.ExitStack() as undo:
            self._resources = undo
            self.path, file = self._file(layout.size)
            memory = mmap.mmap(file, layout.size)
            page = described(layout, self.nonce)
            memory[: len(page)] = page
            if pipes and sys.platform == "linux":
                self._open_pipes()
            view = memoryview(memory)
            self.frames = RingReader(view, layout.frames)
            self.results = RingWriter(view, layout.results)
            self._resources = undo.pop_all()

    def write(self, pieces: Sequence[memoryview | bytes]) -> None:
        """Put a result into its ring and wake whoever waits for one. Raises ValueError where it does not fit."""
        self.results.write(pieces)
        self._wake(b"r")

    def announce(self) -> None:
        """Say on the pipe, if there is one, that a message comes by WebSocket."""
        self._wake(b"m")

    def _wake(self, byte: bytes) -> None:
        if self._waking is not None:
            with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
                os.write(self._waking, byte)

    def take_wakes(self) -> None:
        """Empty the pipe that says that there are frames."""
        if self.woken is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(self.woken, 4096)

    def close(self) -> None:
        """Let go of it. Whatever views the memory keeps it until that is gone."""
        self.woken = self._waking = None
        self.__dict__.pop("frames", None)
        self.__dict__.pop("results", None)
        self._resources.close()

    def _file(self, size: int) -> tuple[str, int]:
        """Create the file and reserve its space; return its path, for the client, and its descriptor."""
        if sys.platform == "linux":
            import fcntl

            file = os.memfd_create("mirage", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            self._resources.callback(os.close, file)
            os.posix_fallocate(file, 0, size)
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            return _through_proc(file), file
        path = Path(tempfile.gettempdir()) / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(16)}"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        self._resources.callback(_remove, path)
        self._resources.callback(os.close, file)
        block = bytes(1 << 20)
        for begin in range(0, size, len(block)):  # written, so that the space is really there
            os.write(file, block[: size - begin])
        return str(path), file

    def _open_pipes(self) -> None:
        ends = [*os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK), *os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)]
        for end in ends:
            self._resources.callback(os.close, end)
        self.woken, frames, results, self._waking = ends
        self.frames_pipe, self.results_pipe = _through_proc(frames), _through_proc(results)


def remove_leftovers() -> None:
    """Remove the files of daemons that were killed; on Linux there are none."""
    if sys.platform == "linux":
        return
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = path.name.removeprefix(_PREFIX).partition("-")[0]
        if not owner.isdecimal() or not _runs(int(owner)):
            _remove(path)


def _through_proc(descriptor: int) -> str:
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # on Windows while a client still maps it: the next daemon does it
        path.unlink()


def _runs(process: int) -> bool:
    if sys.platform == "win32":
        return False  # a file that is in use cannot be removed there, so nothing is lost by trying
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
