"""The memory of Shared Mem TOPs on Windows: named memory, a named mutex, and a second memory that tells of renaming.

``TouchSHMname`` is the data and ``TouchSHMnameMutex`` its mutex. When a sender needs more room it makes memory under a
new name, ``TouchSHMname`` and up to 31 letters, and puts those letters into the *info*: magic number 0x56ed34ba,
version, a flag by which receivers say that they follow, 32 UTF-16 characters, and a flag that asks them to let go.

No part of this has run on Windows or against TouchDesigner: the logic is tested with a stand-in for `Kernel`.
"""

from __future__ import annotations

import contextlib
import ctypes
import secrets
import string
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from mirage_runtime.transports.touch.header import TouchError
from mirage_runtime.transports.touch.segments import PREFIX

_DECORATION: Final = "4jhd783h"
_INFO: Final = struct.Struct("<II?x64s?x")
_INFO_MAGIC: Final = 0x56ED_34BA
_FOLLOWS_AT: Final = 8
_PATIENCE: Final = 1000  # ms
_TRUSTED: Final = 2.0
"""Seconds that memory is kept that does not change: while we hold it, its name lives on without its sender."""


class View:
    """Mapped memory."""

    def __init__(self, handle: int, address: int, memory: memoryview) -> None:
        self.handle = handle
        self.address = address
        self.memory = memory


class Kernel:
    """The functions of kernel32 that are needed."""

    def __init__(self) -> None:
        if sys.platform != "win32":
            raise TouchError("named memory is Windows' alone")
        from ctypes import wintypes

        self._dll: Any = ctypes.WinDLL("kernel32", use_last_error=True)
        handle, text, number, size = wintypes.HANDLE, wintypes.LPCWSTR, wintypes.DWORD, ctypes.c_size_t
        for name, result, *arguments in (
            ("CreateFileMappingW", handle, handle, ctypes.c_void_p, number, number, number, text),
            ("OpenFileMappingW", handle, number, wintypes.BOOL, text),
            ("MapViewOfFile", ctypes.c_void_p, handle, number, number, number, size),
            ("UnmapViewOfFile", wintypes.BOOL, ctypes.c_void_p),
            ("VirtualQuery", size, ctypes.c_void_p, ctypes.c_void_p, size),
            ("CreateMutexW", handle, ctypes.c_void_p, wintypes.BOOL, text),
            ("WaitForSingleObject", number, handle, number),
            ("ReleaseMutex", wintypes.BOOL, handle),
            ("CloseHandle", wintypes.BOOL, handle),
        ):
            function = getattr(self._dll, name)
            function.restype, function.argtypes = result, arguments

    def create(self, name: str, size: int) -> View | None:
        """Create named memory, or open what has that name already; None where that fails."""
        invalid, page_readwrite = ctypes.c_void_p(-1).value, 0x04
        return self._map(
            self._dll.CreateFileMappingW(invalid, None, page_readwrite, size >> 32, size & 2**32 - 1, name)
        )

    def open(self, name: str) -> View | None:
        """Open named memory; None where there is none."""
        all_access = 0xF001F
        return self._map(self._dll.OpenFileMappingW(all_access, False, name))

    def _map(self, handle: int | None) -> View | None:
        if not handle:
            return None
        address = self._dll.MapViewOfFile(handle, 0xF001F, 0, 0, 0)
        if not address:
            self._dll.CloseHandle(handle)
            return None
        # MEMORY_BASIC_INFORMATION: base, allocation base, protection, (partition), size of the region …
        region = (ctypes.c_size_t * 8)()
        self._dll.VirtualQuery(address, region, ctypes.sizeof(region))
        return View(handle, address, memoryview((ctypes.c_ubyte * region[3]).from_address(address)).cast("B"))

    def close(self, view: View) -> None:
        """Unmap memory and let go of its name."""
        view.memory = memoryview(b"")
        self._dll.UnmapViewOfFile(view.address)
        self._dll.CloseHandle(view.handle)

    def mutex(self, name: str) -> int:
        """Create or open a named mutex."""
        return int(self._dll.CreateMutexW(None, False, name) or 0)

    def acquire(self, mutex: int, milliseconds: int) -> bool:
        """Take a mutex; one whose owner died counts as taken."""
        return self._dll.WaitForSingleObject(mutex, milliseconds) in (0x00, 0x80)

    def release(self, mutex: int) -> None:
        """Give a mutex back, in the thread that took it."""
        self._dll.ReleaseMutex(mutex)

    def forget(self, mutex: int) -> None:
        """Close a mutex."""
        self._dll.CloseHandle(mutex)


