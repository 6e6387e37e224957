"""A model's files: which family they are of, how they are sampled, what is missing; told before anything is loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from mirage_runtime.config import ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import ModelCard
from mirage_runtime.models.diffusion import weights
from mirage_runtime.models.diffusion.schedule import KINDS, Kind, Schedule

Family = Literal["sd", "sdxl"]
Lora = tuple[Path, float]
"""A file and the strength that it is merged with."""

_PARTS: Final[Mapping[Family, tuple[str, ...]]] = {
    "sd": ("unet", "vae", "text_encoder", "tokenizer"),
    "sdxl": ("unet", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"),
}
_UNET: Final = "UNet2DConditionModel"
_VAES: Final = ("AutoencoderKL", "AutoencoderTiny")
_MARKS: Final[Mapping[str, str]] = {
    "model.diffusion_model.input_blocks.0.0.weight": "unet",
    "first_stage_model.decoder.conv_in.weight": "vae",
}
"""Tensors by which the parts of a single file are known."""


@dataclass(frozen=True)
class ModelFiles:
    """A model on disk that was looked at and found whole."""

    path: Path
    family: Family
    schedule: Schedule
    vae: Path
    """The folder of the autoencoder: the model's own or another one, a tiny one (TAESD) if possible."""
    tiny: bool
    """Whether that is a tiny one."""
    loras: tuple[Lora, ...] = ()
    single_file: bool = False

    @property
    def name(self) -> str:
        """What people call it: the name of its file or folder."""
        return self.path.stem if self.single_file else self.path.name

    def card(self) -> ModelCard:
        """Return what clients are told of it."""
        sampled = {"turbo": "Turbo", "lcm": "LCM", "ddim": "DDIM"}[self.schedule.kind]
        kind = "Stable Diffusion XL" if self.family == "sdxl" else "Stable Diffusion"
        return ModelCard(self.name, f"{kind}, sampled as {sampled}", planes=("depth", "ids", "motion"))

    def network_files(self) -> list[Path]:
        """Return every file that the networks are made of, text encoders apart, in a fixed order."""
        if self.single_file:
            return [self.path, *(file for file, _ in self.loras)]
        unet = self.path / "unet"
        configs = [unet / "config.json", self.vae / "config.json"]
        return [*configs, *weight_files(unet), *weight_files(self.vae), *(file for file, _ in self.loras)]

    def bytes_of_networks(self) -> list[int]:
        """Return the bytes of the weights as f32, a file each."""
        found = []
        for file in self.network_files():
            if file.suffix == ".safetensors":
                found.append(sum(4 * math.prod(tensor.shape) for tensor in weights.tensors(file).values()))
        return found


def look_at(config: ModelConfig) -> ModelFiles:
    """Return what the model at the path ``config.name`` is: a folder as diffusers writes it.

    ``config.diffusion.vae`` is the folder of another autoencoder, TAESD's for instance, which makes pictures of latents
    in a hundredth of the time; a folder ``taesd`` or ``taesdxl`` inside of the model's or beside it is taken by itself.
    Raises `MirageRuntimeError` that says what is missing or wrong.
    """
    path, chosen = Path(config.name), config.diffusion
    vae = None if chosen.vae is None else Path(chosen.vae)
    loras = tuple(_lora(text) for text in chosen.loras)
    if chosen.sampling not in ("auto", *KINDS):
        raise MirageRuntimeError(f"there is no sampling '{chosen.sampling}': there are auto, {', '.join(KINDS)}")
    kind = next((known for known in KINDS if known == chosen.sampling), None)
    if not path.exists():
        raise MirageRuntimeError(f"there is no model at {path}")
    for file, _ in loras:
        weights.tensors(file)
    if path.is_file():
        return _single_file(path, vae, loras, kind)
    index = _json(path / "model_index.json", f"{path} is no folder of a diffusers model")
    unet = _json(path / "unet" / "config.json", f"{path} has no folder unet: there is no model without")
    if unet.get("_class_name") != _UNET:
        raise MirageRuntimeError(_unknown(path, str(index.get("_class_name")), str(unet.get("_class_name"))))
    family: Family = "sdxl" if unet.get("addition_embed_type") == "text_time" else "sd"
    for part in _PARTS[family]:
        if not (path / part).is_dir() and not (part == "vae" and vae):
            raise MirageRuntimeError(f"{path} has no folder {part}: was it downloaded whole?")
        if part not in ("vae",) and not part.startswith("tokenizer"):
            check_weights(path / part)
    autoencoder, tiny = _autoencoder(path, vae, family)
    channels = int(unet.get("in_channels", 4))
    if channels != 4:
        raise MirageRuntimeError(f"{path} takes {channels} channels: a model for inpainting or video, not for pictures")
    schedule = _schedule(path, unet, loras, kind)
    return ModelFiles(path, family, schedule, autoencoder, tiny, loras)


