"""Where on its surface each place of the screen lies: what texture is anchored to.

Every sample of the noise grid knows the place of the surface that it shows, in the pixels of the frame in which that
surface was first seen. Places are carried along the motion, Lagrangian, and the noise is read at them: once, from the
original, however long a stream runs. Moving the noise itself would blur it a little with each frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage_kernels import noise

Floats = NDArray[np.float32]

_KINK = 2.0  # pixels: a second difference of the displacement above this is a border between surfaces, not a bend
_SPECK = 0.5  # share of trusted neighbours above which a hole is filled from them
_MOST_ASKEW = 3.0  # stretched this many times more in one direction than in the other, texture is born again
_MOST_STRETCH = 8.0
_SLACK = 0.03  # octaves of stretch that are taken for none: what estimated motion trembles by


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
        spots = (self._screen + motion - (noise.GRID - 1) / 2) * np.float32(1 / noise.GRID)
        moved = cv2.remap(before, spots, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        borders = _kinks(before)
        if borders.any():
            # Between two surfaces there is no third: a mean of their places would be of neither.
            near = cv2.remap(borders, spots, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) > 0
            nearest = cv2.remap(before, spots, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            moved = np.where(near[..., None], nearest, moved)
        moved += motion
        born = (trust < 0.5) | self._askew
        if born.any():
            moved = _filled(moved, ~born)
        self._moved = np.asarray(moved, np.float32)

    def stretch(self) -> Floats | None:
        """Screen pixels to a pixel of the surface, around each sample: f32 ``(height / 4, width / 4)``; None for 1."""
        if all(float(np.ptp(part)) < 0.25 for part in cv2.split(self._moved)):
            return None
        places = self.places
        across = (places[:, 2:] - places[:, :-2])[1:-1] * np.float32(0.5 / noise.GRID)
        down = (places[2:] - places[:-2])[:, 1:-1] * np.float32(0.5 / noise.GRID)
        (ax, ay), (dx, dy) = cv2.split(across), cv2.split(down)
        area = ax * dy - ay * dx
        sizes = ax * ax + ay * ay + dx * dx + dy * dy
        sane = (area > _MOST_STRETCH**-2) & (area < _MOST_STRETCH**2)
        # Singular values a >= b: a^2 + b^2 is `sizes`, a b is `area`.
        askew = sane & (sizes > area * (_MOST_ASKEW + 1 / _MOST_ASKEW))
        self._askew = np.pad(askew, 1, mode="edge")
        octaves = np.where(sane, -0.5 * np.log2(np.where(sane, area, 1)), 0).astype(np.float32)
        weight = cv2.blur(sane.astype(np.float32), (7, 7)) + np.float32(1e-3)
        octaves = cv2.blur(octaves, (7, 7)) / weight
        octaves = np.sign(octaves) * np.maximum(np.abs(octaves) - _SLACK, 0)
        stretch: Floats = np.exp2(np.pad(octaves, 1, mode="edge")).astype(np.float32)
        return None if stretch.min() == stretch.max() == 1 else stretch


def _kinks(moved: Floats) -> Floats:
    """1 where the displacement jumps, and beside it; f32 ``(h, w)``."""
    kinks = np.zeros(moved.shape[:2], np.float32)
    for part in cv2.split(moved):
        kinks[:, 1:-1][np.abs(part[:, 2:] - 2 * part[:, 1:-1] + part[:, :-2]) > _KINK] = 1
        kinks[1:-1][np.abs(part[2:] - 2 * part[1:-1] + part[:-2]) > _KINK] = 1
    return kinks


def _filled(moved: Floats, known: NDArray[np.bool_]) -> Floats:
    """Give the unknown samples a displacement: their neighbours', or where few of those are known the frame's median.

    The median is the ground's, as a rule: what a moving object uncovers continues the ground's texture.
    """
    if not known.any():
        return np.zeros_like(moved)
    weight = known.astype(np.float32)
    share = cv2.blur(weight, (5, 5), borderType=cv2.BORDER_REPLICATE)
    mean = cv2.blur(moved * weight[..., None], (5, 5), borderType=cv2.BORDER_REPLICATE) / (share[..., None] + 1e-6)
    median = np.median(moved[::3, ::3][known[::3, ::3]], axis=0) if known[::3, ::3].any() else mean[known].mean(axis=0)
    filled = np.where((share > _SPECK)[..., None], mean, np.asarray(median, np.float32))
    return np.asarray(np.where(known[..., None], moved, filled), np.float32)
