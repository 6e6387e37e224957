"""A model in one file is the model that its folder holds, and what is no such file is told so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import one_file
import pytest
import tiny_models
import torch
from safetensors.torch import load_file, save_file

from mirage_runtime.config import DiffusionConfig, ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import Settings, load
from mirage_runtime.models.diffusion.files import look_at
from mirage_runtime.models.diffusion.single_file import read
from mirage_runtime.models.diffusion.text import TextEncoder

RELEASES = ("sd1", "sd2", "sdxl")


def config(path: Path, **chosen: object) -> ModelConfig:
    return ModelConfig(str(path), pixels=None, engine="torch", diffusion=DiffusionConfig(**chosen))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every release as a folder, and as a file beside one tokenizer."""
    folder = tmp_path_factory.mktemp("released")
    for release in RELEASES:
        tiny_models.make_released(folder / release, release)
        one_file.write(folder / release, folder / f"{release}_turbo.safetensors")
    shutil.copytree(folder / "sd1/tokenizer", folder / "tokenizer")
    return folder


def transformed(chosen: ModelConfig, prompt: str = "ice") -> np.ndarray:
    frame = np.random.default_rng(1).integers(0, 256, (64, 128, 3), np.uint8)
    return load(chosen)(frame, Settings(((prompt, 1.0),), steps=2)).picture.astype(int)


@pytest.mark.parametrize("release", RELEASES)
def test_a_file_makes_the_pictures_of_its_folder(released: Path, release: str) -> None:
    file = released / f"{release}_turbo.safetensors"
    found = look_at(config(file))
    assert (found.name, found.schedule.kind, found.tiny) == (f"{release}_turbo", "turbo", False)
    expected = transformed(config(released / release))
    assert np.array_equal(transformed(config(file)), expected)
    assert not np.array_equal(transformed(config(file), "moss"), expected)


@pytest.mark.parametrize("release", RELEASES)
def test_what_the_tensors_say_is_what_the_folder_says(released: Path, release: str) -> None:
    found = read(released / f"{release}_turbo.safetensors")
    for part, told in found.configs.items():
        written = json.loads((released / release / part / "config.json").read_text())
        if part == "text_encoder":
            del written["projection_dim"]  # which it does not have
        differs = {
            name: (value, written[name])
            for name, value in told.items()
            if name in written and written[name] != value and [written[name]] * len(np.atleast_1d(value)) != value
        }
        assert not differs, part


