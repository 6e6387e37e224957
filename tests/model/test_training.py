"""A whole tiny training: pictures, steps, an interruption, the export, and the engine that runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mirage_kernels import noise
from mirage_runtime.models.lsd import LsdMini, layout
from mirage_runtime.models.lsd.model import condition
from mirage_runtime.training import data, looks
from mirage_runtime.training.export import example_inputs, export, load
from mirage_runtime.training.network import Network, fold, folded, runs, unfold
from mirage_runtime.training.train import Progress, TrainOptions, train


def options(folder: Path, steps: int, **changes: object) -> TrainOptions:
    """A training of seconds."""
    small = {"batch": 2, "crop": 64, "pictures": 4, "picture_size": 72, "workers": 1} | changes
    return TrainOptions(folder=folder, steps=steps, **small)  # type: ignore[arg-type]


class Interruption(Exception):
    """What a progress callback raises to stop."""


def test_train_resume_export_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(options(tmp_path / "whole", 8))

    def stop(progress: Progress) -> None:
        if progress.step >= 3:
            raise Interruption

    halves = options(tmp_path / "halves", 8)
    monkeypatch.setattr("mirage_runtime.training.train._REPORT_SECONDS", 0.0)
    with pytest.raises(Interruption):
        train(halves, stop)
    resumed = train(halves)
    assert resumed.steps == whole.steps == 8
    one, two = (load(result.checkpoint).state_dict() for result in (whole, resumed))
    assert all(torch.equal(one[name], two[name]) for name in one)  # an interruption changes nothing

    log = [json.loads(line) for line in (tmp_path / "halves" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [3, 8]

    model = export(resumed.checkpoint, tmp_path / "tiny.onnx")
    assert str(Path(__file__).parents[2]).encode() not in model.read_bytes()  # no path of this machine
    source = data.picture(np.random.default_rng(1), 64)
    mini = LsdMini(threads=1, engine="onnxruntime", weights=model)
    chosen = condition({"lava": 1}, {})
    ours = mini.denoise(source, condition=chosen, seed=4).astype(int)

    torch_inputs = list(example_inputs(64))
    torch_inputs[0] = torch_inputs[1] = torch.from_numpy(source)[None]
    torch_inputs[2] = torch.from_numpy(noise.pixel_epsilon(4, 64, 64))[None]
    torch_inputs[5] = torch.from_numpy(noise.enlarge_pyramid(noise.noise_pyramid(4, 64, 64), 64, 64))[None]
    torch_inputs[6] = torch.from_numpy(np.concatenate([chosen, [1, 1]]).astype(np.float32))[None]
    with torch.no_grad():
        theirs = load(resumed.checkpoint)(*torch_inputs)[0].numpy()
    assert np.abs(ours - theirs).max() <= 1


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


def test_memory_has_its_place_but_no_say_yet() -> None:
    network = Network().eval()
    inputs = list(example_inputs(32))
    with torch.no_grad():
        without = network(*inputs)
        inputs[3], inputs[4] = torch.full_like(inputs[3], 200), torch.full_like(inputs[4], 255)
        assert torch.equal(network(*inputs), without)


@pytest.mark.parametrize("look", layout.LOOK_NAMES)
def test_teachers_paint(look: str) -> None:
    source = torch.from_numpy(data.pictures(2, 64, seed=3).copy()).permute(0, 3, 1, 2).float() / 255
    pyramid = torch.from_numpy(noise.enlarge_pyramid(noise.noise_pyramid(1, 64, 64), 64, 64))[None].repeat(2, 1, 1, 1)
    picture = looks.paint(look, source, pyramid)
    assert picture.shape == source.shape
    assert torch.isfinite(picture).all()
    moved = looks.paint(look, source, -pyramid)
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
