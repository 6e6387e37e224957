"""A source that stands still is not computed again: its last picture is shown.

It is compared with the frame that was computed last, not with the one before, so that what creeps is seen in the end;
and by small blocks, so that one small thing that moves is seen at once and a camera's noise is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage_runtime.models import Image, Settings

_BLOCK: Final = 16


@dataclass(frozen=True)
class _Computed:
    blocks: NDArray[np.float32]
    condition: NDArray[np.float32]
    settings: Settings
    picture: Image


class StillSource:
    """What was computed last for one stream. ``levels``, of 255: how far a block's mean may be from what it was."""

    def __init__(self, levels: float) -> None:
        self._levels = levels
        self._last: _Computed | None = None

    def recall(self, source: Image, condition: NDArray[np.float32], settings: Settings) -> Image | None:
        """Return the last picture, where it is what this frame would become too; else None."""
        last = self._last
        if last is None or self._levels <= 0 or last.settings != settings:
            return None
        blocks = _blocks(source)
        if blocks.shape != last.blocks.shape or not np.array_equal(condition, last.condition):
            return None
        return last.picture if np.abs(blocks - last.blocks).max() <= self._levels else None

    def keep(self, source: Image, condition: NDArray[np.float32], settings: Settings, picture: Image) -> None:
        """Remember what was computed; the picture is not copied."""
        if self._levels > 0:
            self._last = _Computed(_blocks(source), condition, settings, picture)


def _blocks(source: Image) -> NDArray[np.float32]:
    height, width = source.shape[:2]
    size = (max(1, width // _BLOCK), max(1, height // _BLOCK))
    return np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.float32)
