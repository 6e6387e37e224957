"""Stable Diffusion in one file: what its networks are, told by the names and shapes of its tensors.

The layout is that of the first release (Rombach et al. 2022, arXiv:2112.10752, its code), which most programs trade
models in. The file holds the weights alone; how the networks are put together is the same for everybody but for sizes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.diffusion import weights
from mirage_runtime.models.diffusion.schedule import Prediction
from mirage_runtime.models.diffusion.weights import Tensor

Config = Mapping[str, Any]
"""A network's description, as diffusers and transformers write it to ``config.json``."""

_UNET: Final = "model.diffusion_model."
_VAE: Final = "first_stage_model."
_CLIP: Final = ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer.")
_OPEN_CLIP: Final = ("cond_stage_model.model.", "conditioner.embedders.1.model.")
_HEAD: Final = 64
"""Channels to a head of attention, but for the oldest networks' 8 heads."""
_UNUSED_LAYER: Final = 23
"""Stable Diffusion 2 takes the tokens of the layer before the last, and files hold the last all the same."""


@dataclass(frozen=True)
class SingleFile:
    """What one file holds."""

    configs: Mapping[str, Config]
    """By part, named as diffusers' folders: ``unet``, ``text_encoder``, and what else there is."""
    prediction: Prediction | None = "epsilon"
    """None where it could be another, and the file does not say."""

    @property
    def is_xl(self) -> bool:
        """Whether it is an SDXL."""
        return "text_encoder_2" in self.configs


def read(path: Path) -> SingleFile:
    """Return what a file holds; loads no tensor. Raises `MirageRuntimeError` for one that is no Stable Diffusion."""
    tensors = weights.tensors(path)
    if f"{_UNET}input_blocks.0.0.weight" not in tensors:
        raise MirageRuntimeError(f"{path} is no Stable Diffusion in one file: it has no {_UNET[:-1]}")
    try:
        configs = {"unet": _unet(tensors)} | _texts(tensors)
        if f"{_VAE}decoder.conv_in.weight" in tensors:
            configs["vae"] = _vae(tensors, is_xl="text_encoder_2" in configs)
    except (KeyError, IndexError, ValueError) as error:
        raise MirageRuntimeError(f"{path} is not as Stable Diffusion's models are: {error} is amiss") from None
    return SingleFile(configs, _prediction(path, tensors))


def _prediction(path: Path, tensors: Mapping[str, Tensor]) -> Prediction | None:
    told = weights.metadata(path).get("modelspec.prediction_type", "")
    if told.startswith("v") or "v_pred" in tensors:
        return "v_prediction"
    # Of Stable Diffusion 2 there are both kinds, and their tensors are alike; the Turbo made of it predicts noise.
    undecided = f"{_OPEN_CLIP[0]}ln_final.weight" in tensors and not told and "turbo" not in path.stem.lower()
    return None if undecided else "epsilon"


def _unet(tensors: Mapping[str, Tensor]) -> Config:
    blocks = _numbers(tensors, rf"{re.escape(_UNET)}input_blocks\.(\d+)\.")
    channels, depths, layers = [0], [0], [0]
    for block in range(1, max(blocks) + 1):
        at = f"{_UNET}input_blocks.{block}."
        if f"{at}0.op.weight" in tensors:
            channels.append(0)
            depths.append(0)
            layers.append(0)
            continue
        channels[-1] = tensors[f"{at}0.in_layers.2.weight"].shape[0]
        depths[-1] = len(_numbers(tensors, rf"{re.escape(at)}1\.transformer_blocks\.(\d+)\."))
        layers[-1] += 1
    if len(set(layers)) > 1:
        raise ValueError(f"{_UNET}input_blocks")
    middle = f"{_UNET}middle_block.1."
    linear = len(tensors[f"{middle}proj_in.weight"].shape) == 2
    config = {
        "in_channels": tensors[f"{_UNET}input_blocks.0.0.weight"].shape[1],
        "out_channels": tensors[f"{_UNET}out.2.weight"].shape[0],
        "block_out_channels": channels,
        "layers_per_block": layers[0],
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)],
        "transformer_layers_per_block": [max(1, depth) for depth in depths],
        "cross_attention_dim": tensors[f"{middle}transformer_blocks.0.attn2.to_k.weight"].shape[1],
        "attention_head_dim": [width // _HEAD for width in channels] if linear else 8,
        "use_linear_projection": linear,
    }
    if f"{_UNET}label_emb.0.0.weight" not in tensors:
        return config
    told = tensors[f"{_UNET}label_emb.0.0.weight"].shape[1]
    whole = tensors[f"{_OPEN_CLIP[1]}text_projection"].shape[1]
    return config | {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": (told - whole) // 6,  # six numbers of the picture's size
        "projection_class_embeddings_input_dim": told,
    }


