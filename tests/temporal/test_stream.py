"""A stream's memory under what engines and networks do to it: what is wrong today is right with the next good frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mirage_runtime.models import Camera, Context, MotionPlane, Settings
from mirage_runtime.temporal.stream import Embedding, TemporalStream

HEIGHT, WIDTH = 128, 192
CONDITION = np.zeros(22, np.float32)
PROJECTION = np.array([[HEIGHT / WIDTH, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, -0.2], [0, 0, -1, 0]])
SETTINGS = Settings((("a", 1.0),))


@pytest.fixture(scope="module")
def wide() -> np.ndarray:
    random = np.random.default_rng(9)
    coarse = random.integers(0, 256, (40, 120, 3), dtype=np.uint8)
    return cv2.resize(coarse, (1200, 400), interpolation=cv2.INTER_CUBIC)


def frame(wide: np.ndarray, left: int) -> np.ndarray:
    return np.ascontiguousarray(wide[100 : 100 + HEIGHT, left : left + WIDTH])


def plane(pixels: object, number: int, source: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> MotionPlane:
    field = np.empty((*size, 2), np.float16)
    field[:] = pixels
    return MotionPlane(field, number, source)


class Run:
    """Frames through a stream; what is kept is the frame itself, so that a right memory equals the frame."""

    def __init__(self) -> None:
        self.stream = TemporalStream()

    def __call__(self, picture: np.ndarray, context: Context, settings: Settings = SETTINGS) -> Embedding:
        known = self.stream.embed(picture, picture.shape[:2], context, CONDITION, settings)
        self.stream.keep(picture)
        return known


def wrong(known: Embedding, picture: np.ndarray) -> float:
    """How far the trusted part of the memory is from where it belongs, of 255."""
    assert known.memory is not None
    assert known.validity is not None
    trusted = cv2.resize(known.validity, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST) > 0.5
    return float(np.abs(known.memory.astype(int) - picture)[trusted].mean())


def test_a_motion_plane_that_leads_to_the_memory_is_used(wide: np.ndarray) -> None:
    run = Run()
    run(frame(wide, 300), Context("s", 1))
    known = run(frame(wide, 320), Context("s", 2, (plane((20, 0), 2, 1),)))
    assert wrong(known, frame(wide, 320)) < 1
    assert known.share > 0.85


def test_the_planes_size_and_the_models_differ(wide: np.ndarray) -> None:
    stream = TemporalStream()
    size = (2 * HEIGHT, 2 * WIDTH)
    for number, left, motion in ((1, 300, ()), (2, 320, (plane((40, 0), 2, 1, (HEIGHT, WIDTH)),))):
        known = stream.embed(frame(wide, left), size, Context("s", number, motion), CONDITION, SETTINGS)
        stream.keep(frame(wide, left))
    assert wrong(known, frame(wide, 320)) < 1


def test_motion_is_composed_over_dropped_frames(wide: np.ndarray) -> None:
    run = Run()
    run(frame(wide, 300), Context("s", 1))
    motion = (plane((12, 0), 4, 3), plane((30, 0), 3, 2), plane((8, 0), 2, 1))
    known = run(frame(wide, 350), Context("s", 4, motion))
    assert wrong(known, frame(wide, 350)) < 1
    assert known.share > 0.7


@pytest.mark.parametrize(
    "motion",
    [
        (plane((90, 0), 2, 7),),  # leads to a frame that memory never had
        (plane((90, 0), 2, 2),),  # leads to itself
        (plane((90, 0), 9, 1),),  # is another frame's
        (plane((90, 0), 2, 0), plane((50, 0), 5, 1)),  # does not compose
        (plane(np.nan, 2, 1),),
        (plane(np.inf, 2, 1),),
        (plane((-np.inf, 6e4), 2, 1),),
        (plane((6e4, -6e4), 2, 1),),
        (plane((33, 21), 2, 1),),  # is a lie
    ],
)
def test_motion_that_cannot_be_used_is_estimated_and_the_next_frame_is_right(
    wide: np.ndarray, motion: tuple[MotionPlane, ...]
) -> None:
    run = Run()
    run(frame(wide, 300), Context("s", 1))
    known = run(frame(wide, 306), Context("s", 2, motion))
    assert np.isfinite(known.noise).all()
    assert not known.reset
    assert wrong(known, frame(wide, 306)) < 8
    known = run(frame(wide, 312), Context("s", 3, (plane((6, 0), 3, 2),)))
    assert wrong(known, frame(wide, 312)) < 1
    assert known.share > 0.9


@pytest.mark.parametrize("metres", [0.0, np.inf, np.nan, -3.0, 1e-30])
def test_depth_that_says_nothing_is_ignored(wide: np.ndarray, metres: float) -> None:
    depth = np.full((HEIGHT, WIDTH), metres, np.float32)
    cameras = [Camera(np.eye(4) + (shift > 0) * 0.01, PROJECTION) for shift in (0, 1)]
    run = Run()
    run(frame(wide, 300), Context("s", 1, depth=depth, camera=cameras[0]))
    known = run(frame(wide, 304), Context("s", 2, depth=depth, camera=cameras[1]))
    assert wrong(known, frame(wide, 304)) < 2
    assert known.share > 0.8


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.full((4, 4), 1e300)])
def test_a_camera_that_makes_no_sense_is_as_good_as_none(wide: np.ndarray, matrix: np.ndarray) -> None:
    depth = np.full((HEIGHT, WIDTH), 3, np.float32)
    run = Run()
    run(frame(wide, 300), Context("s", 1, depth=depth, camera=Camera(matrix, matrix)))
    known = run(frame(wide, 304), Context("s", 2, depth=depth, camera=Camera(matrix, matrix)))
    assert np.isfinite(known.noise).all()
    assert wrong(known, frame(wide, 304)) < 2


def test_a_camera_and_depth_give_the_motion(wide: np.ndarray) -> None:
    view, moved = np.eye(4), np.eye(4)
    moved[0, 3] = -5 * 20 / (HEIGHT / 2)  # 20 pixels at 5 m
    depth = np.full((HEIGHT, WIDTH), 5, np.float32)
    run = Run()
    run(frame(wide, 300), Context("s", 1, depth=depth, camera=Camera(view, PROJECTION)))
    known = run(frame(wide, 320), Context("s", 2, depth=depth, camera=Camera(moved, PROJECTION)))
    assert wrong(known, frame(wide, 320)) < 1
    assert known.share > 0.85


def test_ids_that_go_backwards_disturb_nothing(wide: np.ndarray) -> None:
    run = Run()
    for number, left in ((5, 300), (3, 304), (3, 308), (9, 312)):
        known = run(frame(wide, left), Context("s", number, (plane((4, 0), number, number - 1),)))
        assert np.isfinite(known.noise).all()
    assert wrong(known, frame(wide, 312)) < 2


def test_a_stream_that_changes_size_goes_on_at_the_new_size(wide: np.ndarray) -> None:
    run = Run()
    run(frame(wide, 300), Context("s", 1))
    small = np.ascontiguousarray(frame(wide, 300)[:64, :96])
    known = run(small, Context("s", 2, (plane((0, 0), 2, 1, (64, 96)),)))
    assert known.memory is None
    assert known.noise.shape == (8, 16, 24)
    assert run(small, Context("s", 3)).share == 1


def test_half_a_coherence_is_half_a_trust(wide: np.ndarray) -> None:
    run = Run()
    half = Settings((("a", 1.0),), coherence=0.5)
    run(frame(wide, 300), Context("s", 1), half)
    known = run(frame(wide, 300), Context("s", 2), half)
    assert known.validity is not None
    assert known.validity.max() == pytest.approx(0.5)
    assert known.share == pytest.approx(0.5)


def test_the_same_frames_give_the_same_bits(wide: np.ndarray) -> None:
    def once() -> list[bytes]:
        run = Run()
        knowns = [run(frame(wide, 300 + 3 * k), Context("s", k + 1)) for k in range(6)]
        return [part.tobytes() for known in knowns[1:] for part in (known.noise, known.memory, known.validity)]

    assert once() == once()


@pytest.mark.parametrize("lag", [1, 2, 3])
@pytest.mark.parametrize("told", [True, False])
def test_a_picture_that_comes_late_is_led_over_the_frames_between(wide: np.ndarray, lag: int, told: bool) -> None:
    stream = TemporalStream()
    frames = [frame(wide, 300 + 6 * number) for number in range(8)]
    for number, picture in enumerate(frames):
        motion = (plane((6, 0), number, number - 1),) if told and number else ()
        known = stream.embed(picture, picture.shape[:2], Context("s", number, motion), CONDITION, SETTINGS)
        if number > lag:
            assert wrong(known, picture) < 2
            assert known.share > 0.5
        late = min(lag, number)
        stream.keep(frames[number - late], late)


def test_a_picture_from_before_a_cut_is_not_remembered(wide: np.ndarray) -> None:
    stream = TemporalStream()
    before, after = frame(wide, 300), np.ascontiguousarray(frame(wide, 700)[::-1])
    for number, picture in enumerate((before, before, before, after)):
        known = stream.embed(picture, picture.shape[:2], Context("s", number), CONDITION, SETTINGS)
        stream.keep(before, min(number, 2))
    assert known.reset
    assert stream.embed(after, after.shape[:2], Context("s", 4), CONDITION, SETTINGS).memory is None


def test_the_memory_is_led_on_over_a_frame_that_gave_no_picture(wide: np.ndarray) -> None:
    stream = TemporalStream()
    for number in range(4):
        picture = frame(wide, 300 + 8 * number)
        motion = (plane((8, 0), number, number - 1),) if number else ()
        known = stream.embed(picture, picture.shape[:2], Context("s", number, motion), CONDITION, SETTINGS)
        if number in (0, 3):
            stream.keep(picture)
    assert wrong(known, frame(wide, 324)) < 2
    assert known.share > 0.5
