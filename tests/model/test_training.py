"""A whole tiny training: pictures, steps, an interruption, the export, and the engine that runs it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mirage_kernels import noise
from mirage_runtime.models.lsd import LsdMini, layout
from mirage_runtime.models.lsd.model import condition
from mirage_runtime.models.lsd.network import Network, fold, folded, runs, unfold
from mirage_runtime.training import data, looks
from mirage_runtime.training.examples import Streams
from mirage_runtime.training.export import example_inputs, export, load
from mirage_runtime.training.train import Progress, TrainOptions, between, train
from mirage_runtime.training.video import Clip


def options(folder: Path, steps: int, **changes: object) -> TrainOptions:
    """A training of seconds."""
    small = {"batch": 2, "crop": 64, "pictures": 4, "picture_size": 72, "workers": 1} | changes
    return TrainOptions(folder=folder, steps=steps, **small)  # type: ignore[arg-type]


class Interruption(Exception):
    """What a progress callback raises to stop."""


def test_train_resume_export_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, again = (train(options(tmp_path / name, 8)) for name in ("whole", "again"))
    one, two = (load(result.checkpoint).state_dict() for result in (whole, again))
    assert all(torch.equal(one[name], two[name]) for name in one)

    def stop(progress: Progress) -> None:
        if progress.step >= 3:
            raise Interruption

    halves = options(tmp_path / "halves", 8)
    monkeypatch.setattr("mirage_runtime.training.train._REPORT_SECONDS", 0.0)
    with pytest.raises(Interruption):
        train(halves, stop)
    resumed = train(halves)
    assert resumed.steps == whole.steps == 8
    two = load(resumed.checkpoint).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)  # an interruption changes nothing
    log = [json.loads(line) for line in (tmp_path / "halves" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [3, 8]
    assert cv2.imread(str(tmp_path / "halves" / "loss.png")).shape == (480, 960, 3)

    model = export(resumed.checkpoint, tmp_path / "tiny.onnx")
    assert str(Path(__file__).parents[2]).encode() not in model.read_bytes()  # no path of this machine
    source = data.picture(np.random.default_rng(1), 64)
    mini = LsdMini(threads=1, engine="onnxruntime", weights=model)
    chosen = condition({"lava": 1}, {})
    ours = mini.denoise(source, condition=chosen, seed=4).astype(int)

    torch_inputs = list(example_inputs(64))
    torch_inputs[0] = torch_inputs[1] = torch.from_numpy(source)[None]
    torch_inputs[2] = torch.from_numpy(noise.pixel_epsilon(0, 64, 64))[None]
    torch_inputs[5] = torch.from_numpy(noise.surface_noise(4, noise.screen(64, 64)))[None]
    torch_inputs[6] = torch.from_numpy(np.concatenate([chosen, [1, 1]]).astype(np.float32))[None]
    with torch.no_grad():
        theirs = load(resumed.checkpoint)(*torch_inputs)[0].numpy()
    assert np.abs(ours - theirs).max() <= 1


def test_streams_that_other_code_has_stored_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update between two sittings must not end a training, nor feed it a state that means something else."""
    train(options(tmp_path, 2))
    restored: list[object] = []
    monkeypatch.setattr(Streams, "restore", lambda self, state: restored.append(state))
    monkeypatch.setattr("mirage_runtime.training.train._code", lambda: "another version")
    assert train(options(tmp_path, 4)).steps == 4
    assert not restored
    assert train(options(tmp_path, 6)).steps == 6
    assert restored


@pytest.mark.slow
def test_workers_share_a_step(tmp_path: Path) -> None:
    losses = [train(options(tmp_path / str(n), 3, batch=4, workers=n)).loss for n in (1, 2)]
    assert losses[0] == pytest.approx(losses[1], rel=0.5)


def test_impossible_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        train(options(tmp_path, 1, crop=80, picture_size=96))
    with pytest.raises(ValueError, match="does not divide"):
        train(options(tmp_path, 1, batch=3, workers=2))


def test_pictures_are_repeatable_and_varied() -> None:
    one, two = (data.pictures(6, 48, seed=9) for _ in range(2))
    assert np.array_equal(one, two)
    assert one.shape == (6, 48, 48, 3)
    assert len({picture.tobytes() for picture in one}) == 6


def test_fold_is_undone_and_is_what_strided_columns_see() -> None:
    x = torch.randint(0, 256, (2, 8, 12, 3), dtype=torch.uint8)
    assert torch.equal(unfold(fold(x, 4), 4), x)
    layer = torch.nn.Conv2d(48, 5, 1)
    torch.testing.assert_close(folded(layer, runs(x, 4).float()), layer(fold(x, 4).float()))


