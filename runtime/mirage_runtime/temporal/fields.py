"""Fields of motion, whoever they come from: a camera that moved over a world at rest, two of them one after the other.

Motion is backward: position in an earlier frame minus position now, x and y in pixels, a sample for every 4x4.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage_kernels.noise import GRID

Floats = NDArray[np.float32]
Matrices = tuple[NDArray[np.float64], NDArray[np.float64]]


def from_camera(depth: Floats, now: Matrices, before: Matrices, size: tuple[int, int]) -> Floats:
    """The motion of a world at rest seen by a moving camera: f32 ``(h, w, 2)``, in pixels of a frame of ``size``.

    ``depth`` is f32 ``(h, w)``, metres along the viewing axis, 0 or infinite where unknown (then as if far away).
    ``now`` and ``before`` are view and projection, f64 ``(4, 4)`` each, as in SPEC.md section 5.6.
    ``size`` is (height, width). Not finite where the place was behind the camera. Raises ``ValueError`` for a camera
    that cannot be inverted.
    """
    height, width = size
    rows, columns = depth.shape
    x = (np.arange(columns, dtype=np.float64) + 0.5) / columns * 2 - 1
    y = 1 - (np.arange(rows, dtype=np.float64) + 0.5) / rows * 2
    known = np.isfinite(depth) & (depth > 0)
    away = np.where(known, depth, 1e4).astype(np.float64)
    (view, projection), (view_before, projection_before) = now, before
    try:
        back = np.linalg.inv(view)
    except np.linalg.LinAlgError as error:
        raise ValueError("the camera's view cannot be inverted") from error
    if abs(projection[0, 0]) < 1e-9 or abs(projection[1, 1]) < 1e-9:
        raise ValueError("the camera's projection is flat")
    # x_clip = p00 x + p02 z, w_clip = -p32... : solved for the eye's x and y at z = -depth.
    w_clip = projection[3, 2] * -away + projection[3, 3]
    eye_x = (x[None] * w_clip - projection[0, 2] * -away - projection[0, 3]) / projection[0, 0]
    eye_y = (y[:, None] * w_clip - projection[1, 2] * -away - projection[1, 3]) / projection[1, 1]
    eye = np.stack([eye_x, eye_y, -away, np.ones_like(away)], -1)
    clip = eye @ (projection_before @ view_before @ back).T
    with np.errstate(divide="ignore", invalid="ignore"):
        was_x, was_y = clip[..., 0] / clip[..., 3], clip[..., 1] / clip[..., 3]
        motion = np.stack([(was_x - x[None]) * width / 2, (y[:, None] - was_y) * height / 2], -1)
    motion[clip[..., 3] <= 0] = np.nan
    return motion.astype(np.float32)


def composed(late: Floats, early: Floats) -> Floats:
    """Motion over two frames: ``late`` from now to the frame between, ``early`` from there back. Both f32 (h, w, 2),
    in pixels of a frame of (4 h, 4 w); not finite where either is not.
    """
    places = spots(np.nan_to_num(late, nan=0.0, posinf=0.0, neginf=0.0))
    then = cv2.remap(early, places, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(late + then, np.float32)


def enlarged(field: Floats, height: int, width: int) -> Floats:
    """Where a frame's pixels were in the remembered frame: f32 ``(height, width, 2)``, as ``cv2.remap`` takes it."""
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR) + pixels(height, width))


def spots(field: Floats) -> Floats:
    """Places in the remembered frame, in samples of the grid."""
    return pixels(*field.shape[:2]) + field * np.float32(1 / GRID)


@lru_cache(maxsize=16)
def pixels(height: int, width: int) -> Floats:
    """x and y of each pixel, or of each sample: f32 ``(height, width, 2)``, not to be written to."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    both = np.ascontiguousarray(np.stack([x, y], axis=-1))
    both.setflags(write=False)
    return both
