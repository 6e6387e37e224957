"""The embedded model computed by others than OpenVINO: torch, and TensorRT where it was compiled."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from mirage_runtime.compile.compiled import find_any
from mirage_runtime.engines import Engine, EngineError, Size
from mirage_runtime.engines.torch import Shaped, TorchEngine
from mirage_runtime.models.lsd import layout
from mirage_runtime.models.lsd.network import Network

_STEMS = ("source_stem", "noised_stem", "memory_stem")
"""Layers whose weights stand in the graph as `network.folded` uses them, in the graph's order."""


def with_torch(weights: Path, *, device: str = "auto") -> TorchEngine:
    """Return an engine that runs the network of an ONNX file. Raises :class:`EngineError`."""
    return TorchEngine(network_of(weights), shapes, device=device, half=False)


def with_tensorrt(weights: Path) -> Engine:
    """Return an engine that was compiled from an ONNX file. Raises `MirageRuntimeError`."""
    from mirage_runtime.compile.lsd import GRAPH, weights_hash
    from mirage_runtime.engines.tensorrt import TensorRtEngine

    folder, _ = find_any("lsd-mini", weights_hash(weights), "tensorrt")
    return TensorRtEngine(folder / f"{GRAPH}.engine", grid=4)


def network_of(weights: Path) -> Network:
    """Return the network with the weights of an ONNX file. Raises :class:`EngineError`."""
    try:
        graph = onnx.load(str(weights)).graph
    except Exception as error:
        raise EngineError(f"{weights} cannot be read: {error}") from error
    found = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in graph.initializer}
    network = Network()
    stems = [node.input[1] for node in graph.node if node.op_type == "Conv" and _is_column(found.get(node.input[1]))]
    if len(stems) != len(_STEMS):
        raise EngineError(f"{weights} is no network of lsd-mini")
    for name, stem in zip(_STEMS, stems, strict=True):
        column = found[stem][..., 0].permute(0, 2, 1)
        found[f"{name}.weight"] = column.reshape(column.shape[0], -1, 1, 1)
    try:
        network.load_state_dict({name: found[name] for name in network.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise EngineError(f"{weights} is no network of lsd-mini: {error}") from error
    return network.eval()


def shapes(size: Size) -> Shaped:
    """Return the network's inputs for frames of one size."""
    height, width = size
    picture = ((1, height, width, 3), torch.uint8)
    grid = (height // 4, width // 4)
    return {
        **dict.fromkeys(("source", "estimate", "memory"), picture),
        "epsilon": ((1, height, width, 3), torch.int8),
        "validity": ((1, 1, *grid), torch.float32),
        "noise": ((1, 8, *grid), torch.float32),
        "condition": ((1, layout.CONDITION), torch.float32),
    }


def _is_column(weight: torch.Tensor | None) -> bool:
    return weight is not None and weight.ndim == 4 and weight.shape[2:] == (4, 1)
