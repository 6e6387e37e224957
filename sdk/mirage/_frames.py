"""Pictures: NumPy arrays on the caller's side, planes on the wire's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage._errors import InvalidFrame, Unsupported
from mirage_protocol import Camera, Plane

Image = NDArray[np.uint8]
"""Rows from top to bottom, pixels from left to right: (height, width, 3 or 4), RGB or RGBA, sRGB, straight alpha."""

_FORMATS: Mapping[str, tuple[str, tuple[str, ...], str, str]] = {
    "depth": ("r32f", ("float32", "float16"), "<f4", "float32 (or float16) (H, W), metres"),
    "motion": ("rg16f", ("float16", "float32"), "<f2", "float16 or float32 (H, W, 2), pixels"),
    "ids": ("r32u", ("uint32", "uint16", "uint8"), "<u4", "uint32 (or uint16, uint8) (H, W)"),
}
"""Format, element types taken, element type sent and what is expected, of the planes that are not pictures."""
_CHANNELS = {3: "rgb8", 4: "rgba8"}


def to_planes(frame: Any, extra: Mapping[str, Any] | None, limits: Mapping[str, Any]) -> dict[str, Plane]:
    """Return a picture and its extra planes as the protocol takes them; copies only what it has to convert.

    ``limits`` is what the server said that it can do: planes that it has no use for are left out. Raises
    `InvalidFrame`.
    """
    color = _picture(frame, "a frame")
    _check_size(color, limits)
    planes = {"color": color}
    wanted = limits.get("planes")
    for name, array in (extra or {}).items():
        plane = _plane(name, array)
        if color.width % plane.width or color.width * plane.height != color.height * plane.width:
            problem = f"{plane.width}x{plane.height} is not {color.width}x{color.height} or a whole fraction of it"
            raise InvalidFrame(f"the plane '{name}' must have the frame's size: {problem}", field=f"planes.{name}")
        if not isinstance(wanted, Mapping) or name in wanted:
            planes[name] = plane
    return planes


def to_image(plane: Plane) -> Image:
    """Return the picture in a colour plane: a read-only view of the message that it came in."""
    if plane.format == "jpeg":
        return _decode_jpeg(plane)
    channels = 4 if plane.format == "rgba8" else 3
    return np.frombuffer(plane.data, np.uint8).reshape(plane.height, plane.width, channels)


def to_camera(camera: Camera | None) -> Camera | None:
    """Return a camera whose matrices may be given as any 16 numbers, as the protocol takes it; or `InvalidFrame`."""
    if camera is None:
        return None
    try:
        numbers = (_matrix(camera.view), _matrix(camera.projection))
        near, far = float(camera.near), float(camera.far)
    except (AttributeError, TypeError, ValueError):
        raise InvalidFrame("a camera has view and projection (16 numbers, row by row), near and far (metres)") from None
    if not all(map(math.isfinite, (*numbers[0], *numbers[1], near, far))) or near < 0 or far < 0:
        raise InvalidFrame("a camera's numbers must be finite, and near and far at least 0")
    return Camera(*numbers, near=near, far=far)


def _matrix(values: Any) -> tuple[float, ...]:
    return tuple(np.asarray(values, np.float64).reshape(16).tolist())


def _picture(array: Any, name: str) -> Plane:
    shape: tuple[int, ...] = getattr(array, "shape", ())
    dtype = getattr(array, "dtype", type(array).__name__)
    if not isinstance(array, np.ndarray) or dtype != np.uint8 or len(shape) != 3 or shape[2] not in _CHANNELS:
        expected = "a uint8 array of shape (height, width, 3 or 4)"
        raise InvalidFrame(f"{name} must be {expected}, RGB or RGBA; not {dtype} {tuple(shape)}")
    if not all(1 <= side <= 16_384 for side in shape[:2]):
        raise InvalidFrame(f"{name} must be 1 to 16384 pixels wide and high, not {shape[1]}x{shape[0]}")
    return Plane.of(_CHANNELS[shape[2]], shape[1], shape[0], np.ascontiguousarray(array))


def _plane(name: str, array: Any) -> Plane:
    if name == "normal":
        return _picture(array, "the plane 'normal'")
    if name not in _FORMATS:
        known = ", ".join((*_FORMATS, "normal"))
        raise InvalidFrame(f"there is no plane '{name}': there are {known}", field=f"planes.{name}")
    format_, taken, sent, expected = _FORMATS[name]
    dimensions = 3 if name == "motion" else 2
    good = isinstance(array, np.ndarray) and array.dtype.name in taken and array.ndim == dimensions and array.size
    if not good or (name == "motion" and array.shape[2] != 2):
        got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise InvalidFrame(f"the plane '{name}' must be {expected}; not {got}", field=f"planes.{name}")
    with np.errstate(over="ignore"):  # motion that float16 cannot hold becomes infinite, which leads nowhere
        data = np.ascontiguousarray(array, dtype=sent)
    return Plane.of(format_, array.shape[1], array.shape[0], data)


def _check_size(color: Plane, limits: Mapping[str, Any]) -> None:
    width, height = limits.get("max_width"), limits.get("max_height")
    if isinstance(width, int) and isinstance(height, int) and (color.width > width or color.height > height):
        problem = f"this server takes frames of up to {width}x{height} pixels, not {color.width}x{color.height}"
        raise InvalidFrame(problem, code="too-large", field="planes.color")


def _decode_jpeg(plane: Plane) -> Image:
    # Only a viewer of another client's pictures gets here; nobody else should wait for OpenCV.
    import cv2

    decoded = cv2.imdecode(np.frombuffer(plane.data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if decoded is None:
        raise Unsupported("the server sent a JPEG that OpenCV cannot read")
    image: Image = decoded.astype(np.uint8, copy=False)
    return image