@pytest.mark.slow
def test_a_file_is_compiled_too(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mirage_runtime.compile import compiling

    monkeypatch.setenv("MIRAGE_CACHE", str(tmp_path))
    files = look_at(config(released / "sd1_turbo.safetensors"))
    recipe = compiling.recipe_of(files, "openvino", (64, 64), ())
    report = compiling.compile_model(files, recipe, lambda stage, done: None)
    assert report.difference is not None
    assert report.difference < 5e-3


def test_the_name_says_how_it_is_sampled(released: Path, tmp_path: Path) -> None:
    for name, kind in (("dreamy_LCM", "lcm"), ("xl-Turbo", "turbo"), ("plain", "ddim")):
        file = tmp_path / f"{name}.safetensors"
        file.hardlink_to(released / "sd1_turbo.safetensors")
        shutil.copytree(released / "tokenizer", tmp_path / "tokenizer", dirs_exist_ok=True)
        assert look_at(config(file)).schedule.kind == kind
        assert look_at(config(file, sampling="lcm")).schedule.kind == "lcm"


def test_a_model_that_predicts_velocity_says_so(released: Path, tmp_path: Path) -> None:
    told = one_file.write(released / "sd2", tmp_path / "told.safetensors", {"modelspec.prediction_type": "v"})
    assert read(told).prediction == "v_prediction"
    assert read(released / "sd2_turbo.safetensors").prediction == "epsilon"
    assert read(released / "sd1_turbo.safetensors").prediction == "epsilon"


def test_a_model_of_either_kind_is_asked_about(
    released: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(released / "tokenizer", tmp_path / "tokenizer")
    file = tmp_path / "v2-1_768.safetensors"
    file.hardlink_to(released / "sd2_turbo.safetensors")
    assert look_at(config(file)).schedule.prediction == "epsilon"
    assert "--prediction v_prediction" in caplog.text
    caplog.clear()
    assert look_at(config(file, prediction="v_prediction")).schedule.prediction == "v_prediction"
    assert not caplog.text


def test_averaged_weights_count_for_nothing(released: Path, tmp_path: Path) -> None:
    shutil.copytree(released / "tokenizer", tmp_path / "tokenizer")
    tensors = load_file(released / "sd1_turbo.safetensors")
    averaged = {"model_ema." + name: value.clone() for name, value in tensors.items() if name.startswith("model.")}
    save_file(tensors | averaged | {"alphas_cumprod": torch.zeros(1000)}, tmp_path / "pruned_turbo.safetensors")
    file = look_at(config(tmp_path / "pruned_turbo.safetensors"))
    plain = look_at(config(released / "sd1_turbo.safetensors"))
    assert abs(sum(file.bytes_of_networks()) - sum(plain.bytes_of_networks())) < 10_000
    assert np.array_equal(transformed(config(file.path)), transformed(config(plain.path)))


def test_padding_is_the_encoders_and_not_the_tokenizers(released: Path, tmp_path: Path) -> None:
    words = Path(shutil.copytree(released / "tokenizer", tmp_path / "tokenizer"))
    vocabulary = json.loads((words / "vocab.json").read_text())
    del vocabulary["z"]
    (words / "vocab.json").write_text(json.dumps(vocabulary | {"!": 25}))
    told = json.loads((words / "tokenizer_config.json").read_text())
    (words / "tokenizer_config.json").write_text(json.dumps(told | {"pad_token": "!"}))
    padding = {}
    for release in RELEASES:
        file = tmp_path / f"{release}_turbo.safetensors"
        file.hardlink_to(released / file.name)
        for number, encoder in enumerate(TextEncoder(look_at(config(file)))._encoders):
            padding[release, number] = encoder.tokenizer.pad_token
    end = "<|endoftext|>"
    assert padding == {("sd1", 0): end, ("sd2", 0): "!", ("sdxl", 0): end, ("sdxl", 1): "!"}


def test_another_autoencoder_may_be_named_or_lie_beside_it(released: Path, models: dict[str, Path]) -> None:
    file = released / "sd1_turbo.safetensors"
    tiny = models["sd"] / "vae"
    assert look_at(config(file, vae=str(tiny))).vae == tiny
    shutil.copytree(tiny, released / "taesd")
    try:
        found = look_at(config(file))
        assert (found.vae, found.tiny) == (released / "taesd", True)
        assert transformed(config(file)).shape == (64, 128, 3)
    finally:
        shutil.rmtree(released / "taesd")


def without(file: Path, start: str, target: Path) -> Path:
    save_file({name: value for name, value in load_file(file).items() if not name.startswith(start)}, target)
    return target


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("model.diffusion_model.", "is no Stable Diffusion in one file"),
        ("model.diffusion_model.middle_block.1.", "is not as Stable Diffusion's models are"),
        ("model.diffusion_model.input_blocks.1.0.", "is not as Stable Diffusion's models are"),
        ("cond_stage_model.", "what reads prompts"),
        ("first_stage_model.", "has no autoencoder: name the folder of one with --vae"),
    ],
)
def test_a_file_that_lacks_something_says_what(released: Path, tmp_path: Path, start: str, said: str) -> None:
    shutil.copytree(released / "tokenizer", tmp_path / "tokenizer")
    file = without(released / "sd1_turbo.safetensors", start, tmp_path / "less.safetensors")
    with pytest.raises(MirageRuntimeError, match=said):
        look_at(config(file))


def test_weights_that_lack_a_tensor_are_not_guessed(released: Path, tmp_path: Path) -> None:
    shutil.copytree(released / "tokenizer", tmp_path / "tokenizer")
    for missing in ("model.diffusion_model.out.0.", "first_stage_model.decoder.conv_out.",
                    "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc2."):  # fmt: skip
        file = without(released / "sd1_turbo.safetensors", missing, tmp_path / "less.safetensors")
        with pytest.raises(MirageRuntimeError, match=r"less\.safetensors .*cannot be loaded"):
            transformed(config(file))


def test_a_file_without_a_tokenizer_says_where_one_goes(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "alone.safetensors"
    file.hardlink_to(released / "sd1_turbo.safetensors")
    monkeypatch.setattr("mirage_runtime.models.diffusion.hub.cached", lambda name: None)
    with pytest.raises(MirageRuntimeError, match=r"put the folder 'tokenizer' .* beside it \(.*tokenizer\)"):
        look_at(config(file))
