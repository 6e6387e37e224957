"""Planes are views of the message, aligned, and checked when they are made."""

from __future__ import annotations

import numpy as np
import pytest

import mirage_protocol as protocol
from mirage_protocol import Frame, Plane
from mirage_protocol.framing import aligned, pack, unpack
from mirage_protocol.limits import MAX_HEADER_SIZE


def full_frame(width: int = 64, height: int = 48) -> tuple[bytes, Frame]:
    random = np.random.default_rng(1)
    planes = {
        name: Plane.of(formats[0], width, height, random.bytes(protocol.BYTES_PER_PIXEL[formats[0]] * width * height))
        for name, formats in protocol.PLANE_FORMATS.items()
    }
    frame = Frame(3, planes, motion_from=1)
    return protocol.encode(frame), frame


def test_planes_are_views_and_not_copies() -> None:
    data = bytearray(full_frame()[0])
    decoded = protocol.decode_client(data)  # type: ignore[arg-type]
    assert isinstance(decoded, Frame)
    for plane in decoded.planes.values():
        assert plane.data.obj is data
    before = decoded.planes["ids"].data[-1]
    data[-1] ^= 255
    assert decoded.planes["ids"].data[-1] == before ^ 255


def test_a_plane_of_an_array_is_a_view_too() -> None:
    array = np.zeros((2, 3, 4), np.uint8)
    plane = Plane.of("rgba8", 3, 2, array)
    array[0, 0, 0] = 7
    assert plane.data[0] == 7


@pytest.mark.parametrize("width", [1, 2, 3, 5, 16, 63])
def test_every_plane_starts_at_a_multiple_of_16_from_the_start_of_the_message(width: int) -> None:
    data, frame = full_frame(width, 3)
    decoded = protocol.decode_client(data)
    assert decoded == frame
    start = np.frombuffer(data, np.uint8).ctypes.data
    assert isinstance(decoded, Frame)
    for plane in decoded.planes.values():
        assert (np.frombuffer(plane.data, np.uint8).ctypes.data - start) % 16 == 0


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 16), (15, 16), (16, 16), (17, 32)])
def test_alignment(size: int, expected: int) -> None:
    assert aligned(size) == expected


@pytest.mark.parametrize(
    ("format_", "width", "height", "size"),
    [("rgba8", 2, 2, 15), ("rgb8", 2, 2, 16), ("r32f", 1, 1, 0), ("rgba9", 1, 1, 4)],
)
def test_a_plane_whose_size_is_wrong_cannot_be_made(format_: str, width: int, height: int, size: int) -> None:
    with pytest.raises((ValueError, TypeError)):
        Plane.of(format_, width, height, np.zeros(size, np.uint8))


def test_an_array_that_is_not_contiguous_cannot_be_a_plane() -> None:
    with pytest.raises((TypeError, ValueError)):
        Plane.of("rgba8", 2, 2, np.zeros((2, 4, 4), np.uint8)[:, ::2])


def test_a_header_at_its_limit() -> None:
    room = MAX_HEADER_SIZE - len(pack({"a": "", "b": "", "c": ""})) + 4
    text = ["x" * 30_000, "x" * 30_000, "x" * (room - 60_000 - 6)]
    data = pack(dict(zip("abc", text, strict=True)))
    assert len(data) == MAX_HEADER_SIZE + 4
    assert [*unpack(data)[0].values()] == text
    with pytest.raises(ValueError, match="65536"):
        pack({"a": text[0], "b": text[1], "c": text[2] + "x"})


def test_public_names() -> None:
    public = {
        name
        for name in dir(protocol)
        if not name.startswith("_") and type(getattr(protocol, name)).__name__ != "module"
    }
    assert public == set(protocol.__all__)
    assert protocol.__all__ == sorted(protocol.__all__, key=lambda name: (not name.isupper(), name))
