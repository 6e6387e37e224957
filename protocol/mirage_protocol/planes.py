"""The pictures that a message carries: names, formats, sizes (SPEC.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mirage_protocol.checks import FLAG, UNSIGNED, Integer, Text
from mirage_protocol.errors import ProtocolError, shown
from mirage_protocol.framing import aligned
from mirage_protocol.limits import ALIGNMENT, MAX_DIMENSION

BYTES_PER_PIXEL: Final[Mapping[str, int]] = {"rgba8": 4, "rgb8": 3, "r32f": 4, "rg16f": 4, "r32u": 4}
"""Formats whose size follows from their shape. ``jpeg`` is the one whose does not."""

COMPONENT_SIZE: Final[Mapping[str, int]] = {"rgba8": 1, "rgb8": 1, "r32f": 4, "rg16f": 2, "r32u": 4}
"""Bytes of one number of a pixel, of which a stride is a multiple."""

PLANE_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "color": ("rgba8", "rgb8", "jpeg"),
    "depth": ("r32f",),
    "motion": ("rg16f",),
    "normal": ("rgb8", "rgba8"),
    "ids": ("r32u",),
}

_DIMENSION = Integer(1, MAX_DIMENSION)


@dataclass(frozen=True)
class Plane:
    """One picture: rows of pixels from left to right, little-endian.

    ``data`` is a view into the message that it came in (nothing is copied) or whatever the sender gave. Rows begin
    ``stride`` bytes apart (None: one right after the other), from top to bottom unless they go ``bottom_up``.
    """

    format: str
    width: int
    height: int
    data: memoryview
    stride: int | None = None
    bottom_up: bool = False

    @classmethod
    def of(
        cls,
        format: str,
        width: int,
        height: int,
        data: Any,
        *,
        stride: int | None = None,
        bottom_up: bool = False,
    ) -> Plane:
        """Wrap any C-contiguous buffer; raises ValueError when its size does not fit format and shape."""
        view = memoryview(data).cast("B")
        plane = cls(format, width, height, view, stride, bottom_up)
        if format != "jpeg" and len(view) != plane.expected_size:
            raise ValueError(f"{format} at {width}x{height} needs {plane.expected_size} bytes, not {len(view)}")
        return plane

    @property
    def row(self) -> int:
        """Bytes of the pixels of one row; 0 for a JPEG."""
        return BYTES_PER_PIXEL.get(self.format, 0) * self.width

    @property
    def expected_size(self) -> int:
        """Bytes from the first pixel to the last: the last row is not padded."""
        return (self.stride or self.row) * (self.height - 1) + self.row


def lay_out(planes: Mapping[str, Plane]) -> tuple[dict[str, dict[str, Any]], list[memoryview]]:
    """Return the header's ``planes`` map and the parts to `pack`, in the same order."""
    described: dict[str, dict[str, Any]] = {}
    offset = 0
    for name, plane in planes.items():
        described[name] = {
            "format": plane.format,
            "width": plane.width,
            "height": plane.height,
            "offset": offset,
            "size": len(plane.data),
        }
        if plane.stride is not None:
            described[name]["stride"] = plane.stride
        if plane.bottom_up:
            described[name]["bottom_up"] = True
        offset = aligned(offset + len(plane.data))
    return described, [plane.data for plane in planes.values()]


def read_planes(described: Any, payload: memoryview, field: str = "planes") -> dict[str, Plane]:
    """Return the planes that a header describes, as views of ``payload``.

    Planes with a name that this version does not know are left out, as SPEC.md section 5 asks. Raises
    `ProtocolError` for a missing colour plane, a format that its plane cannot have, a size that does not follow
    from the shape, an offset that is not aligned or leads out of the payload, and planes whose size is not a whole
    fraction of the colour plane's.
    """
    if not isinstance(described, Mapping):
        raise ProtocolError("wrong-type", f"{field} must be a map", field)
    if described.get("color") is None:
        raise ProtocolError("missing-field", f"{field}.color is missing", f"{field}.color")
    planes = {
        name: _read_plane(name, described[name], payload, f"{field}.{name}")
        for name in PLANE_FORMATS
        if described.get(name) is not None
    }
    for name, plane in planes.items():
        _check_fraction(plane, planes["color"], f"{field}.{name}")
    return planes


def _read_plane(name: str, description: Any, payload: memoryview, field: str) -> Plane:
    if not isinstance(description, Mapping):
        raise ProtocolError("wrong-type", f"{field} must be a map", field)
    for key in ("format", "width", "height", "offset", "size"):
        if description.get(key) is None:
            raise ProtocolError("missing-field", f"{field}.{key} is missing", f"{field}.{key}")
    format_ = _read_format(name, description["format"], f"{field}.format")
    width = _DIMENSION(description["width"], f"{field}.width")
    height = _DIMENSION(description["height"], f"{field}.height")
    offset = UNSIGNED(description["offset"], f"{field}.offset")
    size = UNSIGNED(description["size"], f"{field}.size")
    stride = _read_stride(format_, width, description.get("stride"), f"{field}.stride")
    bottom_up = description.get("bottom_up") is not None and FLAG(description["bottom_up"], f"{field}.bottom_up")
    plane = Plane(format_, width, height, payload[:0], stride, bottom_up)
    expected = plane.expected_size if format_ != "jpeg" else size
    if size != expected or size == 0:
        problem = f"{field}.size is {size}, but {format_} at {width}x{height} has {expected} bytes"
        raise ProtocolError("plane-size", problem, f"{field}.size")
    if offset % ALIGNMENT:
        raise ProtocolError("plane-size", f"{field}.offset must be a multiple of {ALIGNMENT}", f"{field}.offset")
    if offset + size > len(payload):
        problem = f"{field} ends at byte {offset + size} of a payload of {len(payload)} bytes"
        raise ProtocolError("plane-size", problem, field)
    return Plane(format_, width, height, payload[offset : offset + size], stride, bottom_up)


def _read_stride(format_: str, width: int, value: Any, field: str) -> int | None:
    if value is None:
        return None
    stride: int = Integer(1, 2**31 - 1)(value, field)
    row, component = BYTES_PER_PIXEL.get(format_, 0) * width, COMPONENT_SIZE.get(format_, 1)
    if format_ == "jpeg" or stride < row or stride % component:
        problem = f"{field} must be a multiple of {component} from {row} on, not {stride}"
        raise ProtocolError("plane-size", "a JPEG has no stride" if format_ == "jpeg" else problem, field)
    return stride if stride > row else None


def _read_format(name: str, value: Any, field: str) -> str:
    format_: str = Text(40)(value, field)
    if format_ not in PLANE_FORMATS[name]:
        problem = f"{field} must be one of {', '.join(PLANE_FORMATS[name])}; not {shown(format_)}"
        raise ProtocolError("unsupported", problem, field)
    return format_


def _check_fraction(plane: Plane, color: Plane, field: str) -> None:
    horizontal, vertical = color.width / plane.width, color.height / plane.height
    if horizontal != vertical or not horizontal.is_integer():
        problem = f"{field} is {plane.width}x{plane.height}, which is no whole fraction of {color.width}x{color.height}"
        raise ProtocolError("plane-size", problem, field)
