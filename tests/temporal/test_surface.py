"""Surfaces: texture stays where it is painted, and the noise stays white, for hundreds of frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mirage_kernels import noise
from mirage_runtime.temporal.surface import Surface

SIZE = 384


def similarity(zoom: float, roll: float, pan: tuple[float, float]) -> np.ndarray:
    """The backward motion of a view that zooms, rolls and pans by this much in a frame."""
    middle = (SIZE - 1) / 2
    away = noise.screen(SIZE, SIZE) - middle
    c, s = np.cos(roll) / zoom, np.sin(roll) / zoom
    before = away @ np.array([[c, -s], [s, c]]) + middle - pan
    return (before - noise.screen(SIZE, SIZE)).astype(np.float32)


def trusted() -> np.ndarray:
    return np.ones((SIZE // 4, SIZE // 4), np.float32)


def walk(frames: int) -> Surface:
    """Twofold in, fourfold out, twofold in again, swaying by fractions of a pixel."""
    surface = Surface(SIZE, SIZE)
    for frame in range(frames):
        inward = frame < frames / 4 or frame >= 3 * frames / 4
        zoom = 2 ** ((1 if inward else -1) / (frames / 4))
        pan = (0.37 * np.sin(frame / 9), 0.0)
        surface.advance(similarity(zoom, 0.0, pan), trusted())
    return surface


@pytest.mark.parametrize("frames", [75, 225, 300])  # at double size, at half size, and back
@pytest.mark.parametrize("level", range(len(noise.LEVELS)))
def test_noise_is_white_after_hundreds_of_warps_and_zooms(level: int, frames: int) -> None:
    surface = Surface(SIZE, SIZE)
    for frame in range(frames):
        inward = frame < 75 or frame >= 225
        surface.advance(similarity(2 ** ((1 if inward else -1) / 75), 0.0, (1.37 * np.sin(frame / 9), 0.6)), trusted())
    places, stretch = at_own_resolution(surface, noise.LEVELS[level])
    sums, count = np.zeros(4), 500
    for seed in range(count):
        fields = noise.surface_noise(seed, places, stretch)[2 * level : 2 * level + 2]
        sums += (
            fields.mean(),
            (fields**2).mean(),
            (fields[..., 1:] * fields[..., :-1]).mean(),
            (fields[:, 1:] * fields[:, :-1]).mean(),
        )
    mean, variance, across, down = sums / count
    assert abs(mean) < 0.01
    assert abs(variance - 1) < 0.02
    assert abs(across) < 0.02
    assert abs(down) < 0.02


def at_own_resolution(surface: Surface, cell: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Places and stretch of samples a cell apart on the screen, away from its border."""
    count = (SIZE - 32) // cell
    y, x = np.mgrid[0:count, 0:count].astype(np.float32) * cell
    spots = (np.stack([x, y], -1) + 16 - 1.5) / 4
    places, stretch = surface.places, surface.stretch()
    lattice = cv2.remap(places, spots, None, cv2.INTER_LINEAR)
    return lattice, None if stretch is None else cv2.remap(stretch, spots, None, cv2.INTER_LINEAR)


@pytest.mark.parametrize("pan", [(0.5, 0.0), (0.3, -0.7), (4.0, 0.0), (13.5, 2.5)])
def test_a_pan_moves_the_surface_exactly_for_hundreds_of_frames(pan: tuple[float, float]) -> None:
    surface = Surface(SIZE, SIZE)
    for _ in range(300):
        surface.advance(similarity(1.0, 0.0, pan), trusted())
    moved = surface.places - noise.screen(SIZE, SIZE)
    assert np.abs(moved + 300 * np.array(pan)).max() < 0.1
    assert surface.stretch() is None


def test_a_zoom_in_and_out_comes_back() -> None:
    surface = walk(200)
    stretch = surface.stretch()
    inner = np.abs(np.log2(stretch))[36:-36, 36:-36] if stretch is not None else np.zeros(1)
    assert inner.max() < 0.1


def test_two_surfaces_do_not_mix_at_their_border() -> None:
    """An object that passes to and fro over the ground leaves it as it was."""
    surface = Surface(SIZE, SIZE)
    before = surface.places.copy()
    rows = columns = SIZE // 4
    left = 20
    for frame in range(120):
        step = 4 if frame < 60 else -4
        motion, trust = np.zeros((rows, columns, 2), np.float32), np.ones((rows, columns), np.float32)
        now = left + (frame + 1 if frame < 60 else 119 - frame) - 30
        object_ = slice(max(now, 0), max(now + 20, 0))
        motion[30:60, object_, 0] = -step
        uncovered = now - 1 if step > 0 else now + 20
        if 0 <= uncovered < columns:
            trust[30:60, uncovered] = 0
        surface.advance(motion, trust)
    after = surface.places
    ground = np.ones((rows, columns), bool)
    ground[28:62] = False
    assert np.abs(after - before)[ground].max() == 0
    inside = np.abs(after - before)[30:60].reshape(-1, 2).max(axis=1)
    assert np.median(inside) < 0.5


def test_what_is_revealed_beside_the_frame_continues_the_surface() -> None:
    surface = Surface(SIZE, SIZE)
    for _ in range(40):
        surface.advance(similarity(1.0, 0.0, (-6.0, 0.0)), np.where(noise.screen(SIZE, SIZE)[..., 0] > SIZE - 7, 0, 1))
    assert np.abs(np.diff(surface.places[..., 0], axis=1) - 4).max() < 1e-3


def test_texture_that_is_torn_is_born_again() -> None:
    surface = Surface(SIZE, SIZE)
    squeeze = np.zeros((SIZE // 4, SIZE // 4, 2), np.float32)
    squeeze[..., 0] = (noise.screen(SIZE, SIZE)[..., 0] - SIZE / 2) * -0.05
    for _ in range(60):
        surface.advance(squeeze, trusted())
        surface.stretch()
    across = np.diff(surface.places[..., 0], axis=1)[:, 20:-20] / 4
    assert np.median(np.abs(across)) > 0.2