class _Segment:
    """What reader and writer have in common: data, its mutex and its info."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        self._kernel = kernel
        self._name = name
        self._data: View | None = None
        self._info: View | None = None
        self._mutex = kernel.mutex(f"{PREFIX}{name}Mutex")

    def _told(self) -> tuple[str, bool]:
        """Return what the info says: the letters behind the name, and whether to let go."""
        if self._info is None or len(self._info.memory) < _INFO.size:
            return "", False
        magic, _, _, letters, detach = _INFO.unpack_from(self._info.memory)
        text = letters.decode("utf-16-le", "replace").partition("\0")[0]
        good = magic == _INFO_MAGIC and text.isascii() and (text == "" or text.isalnum())
        return (text, detach) if good else ("", False)

    @contextlib.contextmanager
    def _holding(self, milliseconds: int) -> Iterator[bool]:
        held = self._kernel.acquire(self._mutex, milliseconds)
        try:
            yield held
        finally:
            if held:
                self._kernel.release(self._mutex)

    def close(self) -> None:
        """Let go of it."""
        for view in (self._data, self._info):
            if view is not None:
                self._kernel.close(view)
        self._data = self._info = None
        self._kernel.forget(self._mutex)


class WindowsReader(_Segment):
    """Named memory that a Shared Mem Out TOP writes."""

    @classmethod
    def open(cls, name: str, kernel: Kernel | None = None) -> WindowsReader | None:
        """Open it; None where there is none."""
        reader = cls(kernel or Kernel(), name)
        return reader if reader._open() else None

    def _open(self) -> bool:
        kernel, name = self._kernel, f"{PREFIX}{self._name}"
        self._opened = time.monotonic()
        # The info is such memory itself, so its name is decorated twice; other programs' descriptions do it once.
        self._info = kernel.open(f"{PREFIX}{name}{_DECORATION}") or kernel.open(f"{name}{_DECORATION}")
        self._letters, _ = self._told()
        self._data = kernel.open(name + self._letters)
        if self._data is None:
            self.close()
            return False
        if self._info is not None and len(self._info.memory) >= _INFO.size:
            self._info.memory[_FOLLOWS_AT] = 1
        return True

    @property
    def size(self) -> int:
        """Its bytes, up to the end of the last page."""
        return len(self._data.memory) if self._data else 0

    @property
    def guarded(self) -> bool:
        """Whether its writer locks it: TouchDesigner always does."""
        return True

    def locked(self) -> contextlib.AbstractContextManager[bool]:
        """Keep its writer out; gives False at once where somebody else has the mutex."""
        return self._holding(0)

    def read(self, offset: int, into: memoryview) -> None:
        """Fill a buffer with what is at ``offset``."""
        into[:] = self.view(offset, len(into))

    def view(self, offset: int, size: int) -> memoryview:
        """Return the memory itself: what is mapped cannot be cut short here."""
        if self._data is None or offset + size > self.size:
            raise TouchError("it became shorter while it was being read")
        return self._data.memory[offset : offset + size]

    def is_current(self) -> bool:
        """Whether the name still means this memory, as far as can be told."""
        letters, detach = self._told()
        return letters == self._letters and not detach and time.monotonic() - self._opened < _TRUSTED


class WindowsWriter(_Segment):
    """Named memory that we make for a Shared Mem In TOP."""

    @classmethod
    def create(cls, name: str, kernel: Kernel | None = None) -> WindowsWriter:
        """Create it; raises `TouchError` where another daemon writes it."""
        writer = cls(kernel or Kernel(), name)
        writer._own = writer._kernel.mutex(f"Mirage{PREFIX}{name}")
        if not writer._kernel.acquire(writer._own, 0):
            writer._kernel.forget(writer._own)
            writer._own = 0
            writer.close()
            raise TouchError(f"another daemon writes {PREFIX}{name}: give each daemon a name of its own")
        writer._info = writer._kernel.create(f"{PREFIX}{PREFIX}{name}{_DECORATION}", _INFO.size)
        writer._tell(writer._told()[0], detach=False)
        return writer

    _own = 0

    def _tell(self, letters: str, *, detach: bool) -> None:
        if self._info is not None and len(self._info.memory) >= _INFO.size:
            follows = bool(self._info.memory[_FOLLOWS_AT])
            text = letters.encode("utf-16-le")
            _INFO.pack_into(self._info.memory, 0, _INFO_MAGIC, 2, follows, text, detach)

    def locked(self) -> contextlib.AbstractContextManager[bool]:
        """Keep its readers out; gives False where one of them does not let go of the mutex for a second."""
        return self._holding(_PATIENCE)

    def room(self, size: int) -> memoryview:
        """Return the first ``size`` bytes, of memory of another name where the one that there is is too small.

        Raises `TouchError` where there is no room.
        """
        letters = self._told()[0]
        for _ in range(8):
            if self._data is None:
                self._data = self._kernel.create(f"{PREFIX}{self._name}{letters}", size)
            if self._data is not None and len(self._data.memory) >= size:
                self._tell(letters, detach=False)
                return self._data.memory[:size]
            if self._data is not None:
                self._kernel.close(self._data)
                self._data = None
            letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(31))
        raise TouchError(f"there is no memory of {size} bytes for {PREFIX}{self._name}")

    def close(self) -> None:
        """Ask receivers to let go, and let go of it."""
        self._tell(self._told()[0], detach=True)
        super().close()
        if self._own:
            self._kernel.release(self._own)
            self._kernel.forget(self._own)
            self._own = 0