def check_weights(folder: Path) -> None:
    """Raise `MirageRuntimeError` unless a folder has weights as safetensors, whole."""
    files = weight_files(folder)
    if not files:
        for pickle in sorted(folder.iterdir()) if folder.is_dir() else ():
            weights.refuse_pickle(pickle)
        raise MirageRuntimeError(f"{folder} has no weights (.safetensors): was it downloaded whole?")
    for file in files:
        weights.tensors(file)


def weight_files(folder: Path) -> list[Path]:
    """Return the weights' files of one part: the full ones, else those of half precision, in shards or as one."""
    for stem in ("diffusion_pytorch_model", "model"):
        for variant in ("", ".fp16"):
            whole = folder / f"{stem}{variant}.safetensors"
            index = folder / f"{stem}.safetensors.index{variant}.json"
            if whole.is_file():
                return [whole]
            if index.is_file():
                names = set(_json(index, f"{index} is no index")["weight_map"].values())
                return [folder / name for name in sorted(names)]
    return []


def _autoencoder(path: Path, vae: Path | None, family: Family) -> tuple[Path, bool]:
    name = "taesdxl" if family == "sdxl" else "taesd"
    nearby = [path / name, path.parent / name]
    chosen = vae or next((folder for folder in nearby if (folder / "config.json").is_file()), path / "vae")
    config = _json(chosen / "config.json", f"{chosen} is no folder of an autoencoder")
    kind = config.get("_class_name")
    if kind not in _VAES:
        raise MirageRuntimeError(f"{chosen} is a {kind}; an autoencoder is {' or '.join(_VAES)}")
    check_weights(chosen)
    return chosen, kind == "AutoencoderTiny"


def _schedule(path: Path, unet: Mapping[str, Any], loras: tuple[Lora, ...], kind: Kind | None) -> Schedule:
    config = path / "scheduler" / "scheduler_config.json"
    told = _json(config, f"{path} has no scheduler/scheduler_config.json: was it downloaded whole?")
    prediction = told.get("prediction_type", "epsilon")
    if prediction not in ("epsilon", "v_prediction", "sample"):
        raise MirageRuntimeError(f"{config}: a model that predicts '{prediction}' is not known")
    try:
        return Schedule(
            kind or _kind(told, unet, loras),
            prediction,
            float(told.get("beta_start", 0.00085)),
            float(told.get("beta_end", 0.012)),
            str(told.get("beta_schedule", "scaled_linear")),
            int(told.get("num_train_timesteps", 1000)),
        )
    except (TypeError, ValueError) as error:
        raise MirageRuntimeError(f"{config}: {error}") from None


def _kind(scheduler: Mapping[str, Any], unet: Mapping[str, Any], loras: tuple[Lora, ...]) -> Kind:
    named_lcm = any("lcm" in file.stem.lower() for file, _ in loras)
    if scheduler.get("_class_name") == "LCMScheduler" or unet.get("time_cond_proj_dim") or named_lcm:
        return "lcm"
    # What tells Turbo from the models that it was made of: it was trained at the noisiest step first.
    return "turbo" if scheduler.get("timestep_spacing") == "trailing" else "ddim"


def _single_file(path: Path, vae: Path | None, loras: tuple[Lora, ...], kind: Kind | None) -> ModelFiles:
    names = weights.tensors(path)
    parts = {part for mark, part in _MARKS.items() if mark in names}
    if "unet" not in parts:
        raise MirageRuntimeError(f"{path} is no Stable Diffusion in one file: it has no model.diffusion_model")
    raise MirageRuntimeError(f"{path}: not yet")


def _lora(text: str) -> Lora:
    name, _, strength = text.rpartition(":")
    try:
        return (Path(name), float(strength)) if name else (Path(text), 1.0)
    except ValueError:  # the colon was part of a path
        return Path(text), 1.0


def _unknown(path: Path, pipeline: str, network: str) -> str:
    what = pipeline if network == "None" else network
    return f"{path} is a {what}: known are models of Stable Diffusion's family ({_UNET})"


def _json(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise MirageRuntimeError(f"{otherwise} (there is no {path})") from None
    except ValueError:
        raise MirageRuntimeError(f"{path} cannot be read: it is no JSON") from None
    if not isinstance(value, dict):
        raise MirageRuntimeError(f"{path} cannot be read: it is no map")
    return value