def test_a_memory_counts_only_where_it_is_trusted() -> None:
    network = Network().eval()
    inputs = list(example_inputs(32))
    with torch.no_grad():
        without = network(*inputs)
        inputs[3] = torch.full_like(inputs[3], 200)
        assert torch.equal(network(*inputs), without)
        inputs[4][..., :4] = 1.0
        there = network(*inputs)
    assert not torch.equal(there[:, :, :16], without[:, :, :16])


def test_clips_move_as_they_say() -> None:
    pictures = data.pictures(8, 176, seed=5)
    errors = []
    for seed in range(12):
        clip = Clip(np.random.default_rng(seed), pictures, 96)
        before = clip.next()
        assert not before.seen.any()
        for _ in range(3):
            now = clip.next()
            y, x = np.mgrid[0:96, 0:96].astype(np.float32)
            warped = cv2.remap(before.clean, now.motion + np.stack([x, y], -1), None, cv2.INTER_LINEAR)
            errors.append(np.median(np.abs(warped.astype(int) - now.clean)[now.seen]) if now.seen.any() else 0)
            assert now.depth.min() > 1
            before = now
    assert np.median(errors) <= 2  # in some, the light changes


def test_streams_live_on_from_step_to_step() -> None:
    pictures = data.pictures(4, 80, seed=3)
    one, two = (Streams(pictures, 3, 64, seed=11, device=torch.device("cpu")) for _ in range(2))
    remembered = 0
    for _ in range(12):
        examples = [streams.next() for streams in (one, two)]
        assert all(torch.equal(a, b) for a, b in zip(*(example.inputs for example in examples), strict=True))
        remembered += int((examples[0].inputs[4].amax((1, 2, 3)) > 0).sum())
        assert examples[0].error.abs().max() < 1e-6  # the teacher's own past has no error
        for streams, example in zip((one, two), examples, strict=True):
            streams.keep(example.target)
    assert remembered > 12


def test_a_shortcut_is_where_two_short_steps_lead() -> None:
    estimate, first, second = (torch.rand(1, 3, 4, 4) for _ in range(3))
    t, d = torch.tensor(0.75), torch.tensor(0.25)
    noise_ = torch.randn(1, 3, 4, 4)
    start = (1 - t) * estimate + t * noise_
    middle = start - d / t * (start - first)
    end = middle - d / (t - d) * (middle - second)
    led = ((t - 2 * d) * first + t * second) / (2 * (t - d))
    torch.testing.assert_close(start - 2 * d / t * (start - led), end)
    clean = between(estimate, first, t, d)
    torch.testing.assert_close((1 - t + d) * clean + (t - d) * noise_, middle)


@pytest.mark.parametrize("look", layout.LOOK_NAMES)
def test_teachers_paint(look: str) -> None:
    source = torch.from_numpy(data.pictures(2, 64, seed=3).copy()).permute(0, 3, 1, 2).float() / 255
    fields = torch.from_numpy(noise.surface_noise(1, noise.screen(64, 64)))[None].repeat(2, 1, 1, 1)
    picture = looks.paint(look, source, fields)
    assert picture.shape == source.shape
    assert torch.isfinite(picture).all()
    moved = looks.paint(look, source, -fields)
    assert ((moved - picture).abs().mean() > 0.01) == (look in (*layout.GENERATING, "watercolour"))


def test_modifiers_do_what_they_say() -> None:
    source = torch.rand(1, 3, 64, 64) * 0.6 + 0.2

    def modified(**values: float) -> torch.Tensor:
        modifiers = torch.tensor([[values.get(name, 0.0) for name in layout.MODIFIER_NAMES]])
        return looks.modify(source, modifiers)

    torch.testing.assert_close(modified(), source)
    assert modified(brightness=1).mean() > source.mean() > modified(brightness=-1).mean()
    warm, cold = modified(temperature=1), modified(temperature=-1)
    assert (warm[:, 0] - warm[:, 2]).mean() > (cold[:, 0] - cold[:, 2]).mean() + 0.1
    assert (modified(vividness=1).amax(1) - modified(vividness=1).amin(1)).mean() > (
        source.amax(1) - source.amin(1)
    ).mean()
    assert modified(softness=1).diff(dim=3).abs().mean() < 0.6 * source.diff(dim=3).abs().mean()
