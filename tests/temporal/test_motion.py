"""Motion: found where it must be looked for, taken where an engine gives it, doubted where it does not hold."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mirage_runtime.temporal import fields, motion
from mirage_runtime.temporal.motion import View

HEIGHT, WIDTH = 192, 320


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A picture with detail at every scale, larger than the frame."""
    random = np.random.default_rng(4)
    total = np.zeros((600, 900, 3), np.float32)
    for cells in (6, 16, 40, 110):
        coarse = random.random((cells, cells * 3 // 2, 3), np.float32)
        total += cv2.resize(coarse, (900, 600), interpolation=cv2.INTER_CUBIC) / np.sqrt(cells / 6)
    low, high = np.quantile(total, (0.01, 0.99))
    return np.clip((total - low) / (high - low) * 255, 0, 255).astype(np.uint8)


def seen(scene: np.ndarray, x: float, y: float, zoom: float = 1.0) -> np.ndarray:
    """The frame that a camera at (x, y) sees."""
    view = np.array([[zoom, 0, -x * zoom], [0, zoom, -y * zoom]])
    return cv2.warpAffine(scene, view, (WIDTH, HEIGHT), flags=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)


@pytest.mark.parametrize("pan", [(0.5, 0.0), (1.0, 0.0), (2.5, -0.5), (7.3, 3.1), (-14.0, 6.5)])
def test_a_pan_is_found_to_a_tenth_of_a_pixel(scene: np.ndarray, pan: tuple[float, float]) -> None:
    before, now = (View.of(seen(scene, 200 + k * pan[0], 150 + k * pan[1])) for k in (0, 1))
    found = motion.estimate(before, now)
    error = np.linalg.norm(found.field - pan, axis=-1)[8:-8, 8:-8]
    assert np.median(error) < 0.1
    assert np.quantile(error, 0.9) < 0.3
    assert found.trust[8:-8, 8:-8].mean() > 0.9


def test_a_zoom_is_found(scene: np.ndarray) -> None:
    before, now = (View.of(seen(scene, 200, 150, zoom)) for zoom in (1.0, 1.03))
    places = np.stack(np.meshgrid(np.arange(WIDTH // 4), np.arange(HEIGHT // 4)), -1) * 4 + 1.5
    expected = places / 1.03 - places
    error = np.linalg.norm(motion.estimate(before, now).field - expected, axis=-1)
    assert np.median(error) < 0.1


def test_nothing_moves_where_nothing_changes_but_for_the_sensor(scene: np.ndarray) -> None:
    random = np.random.default_rng(1)
    frames = [
        np.clip(seen(scene, 200, 150) + random.normal(0, 2, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
        for _ in range(2)
    ]
    found = motion.estimate(*(View.of(frame) for frame in frames))
    assert (found.field == 0).all()
    assert found.trust.min() == 1


def test_a_thing_moves_over_ground_at_rest(scene: np.ndarray) -> None:
    frames = []
    grey = scene[..., [1, 1, 1]]
    for left in (100, 108):
        frame = seen(grey, 200, 150).copy()
        frame[60:130, left : left + 80] = seen(grey, 20, 380)[60:130, 100:180]
        frames.append(View.of(frame))
    found = motion.estimate(*frames)
    inside = found.field[19:28, 33:43].reshape(-1, 2)
    assert np.abs(np.median(inside, axis=0) - (-8, 0)).max() < 1
    assert np.abs(found.field[:10]).max() == 0
    assert found.trust[17:31, 25:26].mean() < 0.5  # what it left behind was not to be seen


def test_what_was_seen_before_changes_nothing(scene: np.ndarray) -> None:
    frames = [View.of(seen(scene, 200 + 5 * k, 150)) for k in (0, 1)]
    first = motion.estimate(*frames)
    for height, width in ((48, 64), (96, 96), (400, 640)):
        motion.estimate(*(View.of(scene[k : k + height, :width]) for k in (0, 3)))
        again = motion.estimate(*frames)
        assert (again.field == first.field).all()
        assert (again.trust == first.trust).all()


def test_frames_too_small_to_search_have_no_motion() -> None:
    coarse = [np.random.default_rng(k).integers(0, 256, (3, 3, 3), dtype=np.uint8) for k in (1, 2)]
    frames = [cv2.resize(picture, (32, 32), interpolation=cv2.INTER_CUBIC) for picture in coarse]
    found = motion.estimate(*(View.of(frame) for frame in frames))
    assert (found.field == 0).all()
    assert found.trust.mean() < 0.6


def test_an_engines_motion_is_taken_where_finite_and_trusted_where_colours_agree(scene: np.ndarray) -> None:
    before, now = View.of(seen(scene, 200, 150)), View.of(seen(scene, 206, 150))
    field = np.full((HEIGHT // 4, WIDTH // 4, 2), (6.0, 0.0), np.float32)
    field[:8] = np.nan
    field[8:16] = (np.inf, 0)
    field[16:20] = (-40, 30)
    found = motion.given(field, before, now)
    assert np.isfinite(found.field).all()
    assert found.trust[:16].max() == 0
    assert found.trust[16:20].mean() < 0.6
    assert found.trust[21:, 4:-4].mean() > 0.95


def test_depth_shows_what_was_hidden(scene: np.ndarray) -> None:
    grid = (HEIGHT // 4, WIDTH // 4)
    was, now = np.full(grid, 10, np.float32), np.full(grid, 10, np.float32)
    was[10:20, 10:20] = 2
    frame = seen(scene, 200, 150)
    found = motion.given(np.zeros((*grid, 2), np.float32), View.of(frame, was), View.of(frame, now))
    assert found.trust[10:20, 10:20].max() == 0
    assert found.trust[30:].min() > 0.95
    unknown = motion.given(np.zeros((*grid, 2), np.float32), View.of(frame, was), View.of(frame, np.zeros_like(now)))
    assert unknown.trust.min() > 0.95


def camera(x: float, z: float, turn: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """View and projection of a camera at (x, 0, z) that is turned about the vertical axis."""
    view = np.eye(4)
    c, s = np.cos(turn), np.sin(turn)
    view[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    view[:3, 3] = -view[:3, :3] @ (x, 0, z)
    aspect = WIDTH / HEIGHT
    projection = np.zeros((4, 4))
    projection[0, 0], projection[1, 1], projection[2, 2], projection[2, 3], projection[3, 2] = (
        1 / aspect,
        1,
        -1,
        -0.2,
        -1,
    )
    return view, projection


def test_a_cameras_motion_follows_from_depth() -> None:
    grid = (HEIGHT // 4, WIDTH // 4)
    depth = np.full(grid, 5, np.float32)
    sideways = fields.from_camera(depth, camera(0.1, 0), camera(0, 0), (HEIGHT, WIDTH))
    # 0.1 m at 5 m is 0.02 of the half height, which is 96 pixels.
    assert np.allclose(sideways, (0.02 * HEIGHT / 2, 0), atol=1e-3)
    forward = fields.from_camera(depth, camera(0, -1), camera(0, 0), (HEIGHT, WIDTH))
    assert forward[HEIGHT // 8, -1, 0] < 0 < forward[HEIGHT // 8, 0, 0]
    assert np.abs(forward[HEIGHT // 8, WIDTH // 8]).max() < 1
    sky = fields.from_camera(np.zeros(grid, np.float32), camera(0.1, 0), camera(0, 0), (HEIGHT, WIDTH))
    assert np.abs(sky).max() < 0.01
    turned = fields.from_camera(np.zeros(grid, np.float32), camera(0, 0, 0.01), camera(0, 0), (HEIGHT, WIDTH))
    assert abs(abs(turned[HEIGHT // 8, WIDTH // 8, 0]) - 0.01 * HEIGHT / 2) < 0.05


def test_a_camera_that_makes_no_sense_is_refused() -> None:
    depth = np.ones((4, 4), np.float32)
    flat = (np.zeros((4, 4)), camera(0, 0)[1])
    with pytest.raises(ValueError, match="inverted"):
        fields.from_camera(depth, flat, camera(0, 0), (16, 16))
    with pytest.raises(ValueError, match="flat"):
        fields.from_camera(depth, (camera(0, 0)[0], np.zeros((4, 4))), camera(0, 0), (16, 16))


def test_motion_composes() -> None:
    late = np.full((8, 8, 2), (4.0, 0.0), np.float32)
    early = np.zeros((8, 8, 2), np.float32)
    early[:, 4:] = (0.0, 8.0)
    both = fields.composed(late, early)
    assert np.array_equal(both[0, 0], (4, 0))
    assert np.array_equal(both[0, 3], (4, 8))
    early[:] = np.nan
    assert np.isnan(fields.composed(late, early)).all()
