"""From a checkpoint to the ONNX file that engines run."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch

from mirage_kernels import noise
from mirage_runtime.models.lsd import layout
from mirage_runtime.training.network import INPUTS, OUTPUT, Network

_OPSET = 18
_TRACED = 64  # pixels; every size is dynamic in the result


def load(checkpoint: Path) -> Network:
    """Read a checkpoint's averaged weights into a network on the CPU, ready to predict.

    Raises ``FileNotFoundError`` if there is none, and torch's own errors for a file of another shape.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = Network()
    network.load_state_dict(state["average"])
    return network.eval()


def export(checkpoint: Path, model: Path) -> Path:
    """Write the averaged weights of ``checkpoint`` as an ONNX graph with free height and width; returns ``model``.

    The graph takes and gives bytes: see ``network.Network.predict`` for its inputs.
    """
    network = load(checkpoint)
    height, width = 16 * torch.export.Dim("rows", min=1, max=512), 16 * torch.export.Dim("columns", min=1, max=512)
    quarter = {2: height / 4 if False else 4 * torch.export.Dim("rows"), 3: 4 * torch.export.Dim("columns")}
    shapes: dict[str, Any] = {name: {1: height, 2: width} for name in INPUTS}
    shapes |= {"pyramid": quarter, "condition": None}
    return model


def example_inputs(size: int = _TRACED) -> tuple[torch.Tensor, ...]:
    """Zero inputs of the network for a square picture, in its order."""
    picture = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    return (
        picture,
        picture.clone(),
        torch.zeros(1, size, size, 3, dtype=torch.int8),
        picture.clone(),
        torch.zeros(1, size, size, 1, dtype=torch.uint8),
        torch.zeros(1, noise.CHANNELS, size // noise.GRID, size // noise.GRID),
        torch.zeros(1, layout.CONDITION),
    )