def _vae(tensors: Mapping[str, Tensor], *, is_xl: bool) -> Config:
    down = rf"{re.escape(_VAE)}encoder\.down\."
    levels = range(len(_numbers(tensors, rf"{down}(\d+)\.")))
    channels = [tensors[f"{_VAE}encoder.down.{level}.block.0.conv1.weight"].shape[0] for level in levels]
    return {
        "latent_channels": tensors[f"{_VAE}decoder.conv_in.weight"].shape[1],
        "block_out_channels": channels,
        "layers_per_block": len(_numbers(tensors, rf"{down}0\.block\.(\d+)\.")),
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        # By which latents are divided to be as wide as noise is: measured by their makers, told by no tensor.
        "scaling_factor": 0.13025 if is_xl else 0.18215,
    }


def _texts(tensors: Mapping[str, Tensor]) -> dict[str, Config]:
    found = [_clip(tensors, at) for at in _CLIP if f"{at}text_model.final_layer_norm.weight" in tensors]
    found += [_open_clip(tensors, at) for at in _OPEN_CLIP if f"{at}ln_final.weight" in tensors]
    if not 1 <= len(found) <= 2:
        raise KeyError("what reads prompts")
    return dict(zip(("text_encoder", "text_encoder_2"), found, strict=False))


def _clip(tensors: Mapping[str, Tensor], at: str) -> Config:
    layers = rf"{re.escape(at)}text_model\.encoder\.layers\.(\d+)\."
    embeddings = f"{at}text_model.embeddings."
    words, width = tensors[f"{embeddings}token_embedding.weight"].shape
    return _text_config(
        words=words,
        width=width,
        positions=tensors[f"{embeddings}position_embedding.weight"].shape[0],
        inner=tensors[f"{at}text_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        layers=len(_numbers(tensors, layers)),
        activation="quick_gelu",
        projection=width,
    )


def _open_clip(tensors: Mapping[str, Tensor], at: str) -> Config:
    layers = _numbers(tensors, rf"{re.escape(at)}transformer\.resblocks\.(\d+)\.")
    words, width = tensors[f"{at}token_embedding.weight"].shape
    projection = tensors.get(f"{at}text_projection")
    return _text_config(
        words=words,
        width=width,
        positions=tensors[f"{at}positional_embedding"].shape[0],
        inner=tensors[f"{at}transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
        layers=len(layers - {_UNUSED_LAYER} if at == _OPEN_CLIP[0] else layers),
        activation="gelu",
        projection=width if projection is None else projection.shape[1],
    )


def _text_config(
    *, words: int, width: int, positions: int, inner: int, layers: int, activation: str, projection: int
) -> Config:
    return {
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // _HEAD),
        "max_position_embeddings": positions,
        "hidden_act": activation,
        "projection_dim": projection,
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": words - 1,
    }


def _numbers(tensors: Mapping[str, Tensor], pattern: str) -> set[int]:
    """Return the numbers that a pattern finds in tensors' names."""
    known = re.compile(pattern)
    return {int(match[1]) for name in tensors if (match := known.match(name))}
