"""Stable Diffusion's networks as three graphs with plain tensors in and out: encode, predict, decode.

So they run as torch modules, and so they are exported. Pictures are u8 ``(1, H, W, 3)``, as frames are.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.diffusion.files import ModelFiles, variant_of

_log = logging.getLogger("mirage.diffusion")

GUIDANCE_OF_LCM = 8.5
"""The guidance that a latent consistency model with a guidance input was distilled for (Luo et al. 2023, section 5)."""


@dataclass(frozen=True)
class Networks:
    """The three graphs of a model, on the CPU."""

    encode: nn.Module
    predict: nn.Module
    decode: nn.Module
    channels: int
    """Of a latent."""
    scale: int
    """Pixels of the picture to one of the latent, in each direction."""


class Encode(nn.Module):
    """A picture to its latent: ``(1, 4, H / 8, W / 8)``."""

    def __init__(self, vae: Any, *, tiny: bool) -> None:
        super().__init__()
        self.vae, self.tiny = vae, tiny
        self.factor = float(vae.config.scaling_factor)

    def forward(self, picture: Tensor) -> Tensor:
        """Return the latent of a picture."""
        # TensorRT takes bytes, but does nothing with them but make other numbers of them.
        pixels = picture.to(self.vae.dtype).permute(0, 3, 1, 2) / 127.5 - 1.0
        encoded = self.vae.encode(pixels)
        latent: Tensor = encoded.latents if self.tiny else encoded.latent_dist.mode()
        scaled: Tensor = latent * self.factor
        return scaled


class Decode(nn.Module):
    """A latent to its picture."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        self.factor = float(vae.config.scaling_factor)

    def forward(self, latent: Tensor) -> Tensor:
        """Return the picture of a latent."""
        pixels = self.vae.decode(latent / self.factor).sample
        levels = (pixels * 127.5 + 127.5).clamp(0.0, 255.0).round()
        picture: Tensor = levels.permute(0, 2, 3, 1).contiguous().to(torch.uint8)
        return picture


