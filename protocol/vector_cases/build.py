"""Bytes put together by hand, right and wrong, and the form that the vectors write messages in."""

from __future__ import annotations

import base64
import dataclasses
import struct
from collections.abc import Mapping
from typing import Any

import msgpack

import mirage_protocol as protocol
from mirage_protocol import Camera, Plane

LARGEST = 2**53 - 1
ABSENT = object()
"""Stands for a field that `header` takes out."""

IDENTITY = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
PROJECTION = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -100.1 / 99.9, -20 / 99.9, 0.0, 0.0, -1.0, 0.0)
CAMERA = Camera(IDENTITY, PROJECTION, near=0.1, far=100.0)

Json = dict[str, Any]


def raw(body: bytes, payload: bytes = b"", *, size: int | None = None) -> bytes:
    """Return a message of header bytes that need not be valid, and a header size that need not be true."""
    start = struct.pack("<I", len(body) if size is None else size) + body
    return start + bytes(-len(start) % 16) + payload if payload else start


def packed(header: Any, payload: bytes = b"") -> bytes:
    """Return a message of any MessagePack value and any payload."""
    return raw(msgpack.packb(header), payload)


def with_changes(header: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """Return ``header`` with fields added, replaced, or taken out where they are `ABSENT`."""
    return {key: value for key, value in {**header, **changes}.items() if value is not ABSENT}


def described(
    format: str = "rgba8", width: Any = 2, height: Any = 1, offset: Any = 0, size: Any = 8, **more: Any
) -> Json:
    """Return a plane's description, by default of the 8 bytes of a 2x1 picture."""
    plane = {"format": format, "width": width, "height": height, "offset": offset, "size": size}
    return with_changes(plane, more)


def frame(payload: bytes = bytes(range(8)), /, **changes: Any) -> bytes:
    """Return a frame with one 2x1 rgba8 plane, changed."""
    return packed(with_changes({"type": "frame", "id": 1, "planes": {"color": described()}}, changes), payload)


def result(**changes: Any) -> bytes:
    """Return a result with one 2x1 rgba8 plane, changed."""
    header = {"type": "result", "id": 1, "time": 2, "planes": {"color": described()}}
    return packed(with_changes(header, changes), bytes(range(8)))


def nested(depth: int) -> Any:
    """Return a map ``depth`` deep."""
    return {} if depth == 1 else {"a": nested(depth - 1)}


def plane(format: str, width: int, height: int) -> Plane:
    """Return a plane filled with the bytes 0, 1, 2 … 250, again and again."""
    size = 7 if format == "jpeg" else protocol.BYTES_PER_PIXEL[format] * width * height
    return Plane.of(format, width, height, bytes(index % 251 for index in range(size)))


PIXELS = Plane.of("rgba8", 2, 1, bytes(range(8)))


def to_json(value: Any) -> Any:
    """Return a message, or a part of one, as the vectors write it: integers as decimal strings, binary in base64."""
    if isinstance(value, Plane):
        data = base64.b64encode(value.data).decode()
        written = {"format": value.format, "width": str(value.width), "height": str(value.height), "data": data}
        if value.stride is not None:
            written["stride"] = str(value.stride)
        return written | ({"bottom_up": True} if value.bottom_up else {})
    if dataclasses.is_dataclass(value):
        fields = {spec.name: getattr(value, spec.name) for spec in dataclasses.fields(value)}
        kind = {"type": value.TYPE} if hasattr(value, "TYPE") else {}
        return kind | {name: to_json(item) for name, item in fields.items() if item is not None}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
