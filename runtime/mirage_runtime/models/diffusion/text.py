"""Prompts as the vectors that steer Stable Diffusion's networks: CLIP's text encoders.

A condition is one flat vector, so that conditions of prompts are blended like any other: the text's tokens one after
the other and, for SDXL, the text as a whole behind them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.diffusion.files import ModelFiles
from mirage_runtime.models.diffusion.networks import check_finite, quiet

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
    configs = [
        json.loads((files.path / f"text_encoder{which}" / "config.json").read_text())
        for which in (("", "_2") if files.family == "sdxl" else ("",))
    ]
    width = sum(int(config["hidden_size"]) for config in configs)
    pooled = int(configs[1]["projection_dim"]) + 6 if len(configs) > 1 else 0
    return int(configs[0]["max_position_embeddings"]), width, pooled


def _encoder(files: ModelFiles, which: str) -> _Encoder:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    pools = bool(which)
    folder, words = files.path / f"text_encoder{which}", files.path / f"tokenizer{which}"
    try:
        with quiet():
            kind = CLIPTextModelWithProjection if pools else CLIPTextModel
            network = kind.from_pretrained(
                folder, torch_dtype=torch.float32, use_safetensors=True, local_files_only=True
            )
            tokenizer = CLIPTokenizer.from_pretrained(words, local_files_only=True)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MirageRuntimeError(f"{folder} cannot be loaded: {lines[0]}") from error
    network.requires_grad_(False)
    check_finite(network, str(folder))
    return _Encoder(tokenizer, network, pools)


def _array(tensor: torch.Tensor) -> Floats:
    return tensor.float().numpy().astype(np.float32)
