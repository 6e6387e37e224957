"""Stream batching: the pictures are those of one frame after the other, later, and how much later is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mirage
from mirage_kernels import noise as kernels
from mirage_runtime.compile import compiled, compiling
from mirage_runtime.config import DiffusionConfig, ModelConfig
from mirage_runtime.engines import EngineError
from mirage_runtime.models import Context, Outcome, Settings, Steering, load
from mirage_runtime.models.diffusion import open_model
from mirage_runtime.models.diffusion.files import look_at
from mirage_runtime.models.diffusion.model import StableDiffusion
from mirage_runtime.pipeline import Pipeline

SIZE = (64, 128)
PROMPTS = (("ice", 1.0),)


def opened(path: Path, **chosen: object) -> StableDiffusion:
    return open_model(ModelConfig(str(path), "torch", diffusion=DiffusionConfig(**chosen)))  # type: ignore[arg-type]


def pictures(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(count)]


@pytest.mark.parametrize("name", ["sd", "sdxl", "lcm", "kl"])
@pytest.mark.parametrize("steps", [2, 3, 4])
def test_each_picture_is_the_one_it_would_have_been(models: dict[str, Path], name: str, steps: int) -> None:
    model = opened(models[name], stream_batch=True)
    frames, condition = pictures(steps + 4), model.condition("ice")
    noises = [model.noise(seed, kernels.screen(*SIZE), None) for seed in range(len(frames))]

    def alone(number: int) -> np.ndarray:
        return model.denoise(frames[number], condition=condition, noise=noises[number], steps=steps).astype(int)

    batch = model.stream_batch()
    assert batch is not None
    for number, (frame, noise) in enumerate(zip(frames, noises, strict=True)):
        picture, lag = batch.denoise(frame, condition=condition, noise=noise, steps=steps)
        assert lag == min(number, steps - 1)
        # Networks that take several at once add up in another order.
        assert np.abs(picture.astype(int) - alone(number - lag)).max() <= 1


@pytest.mark.parametrize("guidance", ["full", "residual"])
def test_guidance_leads_each_frame_by_its_own(models: dict[str, Path], guidance: str) -> None:
    model = opened(models["sd"], stream_batch=True, cfg_type=guidance)
    frames, condition = pictures(5), model.condition("ice")
    noise = model.noise(1, kernels.screen(*SIZE), None)
    steering = Steering(guidance=3.0)
    batch = model.stream_batch()
    assert batch is not None
    for number, frame in enumerate(frames):
        picture, lag = batch.denoise(frame, condition=condition, noise=noise, steps=3, steering=steering)
        alone = model.denoise(frames[number - lag], condition=condition, noise=noise, steps=3, steering=steering)
        assert np.abs(picture.astype(int) - alone.astype(int)).max() <= 1


def test_one_run_of_the_network_makes_a_picture(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(models["sd"], stream_batch=True)
    asked: list[int] = []
    run = model.engines.predict.run
    monkeypatch.setattr(
        model.engines.predict, "run", lambda size, inputs: asked.append(len(inputs["timestep"])) or run(size, inputs)
    )
    batch, condition = model.stream_batch(), model.condition("ice")
    assert batch is not None
    noise = model.noise(1, kernels.screen(*SIZE), None)
    for frame in pictures(3):
        batch.denoise(frame, condition=condition, noise=noise, steps=4)
    assert asked == [1, 1, 1, 1, 4, 4]


def test_another_number_of_steps_and_a_cut_begin_anew(models: dict[str, Path]) -> None:
    model = opened(models["sd"], stream_batch=True)
    batch, condition = model.stream_batch(), model.condition("ice")
    assert batch is not None
    noise = model.noise(1, kernels.screen(*SIZE), None)
    lags = []
    for steps, anew in ((3, False), (3, False), (2, False), (2, False), (2, True), (1, False), (1, False)):
        _, lag = batch.denoise(pictures(1)[0], condition=condition, noise=noise, steps=steps, anew=anew)
        lags.append(lag)
    assert lags == [0, 1, 0, 1, 0, 0, 0]


@pytest.fixture(scope="module")
def late(models: dict[str, Path]) -> Pipeline:
    return Pipeline(opened(models["sd"], stream_batch=True))


def shown(pipeline: Pipeline, frames: list[np.ndarray], stream: str, **settings: object) -> list[Outcome]:
    chosen = Settings(PROMPTS, **{"steps": 3, "coherence": 0.0} | settings)  # type: ignore[arg-type]
    return [pipeline(frame, chosen, context=Context(stream, number)) for number, frame in enumerate(frames)]


def test_what_is_not_asked_for_is_not_done(models: dict[str, Path]) -> None:
    pipeline = Pipeline(opened(models["sd"]))
    assert [each.lag for each in shown(pipeline, pictures(4), "plain")] == [0, 0, 0, 0]


def test_the_first_pictures_are_whole_and_the_lag_is_told(models: dict[str, Path], late: Pipeline) -> None:
    frames = pictures(6)
    outcomes = shown(late, frames, "first")
    assert [each.lag for each in outcomes] == [0, 1, 2, 2, 2, 2]
    plain = shown(Pipeline(opened(models["sd"])), frames, "first")
    for number, each in enumerate(outcomes):
        expected = plain[number - each.lag].picture.astype(int)
        assert np.abs(each.picture.astype(int) - expected).max() <= 1


def test_alpha_is_that_of_the_frame_that_is_shown(late: Pipeline) -> None:
    frames = [
        np.dstack([frame, np.full(SIZE, number, np.uint8)]) for number, frame in enumerate(pictures(5))
    ]  # fmt: skip
    outcomes = shown(late, frames, "alpha")
    assert [int(each.picture[0, 0, 3]) for each in outcomes] == [0, 0, 0, 1, 2]


def test_a_frame_whose_memory_is_used_again_is_kept(late: Pipeline) -> None:
    memory = np.empty((*SIZE, 4), np.uint8)
    alphas = []
    for number, frame in enumerate(pictures(5)):
        memory[..., :3], memory[..., 3] = frame, number
        outcome = late(memory, Settings(PROMPTS, steps=2, coherence=0.0), context=Context("again", number))
        alphas.append(int(outcome.picture[0, 0, 3]))
    assert alphas == [0, 0, 1, 2, 3]


def test_masked_objects_are_those_of_the_frame_that_is_shown(late: Pipeline) -> None:
    frames = pictures(5)
    settings = Settings(PROMPTS, steps=3, coherence=0.0, mask_ids=(7,))
    ids = np.zeros(SIZE, np.uint32)
    ids[:, :64] = 7
    for number, frame in enumerate(frames):
        outcome = late(frame, settings, context=Context("mask", number, ids=ids.copy()))
        assert np.array_equal(outcome.picture[:, :64], frames[number - outcome.lag][:, :64])
        assert not np.array_equal(outcome.picture[:, 64:], frames[number - outcome.lag][:, 64:])


def test_no_strength_shows_the_frame_at_once_and_nothing_old_comes_after(late: Pipeline) -> None:
    frames = pictures(6)
    strengths = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    outcomes = [
        late(frame, Settings(PROMPTS, strength, steps=3, coherence=0.0), context=Context("off", number))
        for number, (frame, strength) in enumerate(zip(frames, strengths, strict=True))
    ]
    assert [each.lag for each in outcomes] == [0, 1, 0, 0, 1, 2]
    assert np.array_equal(outcomes[2].picture, frames[2])


def test_one_step_needs_no_batch_and_two_after_it_begin_anew(late: Pipeline) -> None:
    lags = []
    for number, frame in enumerate(pictures(7)):
        settings = Settings(PROMPTS, steps=2 if number in (0, 1, 5, 6) else 1, coherence=0.0)
        outcome = late(frame, settings, context=Context("one", number))
        lags.append(outcome.lag)
        if settings.steps == 1:
            assert not late._streams["one"].under_way
    assert lags == [0, 1, 0, 0, 0, 0, 1]


def test_frames_of_another_size_begin_anew(late: Pipeline) -> None:
    small = pictures(4)
    frames = [small[0], small[1], np.vstack([small[2], small[3]]), small[2]]
    outcomes = shown(late, frames, "size")
    assert [each.lag for each in outcomes] == [0, 1, 0, 0]
    assert [each.picture.shape for each in outcomes] == [frame.shape for frame in frames]


def test_a_source_that_comes_to_rest_is_shown_before_it_is_taken_for_still(models: dict[str, Path]) -> None:
    pipeline = Pipeline(opened(models["sd"], stream_batch=True), still=1.5)
    moving, resting = pictures(3), pictures(4)[3]
    outcomes = shown(pipeline, [*moving, *[resting] * 6, *moving], "rest")
    at_rest = shown(pipeline, [resting], "alone")[0].picture.astype(int)
    still = outcomes[6:9]
    assert np.abs(still[0].picture.astype(int) - at_rest).max() <= 1
    assert [each.lag for each in still] == [0, 0, 0]
    assert len({each.picture.tobytes() for each in still}) == 1
    assert [each.lag for each in outcomes[9:]] == [0, 1, 2]  # and what is new after it is seen at once


def test_nothing_that_was_on_its_way_comes_after_a_rest(models: dict[str, Path]) -> None:
    pipeline = Pipeline(opened(models["sd"], stream_batch=True), still=1.5)
    one, flash, after = pictures(3)
    outcomes = shown(pipeline, [*[one] * 4, flash, *[one] * 20, *[after] * 3], "flash")
    alone = {each.tobytes(): shown(pipeline, [each], str(n))[0].picture for n, each in enumerate((one, after))}
    for outcome in outcomes[5:25]:
        assert np.abs(outcome.picture.astype(int) - alone[one.tobytes()]).mean() < 0.1
    for outcome in outcomes[25:]:
        assert np.abs(outcome.picture.astype(int) - alone[after.tobytes()]).mean() < 0.1


@pytest.mark.parametrize("pause", [2, 6])
def test_a_rest_without_strength_ends_well(models: dict[str, Path], pause: int) -> None:
    pipeline = Pipeline(opened(models["sd"], stream_batch=True), still=1.5)
    (frame,) = pictures(1)
    strengths = [*[1.0] * 5, *[0.0] * pause, *[1.0] * 5]
    outcomes = [
        pipeline(frame, Settings(PROMPTS, strength, steps=3, coherence=0.0), context=Context("none", number))
        for number, strength in enumerate(strengths)
    ]
    for strength, outcome in zip(strengths, outcomes, strict=True):
        assert np.array_equal(outcome.picture, outcomes[0].picture if strength else frame)
        assert outcome.lag == 0 or strength


def test_frames_of_another_size_at_rest_begin_anew(models: dict[str, Path]) -> None:
    pipeline = Pipeline(opened(models["sd"], stream_batch=True), still=1.5)
    large = np.full((130, 250, 3), 90, np.uint8)
    small = np.full((60, 130, 3), 90, np.uint8)
    for number, frame in enumerate([large, large, large, large, small, small, large, small]):
        outcome = pipeline(frame, Settings(PROMPTS, steps=3), context=Context("size at rest", number))
        assert outcome.picture.shape == frame.shape


def test_a_look_of_two_prompts_is_not_kept_for_one(models: dict[str, Path]) -> None:
    pipeline = Pipeline(opened(models["sd"], stream_batch=True), still=1.5)
    (frame,) = pictures(1)
    ice, moss = (("ice", 1.0),), (("moss", 1.0),)
    pictures_of_ice = []
    for number, prompts in enumerate([*[ice] * 4, moss, *[ice] * 6]):
        settings = Settings(prompts, steps=3, coherence=0.0)
        pictures_of_ice.append(pipeline(frame, settings, context=Context("two", number)).picture.astype(int))
    assert np.abs(pictures_of_ice[-1] - pictures_of_ice[0]).max() <= 1


@pytest.mark.parametrize("network", ["encode", "predict", "decode"])
def test_a_frame_that_fails_takes_no_other_along(
    models: dict[str, Path], network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(models["sd"], stream_batch=True)
    pipeline, plain = Pipeline(model), Pipeline(opened(models["sd"]))
    frames = [np.dstack([frame, np.full(SIZE, number, np.uint8)]) for number, frame in enumerate(pictures(9))]
    settings = Settings(PROMPTS, steps=4, coherence=0.0)
    lags: list[int | None] = []
    for number, frame in enumerate(frames):
        with monkeypatch.context() as patch:
            if number == 5:
                patch.setattr(getattr(model.engines, network), "run", broken)
            try:
                outcome = pipeline(frame, settings, context=Context("fails", number))
            except EngineError:
                lags.append(None)
                continue
        lags.append(outcome.lag)
        expected = plain(frames[number - outcome.lag], settings).picture
        assert np.abs(outcome.picture.astype(int) - expected).max() <= 1
    assert lags == [0, 1, 2, 3, 3, None, 0, 1, 2]


def broken(*_: object) -> None:
    raise EngineError("out of memory")


def moved(picture: np.ndarray, pixels: int) -> np.ndarray:
    return np.roll(picture, pixels, axis=1)


def test_memory_is_of_the_frame_that_was_shown_and_moved_from_there(models: dict[str, Path]) -> None:
    """In a pan what is remembered lies where it would lie without the lag."""
    base = np.random.default_rng(5).integers(0, 256, (SIZE[0] // 8, SIZE[1] // 8, 3), np.uint8)
    base = np.kron(base, np.ones((8, 8, 1), np.uint8))
    model = opened(models["sd"], stream_batch=True)
    pipeline = Pipeline(model)
    given: list[np.ndarray | None] = []
    looks: list[np.ndarray] = []
    frames = [moved(base, 4 * number) for number in range(7)]

    class Showing:
        """Shows the frame of two frames ago, as it was."""

        def __init__(self) -> None:
            self.came: list[np.ndarray] = []

        def denoise(self, source: np.ndarray, **asked: object) -> tuple[np.ndarray, int]:
            given.append(asked["memory"])  # type: ignore[arg-type]
            self.came.append(source)
            lag = min(2, len(self.came) - 1)
            return self.came[-1 - lag], lag

    model.stream_batch = Showing  # type: ignore[method-assign, assignment]
    for number, frame in enumerate(frames):
        settings = Settings(PROMPTS, steps=3)
        looks.append(pipeline(frame, settings, context=Context("pan", number)).picture)
    for frame, before in pairwise(frames):
        assert not np.array_equal(frame, before)
    inside = np.s_[8:-8, 24:-24]
    for frame, memory in zip(frames[3:], given[3:], strict=True):
        assert memory is not None
        off = np.abs(frame[inside].astype(int) - memory[inside].astype(int)).mean()
        still = np.abs(frame[inside].astype(int) - moved(frame, -4)[inside].astype(int)).mean()
        assert off < 0.2 * still


def test_it_is_compiled_for_as_many_as_there_are_steps(
    models: dict[str, Path],
    for_openvino: compiled.Report,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MIRAGE_CACHE", str(tmp_path))
    shutil.copytree(for_openvino.folder, tmp_path / "compiled" / for_openvino.folder.name)
    frames = pictures(4)
    config = ModelConfig(str(models["sd"]), "openvino", pixels=None, diffusion=DiffusionConfig(stream_batch=True))
    files = look_at(config)
    plain = load(config)
    assert "is compiled for one frame at a time" in caplog.text
    assert [each.lag for each in shown(plain, frames, "plain")] == [0, 0, 0, 0]  # type: ignore[arg-type]
    recipe = compiling.recipe_of(files, "openvino", SIZE, batch=4)
    report = compiling.compile_model(files, recipe, lambda stage, done: None)
    assert report.difference is not None
    assert report.difference < 5e-3
    outcomes = shown(load(config), frames, "batch")  # type: ignore[arg-type]
    assert [each.lag for each in outcomes] == [0, 1, 2, 2]
    expected = shown(plain, frames, "again")[1].picture.astype(int)  # type: ignore[arg-type]
    assert np.abs(outcomes[3].picture.astype(int) - expected).mean() < 1.0


@pytest.mark.parametrize("quality", [None, 80])
def test_clients_are_told(models: dict[str, Path], daemon_factory: Callable[..., Any], quality: int | None) -> None:
    daemon = daemon_factory("--model", str(models["sd"]), "--engine", "torch", "--stream-batch", "--still", "0")
    told: dict[int, int] = {}
    with mirage.connect(daemon.url, compression="jpeg" if quality else "raw", transport="websocket") as stream:
        stream.set(steps=3, coherence=0.0)
        alphas: dict[int, int] = {}
        for number, frame in enumerate(pictures(6)):
            alphas[stream.send(np.dstack([frame, np.full(SIZE, 10 * number, np.uint8)]))] = 10 * number
            result = stream.receive(timeout=60)
            told[result.frame_id] = result.lag
            assert (result.image[..., 3] == alphas[result.frame_id - result.lag]).all()
    assert [told[number] for number in sorted(told)] == [0, 1, 2, 2, 2, 2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_tensorrt_builds_a_network_for_several_frames(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("MIRAGE_CACHE", str(tmp_path))
    files = look_at(ModelConfig(str(models[name])))
    recipe = compiling.recipe_of(files, "tensorrt", SIZE, ["sm89"], batch=4)
    report = compiling.compile_model(files, recipe, lambda stage, done: None)
    assert report.difference is not None
    assert report.difference < 5e-3
    assert (report.folder / "predict.engine").stat().st_size > 1000
    assert recipe.key != compiling.recipe_of(files, "tensorrt", SIZE, ["sm89"]).key
