"""A model's files: which family they are of, how they are sampled, what is missing; told before anything is loaded."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from mirage_runtime.config import DiffusionConfig, ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import ModelCard
from mirage_runtime.models.diffusion import hub, weights
from mirage_runtime.models.diffusion.schedule import KINDS, PREDICTIONS, Kind, Prediction, Schedule
from mirage_runtime.models.diffusion.single_file import SingleFile
from mirage_runtime.models.diffusion.single_file import read as read_single_file

_log = logging.getLogger("mirage.diffusion")

Family = Literal["sd", "sdxl"]
Lora = tuple[Path, float]
"""A file and the strength that it is merged with."""

_PARTS: Final[Mapping[Family, tuple[str, ...]]] = {
    "sd": ("unet", "vae", "text_encoder", "tokenizer"),
    "sdxl": ("unet", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"),
}
_UNET: Final = "UNet2DConditionModel"
_VAES: Final = ("AutoencoderKL", "AutoencoderTiny")
CFG_TYPES: Final = ("full", "residual", "off")
_LORA_FILE: Final = "pytorch_lora_weights.safetensors"
_TOKENIZER_FILES: Final = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")
TOKENIZER: Final = "openai/clip-vit-large-patch14"
"""Where the words are that every Stable Diffusion reads; a single file has none."""


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
    single: SingleFile | None = None
    """What there is to know of a model in one file; None for a folder."""
    tokenizer: Path | None = None
    """The folder of its tokenizer, where that is no part of the model."""

    @property
    def name(self) -> str:
        """What people call it: the name of its file or folder, or of its place in the hub."""
        return hub.name_of(self.path) or (self.path.stem if self.single else self.path.name)

    @property
    def precise(self) -> frozenset[str]:
        """The networks that must be computed with 32 bits: SDXL's own autoencoder overflows 16 (madebyollin, 2023)."""
        return frozenset({"encode", "decode"}) if self.family == "sdxl" and not self.tiny else frozenset()

    def config_of(self, part: str) -> Mapping[str, Any]:
        """Return the description of a part, named as diffusers' folders. Raises `MirageRuntimeError`."""
        if self.single is not None and part in self.single.configs:
            return self.single.configs[part]
        return _json(self.path / part / "config.json", f"{self.path / part} has no config.json")

    def card(self) -> ModelCard:
        """Return what clients are told of it."""
        sampled = {"turbo": "Turbo", "lcm": "LCM", "ddim": "DDIM"}[self.schedule.kind]
        kind = "Stable Diffusion XL" if self.family == "sdxl" else "Stable Diffusion"
        return ModelCard(self.name, f"{kind}, sampled as {sampled}", planes=("depth", "ids", "motion"))

    def network_files(self) -> list[Path]:
        """Return every file that the networks are made of, text encoders apart, in a fixed order."""
        loras = [file for file, _ in self.loras]
        vae = [] if self.vae == self.path else [self.vae / "config.json", *weight_files(self.vae)]
        if self.single is not None:
            return [self.path, *vae, *loras]
        unet = self.path / "unet"
        return [unet / "config.json", *weight_files(unet), *vae, *loras]

    def bytes_of_networks(self) -> list[int]:
        """Return the bytes of the weights as f32, a file each."""
        found = []
        for file in self.network_files():
            if file.suffix == ".safetensors":
                tensors = weights.tensors(file).items()
                found.append(sum(4 * math.prod(each.shape) for name, each in tensors if not is_left_out(name)))
        return found


def look_at(config: ModelConfig) -> ModelFiles:
    """Return what the model at the path ``config.name`` is: a folder as diffusers writes it, or one file.

    ``config.diffusion.vae`` is the folder of another autoencoder, TAESD's for instance, which makes pictures of latents
    in a hundredth of the time; a folder ``taesd`` or ``taesdxl`` inside of the model's or beside it is taken by itself.
    Raises `MirageRuntimeError` that says what is missing or wrong.
    """
    path, chosen = Path(config.name), config.diffusion
    vae = None if chosen.vae is None else Path(chosen.vae)
    loras = tuple(_lora(text) for text in chosen.loras)
    _check_choices(chosen)
    kind = next((known for known in KINDS if known == chosen.sampling), None)
    prediction = next((known for known in PREDICTIONS if known == chosen.prediction), None)
    if not path.exists():
        raise MirageRuntimeError(f"there is no model at {path}")
    for file, _ in loras:
        weights.tensors(file)
    if path.is_file():
        return _single_file(path, vae, loras, kind, prediction)
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
    _check_channels(path, unet)
    schedule = _schedule(path, unet, loras, kind)
    if prediction is not None:
        schedule = replace(schedule, prediction=prediction)
    return ModelFiles(path, family, schedule, autoencoder, tiny, loras)


