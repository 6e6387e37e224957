"""The pipeline's four stages, with a model that can be reasoned about."""

import numpy as np
import pytest

from mirage_runtime.models import Settings
from mirage_runtime.pipeline import STAGES, Pipeline

PROMPTS = (("a", 1.0),)


class Inverting:
    """Gives the negative, and remembers what it was asked."""

    multiple = 16
    smallest = 32
    description = "inverts"

    def __init__(self):
        self.asked = []

    def prepare(self, height, width):
        self.asked.append((height, width))

    def condition(self, prompt):
        return np.array([float(prompt == "a"), float(prompt == "b")], np.float32)

    def denoise(self, source, *, condition, seed, steps):
        self.asked.append((source.shape[:2], condition.tolist(), seed, steps))
        assert source.flags.c_contiguous
        return 255 - source


@pytest.fixture
def model():
    return Inverting()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(16, 32), (17, 33), (1, 1), (300, 200)])
def test_the_result_has_the_frames_size_channels_and_alpha(model, noise, size, channels):
    frame = noise(*size, channels)
    frame[..., :3] = 40
    result, timings = Pipeline(model)(frame, Settings(PROMPTS))
    assert result.shape == frame.shape
    assert (result[..., :3] == 215).all()
    assert np.array_equal(result[..., 3:], frame[..., 3:])
    assert tuple(timings) == STAGES


def test_strength_mixes_and_zero_gives_the_source_back(model, noise):
    frame = noise(30, 50, 4)
    pipeline = Pipeline(model)
    assert np.array_equal(pipeline(frame, Settings(PROMPTS, strength=0.0))[0], frame)
    assert model.asked == []
    full = pipeline(np.full((16, 16, 3), 55, np.uint8), Settings(PROMPTS))[0]
    half = pipeline(np.full((16, 16, 3), 55, np.uint8), Settings(PROMPTS, strength=0.5))[0]
    assert (full == 200).all()
    assert np.abs(half.astype(int) - 128).max() <= 1


def test_large_frames_are_fitted_to_the_models_pixels(model, noise):
    pipeline = Pipeline(model, max_pixels=768 * 432)
    assert pipeline.working_size(1080, 1920) == (432, 768)
    assert pipeline.working_size(432, 768) == (432, 768)
    assert pipeline.working_size(1920, 1080) == (768, 432)
    assert pipeline.working_size(5, 4000) == (32, 4000)
    assert Pipeline(model).working_size(1080, 1920) == (1088, 1920)
    assert pipeline(noise(1080, 1920), Settings(PROMPTS))[0].shape == (1080, 1920, 4)


def test_prompts_blend_by_weight_and_settings_reach_the_model(model, noise):
    settings = Settings((("a", 0.25), ("b", 0.75)), seed=9, steps=3)
    Pipeline(model)(noise(16, 16, 3), settings)
    assert model.asked == [((32, 32), [0.25, 0.75], 9, 3)]


def test_the_result_may_be_written_in_place(model, noise):
    frame = noise(32, 32, 4)
    out = np.empty_like(frame)
    result, _ = Pipeline(model)(frame, Settings(PROMPTS), out=out)
    assert result is out
    assert np.array_equal(out, Pipeline(model)(frame, Settings(PROMPTS))[0])
