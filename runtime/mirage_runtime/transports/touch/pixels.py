"""Pixels as TouchDesigner stores them, to and from what models take: RGBA, 8 bits, the top row first.

Floats are 0 for black and 1 for white, as a TOP shows them; what lies beyond is cut off, NaN is black. sRGB formats
hold their bytes as they are shown. A picture with one channel is grey.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mirage_runtime.transports.touch.header import RGBA8, PixelFormat

Bytes = NDArray[np.uint8]
_BAND_BYTES: Final = 1 << 19
_BAND: Final = 1 << 16
"""Numbers that are converted at a time: what is between the steps stays in the processor's cache."""


def answered(format_: PixelFormat) -> PixelFormat:
    """Return the format for a result of a frame in ``format_``: the same, but for grey pictures, which get colour."""
    return format_ if len(format_.channels) == 4 else RGBA8


def bands(height: int, row: int) -> Iterator[slice]:
    """Yield the rows of a picture, of ``row`` bytes each, in bands that fit into the processor's cache."""
    step = max(1, _BAND_BYTES // row)
    for begin in range(0, height, step):
        yield slice(begin, min(begin + step, height))


def is_plain(format_: PixelFormat) -> bool:
    """Whether pixels lie as a model takes them, but for the order of rows."""
    return format_.channels == "rgba" and format_.type == "<u1"


def to_rgba8(rows: Bytes, format_: PixelFormat, out: Bytes) -> None:
    """Convert ``rows``, the bytes of each row from the bottom up, into ``out``, RGBA (H, W, 4) from the top down."""
    height, width = out.shape[:2]
    pixels = rows.view(format_.type).reshape(height, width, len(format_.channels))[::-1]
    if format_.channels == "bgra":
        _swap(pixels, out)
    elif len(format_.channels) == 4:
        _in_bands(_to_bytes, pixels, out)
    else:
        grey = np.empty((height, width, 1), np.uint8)
        _in_bands(_to_bytes, pixels, grey)
        out[..., :3] = grey
        out[..., 3] = 255


def from_rgba8(picture: Bytes, format_: PixelFormat, rows: Bytes) -> None:
    """Convert ``picture``, RGB or RGBA (H, W, 3 or 4) from the top down, into the bytes of rows from the bottom up."""
    height, width, channels = picture.shape
    target = rows.view(format_.type).reshape(height, width, 4)[::-1]
    if channels == 3:
        picture = np.dstack((picture, np.full((height, width, 1), 255, np.uint8)))
    if format_.channels == "bgra":
        _swap(picture, target)
    elif is_plain(format_):
        np.copyto(target, picture)
    else:
        _in_bands(lambda band, out: out.__setitem__(..., _table(format_.type)[band]), picture, target)


@cache
def _table(type_: str) -> NDArray[Any]:
    """Return what each of the 256 bytes is in another type."""
    bytes_ = np.arange(256)
    return (bytes_ * 257).astype(type_) if type_ == "<u2" else (bytes_ / np.float32(255)).astype(type_)


def _to_bytes(band: NDArray[Any], out: Bytes) -> None:
    if band.dtype == np.uint8:
        np.copyto(out, band)
    elif band.dtype == np.uint16:
        out[...] = (band.astype(np.uint32) + 128) // 257
    else:
        whole = np.clip(band.astype(np.float32, copy=False), 0.0, 1.0)
        np.nan_to_num(whole, copy=False)
        out[...] = whole * np.float32(255) + np.float32(0.5)


def _in_bands(convert: Any, source: NDArray[Any], target: NDArray[Any]) -> None:
    step = max(1, _BAND // (source.shape[1] * source.shape[2]))
    for begin in range(0, len(source), step):
        convert(source[begin : begin + step], target[begin : begin + step])


def _swap(source: NDArray[Any], target: NDArray[Any]) -> None:
    """Exchange red and blue, a row at a time as numbers of 32 bits: four times as fast as byte by byte."""
    step = max(1, _BAND // source.shape[1])
    for begin in range(0, len(source), step):
        pixels = np.ascontiguousarray(source[begin : begin + step]).view(np.uint32)
        swapped = (pixels & 0xFF00_FF00) | (pixels & 0xFF) << 16 | pixels >> 16 & 0xFF
        target[begin : begin + step] = swapped.view(np.uint8)
