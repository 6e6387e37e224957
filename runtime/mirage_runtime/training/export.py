"""From a checkpoint to the ONNX file that engines run."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch

from mirage_kernels import noise
from mirage_runtime.models.lsd import layout
from mirage_runtime.models.lsd.network import INPUTS, OUTPUT, Network

_OPSET = 18
_TRACED = 64  # pixels: any size does, since height and width stay free


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

    The graph takes and gives bytes: see ``network.Network.predict`` for its inputs. Sizes must be multiples of 16.
    """
    rows, columns = (torch.export.Dim(name, min=2, max=512) for name in ("rows", "columns"))
    picture = {1: 16 * rows, 2: 16 * columns}
    grid = {2: 4 * rows, 3: 4 * columns}
    shapes = (*(picture for _ in INPUTS[:4]), grid, grid, None)
    model.parent.mkdir(parents=True, exist_ok=True)
    partial = model.with_suffix(".part.onnx")
    chatter = logging.getLogger("torch.onnx")
    level = chatter.level
    chatter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own deprecations, and names of axes that repeat
            program = torch.onnx.export(
                load(checkpoint),
                example_inputs(_TRACED),
                dynamo=True,
                opset_version=_OPSET,
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                dynamic_shapes=shapes,
                optimize=True,
                verbose=False,
            )
    finally:
        chatter.setLevel(level)
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    onnx.save(_without_traces(program.model_proto), str(partial))
    partial.replace(model)
    return model


def _without_traces(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Remove what the exporter notes of where each node came from: it names paths of this machine."""
    main = graph.graph
    for part in (graph, main, *main.node, *main.initializer, *main.input, *main.output, *main.value_info):
        part.doc_string = ""
        del part.metadata_props[:]
    return graph


def example_inputs(size: int) -> tuple[torch.Tensor, ...]:
    """Zero inputs of the network for a square picture, in its order."""
    picture = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    return (
        picture,
        picture.clone(),
        picture.to(torch.int8),
        picture.clone(),
        torch.zeros(1, 1, size // noise.GRID, size // noise.GRID),
        torch.zeros(1, noise.CHANNELS, size // noise.GRID, size // noise.GRID),
        torch.zeros(1, layout.CONDITION),
    )
