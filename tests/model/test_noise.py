"""The noise is a pure function of seed and size, with the statistics that the model was trained on."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_kernels import noise


def test_same_seed_same_bits() -> None:
    one, two = (noise.enlarge_pyramid(noise.noise_pyramid(5, 96, 160), 96, 160) for _ in range(2))
    assert one.tobytes() == two.tobytes()
    assert noise.pixel_epsilon(5, 96, 160).tobytes() == noise.pixel_epsilon(5, 96, 160).tobytes()


def test_seeds_and_levels_are_independent() -> None:
    one, two = (noise.enlarge_pyramid(noise.noise_pyramid(seed, 432, 768), 432, 768) for seed in (1, 2))
    assert abs(np.corrcoef(one[0].ravel(), two[0].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(one[0].ravel(), one[1].ravel())[0, 1]) < 0.05
    assert (noise.pixel_epsilon(1, 64, 64) != noise.pixel_epsilon(2, 64, 64)).mean() > 0.9


def test_every_sample_has_unit_variance() -> None:
    draws = np.stack([noise.enlarge_pyramid(noise.noise_pyramid(seed, 64, 64), 64, 64) for seed in range(400)])
    assert draws.shape == (400, 8, 16, 16)
    assert np.abs(draws.mean(0)).max() < 0.3
    assert draws.std(0).min() > 0.7
    assert draws.std(0).max() < 1.3


def test_coarse_levels_are_smoother() -> None:
    planes = noise.enlarge_pyramid(noise.noise_pyramid(1, 432, 768), 432, 768)
    steps = [np.abs(np.diff(planes[2 * level])).mean() for level in range(4)]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > 4 * steps[3]


def test_epsilon_is_a_scaled_gaussian() -> None:
    epsilon = noise.pixel_epsilon(3, 128, 128)
    assert epsilon.dtype == np.int8
    assert epsilon.std() == pytest.approx(noise.EPSILON_SCALE, rel=0.02)
    assert abs(epsilon.mean()) < 1


@pytest.mark.parametrize("size", [(0, 64), (64, -4), (62, 64), (64, 63)])
def test_sizes_off_the_grid_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        noise.noise_pyramid(1, *size)
    with pytest.raises(ValueError, match="multiples of 4"):
        noise.pixel_epsilon(1, *size)


def test_a_pyramid_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="cells"):
        noise.enlarge_pyramid(noise.noise_pyramid(1, 64, 64), 128, 128)


def test_negative_and_large_seeds_are_seeds() -> None:
    seeds = [-1, 0, 1, 2**31, 2**63 + 7]
    pictures = {noise.pixel_epsilon(seed, 32, 32).tobytes() for seed in seeds}
    assert len(pictures) == len(seeds)
