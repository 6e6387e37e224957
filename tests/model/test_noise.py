"""The noise is a pure function of seed and place, white at its own resolution wherever and however near it is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_kernels import noise


def cells(fields: noise.Fields, level: int) -> noise.Fields:
    """The two fields of one level: (2, h, w)."""
    return fields[noise.FIELDS * level : noise.FIELDS * (level + 1)]


def lattice(cell: float, count: int, start: tuple[float, float]) -> noise.Fields:
    """Places a cell apart: (count, count, 2)."""
    y, x = np.mgrid[0:count, 0:count].astype(np.float32) * cell
    return np.ascontiguousarray(np.stack([x + start[0], y + start[1]], -1), np.float32)


def statistics(draws: list[noise.Fields]) -> np.ndarray:
    """Mean, variance and the correlation of neighbours across and down."""
    return np.mean(
        [(d.mean(), (d**2).mean(), (d[..., 1:] * d[..., :-1]).mean(), (d[:, 1:] * d[:, :-1]).mean()) for d in draws],
        axis=0,
    )


def test_same_seed_same_bits() -> None:
    places = noise.screen(96, 160)
    one, two = (noise.surface_noise(5, places) for _ in range(2))
    assert one.tobytes() == two.tobytes()
    assert one.shape == (noise.CHANNELS, 24, 40)
    assert noise.pixel_epsilon(5, 96, 160).tobytes() == noise.pixel_epsilon(5, 96, 160).tobytes()


def test_seeds_and_levels_are_independent() -> None:
    one, two = (noise.surface_noise(seed, noise.screen(432, 768)) for seed in (1, 2))
    assert abs(np.corrcoef(one[0].ravel(), two[0].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(one[0].ravel(), one[1].ravel())[0, 1]) < 0.05
    assert (noise.pixel_epsilon(1, 64, 64) != noise.pixel_epsilon(2, 64, 64)).mean() > 0.9


@pytest.mark.parametrize("stretch", [1.0, 1.09, 1.41, 1.7, 2.0, 4.4, 0.8, 0.5, 0.3])
@pytest.mark.parametrize("level", range(len(noise.LEVELS)))
def test_samples_a_cell_apart_are_white_at_any_place_and_nearness(level: int, stretch: float) -> None:
    random = np.random.default_rng(level)
    draws = []
    for seed in range(150):
        places = lattice(noise.LEVELS[level] / stretch, 24, tuple(random.uniform(-900, 900, 2)))
        near = None if stretch == 1 else np.full((24, 24), stretch, np.float32)
        draws.append(cells(noise.surface_noise(seed, places, near), level))
    mean, variance, across, down = statistics(draws)
    assert abs(mean) < 0.01
    assert abs(variance - 1) < 0.02
    assert abs(across) < 0.02
    assert abs(down) < 0.02


def test_values_are_gaussian() -> None:
    draws = [noise.surface_noise(seed, lattice(40, 32, (0, 0))) for seed in range(40)]
    values = np.concatenate([d.ravel() for d in draws])
    assert abs((values**3).mean()) < 0.03
    assert abs((values**4).mean() - 3) < 0.1


@given(st.floats(-40, 40), st.floats(-40, 40))
def test_a_field_moves_by_any_fraction_of_a_pixel(x: float, y: float) -> None:
    places = noise.screen(64, 96)
    shift = np.array([x, y], np.float32)
    there = noise.surface_noise(3, places + shift)
    back = noise.surface_noise(3, (places + shift) - shift)
    assert np.abs(back - noise.surface_noise(3, places)).max() < 0.02
    assert np.isfinite(there).all()


def test_coming_nearer_is_gradual() -> None:
    places = noise.screen(64, 64)
    last = None
    for step in range(120):
        stretch = 2 ** (step / 40)
        fields = noise.surface_noise(2, places / np.float32(stretch), np.full((16, 16), stretch, np.float32))
        if last is not None:
            assert np.corrcoef(fields.ravel(), last.ravel())[0, 1] > 0.9
        last = fields


def test_coarse_levels_are_smoother() -> None:
    planes = noise.surface_noise(1, noise.screen(432, 768))
    steps = [np.abs(np.diff(planes[2 * level])).mean() for level in range(4)]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > 2.5 * steps[3]


def test_epsilon_is_a_scaled_gaussian() -> None:
    epsilon = noise.pixel_epsilon(3, 128, 128)
    assert epsilon.dtype == np.int8
    assert epsilon.std() == pytest.approx(noise.EPSILON_SCALE, rel=0.02)
    assert abs(epsilon.mean()) < 1


@pytest.mark.parametrize("size", [(0, 64), (64, -4), (62, 64), (64, 63)])
def test_sizes_off_the_grid_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        noise.screen(*size)
    with pytest.raises(ValueError, match="multiples of 4"):
        noise.pixel_epsilon(1, *size)


def test_negative_and_large_seeds_are_seeds() -> None:
    seeds = [-1, 0, 1, 2**31, 2**63 + 7]
    assert len({noise.surface_noise(seed, noise.screen(32, 32)).tobytes() for seed in seeds}) == len(seeds)
