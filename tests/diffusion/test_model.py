"""Whole models, tiny ones, computed by torch on the CPU."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mirage_kernels import noise as kernels
from mirage_runtime.config import DiffusionConfig, ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import Context, Settings, Steering, load
from mirage_runtime.models.diffusion import open_model
from mirage_runtime.models.diffusion.model import StableDiffusion, mixed

SIZE = (64, 128)


def opened(path: Path, **chosen: object) -> StableDiffusion:
    return open_model(ModelConfig(str(path), diffusion=DiffusionConfig(**chosen)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sd(models: dict[str, Path]) -> StableDiffusion:
    return opened(models["sd"], cfg_type="full")


def picture(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)


def made(model: StableDiffusion, source: np.ndarray, prompt: str = "ice", seed: int = 0, **asked: object) -> np.ndarray:
    steps = int(asked.pop("steps", 1))  # type: ignore[call-overload]
    noise = model.noise(seed, kernels.screen(*SIZE), None)
    return model.denoise(
        source, condition=model.condition(prompt), noise=noise, steps=steps, steering=Steering(**asked)
    ).astype(float)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["sd", "sdxl", "lcm", "kl"])
@pytest.mark.parametrize("steps", [1, 4])
def test_every_kind_makes_a_picture(models: dict[str, Path], name: str, steps: int) -> None:
    transform = load(ModelConfig(str(models[name]), pixels=None))
    frame = np.random.default_rng(1).integers(0, 256, (100, 150, 4), np.uint8)
    settings = Settings((("ice", 0.5), ("lava", 0.5)), steps=steps)
    first, again = (transform(frame, settings).picture for _ in range(2))
    assert first.shape == frame.shape
    assert np.array_equal(first[..., 3], frame[..., 3])
    assert np.array_equal(first, again)


def test_prompt_seed_source_and_strength_all_matter(sd: StableDiffusion) -> None:
    plain = made(sd, picture())
    assert np.array_equal(plain, made(sd, picture()))
    for other in (
        made(sd, picture(), prompt="moss"),
        made(sd, picture(), seed=1),
        made(sd, picture(2)),
        made(sd, picture(), strength=0.4),
        made(sd, picture(), steps=2),
    ):
        assert np.abs(other - plain).mean() > 0.01


def test_less_strength_stays_nearer_to_what_the_autoencoder_makes(sd: StableDiffusion) -> None:
    latent = sd.engines.encode.run(SIZE, {"picture": picture()[None]})
    untouched = sd.engines.decode.run(SIZE, {"latent": latent}).numpy()[0].astype(float)
    distances = [np.abs(made(sd, picture(), strength=each) - untouched).mean() for each in (0.05, 0.4, 1.0)]
    assert distances == sorted(distances)
    assert distances[0] < 0.5 * distances[2]


def test_guidance_and_its_negative_prompt_matter(models: dict[str, Path], sd: StableDiffusion) -> None:
    residual, off = opened(models["sd"], cfg_type="residual"), opened(models["sd"], cfg_type="off")
    plain = made(sd, picture())
    assert np.array_equal(made(off, picture(), guidance=4.0), plain)
    guided = [
        made(sd, picture(), guidance=4.0),
        made(residual, picture(), guidance=4.0),
        made(sd, picture(), guidance=4.0, negative="moss"),
    ]
    for one in guided:
        assert np.abs(one - plain).mean() > 0.1
    assert not np.array_equal(guided[0], guided[1])
    assert not np.array_equal(guided[0], guided[2])


def test_a_latents_noise_is_white_and_moves_with_places(sd: StableDiffusion) -> None:
    places = kernels.screen(1024, 1024)
    noise = sd.noise(5, places, None)
    assert noise.shape == (4, 128, 128)
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    for shifted in (noise[:, 1:] * noise[:, :-1], noise[:, :, 1:] * noise[:, :, :-1]):
        assert abs(shifted.mean()) < 0.02
    mixed_channels = np.corrcoef(noise.reshape(4, -1)) - np.eye(4)
    assert np.abs(mixed_channels).max() < 0.03
    moved = sd.noise(5, places + np.float32([16, 0]), None)
    assert np.allclose(moved[:, :, :-2], noise[:, :, 2:], atol=0.02)


def test_what_is_remembered_is_mixed_into_the_source() -> None:
    source, memory = np.zeros((*SIZE, 3), np.uint8), np.full((*SIZE, 3), 200, np.uint8)
    validity = np.zeros((SIZE[0] // 4, SIZE[1] // 4), np.float32)
    validity[:, 16:] = 1.0
    result = mixed(source, memory, validity)
    assert result[:, :48].max() == 0
    assert result[:, 80:].min() == 100
    assert mixed(source, None, None) is source


def test_a_stream_remembers(models: dict[str, Path]) -> None:
    transform = load(ModelConfig(str(models["sd"]), pixels=None))
    frame = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    outcomes = [transform(frame, Settings((("ice", 1.0),)), context=Context("main", number)) for number in range(3)]
    assert [outcome.memory > 0.5 for outcome in outcomes] == [False, True, True]


def test_weights_that_are_no_numbers_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(models["sd"], tmp_path / "model")
    path = tmp_path / "model/unet/diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["conv_in.weight"][0, 0, 0, 0] = float("nan")
    save_file(weights, path)
    with pytest.raises(MirageRuntimeError, match=r"conv_in\.weight.*NaN"):
        opened(tmp_path / "model")


def test_a_lora_is_merged_by_its_strength(
    models: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    generator = torch.Generator().manual_seed(1)
    lora = {
        f"{name}.lora_A.weight": torch.randn(4, 32, generator=generator),
        f"{name}.lora_B.weight": torch.randn(32, 4, generator=generator),
    }
    save_file(lora, tmp_path / "lcm-lora.safetensors")
    plain = made(opened(models["sd"], sampling="lcm"), picture())
    distances = []
    for strength in ("0", "0.5", "1"):
        model = opened(models["sd"], loras=(f"{tmp_path}/lcm-lora.safetensors:{strength}",))
        assert "(lcm)" in model.description
        distances.append(np.abs(made(model, picture()) - plain).mean())
    assert distances[0] == 0.0
    assert distances[1] > 0.0
    old = {}
    for way, tensor in (("down", lora[f"{name}.lora_A.weight"]), ("up", lora[f"{name}.lora_B.weight"])):
        old[f"lora_unet_{name.replace('.', '_')}.lora_{way}.weight"] = tensor
    old[f"lora_unet_{name.replace('.', '_')}.alpha"] = torch.tensor(4.0)
    (tmp_path / "lcm").mkdir()
    save_file(old, tmp_path / "kohya-lcm.safetensors")
    save_file({f"unet.{key}": value for key, value in lora.items()}, tmp_path / "lcm/pytorch_lora_weights.safetensors")
    merged = made(opened(models["sd"], loras=(f"{tmp_path}/lcm-lora.safetensors",)), picture())
    save_file({f"base_model.model.{key}": value for key, value in lora.items()}, tmp_path / "peft-lcm.safetensors")
    for layout in ("kohya-lcm.safetensors", "peft-lcm.safetensors", "lcm/pytorch_lora_weights.safetensors"):
        model = opened(models["sd"], loras=(str(tmp_path / layout),))
        assert "(lcm)" in model.description
        assert np.array_equal(made(model, picture()), merged)
    text = {"text_encoder.encoder.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(4, 32)}
    save_file({f"unet.{key}": value for key, value in lora.items()} | text, tmp_path / "lcm-and-text.safetensors")
    both = opened(models["sd"], loras=(f"{tmp_path}/lcm-and-text.safetensors",))
    assert "also changes how prompts are read" in caplog.text
    assert np.array_equal(made(both, picture()), merged)
    save_file(text, tmp_path / "text.safetensors")
    with pytest.raises(MirageRuntimeError, match="it changes how prompts are read, and nothing else"):
        opened(models["sd"], loras=(f"{tmp_path}/text.safetensors",))
    save_file({key: value * float("nan") for key, value in lora.items()}, tmp_path / "nan.safetensors")
    with pytest.raises(MirageRuntimeError, match=r"nan\.safetensors: .* no numbers"):
        opened(models["sd"], loras=(f"{tmp_path}/nan.safetensors",))
    save_file({"nothing.lora_A.weight": torch.zeros(4, 32)}, tmp_path / "other.safetensors")
    with pytest.raises(MirageRuntimeError, match=r"other\.safetensors"):
        opened(models["sd"], loras=(f"{tmp_path}/other.safetensors",))
    save_file({"unet.nothing.lora_A.weight": torch.zeros(4, 32), "unet.nothing.lora_B.weight": torch.zeros(32, 4)},
              tmp_path / "other.safetensors")  # fmt: skip
    with pytest.raises(MirageRuntimeError, match=r"other\.safetensors"):
        opened(models["sd"], loras=(f"{tmp_path}/other.safetensors",))


@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_weights_of_16_bits_alone_do_as_well(models: dict[str, Path], tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(models[name], tmp_path / name)
    for file in folder.rglob("*.safetensors"):
        save_file({key: value.half() for key, value in load_file(file).items()}, file.with_suffix(".fp16.safetensors"),
                  {"format": "pt"})  # fmt: skip
        file.unlink()
    halved, full = made(opened(folder), picture()), made(opened(models[name]), picture())
    assert 0 < np.abs(halved - full).mean() < 5
