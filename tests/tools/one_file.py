"""A model's folder as one file, in the layout of Stable Diffusion's first release: the way back from diffusers' names.

Written from the layout alone, so that what reads such files is tested by something that knows nothing of it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]

_RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
           "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}  # fmt: skip
_ENDS = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
         "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
         "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}  # fmt: skip
_VAE = {"conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut", "mid_block.attentions.0": "mid.attn_1",
        "mid_block.resnets.0": "mid.block_1", "mid_block.resnets.1": "mid.block_2", "group_norm": "norm", "to_q": "q",
        "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}  # fmt: skip


def write(folder: Path, target: Path, metadata: dict[str, str] | None = None) -> Path:
    """Write a folder's networks and text encoders to one file."""
    unet = json.loads((folder / "unet/config.json").read_text())
    vae = json.loads((folder / "vae/config.json").read_text())
    xl = (folder / "text_encoder_2").is_dir()
    found: Tensors = {}
    for name, tensor in load_file(folder / "unet/diffusion_pytorch_model.safetensors").items():
        found["model.diffusion_model." + _unet_name(name, unet)] = tensor
    for name, tensor in load_file(folder / "vae/diffusion_pytorch_model.safetensors").items():
        known = _vae_name(name, len(vae["block_out_channels"]))
        wide = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", known) is not None
        found["first_stage_model." + known] = tensor[:, :, None, None] if wide else tensor
    text = load_file(folder / "text_encoder/model.safetensors")
    config = json.loads((folder / "text_encoder/config.json").read_text())
    if config["hidden_act"] == "gelu":
        found |= _open_clip(text, "cond_stage_model.model.")
        last = {name for name in found if ".resblocks.0." in name}
        found |= {name.replace(".resblocks.0.", ".resblocks.23."): found[name] * 0 for name in last}
    else:
        at = "conditioner.embedders.0.transformer." if xl else "cond_stage_model.transformer."
        found |= {at + "text_model." + name.removeprefix("text_model."): tensor for name, tensor in text.items()}
    if xl:
        found |= _open_clip(load_file(folder / "text_encoder_2/model.safetensors"), "conditioner.embedders.1.model.")
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, target, metadata)
    return target


def _unet_name(name: str, config: dict[str, object]) -> str:
    for known, other in _ENDS.items():
        if name.startswith(f"{known}."):
            return other + name.removeprefix(known)
    layers = config["layers_per_block"]
    assert isinstance(layers, int)
    ups = config["up_block_types"]
    assert isinstance(ups, list)
    if match := re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
        way, level, kind, number, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
        place = (layers + 1) * level + number + (way == "down")
        start = f"{'input' if way == 'down' else 'output'}_blocks.{place}."
        return start + (f"0.{_resnet(rest)}" if kind == "resnets" else f"1.{rest}")
    if match := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", name):
        return f"input_blocks.{(layers + 1) * (int(match[1]) + 1)}.0.op.{match[2]}"
    if match := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.(.*)", name):
        place = 2 if "CrossAttn" in ups[int(match[1])] else 1
        return f"output_blocks.{(layers + 1) * int(match[1]) + layers}.{place}.{match[2]}"
    if match := re.match(r"mid_block\.resnets\.(\d)\.(.*)", name):
        return f"middle_block.{2 * int(match[1])}.{_resnet(match[2])}"
    return name.replace("mid_block.attentions.0.", "middle_block.1.")


def _resnet(rest: str) -> str:
    part, _, kind = rest.rpartition(".")
    return f"{_RESNET[part]}.{kind}"


def _vae_name(name: str, levels: int) -> str:
    name = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(
        r"up_blocks\.(\d+)\.(resnets\.(\d+)|upsamplers\.0)",
        lambda found: f"up.{levels - 1 - int(found[1])}.{f'block.{found[3]}' if found[3] else 'upsample'}",
        name,
    )
    for known, other in _VAE.items():
        name = re.sub(rf"(^|\.){re.escape(known)}(?=\.)", rf"\g<1>{other}", name)
    return name


def _open_clip(text: Tensors, at: str) -> Tensors:
    text = {name.removeprefix("text_model."): tensor for name, tensor in text.items()}
    names = {
        "embeddings.position_embedding.weight": "positional_embedding",
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "final_layer_norm.weight": "ln_final.weight",
        "final_layer_norm.bias": "ln_final.bias",
    }
    found = {at + other: text[known] for known, other in names.items()}
    if "text_projection.weight" in text:
        found[at + "text_projection"] = text["text_projection.weight"].T
    for name, tensor in text.items():
        if not (match := re.match(r"encoder\.layers\.(\d+)\.(.*)", name)):
            continue
        block, rest = f"{at}transformer.resblocks.{match[1]}.", match[2]
        if joined := re.match(r"self_attn\.q_proj\.(weight|bias)", rest):
            parts = [text[f"encoder.layers.{match[1]}.self_attn.{each}_proj.{joined[1]}"] for each in "qkv"]
            found[f"{block}attn.in_proj_{joined[1]}"] = torch.cat(parts)
        elif not re.match(r"self_attn\.[kv]_proj", rest):
            for known, other in (("self_attn", "attn"), ("layer_norm", "ln_"), ("fc1", "c_fc"), ("fc2", "c_proj")):
                rest = rest.replace(known, other)
            found[block + rest] = tensor
    return found
