"""Pictures there and back, by both clients, against a server of the protocol's own parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

import mirage
import mirage_protocol as protocol
from mirage_protocol import Frame

SIZES = [(1, 1, 3), (1, 1, 4), (2, 3, 3), (17, 31, 3), (17, 31, 4), (64, 48, 4), (433, 767, 4)]
IDENTITY = tuple(np.eye(4).reshape(16).tolist())


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_a_frame_comes_back_as_it_went(connect: Any, server: Any, picture: Any, shape: tuple[int, int, int]) -> None:
    stream = connect(server.url)
    frame = picture(*shape)
    result = stream.transform(frame)
    assert result.image.dtype == np.uint8
    assert np.array_equal(result.image, frame)


def test_what_a_result_says(connect: Any, server: Any, picture: Any) -> None:
    values = {"prompt": "ink", "strength": 0.5}
    server.on_frame = lambda frame: [
        protocol.Result(
            frame.id, {"color": frame.planes["color"]}, frame.time, 3, (), 11, 22, {"queue": 0.5}, values, 2, 0.75
        )
    ]
    result = connect(server.url).transform(picture())
    assert (result.frame_id, result.dropped, result.dropped_ids) == (0, 3, ())
    assert (result.timings, result.parameters) == ({"queue": 0.5}, values)
    assert (result.resets, result.memory) == (2, 0.75)
    assert (result.time, result.received, result.sent) == (server.frames[0].time, 11, 22)
    assert result.round_trip is not None
    assert 0 < result.round_trip < 20_000


def test_a_picture_is_a_read_only_view_of_the_message(connect: Any, server: Any, picture: Any) -> None:
    image = connect(server.url).transform(picture()).image
    base = image
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, bytes)
    assert not image.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 0


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1],
        lambda a: a[:, ::-1],
        lambda a: a[::2, 1::3],
        lambda a: a.transpose(1, 0, 2),
        lambda a: a[..., :3],
    ],
)
def test_arrays_that_are_not_contiguous(connect: Any, server: Any, picture: Any, view: Callable[[Any], Any]) -> None:
    frame = view(picture(24, 32, 4))
    assert np.array_equal(connect(server.url).transform(frame).image, frame)


def test_rows_are_sent_as_they_lie(connect: Any, server: Any, picture: Any) -> None:
    """What a renderer reads back, padded or upside down, costs no copy; a cut-out of a large picture does."""
    whole = picture(24, 40, 4)
    stream = connect(server.url)
    for view, stride, bottom_up in [
        (whole[:, :32], 160, False),
        (whole[::-1], None, True),
        (whole[::-1, :36], 160, True),
        (whole[:, :8], None, False),
        (whole[::2], None, False),
    ]:
        assert np.array_equal(stream.transform(view).image, view)
        color = server.frames[-1].planes["color"]
        assert (color.stride, color.bottom_up) == (stride, bottom_up)


def test_planes_beside_the_picture_are_sent_as_they_lie(connect: Any, server: Any, picture: Any) -> None:
    depth = np.arange(24 * 36, dtype=np.float32).reshape(24, 36)[::-1, :32]
    connect(server.url).transform(picture(24, 32, 3), planes={"depth": depth})
    plane = server.frames[-1].planes["depth"]
    assert (plane.stride, plane.bottom_up) == (144, True)
    rows = np.ndarray((24, 32), np.float32, plane.data, strides=(144, 4))
    assert (rows[::-1] == depth).all()


@pytest.mark.parametrize(
    "frame",
    [
        None,
        "picture",
        [[1, 2, 3]],
        b"1234",
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.int8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0, 4), np.uint8),
        np.zeros((1, 16_385, 3), np.uint8),
    ],
)
def test_what_is_no_frame(connect: Any, server: Any, picture: Any, frame: Any) -> None:
    stream = connect(server.url)
    for call in (stream.transform, stream.send):
        with pytest.raises(mirage.InvalidFrame, match=r"a frame must be"):
            call(frame)
    assert stream.in_flight == 0
    stream.transform(picture())


def test_a_frame_that_is_too_large_for_the_server_is_not_sent(connect: Any, server: Any, picture: Any) -> None:
    server.capabilities = {"max_width": 31, "max_height": 24}
    with pytest.raises(mirage.InvalidFrame, match="up to 31x24 pixels, not 32x24") as caught:
        connect(server.url).transform(picture(24, 32))
    assert caught.value.code == "too-large"
    assert not server.frames


def planes_of(frame: Frame) -> dict[str, Any]:
    types = {"r32f": "<f4", "rg16f": "<f2", "r32u": "<u4", "rgb8": "u1", "rgba8": "u1"}
    return {
        name: np.frombuffer(plane.data, types[plane.format]).reshape(plane.height, plane.width, -1).squeeze()
        for name, plane in frame.planes.items()
    }


@pytest.mark.parametrize("motion_type", [np.float16, np.float32])
def test_every_plane_arrives(connect: Any, server: Any, picture: Any, motion_type: Any) -> None:
    random = np.random.default_rng(2)
    depth = random.random((24, 32), np.float32)
    depth[0] = np.inf
    planes = {
        "depth": depth[:, ::-1],
        "motion": random.integers(-8, 8, (12, 16, 2)).astype(motion_type),
        "normal": picture(24, 32, 3),
        "ids": random.integers(0, 2**32, (24, 32), np.uint32),
    }
    camera = mirage.Camera(np.eye(4), np.eye(4), 0.1, 100)  # type: ignore[arg-type]
    stream = connect(server.url)
    stream.transform(picture())
    frame_id = stream.transform(picture(), planes=planes, motion_from=0, camera=camera).frame_id
    arrived = server.frames[-1]
    assert (arrived.id, arrived.motion_from) == (frame_id, 0)
    assert arrived.camera == mirage.Camera(IDENTITY, IDENTITY, 0.1, 100.0)
    for name, array in planes_of(arrived).items():
        assert np.array_equal(array, planes.get(name, picture())), name


def test_a_result_of_a_server_that_remembers_nothing(connect: Any, server: Any, picture: Any) -> None:
    result = connect(server.url).transform(picture())
    assert (result.resets, result.memory) == (0, 0.0)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("depth", np.float16([[0.5, np.inf]])),
        ("depth", np.array([[2.5, 7.0]], ">f4")),
        ("motion", np.array([[[0.25, -3.0], [np.nan, np.nan]]], np.float32)),
        ("ids", np.array([[1, 255]], np.uint8)),
        ("ids", np.array([[0, 65_535]], np.uint16)),
    ],
)
def test_planes_of_other_types_that_lose_nothing(
    connect: Any, server: Any, picture: Any, name: str, array: Any
) -> None:
    stream = connect(server.url)
    stream.transform(picture(1, 2))
    stream.transform(picture(1, 2), planes={name: array})
    arrived = planes_of(server.frames[-1])[name]
    assert np.array_equal(arrived, array.squeeze(), equal_nan=array.dtype.kind == "f")


def test_motion_points_back_to_the_frame_before_where_nothing_else_is_said(
    connect: Any, server: Any, picture: Any
) -> None:
    stream = connect(server.url, window=8)
    motion = {"motion": np.ones((24, 32, 2), np.float16)}
    depth = {"depth": np.ones((24, 32), np.float32)}
    sent = [
        stream.send(picture(), planes=motion | depth),
        stream.send(picture(), planes=motion),
        stream.send(picture(), planes=depth),
        stream.send(picture(), planes=motion),
        stream.send(picture(), planes=motion, motion_from=0),
        stream.send(picture(), planes=motion),
    ]
    assert len(list(stream)) == len(sent)
    assert [frame.motion_from for frame in server.frames] == [None, 0, None, 2, 0, 4]
    assert ["motion" in frame.planes for frame in server.frames] == [False, True, False, True, True, True]
    assert "depth" in server.frames[0].planes


def test_a_frame_that_was_not_sent_is_not_pointed_back_to(
    connect: Any, server: Any, picture: Any, wait_for: Any
) -> None:
    server.on_frame = lambda _: []
    stream = connect(server.url, window=2)
    first = stream.send(picture())
    stream.send(picture(), planes={"motion": np.ones((24, 32, 2), np.float16)})
    assert stream.send(picture(), block=False) is None
    wait_for(lambda: len(server.frames) == 2, "the frames arrive")
    server.say(protocol.Result(first, {"color": server.frames[0].planes["color"]}))
    stream.send(picture(), planes={"motion": np.ones((24, 32, 2), np.float16)})
    with pytest.raises(mirage.Timeout):
        stream.send(picture(), timeout=0.2)
    wait_for(lambda: len(server.frames) == 3, "the last one arrives")
    assert [frame.motion_from for frame in server.frames] == [None, 0, 1]


def test_planes_that_the_server_has_no_use_for_stay_here(connect: Any, server: Any, picture: Any) -> None:
    server.capabilities = {"planes": {"color": ["rgba8"]}}
    stream = connect(server.url)
    planes = {"depth": np.ones((24, 32), np.float32), "motion": np.ones((24, 32, 2), np.float32)}
    for _ in range(2):
        stream.transform(picture(), planes=planes)
    for frame in server.frames:
        assert frame.planes.keys() == {"color"}
        assert frame.motion_from is None


@pytest.mark.parametrize(
    ("planes", "expected"),
    [
        ({"depths": np.ones((24, 32), np.float32)}, "there is no plane 'depths'"),
        ({"color": np.ones((24, 32, 3), np.uint8)}, "there is no plane 'color'"),
        ({"depth": np.ones((24, 32))}, "float32 .*; not float64"),
        ({"depth": np.ones((24, 32, 1), np.float32)}, "float32"),
        ({"depth": np.ones((0, 32), np.float32)}, "float32"),
        ({"depth": [[1.0]]}, "not list"),
        ({"depth": np.ones((32, 24), np.float32)}, "whole fraction"),
        ({"depth": np.ones((24, 16), np.float32)}, "whole fraction"),
        ({"depth": np.ones((48, 64), np.float32)}, "whole fraction"),
        ({"depth": np.ones((18, 24), np.float32)}, "whole fraction"),
        ({"motion": np.ones((24, 32, 2))}, "not float64"),
        ({"motion": np.ones((24, 32), np.float16)}, r"\(H, W, 2\)"),
        ({"motion": np.ones((24, 32, 3), np.float16)}, r"\(H, W, 2\)"),
        ({"normal": np.ones((24, 32, 3), np.float32)}, "'normal' must be"),
        ({"ids": np.ones((24, 32), np.int32)}, "uint32"),
        ({"ids": np.ones((24, 32), np.bool_)}, "uint32"),
        ({"ids": np.ones((24, 32), np.uint64)}, "uint32"),
    ],
)
def test_what_is_no_plane(connect: Any, server: Any, picture: Any, planes: Any, expected: str) -> None:
    with pytest.raises(mirage.InvalidFrame, match=expected):
        connect(server.url).transform(picture(), planes=planes)
    assert not server.frames


@pytest.mark.parametrize(
    "camera",
    [
        "camera",
        mirage.Camera(IDENTITY[:15], IDENTITY, 0.1, 1),
        mirage.Camera(IDENTITY, "matrix", 0.1, 1),  # type: ignore[arg-type]
        mirage.Camera(IDENTITY, (float("nan"), *IDENTITY[1:]), 0.1, 1),
        mirage.Camera(IDENTITY, IDENTITY, 0.1, float("inf")),
        mirage.Camera(IDENTITY, IDENTITY, -1, 1),
    ],
)
def test_what_is_no_camera(connect: Any, server: Any, picture: Any, camera: Any) -> None:
    with pytest.raises(mirage.InvalidFrame, match="camera"):
        connect(server.url).transform(picture(), camera=camera)
    assert not server.frames


def test_motion_that_is_too_fast_for_float16_is_sent_without_a_warning(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url)
    stream.transform(picture())
    stream.transform(picture(), planes={"motion": np.full((24, 32, 2), 1e6, np.float32)}, motion_from=0)
    assert np.isinf(planes_of(server.frames[-1])["motion"]).all()


def test_a_viewer_of_jpeg_pictures_gets_rgb(connect: Any, server: Any) -> None:
    red = np.full((16, 16, 3), (255, 0, 0), np.uint8)
    jpeg = cv2.imencode(".jpg", red[..., ::-1])[1].tobytes()
    stream = connect(server.url, role="viewer")
    server.say(protocol.Result(1, {"color": protocol.Plane.of("jpeg", 16, 16, jpeg)}))
    assert np.abs(stream.receive().image.astype(int) - red).max() < 8
    server.say(protocol.Result(2, {"color": protocol.Plane.of("jpeg", 16, 16, b"no jpeg")}))
    with pytest.raises(mirage.Unsupported, match="JPEG"):
        stream.receive()


def test_the_largest_picture(connect: Any, echo_daemon: Any) -> None:
    frame = np.zeros((4096, 4096, 4), np.uint8)
    frame[::7, ::5] = 200
    stream = connect(echo_daemon.url, timeout=60.0)
    assert np.array_equal(stream.transform(frame).image, frame)
