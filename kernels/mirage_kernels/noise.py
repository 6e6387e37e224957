"""The randomness that a diffusion step is given: a noise pyramid for texture, pixel noise for the diffusion itself.

A **noise pyramid** is four pairs of independent white Gaussian fields, with one cell for every 4, 8, 16 and 32 pixels
of the frame. A model that sees the fields can draw texture of any size from them, and texture sticks to whatever the
fields are moved with. The fields are kept small and enlarged when used, with unit variance at every place.

**Pixel noise** (``epsilon``) is independent of the pyramid. Were it not, a model could read the texture off its own
noised input, and every step after the first would be a copy.

Everything here is a pure function of its arguments: same seed and size, same bits.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

LEVELS: tuple[int, ...] = (4, 8, 16, 32)
"""Pixels of the frame to a cell, for each level of the pyramid."""

FIELDS = 2
"""Independent Gaussian fields in each level."""

CHANNELS = FIELDS * len(LEVELS)
"""Channels of an enlarged pyramid, the finest level first."""

GRID = 4
"""Pixels of the frame to a sample of the enlarged pyramid, in each direction."""

EPSILON_SCALE = 32
"""An ``epsilon`` of 1 standard deviation is stored as this integer."""

_MARGIN = 3  # cells beyond the frame, so that four taps always exist
_PYRAMID_STREAM, _EPSILON_STREAM = 0, 1

Fields = npt.NDArray[np.float32]


def noise_pyramid(seed: int, height: int, width: int) -> tuple[Fields, ...]:
    """Draw the four levels of white Gaussian fields for a frame of ``height`` x ``width`` pixels.

    Returns one f32 array ``(2, cells_y, cells_x)`` a level, finest first, each with a margin of a cell or two on every
    side. Raises ``ValueError`` for a size that is not a positive multiple of 4.
    """
    _check_size(height, width)
    random = _generator(seed, _PYRAMID_STREAM)
    return tuple(
        random.standard_normal((FIELDS, cells(height, level), cells(width, level)), dtype=np.float32)
        for level in LEVELS
    )


def enlarge_pyramid(pyramid: tuple[Fields, ...], height: int, width: int) -> Fields:
    """Enlarge a pyramid to one sample every 4 pixels: f32 ``(8, height / 4, width / 4)``, zero mean, unit variance.

    ``pyramid`` comes from :func:`noise_pyramid` with the same size. Raises ``ValueError`` for another size.
    """
    _check_size(height, width)
    planes = []
    for level, fields in zip(LEVELS, pyramid, strict=True):
        if fields.shape[1:] != (cells(height, level), cells(width, level)):
            raise ValueError(f"level 1/{level} has {fields.shape[1:]} cells, which is not a {width}x{height} frame's")
        planes.append(enlarge_matrix(height, level) @ fields @ enlarge_matrix(width, level).T)
    return np.ascontiguousarray(np.concatenate(planes), dtype=np.float32)


def pixel_epsilon(seed: int, height: int, width: int) -> npt.NDArray[np.int8]:
    """Draw the diffusion's own noise: i8 ``(height, width, 3)``, a unit Gaussian times 32, clipped at +-127."""
    _check_size(height, width)
    gaussian = _generator(seed, _EPSILON_STREAM).standard_normal((height, width, 3), dtype=np.float32)
    return np.clip(np.rint(gaussian * EPSILON_SCALE), -127, 127).astype(np.int8)


def cells(size: int, level: int) -> int:
    """How many cells one side of ``size`` pixels takes at ``level`` pixels a cell, margin included."""
    return -(-size // level) + _MARGIN


@lru_cache(maxsize=64)
def enlarge_matrix(size: int, level: int) -> Fields:
    """The linear map from one side's cells to its samples: f32 ``(size / 4, cells(size, level))``.

    Each row holds the four Catmull-Rom weights (Keys 1981, a = -1/2) of a sample's place, divided by their Euclidean
    norm: a white field of unit variance then has unit variance at every sample, not only on average.
    """
    samples = size // GRID
    step = level // GRID
    matrix = np.zeros((samples, cells(size, level)), np.float64)
    place = (np.arange(samples) + 0.5) / step - 0.5 + 1.0 if step > 1 else np.arange(samples) + 1.0
    first = np.floor(place).astype(np.intp)
    weights = _catmull_rom(place - first)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    for tap in range(4):
        matrix[np.arange(samples), np.clip(first - 1 + tap, 0, matrix.shape[1] - 1)] += weights[:, tap]
    result = matrix.astype(np.float32)
    result.setflags(write=False)
    return result


def _catmull_rom(fraction: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weights of the four cells around places ``fraction`` of a cell after the second: ``(n, 4)``."""
    f = fraction
    return np.stack(
        [
            f * (-0.5 + f * (1.0 - 0.5 * f)),
            1.0 + f * f * (-2.5 + 1.5 * f),
            f * (0.5 + f * (2.0 - 1.5 * f)),
            f * f * (-0.5 + 0.5 * f),
        ],
        axis=1,
    )


def _generator(seed: int, stream: int) -> np.random.Generator:
    """A counter-based generator for one purpose: streams of one seed are independent of one another."""
    key = np.array([seed & 0xFFFF_FFFF_FFFF_FFFF, stream], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _check_size(height: int, width: int) -> None:
    if height <= 0 or width <= 0 or height % GRID or width % GRID:
        raise ValueError(f"height and width must be positive multiples of {GRID}, not {height} and {width}")
