"""A model's networks as ONNX graphs with free height and width."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from mirage_runtime.compile.compiled import Progress
from mirage_runtime.compile.errors import CompileError
from mirage_runtime.models.diffusion.networks import Networks

OPSET: Final = 23
"""The first with attention as one operator, which engines have kernels for."""
MOST: Final = 32
"""Largest side of a picture, in units of 64 pixels."""
MOST_FRAMES: Final = 4
"""At once: as many as there can be steps."""
GRAPHS: Final = ("encode", "predict", "decode")


@dataclass(frozen=True)
class Text:
    """What a network is told of a prompt: tokens, numbers to a token, and numbers of the text as a whole."""

    tokens: int
    width: int
    pooled: int = 0


def export(
    networks: Networks,
    text: Text,
    folder: Path,
    *,
    half: bool,
    precise: Set[str] = frozenset(),
    batch: int = 1,
    progress: Progress,
) -> None:
    """Write ``encode.onnx``, ``predict.onnx`` and ``decode.onnx`` to a folder that exists.

    ``half``: weights of 16 bits, but for ``precise`` graphs, else of 32. ``batch``: the most latents that ``predict``
    takes at once. Weights lie in files of their own beside the graphs. Raises `CompileError` where a network cannot be
    exported or the disk is full.
    """
    for number, name in enumerate(GRAPHS):
        kind = torch.float16 if half and name not in precise else torch.float32
        progress("export", number / len(GRAPHS))
        module = getattr(networks, name).to(kind)
        inputs, free = examples(networks, text, name, kind, batch=batch)
        try:
            with _silence():
                _export(module, inputs, free, folder / f"{name}.onnx")
        except OSError as error:
            raise CompileError(f"{folder} cannot be written to: {error.strerror or error}") from error
        except Exception as error:
            raise CompileError(f"the network '{name}' cannot be exported: {_first_line(error)}") from error
    progress("export", 1.0)


def examples(
    networks: Networks,
    text: Text,
    name: str,
    kind: torch.dtype,
    size: tuple[int, int] = (128, 192),
    batch: int = 1,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return inputs of a graph for pictures of (height, width), and which of their dimensions are free.

    ``batch``: how many of them at once, where the graph takes several.
    """
    rows, columns = torch.export.Dim("rows", min=1, max=MOST), torch.export.Dim("columns", min=1, max=MOST)
    height, width = size
    generator = torch.Generator().manual_seed(1)
    if name == "encode":
        picture = torch.randint(0, 256, (1, height, width, 3), generator=generator, dtype=torch.uint8)
        return {"picture": picture}, {"picture": {1: 64 * rows, 2: 64 * columns}}
    grid = (height // networks.scale, width // networks.scale)
    latent = torch.randn((1, networks.channels, *grid), generator=generator).to(kind)
    free: dict[str, Any] = {"latent": {2: 64 // networks.scale * rows, 3: 64 // networks.scale * columns}}
    if name == "decode":
        return {"latent": latent}, free
    inputs = {
        "latent": torch.randn((batch, networks.channels, *grid), generator=generator).to(kind),
        "timestep": torch.tensor([499, 259, 119, 19][:batch]),
        "text": torch.randn((batch, text.tokens, text.width), generator=generator).to(kind),
    }
    if text.pooled:
        inputs["pooled"] = torch.randn((batch, text.pooled), generator=generator).to(kind)
    if batch == 1:
        return inputs, free | dict.fromkeys(list(inputs)[1:])
    frames = torch.export.Dim("frames", min=1, max=MOST_FRAMES)
    return inputs, {name: {0: frames} | free.get(name, {}) for name in inputs}


def _export(module: nn.Module, inputs: Mapping[str, Tensor], free: Mapping[str, Any], path: Path) -> None:
    torch.onnx.export(
        module,
        tuple(inputs.values()),
        path,
        input_names=list(inputs),
        output_names=["output"],
        dynamo=True,
        optimize=True,
        opset_version=OPSET,
        external_data=True,
        dynamic_shapes=dict(free),
        verbose=False,
    )


@contextmanager
def _silence() -> Any:
    chatter = logging.getLogger("torch.onnx")
    level = chatter.level
    chatter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own deprecations, and names of axes that repeat
            yield
    finally:
        chatter.setLevel(level)


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