def _check_choices(chosen: DiffusionConfig) -> None:
    if chosen.sampling not in ("auto", *KINDS):
        raise MirageRuntimeError(f"there is no sampling '{chosen.sampling}': there are auto, {', '.join(KINDS)}")
    if chosen.cfg_type not in CFG_TYPES:
        raise MirageRuntimeError(f"there is no cfg-type '{chosen.cfg_type}': there are {', '.join(CFG_TYPES)}")
    if chosen.prediction not in ("auto", *PREDICTIONS):
        raise MirageRuntimeError(
            f"there is no prediction '{chosen.prediction}': there are auto, {', '.join(PREDICTIONS)}"
        )


def located(config: ModelConfig) -> ModelConfig:
    """Return a configuration where names of the hub became paths: what is not here is fetched, which may take minutes.

    Raises `MirageRuntimeError` for a name that is no path and that the hub does not give.
    """
    chosen, name, vae = config.diffusion, config.name, config.diffusion.vae
    _check_choices(chosen)
    loras = tuple(_located_lora(text) for text in chosen.loras)
    if vae is not None and hub.is_id(vae):
        vae = str(hub.found(vae, check_weights))
    if hub.is_id(name):
        plain = replace(config, diffusion=replace(chosen, vae=vae, loras=()))
        name = str(hub.found(name, lambda folder: look_at(replace(plain, name=str(folder)))))
    elif Path(name).is_file():
        read_single_file(Path(name))
        if not Path(name).with_name("tokenizer").is_dir():
            hub.found(TOKENIZER, _check_tokenizer, only=_TOKENIZER_FILES)
    return replace(config, name=name, diffusion=replace(chosen, vae=vae, loras=loras))


def _located_lora(text: str) -> str:
    name, strength = _parted(text)
    if not hub.is_id(name):
        return text
    return f"{hub.found(name, _check_lora) / _LORA_FILE}:{strength}"


def _check_lora(folder: Path) -> None:
    weights.tensors(folder / _LORA_FILE)


def _check_tokenizer(folder: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).is_file():
            raise MirageRuntimeError(f"{folder} is no tokenizer: it has no {name}")


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
                shards = _shards(folder, index)
                # An index may have been fetched without its shards, where those of another precision were wanted.
                if any(shard.is_file() for shard in shards):
                    return shards
    return []


def _check_channels(path: Path, unet: Mapping[str, Any]) -> None:
    channels = unet.get("in_channels", 4)
    if channels != 4:
        raise MirageRuntimeError(f"{path} takes {channels} channels: a model for inpainting or video, not for pictures")


def _shards(folder: Path, index: Path) -> list[Path]:
    names = _json(index, f"{index} is no index").get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise MirageRuntimeError(f"{index} is no index: it has no map of weights")
    return [folder / name for name in sorted(set(names.values()))]


def variant_of(folder: Path) -> str | None:
    """Return which of a part's weights are taken: None for the full ones, else ``fp16``."""
    return "fp16" if any(".fp16." in file.name for file in weight_files(folder)) else None


def _autoencoder(path: Path, vae: Path | None, family: Family) -> tuple[Path, bool]:
    near = _tiny_autoencoder_near(path, family) or _tiny_autoencoder_near(path.parent, family)
    return _checked_autoencoder(vae or near or path / "vae")


def _tiny_autoencoder_near(folder: Path, family: Family) -> Path | None:
    found = folder / ("taesdxl" if family == "sdxl" else "taesd")
    return found if (found / "config.json").is_file() else None


