"""Headers of Shared Mem TOPs against bytes put together by hand, and pixels in every format."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_mem import TYPES, header

from mirage_runtime.transports.touch import header as headers
from mirage_runtime.transports.touch import pixels
from mirage_runtime.transports.touch.header import FORMATS, Header, TouchError

MOST = (4096, 4096)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("code", TYPES)
def test_a_header_is_read(code: int, version: int) -> None:
    kind, channels = TYPES[code]
    size = 20 * 10 * channels * int(kind[-1])
    data = header(20, 10, code, version=version)
    assert len(data) == {1: 48, 2: 56}[version]
    read = headers.read(data, len(data) + size, MOST)
    assert (read.width, read.height, read.format.code, read.version) == (20, 10, code, version)
    assert (read.offset, read.size, read.end) == (len(data), size, len(data) + size)
    assert (read.aspect, read.color) == ((16.0, 9.0), (2, 1) if version == 2 else (0, 0))
    assert headers.write(read) == data


def test_the_bytes_of_a_header() -> None:
    assert headers.write(Header(3, 2, FORMATS[37], aspect=(3.0, 2.0))) == bytes.fromhex(
        "35f85ed9 01000000 03000000 02000000 00004040 00000040 25000000 00000000 1800000000000000 30000000 00000000"
    )


def test_the_offset_is_honoured() -> None:
    read = headers.read(header(4, 4, offset=4096), 4096 + 64, MOST)
    assert (read.offset, read.end) == (4096, 4160)


@pytest.mark.parametrize(
    ("data", "size", "problem"),
    [
        (b"", 0, "too few for a header"),
        (header(4, 4)[:47], 47, "47 bytes, too few"),
        (header(4, 4, version=2)[:50], 50, "too few for a header of version 2"),
        (header(4, 4, magic=0x12345678), 200, "begins with 0x12345678"),
        (bytes(48), 200, "begins with 0x00000000"),
        (header(4, 4, version=0), 200, "version is 0"),
        (header(4, 4, version=3), 200, "version is 3"),
        (header(4, 4, 36), 200, "pixel format 36"),
        (header(0, 4), 200, "0x4 pixels"),
        (header(4, -4), 200, "4x-4 pixels"),
        (header(4097, 4), 10**9, "taken are 1x1 to 4096x4096"),
        (header(2**31 - 1, 2**31 - 1, data_size=2**63 - 1), 10**9, "taken are"),
        (header(4, 4, data_size=63), 200, "63 bytes; 4x4 pixels have 64"),
        (header(4, 4, data_size=-1), 200, "-1 bytes"),
        (header(4, 4, data_size=2**62), 200, "pixels have 64"),
        (header(4, 4), 48 + 63, "48 to 112 of 111 bytes"),
        (header(4, 4, offset=47), 200, "47 to 111 of 200"),
        (header(4, 4, version=2, offset=48), 200, "48 to 112"),
        (header(4, 4, offset=-100), 200, "-100"),
        (header(4, 4, offset=2**31 - 1), 200, "of 200 bytes"),
    ],
)
def test_a_header_that_lies(data: bytes, size: int, problem: str) -> None:
    with pytest.raises(TouchError, match=problem) as caught:
        headers.read(data, size, MOST)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=64), st.integers(0, 10**6))
def test_no_bytes_lead_out_of_bounds(data: bytes, size: int) -> None:
    within(data, size)


@given(
    st.integers(-(2**31), 2**31 - 1) | st.integers(1, 64),
    st.integers(-(2**31), 2**31 - 1) | st.integers(1, 64),
    st.sampled_from(list(TYPES)) | st.integers(0, 2**32 - 1),
    st.integers(0, 4),
    st.integers(-(2**31), 2**31 - 1) | st.integers(40, 80),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 5000),
)
def test_no_fields_lead_out_of_bounds(
    width: int, height: int, code: int, version: int, offset: int, data_size: int | None, size: int
) -> None:
    if data_size is None and abs(width * height) > 2**50:
        data_size = 0
    within(header(width, height, code, version=version, offset=offset, data_size=data_size), size)


def within(data: bytes, size: int) -> None:
    try:
        read = headers.read(data[:size], size, MOST)
    except TouchError:
        return
    assert read.offset >= headers.SIZES[read.version]
    assert 0 < read.size <= size
    assert read.end <= size


def made(code: int, values: Any) -> Any:
    """Return 0..255 as a format has them."""
    kind, _ = TYPES[code]
    whole = np.asarray(values)
    return {"f": whole / 255, "u": whole * (257 if kind == "<u2" else 1)}[kind[1]].astype(kind)


@pytest.mark.parametrize("code", TYPES)
def test_pixels_of_every_format(code: int) -> None:
    _, channels = TYPES[code]
    stored = np.random.default_rng(code).integers(0, 256, (37, 53, channels))
    rows = np.ascontiguousarray(made(code, stored)[::-1]).view(np.uint8).reshape(37, -1)
    out = np.empty((37, 53, 4), np.uint8)
    pixels.to_rgba8(rows, FORMATS[code], out)
    if channels == 1:
        assert np.array_equal(out, np.dstack((stored, stored, stored, np.full_like(stored, 255))))
        assert pixels.answered(FORMATS[code]).code == 37
        return
    expected = stored[..., [2, 1, 0, 3]] if code in (44, 50) else stored
    assert np.array_equal(out, expected)
    back = np.empty_like(rows)
    pixels.from_rgba8(out, pixels.answered(FORMATS[code]), back)
    assert np.array_equal(back, rows)


@pytest.mark.parametrize("code", [97, 109])
def test_floats_beyond_the_screen(code: int) -> None:
    kind, _ = TYPES[code]
    stored = np.array([[[-1.0, 2.0, np.nan, np.inf], [-np.inf, 1e4, 0.5, 1.0]]], kind)
    out = np.empty((1, 2, 4), np.uint8)
    pixels.to_rgba8(stored.view(np.uint8).reshape(1, -1), FORMATS[code], out)
    assert out.tolist() == [[[0, 255, 0, 255], [0, 255, 128, 255]]]


def test_numbers_of_16_bits_are_rounded() -> None:
    stored = np.array([[[0, 128, 129, 65535], [65407, 65406, 257, 32896]]], "<u2")
    out = np.empty((1, 2, 4), np.uint8)
    pixels.to_rgba8(stored.view(np.uint8).reshape(1, -1), FORMATS[91], out)
    assert out.tolist() == [[[0, 0, 1, 255], [255, 254, 1, 128]]]


@pytest.mark.parametrize("code", [37, 44, 91, 97, 109])
def test_rgb_gets_full_alpha(code: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    rows = np.empty((5, 7 * FORMATS[code].size), np.uint8)
    pixels.from_rgba8(picture, FORMATS[code], rows)
    out = np.empty((5, 7, 4), np.uint8)
    pixels.to_rgba8(rows, FORMATS[code], out)
    assert np.array_equal(out[..., :3], picture)
    assert out[..., 3].min() == 255


def test_the_largest_row_has_bands() -> None:
    assert list(pixels.bands(3, 2**20)) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert [band.stop for band in pixels.bands(1080, 7680)][-1] == 1080


def test_structs_have_the_sizes_of_the_layout() -> None:
    assert struct.calcsize("<IIiiffI4xqi") == 44
