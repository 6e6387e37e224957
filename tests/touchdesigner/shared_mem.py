"""What a Shared Mem Out TOP writes and a Shared Mem In TOP reads, by hand: bytes put together here.

The files and their lock are as runtime/README.md describes them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = 0xD95EF835
TYPES = {
    9: ("<u1", 1),
    37: ("<u1", 4),
    43: ("<u1", 4),
    44: ("<u1", 4),
    50: ("<u1", 4),
    91: ("<u2", 4),
    97: ("<f2", 4),
    100: ("<f4", 1),
    109: ("<f4", 4),
}


def header(
    width: int,
    height: int,
    code: int = 37,
    *,
    version: int = 1,
    offset: int | None = None,
    magic: int = MAGIC,
    data_size: int | None = None,
    color: tuple[int, int] = (2, 1),
) -> bytes:
    """Return a header as TouchDesigner lays it out: 48 bytes, or 56 for version 2."""
    kind, channels = TYPES.get(code, ("<u1", 4))
    data_size = width * height * channels * int(kind[-1]) if data_size is None else data_size
    length = 48 if version == 1 else 56
    data = struct.pack("<II", magic, version) + struct.pack("<ii", width, height) + struct.pack("<ff", 16.0, 9.0)
    data += struct.pack("<II", code, 0) + struct.pack("<q", data_size)
    data += struct.pack("<i", length if offset is None else offset)
    data += struct.pack("<II", *color) if version > 1 else b""
    return data.ljust(length, b"\0")


class OutTop:
    """A Shared Mem Out TOP: writes pictures that are given from the top down."""

    def __init__(self, folder: Path, name: str, *, locks: bool = True) -> None:
        self.path = folder / f"TouchSHM{name}"
        self.mutex = folder / f"TouchSHM{name}Mutex" if locks else None
        if self.mutex:
            self.mutex.touch()

    def show(self, picture: Any, code: int = 37, **fields: Any) -> None:
        """Write a picture (H, W, channels) in the type of the format ``code``."""
        height, width = picture.shape[:2]
        kind, _ = TYPES[code]
        assert picture.dtype == np.dtype(kind)
        pixels = picture[::-1].tobytes()
        begin = header(width, height, code, **fields)
        gap = bytes(max(0, (fields.get("offset") or 0) - len(begin)))
        self.write(begin + gap + pixels)

    def write(self, data: bytes) -> None:
        """Write any bytes, in place, under the lock."""
        with self.locked():
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.ftruncate(file, len(data))
                os.pwrite(file, data, 0)
            finally:
                os.close(file)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        if self.mutex is None:
            yield
            return
        with self.mutex.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


class InTop:
    """A Shared Mem In TOP: shows what it reads, from the top down."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"TouchSHM{name}"
        self.mutex = folder / f"TouchSHM{name}Mutex"

    def look(self) -> tuple[dict[str, Any], Any] | None:
        """Return the header's fields and the picture; None while there is none."""
        try:
            with self.mutex.open("r+b") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        if len(data) < 48:
            return None
        magic, version, width, height, ax, ay, code, _, size, offset = struct.unpack_from("<IIiiffIIqi", data)
        assert magic == MAGIC
        kind, channels = TYPES[code]
        pixels = np.frombuffer(data, kind, width * height * channels, offset).reshape(height, width, channels)[::-1]
        fields = {"version": version, "code": code, "size": size, "offset": offset, "aspect": (ax, ay)}
        if version > 1:
            fields["color"] = struct.unpack_from("<II", data, 44)
        return fields, pixels

    def picture(self) -> Any:
        seen = self.look()
        return None if seen is None else seen[1]
