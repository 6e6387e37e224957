"""Models of Stable Diffusion's architecture, a thousandth of its size and with random weights, as folders on disk."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch

logging.getLogger("diffusers").setLevel(logging.ERROR)
logging.getLogger("transformers").setLevel(logging.ERROR)

SCHEDULERS: dict[str, dict[str, Any]] = {
    "turbo": {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"},
    "lcm": {"_class_name": "LCMScheduler", "timestep_spacing": "leading"},
    "ddim": {"_class_name": "PNDMScheduler", "timestep_spacing": "leading"},
}


def make(folder: Path, *, xl: bool = False, kind: str = "turbo", tiny_vae: bool = True, **unet: Any) -> Path:
    """Write a model to ``folder``; the same arguments, the same weights."""
    from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

    torch.manual_seed(7)
    heads = {"attention_head_dim": (2, 4)}
    added = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 32,
    }
    network = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=64 if xl else 32,
        norm_num_groups=8,
        use_linear_projection=True,
        **heads,
        **(added if xl else {}),
        **unet,
    )
    # Random weights make everything faint: here a prompt shows, and pictures have all levels.
    with torch.no_grad():
        for key, value in network.named_parameters():
            if "attn2.to_out" in key:
                value *= 30.0
        network.conv_out.weight *= 2.0
    network.save_pretrained(folder / "unet")
    if tiny_vae:
        vae: Any = AutoencoderTiny(
            encoder_block_out_channels=(16, 16, 16, 16), decoder_block_out_channels=(16, 16, 16, 16),
            num_encoder_blocks=(1, 1, 1, 1), num_decoder_blocks=(1, 1, 1, 1),
        )  # fmt: skip
    else:
        vae = AutoencoderKL(
            block_out_channels=(16, 16, 16, 16), down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4, norm_num_groups=8, latent_channels=4,
        )  # fmt: skip
    with torch.no_grad():
        last = vae.decoder.layers[-1] if tiny_vae else vae.decoder.conv_out
        last.weight *= 30.0 if tiny_vae else 3.0
        last.bias.fill_(0.5 if tiny_vae else 0.0)
    vae.save_pretrained(folder / "vae")
    for which in ("", "_2") if xl else ("",):
        _text(folder, which)
    _write(folder / "scheduler" / "scheduler_config.json", SCHEDULERS[kind] | {"prediction_type": "epsilon"})
    pipeline = "StableDiffusionXLPipeline" if xl else "StableDiffusionPipeline"
    _write(folder / "model_index.json", {"_class_name": pipeline})
    return folder


def make_released(folder: Path, release: str) -> Path:
    """Write a model put together as ``sd1``, ``sd2`` or ``sdxl`` is, in all but its sizes."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    torch.manual_seed(7)
    xl, first = release == "sdxl", release == "sd1"
    added = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 32,
        "transformer_layers_per_block": (1, 2),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }
    blocks = {
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(64, 128),
        layers_per_block=2,
        cross_attention_dim=192 if xl else 64,
        attention_head_dim=8 if first else (1, 2),
        use_linear_projection=not first,
        **(added if xl else blocks),
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(32, 32, 64, 64), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, scaling_factor=0.13025 if xl else 0.18215,
    ).save_pretrained(folder / "vae")  # fmt: skip
    sizes = {"hidden_size": 64, "num_attention_heads": 1}
    _text(folder, "", **sizes, hidden_act="gelu" if release == "sd2" else "quick_gelu")
    if xl:
        _text(folder, "_2", hidden_size=128, num_attention_heads=2, hidden_act="gelu")
    _write(folder / "scheduler" / "scheduler_config.json", SCHEDULERS["turbo"] | {"prediction_type": "epsilon"})
    _write(folder / "model_index.json", {"_class_name": "StableDiffusionPipeline"})
    return folder


def make_full(folder: Path) -> Path:
    """Write a model of SD-Turbo's own size, 866 M parameters, with TAESD and random weights of 16 bits: 2.5 GB."""
    from diffusers import AutoencoderTiny, UNet2DConditionModel

    torch.manual_seed(7)
    network = UNet2DConditionModel(
        sample_size=64, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True
    )
    network.half().save_pretrained(folder / "unet")
    AutoencoderTiny().half().save_pretrained(folder / "vae")
    _text(folder, "", hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16)
    _write(folder / "scheduler" / "scheduler_config.json", SCHEDULERS["turbo"] | {"prediction_type": "epsilon"})
    _write(folder / "model_index.json", {"_class_name": "StableDiffusionPipeline"})
    return folder


def _text(folder: Path, which: str, **sizes: Any) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    words = [chr(code) for code in range(97, 123)]
    names = [*words, *(f"{word}</w>" for word in words), "<|startoftext|>", "<|endoftext|>"]
    _write(folder / f"tokenizer{which}" / "vocab.json", {name: number for number, name in enumerate(names)})
    (folder / f"tokenizer{which}" / "merges.txt").write_text("#version: 0.2\n")
    _write(
        folder / f"tokenizer{which}" / "tokenizer_config.json",
        {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77},
    )
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = CLIPTextConfig(
        vocab_size=len(names), max_position_embeddings=77, projection_dim=32, bos_token_id=len(names) - 2,
        eos_token_id=len(names) - 1, pad_token_id=len(names) - 1, **(small | sizes),
    )  # fmt: skip
    kind: Any = CLIPTextModelWithProjection if which else CLIPTextModel
    kind(config).save_pretrained(folder / f"text_encoder{which}")


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
