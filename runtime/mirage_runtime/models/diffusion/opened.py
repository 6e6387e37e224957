"""A model's files put together with an engine: what a worker runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from mirage_runtime.compile.compiled import Recipe
from mirage_runtime.engines import Size
from mirage_runtime.engines.torch import Shaped, TorchEngine
from mirage_runtime.models.diffusion import networks, text
from mirage_runtime.models.diffusion.files import ModelFiles
from mirage_runtime.models.diffusion.model import Engines, StableDiffusion

GRAPHS: Final = ("encode", "predict", "decode")


def open_with_torch(
    files: ModelFiles, *, device: str = "auto", guidance: str = "residual", half: bool | None = None
) -> StableDiffusion:
    """Return a model that torch computes; see `TorchEngine` for ``device`` and ``half``.

    Raises `MirageRuntimeError` where it cannot be loaded.
    """
    loaded = networks.load(files)
    encoder = text.TextEncoder(files)

    def engine(name: str) -> TorchEngine:
        return TorchEngine(
            getattr(loaded, name), lambda size: shapes(loaded, encoder, name, size), device=device, half=half
        )

    engines = Engines(*(engine(name) for name in GRAPHS))
    return StableDiffusion(files.schedule, engines, encoder, name=files.name, guidance=guidance)


def open_compiled(files: ModelFiles, folder: Path, recipe: Recipe, *, guidance: str = "residual") -> StableDiffusion:
    """Return a model that was compiled into a folder. Raises `MirageRuntimeError` where that cannot be used here."""
    if recipe.engine == "tensorrt":
        from mirage_runtime.engines.tensorrt import TensorRtEngine

        engines = Engines(*(TensorRtEngine(folder / f"{name}.engine") for name in GRAPHS))
    else:
        from mirage_runtime.engines.openvino import OpenVinoEngine

        engines = Engines(*(OpenVinoEngine(folder / f"{name}.onnx", grid=8) for name in GRAPHS))
    encoder = text.TextEncoder(files)
    limits = (recipe.smallest, recipe.largest) if recipe.engine == "tensorrt" else None
    return StableDiffusion(files.schedule, engines, encoder, name=files.name, guidance=guidance, limits=limits)


def shapes(loaded: networks.Networks, encoder: text.TextEncoder, name: str, size: Size) -> Shaped:
    """Return the inputs of a network for frames of one size."""
    if name == "encode":
        return {"picture": ((1, *size, 3), torch.uint8)}
    grid = loaded.scale
    inputs: Shaped = {"latent": ((1, loaded.channels, size[0] // grid, size[1] // grid), torch.float32)}
    if name == "decode":
        return inputs
    inputs |= {"timestep": ((1,), torch.int64), "text": ((1, encoder.tokens, encoder.width), torch.float32)}
    return inputs | ({"pooled": ((1, encoder.pooled), torch.float32)} if encoder.pooled else {})
