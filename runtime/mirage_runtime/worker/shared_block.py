"""Memory that the daemon and its worker share, with no name that a killed process could leave behind.

On Linux an anonymous file (memfd_create(2)), on other Unix systems a temporary file that is unlinked at once: the
worker inherits the descriptor, and the kernel frees the memory with its last user. On Windows a pagefile mapping,
which has a name and vanishes with its last handle.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import tempfile
from pathlib import Path

_GRAIN = 1 << 20


class SharedBlock:
    """A block that its owner grows and both sides write to by agreement; nothing here locks."""

    def __init__(self, reference: str) -> None:
        self._reference = reference
        self._map: mmap.mmap | None = None
        self._size = 0

    @classmethod
    def create(cls) -> SharedBlock:
        """Create an empty block; `reserve` gives it its memory."""
        if sys.platform == "win32":
            return cls(f"mirage-{secrets.token_hex(16)}")
        return cls(str(_anonymous_file()))

    @property
    def reference(self) -> str:
        """What the worker attaches by: a descriptor to inherit, or on Windows a name."""
        return self._reference

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that the worker must inherit."""
        return () if sys.platform == "win32" else (int(self._reference),)

    def reserve(self, size: int) -> int:
        """Make room for ``size`` bytes and return the block's size; raises OSError where memory is short.

        The space is taken at once, so that a full memory is an error here and not a bus error on first use.
        """
        if size > self._size:
            grown = -(-size // _GRAIN) * _GRAIN
            if sys.platform == "win32":
                self._reference = f"{self._reference.partition('.')[0]}.{grown}"
            elif hasattr(os, "posix_fallocate"):
                os.posix_fallocate(int(self._reference), 0, grown)
            else:
                os.ftruncate(int(self._reference), grown)
            self._remap(grown)
        return self._size

    def attach(self, size: int, reference: str) -> None:
        """Follow the owner's block to ``size`` bytes, under the reference it has now."""
        if size != self._size:
            self._reference = reference
            self._remap(size)

    def view(self, size: int) -> memoryview:
        """Return the first ``size`` bytes, writable."""
        assert self._map is not None
        return memoryview(self._map)[:size]

    def close(self) -> None:
        """Let go of the memory. A view that is still held keeps its mapping until it is gone."""
        self._map = None
        if sys.platform != "win32":
            os.close(int(self._reference))

    def _remap(self, size: int) -> None:
        if sys.platform == "win32":
            self._map = mmap.mmap(-1, size, tagname=self._reference)
        else:
            self._map = mmap.mmap(int(self._reference), size)
        self._size = size


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("mirage")
    descriptor, path = tempfile.mkstemp(prefix="mirage-")
    Path(path).unlink()
    return descriptor
