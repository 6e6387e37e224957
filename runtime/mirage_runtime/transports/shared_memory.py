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
from functools import partial
from pathlib import Path

import numpy as np

from mirage_protocol import Result
from mirage_protocol.messages import encode_before
from mirage_protocol.ring import NONCE_SIZE, PAGE, SLOT_HEADER, Layout, RingReader, RingWriter, described
from mirage_runtime.worker.planes import Block, Lease, Target

_PREFIX = "mirage-memory-"
# Bytes from the start of a result to its picture, where the worker writes that before there is a header: with the 64
# of the slot's own header it begins at a page.
_HEADER_ROOM = 2 * PAGE - SLOT_HEADER


class SharedMemory:
    """The memory of one connection, with a ring to read frames from and one to write results to.

    On Linux there may be a pipe beside each ring: a byte in it says that something is new, and its end that the other
    side is gone. A pipe is the cheapest thing that wakes a process, whatever it is written in.
    """

    def __init__(self, layout: Layout, *, pipes: bool, checked: bool) -> None:
        """Create it; the space is taken at once. ``checked`` gives results their checks.

        Raises OSError where there is no room.
        """
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
            self._view = view = memoryview(memory)
            self._address = _address(view)
            self.block = Block(self.nonce.hex(), self.path, layout.size)
            self.frames = RingReader(view, layout.frames)
            self.results = RingWriter(view, layout.results, checked=checked)
            self._resources = undo.pop_all()

    def lease(self, number: int) -> Lease:
        """Return what the worker needs to read frame ``number`` where it is."""
        return Lease(self.block, partial(self.frames.holds, number), self._offset)

    def reserve(self, size: int) -> Target | None:
        """Return where the worker may put the next result's picture of ``size`` bytes; None where it does not fit."""
        if _HEADER_ROOM + size > self.results.place.capacity:
            return None
        number, slot = self.results.reserve(again=self.results.taken)
        view = slot[_HEADER_ROOM : _HEADER_ROOM + size]
        offset = self._offset(view)
        assert offset is not None
        return Target(self.block, offset, view, number)

    def finish(self, target: Target, result: Result) -> bool:
        """Put a result's header before its picture and wake whoever waits for it; False where it has no room."""
        header = encode_before(result, _HEADER_ROOM)
        if header is None:
            return False
        begin = target.offset - _HEADER_ROOM
        self._view[begin : begin + len(header)] = header
        self.results.commit(target.number, _HEADER_ROOM + len(target.view))
        self._wake(b"r")
        return True

    def write(self, pieces: Sequence[memoryview | bytes]) -> None:
        """Put a result into its ring and wake whoever waits for one. Raises ValueError where it does not fit."""
        self.results.write(pieces, again=self.results.taken)
        self._wake(b"r")

    def _offset(self, data: memoryview) -> int | None:
        offset = _address(data) - self._address
        return offset if 0 <= offset <= self.block.size - len(data) else None

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


def _address(data: memoryview) -> int:
    address: int = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    return address


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
