"""Where on its surface each place of the screen lies: what texture is anchored to.

Every sample of the noise grid knows the place of the surface that it shows, in the pixels of the frame in which that
surface was first seen. Places are carried along the motion, Lagrangian, and the noise is read at them: once, from the
original, however long a stream runs. Moving the noise itself would blur it a little with each frame.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage_kernels import noise
from mirage_runtime.temporal.fields import pixels

Floats = NDArray[np.float32]

_KINK = 2.0  # pixels: a second difference of the displacement above this is a border between surfaces, not a bend
_MARGIN = 6  # samples beyond the frame that a surface is continued by
_SLOPES = (-6.0, 6.0)  # pixels a sample: what a continued surface is stretched by at most
_AROUND = [(y, x) for y in (-3, 0, 3) for x in (-3, 0, 3) if y or x]  # samples: where a hole looks for its surface
_MOST_ASKEW = 3.0  # stretched this many times more in one direction than in the other, texture is born again
_MOST_STRETCH = 8.0
_AMONG = (3, 3)  # of every second sample: how far around stretch is averaged
_SLACK = 0.01  # octaves of stretch that are taken for none
_TREMOR = 0.12  # the same while the frame as a whole is not stretched: what estimated motion trembles by


class Surface:
    """The places of one stream's noise samples. ``places`` is f32 ``(height / 4, width / 4, 2)``, x and y in pixels."""

    def __init__(self, height: int, width: int) -> None:
        """Begin with a screen that has not moved. Raises ``ValueError`` for a size that is no multiple of 4."""
        self._screen = noise.screen(height, width)
        self._moved = np.zeros_like(self._screen)
        self._askew = np.zeros(self._screen.shape[:2], bool)

    @property
    def places(self) -> Floats:
        """The place of the surface that each sample shows."""
        return self._screen + self._moved

    def advance(self, motion: Floats, trust: Floats) -> None:
        """Go on to the next frame.

        ``motion`` is f32 ``(height / 4, width / 4, 2)``: where each sample was in the last frame, minus where it is,
        in pixels. ``trust`` is f32 ``(height / 4, width / 4)``, 0..1; below a half, what is there was not to be seen.
        """
        before = self._moved
        rows, columns = trust.shape
        spots = pixels(rows, columns) + motion * np.float32(1 / noise.GRID)
        # What comes in from outside the frame continues the surface at its border.
        wider = _continued(before)
        moved = cv2.remap(wider, spots + np.float32(_MARGIN), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        moved += _rounded_off(spots, moved)
        borders = _kinks(before)
        if borders.any():
            # Between two surfaces there is no third: a mean of their places would be of neither.
            near = cv2.remap(borders, spots, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            nearest = cv2.remap(before, spots, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            cv2.copyTo(nearest, cv2.compare(near, 0, cv2.CMP_GT), moved)
        moved += motion
        # What was hidden is another surface's.
        x, y = cv2.split(spots)
        inside = (x >= 0) & (y >= 0) & (x <= columns - 1) & (y <= rows - 1)
        born = (inside & (trust < 0.5)) | self._askew
        if born.any():
            moved = _filled(moved, ~born)
        self._moved = np.asarray(moved, np.float32)

    def stretch(self) -> Floats | None:
        """Screen pixels to a pixel of the surface, around each sample: f32 ``(height / 4, width / 4)``; None for 1."""
        if all(float(np.ptp(part)) < 0.25 for part in cv2.split(self._moved)):
            return None
        # Stretch changes slowly: every second sample tells.
        rows, columns = self._moved.shape[:2]
        places = np.ascontiguousarray(self.places[::2, ::2]) / np.float32(2 * noise.GRID)
        (ax, ay), (dx, dy) = (cv2.split(slope[1:-1, 1:-1]) for slope in _slopes(places))
        area = ax * dy - ay * dx
        sizes = ax * ax + ay * ay + dx * dx + dy * dy
        sane = (area > _MOST_STRETCH**-2) & (area < _MOST_STRETCH**2)
        # Singular values a >= b: a^2 + b^2 is `sizes`, a b is `area`.
        askew = sane & (sizes > area * (_MOST_ASKEW + 1 / _MOST_ASKEW))
        self._askew = _enlarged(askew.view(np.uint8), rows, columns, cv2.INTER_NEAREST) > 0
        octaves = np.where(sane, np.float32(-0.5) * np.log2(np.where(sane, area, np.float32(1))), np.float32(0))
        weight = cv2.blur(sane.astype(np.float32), _AMONG) + np.float32(1e-3)
        octaves = cv2.blur(octaves, _AMONG) / weight
        zooms = float(np.median(np.abs(octaves[::2, ::2]))) > _SLACK
        octaves = np.sign(octaves) * np.maximum(np.abs(octaves) - np.float32(_SLACK if zooms else _TREMOR), 0)
        if not octaves.any():
            return None
        return np.asarray(np.exp2(_enlarged(octaves, rows, columns, cv2.INTER_LINEAR)), np.float32)


def _enlarged(inner: NDArray[Any], rows: int, columns: int, interpolation: int) -> NDArray[Any]:
    """What every second sample but those at the border has, for all of ``rows`` and ``columns``."""
    half = cv2.copyMakeBorder(inner, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    whole = cv2.resize(half, (half.shape[1] * 2, half.shape[0] * 2), interpolation=interpolation)
    return np.ascontiguousarray(whole[:rows, :columns])


def _slopes(field: Floats) -> tuple[Floats, Floats]:
    """How a field (h, w, 2) changes from sample to sample, right and down; half of that at the frame's border."""
    kernel = np.array([[-0.5, 0, 0.5]], np.float32)
    across, down = (cv2.filter2D(field, -1, k, borderType=cv2.BORDER_REPLICATE) for k in (kernel, kernel.T))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _rounded_off(spots: Floats, moved: Floats) -> Floats:
    """What reading at ``spots`` rounded to a 32nd of a sample, as OpenCV does, has left out of ``moved``.

    A 64th of a sample is nothing in one frame and pixels after some hundred.
    """
    x, y = cv2.split(spots - np.rint(spots * np.float32(32)) * np.float32(1 / 32))
    across, down = (np.clip(slope, *_SLOPES) for slope in _slopes(moved))
    return np.asarray(cv2.merge([x, x]) * across + cv2.merge([y, y]) * down, np.float32)


def _continued(moved: Floats) -> Floats:
    """The displacement with a margin on every side, where it goes on as it does at the border."""
    wider = cv2.copyMakeBorder(moved, _MARGIN, _MARGIN, _MARGIN, _MARGIN, cv2.BORDER_REPLICATE)
    away = np.arange(1, _MARGIN + 1, dtype=np.float32)[:, None, None]
    for across in (True, False):
        # The sides above and below go on from corner to corner.
        flat = wider.transpose(1, 0, 2) if across else wider
        for side in (flat, flat[::-1]):
            border, within = side[_MARGIN], side[_MARGIN + 2]
            side[_MARGIN - 1 :: -1] = border + away * np.clip((border - within) / 2, *_SLOPES)
    return np.asarray(wider, np.float32)


def _kinks(moved: Floats) -> Floats:
    """1 where the displacement jumps, and beside it; f32 ``(h, w)``."""
    bend = np.array([[1, -2, 1]], np.float32)
    across, down = (cv2.filter2D(moved, -1, kernel) for kernel in (bend, bend.T))
    across[:, [0, -1]] = down[[0, -1]] = 0
    largest = cv2.max(np.abs(across), np.abs(down))
    return np.asarray(cv2.max(*cv2.split(largest)) > _KINK, np.float32)


def _filled(moved: Floats, known: NDArray[np.bool_]) -> Floats:
    """Give the unknown samples a displacement: of the known ones around them, the one most like the frame's median.

    The median is the ground's, as a rule: what a moving object uncovers continues the ground's texture, and a speck
    inside an object continues the object's.
    """
    rows, columns = known.shape
    sparse = known[::3, ::3]
    median = np.median(moved[::3, ::3][sparse], axis=0) if sparse.any() else np.zeros(2)
    y, x = np.nonzero(~known)
    best = np.broadcast_to(median, (len(y), 2)).astype(np.float32)
    nearest = np.full(len(y), np.inf)
    for down, right in _AROUND:
        there_y, there_x = (y + down).clip(0, rows - 1), (x + right).clip(0, columns - 1)
        candidate = moved[there_y, there_x]
        away = np.where(known[there_y, there_x], np.abs(candidate - median).sum(axis=1), np.inf)
        better = away < nearest
        best[better], nearest[better] = candidate[better], away[better]
    filled = moved.copy()
    filled[y, x] = best
    return filled
