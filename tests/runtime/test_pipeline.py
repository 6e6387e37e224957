"""The pipeline's four stages, with a model that can be reasoned about."""

import cv2
import numpy as np
import pytest

from mirage_kernels import noise as kernel
from mirage_runtime.models import Context, Settings
from mirage_runtime.pipeline import STAGES, Pipeline

PROMPTS = (("a", 1.0),)
PLAIN = Settings(PROMPTS)


class Inverting:
    """Gives the negative, and remembers what it was asked."""

    multiple = 16
    smallest = 32
    takes_strength = False
    limits = None
    description = "inverts"

    def __init__(self):
        self.asked, self.noises, self.memories = [], [], []

    def prepare(self, height, width):
        self.asked.append((height, width))

    def condition(self, prompt):
        return np.array([float(prompt == "a"), float(prompt == "b")], np.float32)

    def noise(self, seed, places, stretch):
        return kernel.surface_noise(seed, places, stretch)

    def stream_batch(self):
        return None

    def denoise(self, source, *, condition, noise, steps, memory=None, validity=None, steering=None):
        self.asked.append((source.shape[:2], condition.tolist(), steps))
        self.steering = steering
        self.noises.append(noise)
        self.memories.append(memory)
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
    outcome = Pipeline(model)(frame, Settings(PROMPTS))
    result = outcome.picture
    assert result.shape == frame.shape
    assert (result[..., :3] == 215).all()
    assert np.array_equal(result[..., 3:], frame[..., 3:])
    assert tuple(outcome.timings) == STAGES


def test_strength_mixes_and_zero_gives_the_source_back(model, noise):
    frame = noise(30, 50, 4)
    pipeline = Pipeline(model)
    assert np.array_equal(pipeline(frame, Settings(PROMPTS, strength=0.0)).picture, frame)
    assert model.asked == []
    full = pipeline(np.full((16, 16, 3), 55, np.uint8), Settings(PROMPTS)).picture
    half = pipeline(np.full((16, 16, 3), 55, np.uint8), Settings(PROMPTS, strength=0.5)).picture
    assert (full == 200).all()
    assert np.abs(half.astype(int) - 128).max() <= 1


def test_large_frames_are_fitted_to_the_models_pixels(model, noise):
    pipeline = Pipeline(model, max_pixels=768 * 432)
    assert pipeline.working_size(1080, 1920) == (432, 768)
    assert pipeline.working_size(432, 768) == (432, 768)
    assert pipeline.working_size(1920, 1080) == (768, 432)
    assert pipeline.working_size(5, 4000) == (32, 4000)
    assert Pipeline(model).working_size(1080, 1920) == (1088, 1920)
    assert pipeline(noise(1080, 1920), Settings(PROMPTS)).picture.shape == (1080, 1920, 4)


def test_prompts_blend_by_weight_and_settings_reach_the_model(model, noise):
    settings = Settings((("a", 0.25), ("b", 0.75)), seeds=((9, 1.0),), steps=3)
    Pipeline(model)(noise(16, 16, 3), settings)
    assert model.asked == [((32, 32), [0.25, 0.75], 3)]
    assert np.array_equal(model.noises[0], kernel.surface_noise(9, kernel.screen(32, 32)))


def test_the_result_may_be_written_in_place(model, noise):
    frame = noise(32, 32, 4)
    out = np.empty_like(frame)
    result = Pipeline(model)(frame, Settings(PROMPTS), out=out).picture
    assert result is out
    assert np.array_equal(out, Pipeline(model)(frame, Settings(PROMPTS)).picture)


def settled(model, frames, settings=None, **context):
    """Run frames of one stream; give the outcomes."""
    pipeline = Pipeline(model)
    settings = settings or [Settings(PROMPTS)] * len(frames)
    return [
        pipeline(frame, its, context=Context("s", number, **context))
        for number, (frame, its) in enumerate(zip(frames, settings, strict=True))
    ]


@pytest.fixture
def still(noise):
    return cv2.resize(noise(16, 32, 3), (256, 128), interpolation=cv2.INTER_CUBIC)


def test_a_still_stream_remembers_its_last_picture_where_it_was(model, still):
    outcomes = settled(model, [still] * 3)
    assert model.memories[0] is None
    assert np.array_equal(model.memories[1], 255 - still)
    assert [outcome.memory for outcome in outcomes] == [0.0, 1.0, 1.0]
    assert np.array_equal(model.noises[0], model.noises[2])


