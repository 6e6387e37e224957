"""Prompts as the vectors that steer Stable Diffusion's networks: CLIP's text encoders.

A condition is one flat vector, so that conditions of prompts are blended like any other: the text's tokens one after
the other and, for SDXL, the text as a whole behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.diffusion.files import ModelFiles, is_of_a_text, variant_of
from mirage_runtime.models.diffusion.networks import check_finite, described, quiet

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Encoder:
    tokenizer: Any
    network: Any
    pools: bool

    def __call__(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the tokens ``(77, width)``, and the whole ``(width,)`` where this encoder gives one."""
        # What is beyond the encoder's 77 tokens is cut off, as everywhere.
        length = self.network.config.max_position_embeddings
        ids = self.tokenizer(prompt, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            if self.pools:
                found = self.network(ids.input_ids, output_hidden_states=True)
                return found.hidden_states[-2][0], found.text_embeds[0]
            return self.network(ids.input_ids).last_hidden_state[0], None

    def tokens(self, prompt: str) -> torch.Tensor:
        """Return the tokens from the layer before the last, as SDXL takes them."""
        length = self.network.config.max_position_embeddings
        ids = self.tokenizer(prompt, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            found = self.network(ids.input_ids, output_hidden_states=True)
        hidden: torch.Tensor = found.hidden_states[-2][0]
        return hidden


class TextEncoder:
    """The text encoders of a model, on the CPU: a prompt takes a moment once, and a frame none."""

    def __init__(self, files: ModelFiles) -> None:
        """Load them. Raises `MirageRuntimeError`."""
        self._encoders = [_encoder(files, "")]
        if files.family == "sdxl":
            self._encoders.append(_encoder(files, "_2"))
        self.tokens = int(self._encoders[0].network.config.max_position_embeddings)
        self.width = sum(int(encoder.network.config.hidden_size) for encoder in self._encoders)
        """Numbers to a token."""
        self.pooled = int(self._encoders[1].network.config.projection_dim) + 6 if len(self._encoders) > 1 else 0
        """Numbers of the text as a whole, and the picture's size behind them; 0 for a network that is not told."""

    def __call__(self, prompt: str) -> Floats:
        """Return the condition of a prompt: f32 ``(tokens * width + pooled,)``."""
        if len(self._encoders) == 1:
            hidden, _ = self._encoders[0](prompt)
            return _array(hidden).reshape(-1)
        first, second = self._encoders
        hidden, pooled = second(prompt)
        assert pooled is not None
        joined = torch.cat([first.tokens(prompt), hidden], dim=-1)
        return np.concatenate([_array(joined).reshape(-1), _array(pooled)])

    def split(self, condition: Floats, size: tuple[int, int]) -> dict[str, Floats]:
        """Return a condition as the inputs of the network that it is for, for pictures of (height, width)."""
        end = self.tokens * self.width
        inputs = {"text": condition[:end].reshape(1, self.tokens, self.width)}
        if not self.pooled:
            return inputs
        # As large as it was, cut nowhere, wanted at that size (Podell et al. 2023, arXiv:2307.01952, section 2.2).
        sizes = np.array([*size, 0, 0, *size], np.float32)
        return inputs | {"pooled": np.concatenate([condition[end:], sizes])[None]}


def sizes_of(files: ModelFiles) -> tuple[int, int, int]:
    """Return tokens, numbers to a token and numbers of the text as a whole, from the encoders' descriptions alone."""
    encoders = ("text_encoder", "text_encoder_2") if files.family == "sdxl" else ("text_encoder",)
    configs = [files.config_of(part) for part in encoders]
    for part, config in zip(encoders, configs, strict=True):
        for name in ("hidden_size", "max_position_embeddings", *(("projection_dim",) if part != encoders[0] else ())):
            if not isinstance(config.get(name), int):
                raise MirageRuntimeError(f"{files.path} ({part}) does not say its {name}: was it downloaded whole?")
    width = sum(int(config["hidden_size"]) for config in configs)
    pooled = int(configs[1]["projection_dim"]) + 6 if len(configs) > 1 else 0
    return int(configs[0]["max_position_embeddings"]), width, pooled


def _encoder(files: ModelFiles, which: str) -> _Encoder:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    pools = bool(which)
    kind = CLIPTextModelWithProjection if pools else CLIPTextModel
    part = f"text_encoder{which}"
    name = f"{files.path / part}" if files.single is None else f"{files.path} ({part})"
    try:
        with quiet():
            network = _of_single_file(files, kind, part) if files.single else _of_folder(files.path / part, kind)
            tokenizer = _tokenizer(files, which)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MirageRuntimeError(f"{name} cannot be loaded: {lines[0]}") from error
    network.requires_grad_(False)
    check_finite(network, name)
    return _Encoder(tokenizer, network, pools)


def _of_folder(folder: Path, kind: Any) -> Any:
    network, told = kind.from_pretrained(
        folder,
        torch_dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        variant=variant_of(folder),
        output_loading_info=True,
    )
    if told["missing_keys"]:
        raise MirageRuntimeError(f"it has no {sorted(told['missing_keys'])[0]}")
    return network


def _of_single_file(files: ModelFiles, kind: Any, part: str) -> Any:
    from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
    from safetensors import safe_open

    with safe_open(files.path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys() if is_of_a_text(name)}  # noqa: SIM118
    with described(files, part) as folder:
        return create_diffusers_clip_model_from_ldm(  # type: ignore[no-untyped-call]
            kind, weights, subfolder=part, config=folder, torch_dtype=torch.float32, local_files_only=True
        )


def _tokenizer(files: ModelFiles, which: str) -> Any:
    from transformers import CLIPTokenizer

    if files.tokenizer is None:
        return CLIPTokenizer.from_pretrained(files.path / f"tokenizer{which}", local_files_only=True)
    tokenizer = CLIPTokenizer.from_pretrained(files.tokenizer, local_files_only=True)
    # Whichever folder it is from: OpenCLIP's encoders were trained with zeros behind the text, CLIP's with its end.
    zeros = files.config_of(f"text_encoder{which}")["hidden_act"] == "gelu" and "!" in tokenizer.get_vocab()
    tokenizer.pad_token = "!" if zeros else tokenizer.eos_token
    return tokenizer


def _array(tensor: torch.Tensor) -> Floats:
    return tensor.float().numpy().astype(np.float32)
