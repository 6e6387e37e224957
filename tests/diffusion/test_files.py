"""Models on disk: what they are, and a clear line for each that is none."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from mirage_runtime.config import DiffusionConfig, ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import card, load
from mirage_runtime.models.diffusion import weights
from mirage_runtime.models.diffusion.files import look_at, weight_files


def config(path: Path, **chosen: object) -> ModelConfig:
    return ModelConfig(str(path), diffusion=DiffusionConfig(**chosen))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "family", "kind", "tiny"),
    [
        ("sd", "sd", "turbo", True),
        ("sdxl", "sdxl", "turbo", True),
        ("lcm", "sd", "lcm", True),
        ("kl", "sd", "ddim", False),
    ],
)
def test_a_folder_tells_what_it_is(models: dict[str, Path], name: str, family: str, kind: str, tiny: bool) -> None:
    found = look_at(config(models[name]))
    assert (found.family, found.schedule.kind, found.tiny, found.name) == (family, kind, tiny, name)
    assert card(config(models[name])).name == name


def test_what_is_chosen_goes_before_what_is_found(models: dict[str, Path]) -> None:
    found = look_at(config(models["kl"], vae=str(models["sd"] / "vae"), sampling="lcm"))
    assert found.tiny
    assert found.vae == models["sd"] / "vae"
    assert found.schedule.kind == "lcm"


def test_a_tiny_autoencoder_beside_the_model_is_taken(models: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(models["kl"], tmp_path / "model")
    shutil.copytree(models["sd"] / "vae", tmp_path / "taesd")
    found = look_at(config(tmp_path / "model"))
    assert (found.vae, found.tiny) == (tmp_path / "taesd", True)


def removed(part: str) -> Callable[[Path], None]:
    return lambda model: shutil.rmtree(model / part)


def changed(file: str, **fields: object) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        path = model / file
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return change


def pickled(model: Path) -> None:
    (model / "unet/diffusion_pytorch_model.safetensors").rename(model / "unet/diffusion_pytorch_model.bin")


def cut(model: Path) -> None:
    path = model / "unet/diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def emptied(model: Path) -> None:
    (model / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (removed("unet"), "no folder unet"),
        (removed("text_encoder"), "no folder text_encoder"),
        (removed("scheduler"), "scheduler_config.json"),
        (removed("tokenizer"), "no folder tokenizer"),
        (lambda model: (model / "model_index.json").unlink(), "no folder of a diffusers model"),
        (lambda model: (model / "model_index.json").write_text("{"), "no JSON"),
        (lambda model: (model / "model_index.json").write_text("[]"), "no map"),
        (lambda model: (model / "unet/diffusion_pytorch_model.safetensors").unlink(), "no weights"),
        (changed("unet/config.json", _class_name="FluxTransformer2DModel"), "FluxTransformer2DModel"),
        (changed("unet/config.json", in_channels=9), "9 channels"),
        (changed("vae/config.json", _class_name="AutoencoderDC"), "AutoencoderDC"),
        (changed("scheduler/scheduler_config.json", prediction_type="flow"), "flow"),
        (changed("scheduler/scheduler_config.json", beta_schedule="cosine"), "cosine"),
        (changed("unet/config.json", in_channels=None), "None channels"),
        (pickled, "pickle"),
        (cut, "cut short"),
        (emptied, "no safetensors"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(
    models: dict[str, Path], tmp_path: Path, damage: Callable[[Path], None], problem: str
) -> None:
    model = tmp_path / "model"
    shutil.copytree(models["sd"], model)
    damage(model)
    with pytest.raises(MirageRuntimeError, match=problem) as caught:
        look_at(config(model))
    assert "\n" not in str(caught.value)
    assert str(model) in str(caught.value)


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ({"sampling": "euler"}, "auto, turbo, lcm, ddim"),
        ({"vae": "nowhere"}, "nowhere is no folder of an autoencoder"),
        ({"loras": ("nowhere.safetensors",)}, "nowhere"),
        ({"loras": ("style.pt:0.5",)}, "style.pt is a pickle"),
        ({"loras": ("style.safetensors:nan",)}, "its strength is no number"),
        ({"prediction": "flow"}, "auto, epsilon, v_prediction, sample"),
    ],
)
def test_what_is_chosen_and_not_there_is_named(
    models: dict[str, Path], chosen: dict[str, object], problem: str
) -> None:
    with pytest.raises(MirageRuntimeError, match=problem):
        look_at(config(models["sd"], **chosen))


@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_tensors(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        path.write_bytes(data)
        with pytest.raises(MirageRuntimeError):
            weights.tensors(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-2, -1], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
        {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": ["2"], "data_offsets": "ab"},
        {"dtype": "F32", "shape": [2]},
        "tensor",
        None,
    ],
)
def test_a_lying_header_is_refused(tmp_path: Path, entry: object) -> None:
    header = json.dumps({"a": entry}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(MirageRuntimeError):
        weights.tensors(path)


@pytest.mark.parametrize("chosen", [{"cfg_type": "most"}, {"sampling": "euler"}])
def test_what_is_not_to_be_chosen_is_told_with_what_is(models: dict[str, Path], chosen: dict[str, str]) -> None:
    with pytest.raises(MirageRuntimeError, match=r"there is no .*: there are .*(full|turbo), "):
        look_at(config(models["sd"], **chosen))


def test_a_card_says_which_parameters_are_not_followed(models: dict[str, Path]) -> None:
    assert card(config(models["sd"])).unused == ()
    assert card(config(models["sd"], cfg_type="off")).unused == ("negative_prompt", "guidance")
    assert card(ModelConfig("lsd-mini")).unused == ("negative_prompt", "guidance")


def test_an_index_without_its_shards_is_passed_over(models: dict[str, Path], tmp_path: Path) -> None:
    model = shutil.copytree(models["sd"], tmp_path / "model")
    weights_of = model / "unet/diffusion_pytorch_model.safetensors"
    index = model / "unet/diffusion_pytorch_model.safetensors.index.json"
    index.write_text(
        json.dumps({"weight_map": {"conv_in.weight": "diffusion_pytorch_model-00001-of-00001.safetensors"}})
    )
    half = weights_of.rename(weights_of.with_suffix(".fp16.safetensors"))
    assert weight_files(model / "unet") == [half]
    shard = model / "unet/diffusion_pytorch_model-00001-of-00001.safetensors"
    shard.hardlink_to(half)
    assert weight_files(model / "unet") == [shard]
    index.write_text("{}")
    with pytest.raises(MirageRuntimeError, match="no map of weights"):
        look_at(config(model))


def test_a_text_encoder_that_lacks_something_is_not_guessed(models: dict[str, Path], tmp_path: Path) -> None:
    model = shutil.copytree(models["sd"], tmp_path / "model")
    file = model / "text_encoder/model.safetensors"
    tensors = load_file(file)
    missing = next(name for name in tensors if "layers.1.mlp.fc2" in name)
    save_file({name: value for name, value in tensors.items() if name != missing}, file, {"format": "pt"})
    with pytest.raises(MirageRuntimeError, match=r"text_encoder cannot be loaded: it has no .*layers\.1\.mlp\.fc2"):
        load(dataclasses.replace(config(model), engine="torch"))


def test_only_the_autoencoder_of_sdxl_is_computed_with_32_bits(models: dict[str, Path], tmp_path: Path) -> None:
    assert look_at(config(models["sdxl"])).precise == frozenset()
    assert look_at(config(models["kl"])).precise == frozenset()
    assert look_at(config(models["sdxl"], vae=str(models["kl"] / "vae"))).precise == {"encode", "decode"}
