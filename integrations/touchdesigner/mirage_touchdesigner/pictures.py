"""Pictures as TouchDesigner has them, to and from what the client sends: memory is used again.

A TOP's array is (H, W, channels), the bottom row first: floats of 0 to 1, or integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_BAND: Final = 1 << 16
"""Numbers that are converted at a time: they stay in the processor's cache."""


class Prepared:
    """Makes of a TOP's array one that can be sent."""

    def __init__(self) -> None:
        self._converted: Picture = np.empty((0, 0, 4), np.uint8)

    def __call__(self, frame: Any) -> Picture:
        """Return uint8 (H, W, 3 or 4): the array itself, or memory that the next one uses again."""
        if frame.dtype == np.uint8 and frame.shape[2] in (3, 4):
            return frame  # type: ignore[no-any-return]
        height, width, channels = frame.shape
        if self._converted.shape[:2] != (height, width):
            self._converted = np.empty((height, width, 4), np.uint8)
        step = max(1, _BAND // max(1, width * channels))
        for begin in range(0, height, step):
            _to_rgba8(frame[begin : begin + step], self._converted[begin : begin + step])
        return self._converted


class Turned:
    """Turns results over, each into memory that nobody looks at."""

    def __init__(self) -> None:
        self._pictures: list[Picture] = []

    def __call__(self, image: Picture, used: Sequence[Picture | None]) -> Picture:
        """Return ``image`` with the bottom row first, in memory that is none of those that are ``used``."""
        self._pictures = [picture for picture in self._pictures if picture.shape == image.shape]
        free = [picture for picture in self._pictures if all(picture is not each for each in used)]
        picture = free[0] if free else np.empty(image.shape, np.uint8)
        if not free:
            self._pictures.append(picture)
        np.copyto(picture, image[::-1])
        return picture


def _to_rgba8(rows: NDArray[Any], out: Picture) -> None:
    """Convert a few rows of 1 (grey), 2 (grey and alpha), 3 or 4 channels."""
    channels = rows.shape[2]
    if rows.dtype == np.uint8:
        whole = rows
    elif rows.dtype.kind == "u":
        scale = np.float32(255 / np.iinfo(rows.dtype).max)
        whole = (rows.astype(np.float32) * scale + np.float32(0.5)).astype(np.uint8)
    else:
        scaled = np.nan_to_num(np.clip(rows.astype(np.float32, copy=False), 0, 1), copy=False)
        whole = (scaled * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    out[..., :3] = whole[..., :3] if channels > 2 else whole[..., :1]
    out[..., 3] = whole[..., 3] if channels == 4 else whole[..., 1] if channels == 2 else 255