def test_a_still_source_is_not_computed_again(model, still):
    pipeline = Pipeline(model, still=1.5)

    def computed(frame, stream="a", settings=PLAIN):
        before = len(model.noises)
        pipeline(frame, settings, context=Context(stream, next(ids)))
        return len(model.noises) > before

    ids = iter(range(1, 99))
    noisy = np.clip(still.astype(int) + np.random.default_rng(1).integers(-3, 4, still.shape), 0, 255).astype(np.uint8)
    moved = still.copy()
    moved[40:48, 80:88] ^= 128
    assert computed(still)
    assert not computed(still)
    assert not computed(noisy)
    shown = pipeline(still, PLAIN, context=Context("a", next(ids))).picture
    assert np.array_equal(shown, 255 - still)
    assert computed(moved)
    assert computed(moved, stream="b")
    assert computed(moved, settings=Settings(PROMPTS, strength=0.5))
    assert computed(moved, settings=Settings((("b", 1.0),)))
    assert computed(moved[:64])


def test_what_creeps_is_seen_in_the_end(model, still):
    pipeline = Pipeline(model, still=1.5)
    grey = np.full_like(still, 100)
    for step in range(10):
        pipeline(grey + np.uint8(step), Settings(PROMPTS), context=Context("a", step))
    assert 4 <= len(model.noises) <= 6


def test_streams_have_their_own_memory_and_none_without_a_context(model, still):
    pipeline = Pipeline(model)
    for name in ("a", "b"):
        assert pipeline(still, Settings(PROMPTS), context=Context(name, 1)).memory == 0.0
    for _ in range(2):
        assert pipeline(still, Settings(PROMPTS)).memory == 0.0
    assert pipeline(still, Settings(PROMPTS), context=Context("a", 2)).memory == 1.0


def test_without_coherence_nothing_is_remembered_and_the_noise_stands_still(model, still):
    moved = np.roll(still, 8, axis=1)
    outcomes = settled(model, [still, moved], [Settings(PROMPTS, coherence=0.0)] * 2)
    assert outcomes[1].memory == 0.0
    assert model.memories == [None, None]
    assert np.array_equal(model.noises[0], model.noises[1])


def test_another_look_at_once_forgets_the_picture_but_not_where_things_are(model, still):
    frames = [still, np.roll(still, 4, axis=1), np.roll(still, 8, axis=1)]
    other = Settings((("b", 1.0),))
    settled(model, frames, [Settings(PROMPTS), other, other])
    assert model.memories[1] is None
    assert model.memories[2] is not None
    assert not np.array_equal(model.noises[1], model.noises[0])  # it moved on with the picture


def test_a_seed_that_jumps_forgets_the_picture_and_one_that_travels_does_not(model, still):
    seeds = [((1, 1.0),), ((1, 0.995), (2, 0.0998)), ((3, 1.0),)]
    settled(model, [still] * 3, [Settings(PROMPTS, seeds=each) for each in seeds])
    assert [memory is None for memory in model.memories] == [True, False, True]


def test_a_cut_begins_anew_and_is_told(model, still, noise):
    other = 255 - cv2.resize(noise(12, 24, 3), (256, 128), interpolation=cv2.INTER_CUBIC)
    outcomes = settled(model, [still, still, other, other])
    assert [outcome.reset for outcome in outcomes] == [False, False, True, False]
    assert model.memories[2] is None


def test_a_lamp_that_is_switched_on_is_no_cut(model, still):
    bright = cv2.convertScaleAbs(still // 2, alpha=1.4)
    outcomes = settled(model, [still // 2, still // 2, bright, bright])
    assert not any(outcome.reset for outcome in outcomes)
    assert np.array_equal(model.noises[3], model.noises[0])  # texture stays where it is
    assert outcomes[2].memory < 0.8 < outcomes[3].memory  # what was painted in the old light is not trusted


def test_a_frame_of_another_size_begins_anew(model, still):
    outcomes = settled(model, [still, still[:64], still[:64]])
    assert [outcome.memory for outcome in outcomes] == [0.0, 0.0, 1.0]