def _checked_autoencoder(chosen: Path) -> tuple[Path, bool]:
    config = _json(chosen / "config.json", f"{chosen} is no folder of an autoencoder")
    kind = config.get("_class_name")
    if kind not in _VAES:
        raise MirageRuntimeError(f"{chosen} is a {kind}; an autoencoder is {' or '.join(_VAES)}")
    check_weights(chosen)
    return chosen, kind == "AutoencoderTiny"


def _schedule(path: Path, unet: Mapping[str, Any], loras: tuple[Lora, ...], kind: Kind | None) -> Schedule:
    config = path / "scheduler" / "scheduler_config.json"
    told = _json(config, f"{path} has no scheduler/scheduler_config.json: was it downloaded whole?")
    prediction = next((known for known in PREDICTIONS if known == told.get("prediction_type", "epsilon")), None)
    if prediction is None:
        raise MirageRuntimeError(f"{config}: a model that predicts '{told['prediction_type']}' is not known")
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
    named_lcm = any("lcm" in _called(file) for file, _ in loras)
    if scheduler.get("_class_name") == "LCMScheduler" or unet.get("time_cond_proj_dim") or named_lcm:
        return "lcm"
    # What tells Turbo from the models that it was made of: it was trained at the noisiest step first.
    return "turbo" if scheduler.get("timestep_spacing") == "trailing" else "ddim"


def _called(file: Path) -> str:
    """Return what people call a LoRA: diffusers gives all of them one file name, and folders tell them apart."""
    name = (hub.name_of(file.parent) or file.parent.name) if file.stem == "pytorch_lora_weights" else file.stem
    return name.lower()


def _single_file(
    path: Path, vae: Path | None, loras: tuple[Lora, ...], kind: Kind | None, prediction: Prediction | None
) -> ModelFiles:
    found = read_single_file(path)
    family: Family = "sdxl" if found.is_xl else "sd"
    _check_channels(path, found.configs["unet"])
    chosen, tiny = _tiny_autoencoder_near(path.parent, family), True
    if vae is not None or chosen is None:
        if vae is None and "vae" not in found.configs:
            raise MirageRuntimeError(f"{path} has no autoencoder: name the folder of one with --vae")
        chosen, tiny = (path, False) if vae is None else _checked_autoencoder(vae)
    if kind is None:
        # No scheduler comes with a file, so its name has to say what it was made into.
        named = " ".join([path.stem.lower(), *(_called(file) for file, _ in loras)])
        kind = "lcm" if "lcm" in named else "turbo" if "turbo" in named else "ddim"
    if found.prediction is None and prediction is None:
        _log.warning("%s does not say what it predicts: epsilon, else name it with --prediction v_prediction", path)
    schedule = Schedule(kind, prediction or found.prediction or "epsilon")
    return ModelFiles(path, family, schedule, chosen, tiny, loras, found, _tokenizer_for(path))


def _tokenizer_for(path: Path) -> Path:
    """Return the folder of a single file's tokenizer: beside it, or the one that all take, in the hub's cache."""
    beside = path.parent / "tokenizer"
    found = beside if beside.is_dir() else hub.cached(TOKENIZER)
    if found is None or not (found / "vocab.json").is_file():
        raise MirageRuntimeError(
            f"{path} needs a tokenizer, which is no part of it: put the folder 'tokenizer' of any Stable Diffusion in "
            f"diffusers' layout beside it ({beside}), or fetch {TOKENIZER} where the hub can be reached"
        )
    return found


def is_left_out(name: str) -> bool:
    """Whether a tensor of a single file is of none of the three networks."""
    return is_of_a_text(name) or name.startswith("model_ema.")


def is_of_a_text(name: str) -> bool:
    """Whether a tensor of a single file is of a text encoder."""
    return name.startswith(("cond_stage_model.", "conditioner."))


def _parted(text: str) -> tuple[str, float]:
    name, _, strength = text.rpartition(":")
    try:
        return (name, float(strength)) if name else (text, 1.0)
    except ValueError:  # the colon was part of a path
        return text, 1.0


def _lora(text: str) -> Lora:
    name, strength = _parted(text)
    if not math.isfinite(strength):
        raise MirageRuntimeError(f"--lora {text}: its strength is no number")
    return Path(name), strength


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
