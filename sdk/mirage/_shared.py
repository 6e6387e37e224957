"""The client's side of shared memory: open what the server has made, and wait on its pipe (SPEC.md section 10)."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import re
import select
import sys
import tempfile
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mirage._errors import Unsupported
from mirage_protocol import Memory, ProtocolError, Wake
from mirage_protocol.ring import RingReader, RingWriter, found

WAKE: Final[Wake] = "pipe" if sys.platform == "linux" else "message"
"""How this client is woken."""

_DESCRIPTOR = re.compile(r"/proc/[0-9]+/fd/[0-9]+")


def may_be_shared(url: str) -> bool:
    """Whether the server may be on this host: only then is a path that it names opened."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # it is no address at all, as connecting will say
        return False
    return host == "localhost" or host == "::1" or host.startswith("127.")


class Outbox:
    """Puts a message for the WebSocket together, in memory that is used again: it is copied before `send` returns."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __call__(self, pieces: Sequence[memoryview | bytes]) -> memoryview:
        """Return the pieces as one."""
        size = sum(map(len, pieces))
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        whole, end = memoryview(self._buffer)[:size], 0
        for piece in pieces:
            whole[end : end + len(piece)] = piece
            end += len(piece)
        return whole


class Buffers:
    """Memory for results, used again once nobody looks at it any more.

    To take fresh memory for each costs more than to copy into it: the kernel clears it page by page (0.4 of 0.6 ms for
    8 MB). What is given out views a buffer through an owner of its own, which dies with the last view of it.
    """

    def __init__(self, most: int = 4) -> None:
        self._free: deque[bytearray] = deque(maxlen=most)  # the one used last first: it is in the cache

    def __call__(self, size: int) -> memoryview:
        """Return ``size`` bytes of any content."""
        buffer = self._free.pop() if self._free else bytearray()
        if len(buffer) < size:
            buffer = bytearray(size)
        owner = (ctypes.c_ubyte * size).from_buffer(buffer)
        weakref.finalize(owner, self._free.append, buffer).atexit = False
        return memoryview(owner).cast("B")


class Rings:
    """The memory of one connection: a ring to write frames to, and one to read results from."""

    def __init__(self, memory: Memory) -> None:
        """Open it. Raises `Unsupported` with the reason where that cannot be done."""
        with contextlib.ExitStack() as undo:
            self._resources = undo
            try:
                view = self._map(memory)
                layout, self.nonce = found(view)
                self.frames = RingWriter(view, layout.frames)
                self.results = RingReader(view, layout.results, allocate=Buffers())
                self._waking = self._pipe(memory.frames_pipe, os.O_WRONLY)
                self.woken = self._pipe(memory.results_pipe, os.O_RDONLY)
            except (OSError, ValueError, ProtocolError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                raise Unsupported(f"the server's shared memory cannot be opened from here: {reason}") from None
            self._resources = undo.pop_all()

    @property
    def piped(self) -> bool:
        """Whether both directions have a pipe."""
        return self._waking is not None and self.woken is not None

    def write(self, pieces: Sequence[memoryview | bytes], *, again: bool) -> None:
        """Put a frame into its ring and wake the server, where there is a pipe for it.

        ``again`` says that no other frame is in flight.
        """
        self.frames.write(pieces, again=again)
        if self._waking is not None:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):  # full of wake-ups; or the server is gone
                os.write(self._waking, b"\1")

    def wait(self, seconds: float | None) -> int | None:
        """Wait until the server wakes this client, and return how many messages come by WebSocket.

        None when it has not within ``seconds``. Raises EOFError when the server is gone.
        """
        assert self.woken is not None
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        if not poll.poll(None if seconds is None else max(0.0, seconds * 1000)):
            return None
        return self.take_wakes()

    def take_wakes(self) -> int:
        """Empty the pipe and return how many messages come by WebSocket; raises EOFError when the server is gone."""
        assert self.woken is not None
        try:
            wakes = os.read(self.woken, 65536)
        except BlockingIOError:
            return 0
        if not wakes:
            raise EOFError
        return wakes.count(b"m")

    def close(self) -> None:
        """Let go of it. Whatever views the memory keeps it until that is gone."""
        self.woken = self._waking = None
        self.__dict__.pop("frames", None)
        self.__dict__.pop("results", None)
        self._resources.close()

    def _map(self, memory: Memory) -> memoryview:
        _check(memory.path)
        file = os.open(memory.path, os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        try:
            if os.fstat(file).st_size < memory.size:
                raise ValueError(f"it has {os.fstat(file).st_size} bytes, not {memory.size}")
            return memoryview(mmap.mmap(file, memory.size))
        finally:
            os.close(file)

    def _pipe(self, path: str | None, mode: int) -> int | None:
        if path is None:
            return None
        _check(path)
        pipe = os.open(path, mode | os.O_NONBLOCK | os.O_CLOEXEC)
        self._resources.callback(os.close, pipe)
        return pipe


def _check(path: str) -> None:
    """Raise ValueError for a path that no server of this protocol would name."""
    if sys.platform == "linux":
        good = _DESCRIPTOR.fullmatch(path) is not None
    else:
        good = Path(path).parent == Path(tempfile.gettempdir()) and Path(path).name.startswith("mirage-")
    if not good:
        raise ValueError("it names a path that shared memory is never at")
