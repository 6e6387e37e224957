"""What stands before the pixels in the memory of a Shared Mem TOP: the layout, and a reader that trusts none of it.

Little-endian. Version 1 has 48 bytes, version 2 has 56:

| offset | type | name |
|---|---|---|
| 0, 4 | u32 | magic number 0xd95ef835, version |
| 8, 12 | i32 | width, height, in pixels |
| 16, 20 | f32 | aspect: width, height |
| 24 | u32 | pixel format |
| 32 | i64 | bytes of the pixels, rows one right after the other, the bottom row first |
| 40 | i32 | where the pixels begin |
| 44, 48 | u32 | version 2: gamut, transfer function |
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAGIC: Final = 0xD95E_F835
SIZES: Final[Mapping[int, int]] = {1: 48, 2: 56}
"""Bytes of the header, by its version."""
LONGEST: Final = max(SIZES.values())

_COMMON: Final = struct.Struct("<IIiiffI4xqi")
_COLOR: Final = struct.Struct("<II")


class TouchError(Exception):
    """Memory that cannot be used as it is; the text is one line for a person."""


@dataclass(frozen=True)
class PixelFormat:
    """How one pixel is stored: ``channels`` in order, each a number of the NumPy type ``type``."""

    code: int
    name: str
    channels: str
    type: str

    @property
    def size(self) -> int:
        """Bytes of a pixel."""
        return len(self.channels) * int(self.type[-1])


FORMATS: Final[Mapping[int, PixelFormat]] = {
    format_.code: format_
    for format_ in (
        PixelFormat(9, "8-bit fixed (R)", "r", "<u1"),
        PixelFormat(37, "8-bit fixed (RGBA)", "rgba", "<u1"),
        PixelFormat(43, "sRGB 8-bit fixed (RGBA)", "rgba", "<u1"),
        PixelFormat(44, "8-bit fixed (BGRA)", "bgra", "<u1"),
        PixelFormat(50, "sRGB 8-bit fixed (BGRA)", "bgra", "<u1"),
        PixelFormat(91, "16-bit fixed (RGBA)", "rgba", "<u2"),
        PixelFormat(97, "16-bit float (RGBA)", "rgba", "<f2"),
        PixelFormat(100, "32-bit float (R)", "r", "<f4"),
        PixelFormat(109, "32-bit float (RGBA)", "rgba", "<f4"),
    )
}
RGBA8: Final = FORMATS[37]


@dataclass(frozen=True)
class Header:
    """A header that was checked, or is to be written; ``color`` is gamut and transfer function, for version 2."""

    width: int
    height: int
    format: PixelFormat
    version: int = 1
    offset: int = 0
    aspect: tuple[float, float] = (1.0, 1.0)
    color: tuple[int, int] = (0, 0)

    @property
    def row(self) -> int:
        """Bytes of a row of pixels."""
        return self.width * self.format.size

    @property
    def size(self) -> int:
        """Bytes of all pixels."""
        return self.row * self.height

    @property
    def end(self) -> int:
        """Where the pixels end, counted from the start of the memory."""
        return self.offset + self.size


def read(data: bytes | bytearray | memoryview, memory_size: int, most: tuple[int, int]) -> Header:
    """Return the header at the start of ``data``, of memory that has ``memory_size`` bytes.

    ``most`` is the largest width and height that are taken. Raises `TouchError` for what is no header, is cut short, or
    tells of pixels that do not lie within the memory.
    """
    if min(len(data), memory_size) < SIZES[1]:
        raise TouchError(f"it has {memory_size} bytes, too few for a header")
    magic, version, width, height, *aspect, code, data_size, offset = _COMMON.unpack_from(data)
    if magic != MAGIC:
        raise TouchError(f"it is no picture of a Shared Mem TOP (it begins with {magic:#010x})")
    if version not in SIZES:
        raise TouchError(f"its version is {version}; known are {', '.join(map(str, SIZES))}")
    if min(len(data), memory_size) < SIZES[version]:
        raise TouchError(f"it has {memory_size} bytes, too few for a header of version {version}")
    if code not in FORMATS:
        raise TouchError(f"pixel format {code} is not taken: set the TOP's Pixel Format to {RGBA8.name}")
    if not (1 <= width <= most[0] and 1 <= height <= most[1]):
        raise TouchError(f"its picture has {width}x{height} pixels; taken are 1x1 to {most[0]}x{most[1]}")
    color = _COLOR.unpack_from(data, _COMMON.size) if version > 1 else (0, 0)
    header = Header(width, height, FORMATS[code], version, offset, (aspect[0], aspect[1]), color)
    if data_size != header.size:
        raise TouchError(f"its header tells of {data_size} bytes; {width}x{height} pixels have {header.size}")
    if offset < SIZES[version] or header.end > memory_size:
        raise TouchError(f"its pixels are said to be at {offset} to {header.end} of {memory_size} bytes")
    return header


def write(header: Header) -> bytes:
    """Return the bytes of a header; its pixels begin right behind them, whatever its ``offset``."""
    size = SIZES[header.version]
    aspect, code = header.aspect, header.format.code
    common = _COMMON.pack(MAGIC, header.version, header.width, header.height, *aspect, code, header.size, size)
    color = _COLOR.pack(*header.color) if header.version > 1 else b""
    return (common + color).ljust(size, b"\0")