class Predict(nn.Module):
    """A noisy latent, its timestep and a text to what the network sees in it: noise, mostly."""

    guidance: Tensor | None

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet
        size = unet.config.time_cond_proj_dim
        self.register_buffer("guidance", None if size is None else _guidance_embedding(GUIDANCE_OF_LCM, size))

    def forward(self, latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        """Return what is predicted; ``timestep`` is i64 ``(1,)``."""
        return self._predicted(latent, timestep, text, None)

    def _predicted(self, latent: Tensor, timestep: Tensor, text: Tensor, added: dict[str, Tensor] | None) -> Tensor:
        guidance = None if self.guidance is None else self.guidance.to(latent.dtype).expand(latent.shape[0], -1)
        predicted: Tensor = self.unet(
            latent,
            timestep,
            encoder_hidden_states=text,
            timestep_cond=guidance,
            added_cond_kwargs=added,
            return_dict=False,
        )[0]
        return predicted


class PredictXl(Predict):
    """The same of SDXL, which is told the text as a whole and six numbers of the picture's size behind it."""

    def __init__(self, unet: Any) -> None:
        super().__init__(unet)
        unet.add_time_proj = _InKind(unet.add_time_proj)

    def forward(self, latent: Tensor, timestep: Tensor, text: Tensor, pooled: Tensor) -> Tensor:  # type: ignore[override]
        """Return what is predicted."""
        added = {"text_embeds": pooled[:, :-6], "time_ids": pooled[:, -6:]}
        return self._predicted(latent, timestep, text, added)


class _InKind(nn.Module):
    """A module whose output is of its input's kind: torch joins numbers of two kinds, an exported graph does not."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, value: Tensor) -> Tensor:
        result: Tensor = self.module(value)
        return result.to(value.dtype)


def load(files: ModelFiles) -> Networks:
    """Load a model's networks as f32. Raises `MirageRuntimeError` where they cannot be, or hold no numbers (NaN)."""
    from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

    with quiet():
        unet = _of(files, UNet2DConditionModel, "unet")
        for file, strength in files.loras:
            _merge(unet, file, strength)
            check_finite(unet, str(file))
        own = files.vae == files.path
        vae = (
            _of(files, AutoencoderKL, "vae")
            if own
            else _part(AutoencoderTiny if files.tiny else AutoencoderKL, files.vae)
        )
    predict = PredictXl(unet) if files.family == "sdxl" else Predict(unet)
    scale = 2 ** (len(vae.config.decoder_block_out_channels if files.tiny else vae.config.block_out_channels) - 1)
    return Networks(Encode(vae, tiny=files.tiny), predict, Decode(vae), int(unet.config.in_channels), scale)


def check_finite(module: nn.Module, name: str) -> None:
    """Raise `MirageRuntimeError` where weights are missing or no numbers."""
    for key, value in module.state_dict().items():
        if value.is_meta:
            raise MirageRuntimeError(f"{name} cannot be loaded: it has no {key}")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise MirageRuntimeError(f"{name}: {key} holds values that are no numbers (NaN): the file is damaged")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what diffusers and transformers say of their own business out of the log."""
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()  # type: ignore[no-untyped-call]
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def described(files: ModelFiles, part: str) -> Iterator[str]:
    """Give a folder with the description of one part of a single file, in a folder named as the part."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, part, "config.json")
        path.parent.mkdir()
        path.write_text(json.dumps(dict(files.config_of(part))))
        yield folder


def _of(files: ModelFiles, kind: Any, part: str) -> Any:
    """Return a network of a model's own."""
    if files.single is None:
        return _part(kind, files.path / part)
    try:
        with described(files, part) as folder:
            module = kind.from_single_file(
                str(files.path), config=folder, subfolder=part, torch_dtype=torch.float32, local_files_only=True
            )
    except Exception as error:
        raise MirageRuntimeError(f"{files.path} cannot be loaded ({part}): {_first_line(error)}") from error
    return _checked(module, f"{files.path} ({part})")


def _part(kind: Any, folder: Any) -> Any:
    try:
        module = kind.from_pretrained(
            folder, torch_dtype=torch.float32, use_safetensors=True, local_files_only=True, variant=variant_of(folder)
        )
    except Exception as error:
        raise MirageRuntimeError(f"{folder} cannot be loaded: {_first_line(error)}") from error
    return _checked(module, str(folder))


def _checked(module: Any, name: str) -> Any:
    module.eval().requires_grad_(False)
    check_finite(module, name)
    return module


def _merge(unet: Any, file: Path, strength: float) -> None:
    """Add a LoRA to a network's weights, in whichever of the usual layouts it is (diffusers', PEFT's, kohya's)."""
    from diffusers.loaders.lora_pipeline import StableDiffusionXLLoraLoaderMixin as Layouts  # the base takes them too
    from safetensors.torch import load_file

    try:
        plain = {name.removeprefix("base_model.model."): tensor for name, tensor in load_file(file).items()}
        found, alphas = Layouts.lora_state_dict(plain, unet_config=unet.config)
        names = {name.partition(".")[0] for name in found}
        if text := [name for name in names if name.startswith("text_encoder")]:
            if len(text) == len(names):
                raise ValueError("it changes how prompts are read, and nothing else")
            _log.warning("%s also changes how prompts are read (%s): that part is left out", file, ", ".join(text))
        prefix = "unet" if "unet" in names else None
        unet.load_lora_adapter(found, prefix=prefix, network_alphas=alphas, adapter_name="merged")
        unet.fuse_lora(lora_scale=strength)
        unet.unload_lora()
    except Exception as error:
        raise MirageRuntimeError(f"{file} cannot be merged into this model: {_first_line(error)}") from error


def _guidance_embedding(scale: float, size: int) -> Tensor:
    """Return the sinusoidal embedding of a guidance scale, as latent consistency models take it."""
    half = size // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * -(torch.log(torch.tensor(10000.0)) / (half - 1)))
    angles = (scale - 1.0) * 1000.0 * frequencies
    return torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()]), (0, size % 2))[None]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
