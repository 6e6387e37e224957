"""Pictures: NumPy arrays on the caller's side, planes on the wire's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import simplejpeg
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
_MOST_PADDING: Final = 1.25
"""How much longer than its pixels a row may be and still be sent as it lies."""


@dataclass(frozen=True)
class Prepared:
    """A picture and its extra planes as the protocol takes them."""

    planes: Mapping[str, Plane]
    alpha: NDArray[np.uint8] | None = None
    """What a JPEG cannot hold: the result is given it back here."""


def prepare(
    frame: Any, extra: Mapping[str, Any] | None, limits: Mapping[str, Any], quality: int | None = None
) -> Prepared:
    """Return a picture and its extra planes as the protocol takes them; copies only what it has to convert.

    ``limits`` is what the server said that it can do: planes that it has no use for are left out. With a ``quality``
    the picture becomes a JPEG where the server takes one. Raises `InvalidFrame`.
    """
    color = _picture(frame, "a frame")
    _check_size(color, limits)
    wanted = limits.get("planes")
    alpha = None
    if quality is not None and isinstance(wanted, Mapping) and "jpeg" in (wanted.get("color") or ()):
        color, alpha = _jpeg(frame, quality)
    planes = {"color": color}
    for name, array in (extra or {}).items():
        plane = _plane(name, array)
        if color.width % plane.width or color.width * plane.height != color.height * plane.width:
            problem = f"{plane.width}x{plane.height} is not {color.width}x{color.height} or a whole fraction of it"
            raise InvalidFrame(f"the plane '{name}' must have the frame's size: {problem}", field=f"planes.{name}")
        if not isinstance(wanted, Mapping) or name in wanted:
            planes[name] = plane
    return Prepared(planes, alpha)


def to_image(plane: Plane, alpha: NDArray[np.uint8] | None = None) -> Image:
    """Return the picture in a colour plane: a read-only view of the message that it came in, unless it is a JPEG.

    ``alpha`` is given to what was sent as a JPEG, which has none of its own.
    """
    if plane.format == "jpeg":
        return _decoded(plane, alpha)
    channels = 4 if plane.format == "rgba8" else 3
    stride = plane.row if plane.stride is None else plane.stride
    shape = (plane.height, plane.width, channels)
    image: Image = np.ndarray(shape, np.uint8, plane.data, strides=(stride, channels, 1))
    if plane.bottom_up:
        image = image[::-1]
    return image if alpha is None or channels == 4 else np.dstack((image, alpha))


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
    return _as_it_lies(_CHANNELS[shape[2]], array)


def _as_it_lies(format_: str, array: NDArray[Any]) -> Plane:
    """Return an array as a plane: rows that are padded, or go from the bottom up, need no copy of their own."""
    height, width = array.shape[:2]
    item, row = array.itemsize, array.itemsize * math.prod(array.shape[1:])
    step, *within = array.strides
    packed = within == ([array.shape[2] * item, item] if array.ndim == 3 else [item])
    # A small part of a large picture is copied: what lies between its rows would be sent too.
    if height == 1 or not packed or step % item or not row <= abs(step) <= row * _MOST_PADDING:
        array, step = np.ascontiguousarray(array), row
    stride, first = abs(step), array[::-1] if step < 0 else array
    count = (stride * (height - 1) + row) // item
    data = np.lib.stride_tricks.as_strided(first, (count,), (item,), writeable=False).view(np.uint8)
    return Plane.of(format_, width, height, data, stride=stride if stride > row else None, bottom_up=step < 0)


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
        return _as_it_lies(format_, array.astype(sent, copy=False))


def _check_size(color: Plane, limits: Mapping[str, Any]) -> None:
    width, height = limits.get("max_width"), limits.get("max_height")
    if isinstance(width, int) and isinstance(height, int) and (color.width > width or color.height > height):
        problem = f"this server takes frames of up to {width}x{height} pixels, not {color.width}x{color.height}"
        raise InvalidFrame(problem, code="too-large", field="planes.color")


def _jpeg(image: Image, quality: int) -> tuple[Plane, NDArray[np.uint8] | None]:
    """Return a picture as a JPEG, and the alpha that it cannot hold."""
    height, width, channels = image.shape
    data = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image), quality, "RGB" if channels == 3 else "RGBX", "420", fastdct=True
    )
    return Plane.of("jpeg", width, height, data), image[..., 3].copy() if channels == 4 else None


def _decoded(plane: Plane, alpha: NDArray[np.uint8] | None) -> Image:
    try:
        image: Image = simplejpeg.decode_jpeg(bytes(plane.data), "RGB" if alpha is None else "RGBA", fastdct=True)
    except ValueError as error:
        raise Unsupported(f"the server sent a JPEG that cannot be read: {error}") from None
    if alpha is not None:
        image[..., 3] = alpha
    return image
