"""A model's files put together with an engine: what a worker runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from mirage_protocol import PARAMETERS
from mirage_runtime.compile.compiled import Recipe
from mirage_runtime.config import DiffusionConfig
from mirage_runtime.engines import Engine, Size
from mirage_runtime.engines.torch import Shaped, TorchEngine
from mirage_runtime.models.diffusion import networks, text
from mirage_runtime.models.diffusion.files import ModelFiles
from mirage_runtime.models.diffusion.model import Engines, StableDiffusion

GRAPHS: Final = ("encode", "predict", "decode")
MOST_STEPS: Final = int(PARAMETERS["steps"].maximum or 1)
"""As many frames can be on their way side by side."""


def open_with_torch(
    files: ModelFiles,
    chosen: DiffusionConfig,
    *,
    device: str = "auto",
    half: bool | None = None,
    graphs: bool = True,
) -> StableDiffusion:
    """Return a model that torch computes; see `TorchEngine` for ``device``, ``half`` and ``graphs``.

    Raises `MirageRuntimeError` where it cannot be loaded.
    """
    loaded = networks.load(files)
    encoder = text.TextEncoder(files)

    def engine(name: str) -> TorchEngine:
        return TorchEngine(
            getattr(loaded, name),
            lambda size: shapes(loaded, encoder, name, size),
            device=device,
            half=False if name in files.precise else half,
            graphs=graphs,
        )

    encode, predict, decode = map(engine, GRAPHS)
    engines = Engines(encode, predict, decode, batch=MOST_STEPS)
    return _put_together(files, engines, encoder, chosen)


def open_compiled(files: ModelFiles, folder: Path, recipe: Recipe, chosen: DiffusionConfig) -> StableDiffusion:
    """Return a model that was compiled into a folder. Raises `MirageRuntimeError` where that cannot be used here."""
    encode, predict, decode = (_compiled(folder, name, recipe.engine) for name in GRAPHS)
    engines = Engines(encode, predict, decode, recipe.batch)
    encoder = text.TextEncoder(files)
    limits = (recipe.smallest, recipe.largest) if recipe.engine == "tensorrt" else None
    return _put_together(files, engines, encoder, chosen, limits)


def _compiled(folder: Path, name: str, engine: str) -> Engine:
    if engine == "tensorrt":
        from mirage_runtime.engines.tensorrt import TensorRtEngine

        return TensorRtEngine(folder / f"{name}.engine")
    from mirage_runtime.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(folder / f"{name}.onnx", grid=8)


def _put_together(
    files: ModelFiles,
    engines: Engines,
    encoder: text.TextEncoder,
    chosen: DiffusionConfig,
    limits: tuple[Size, Size] | None = None,
) -> StableDiffusion:
    return StableDiffusion(
        files.schedule,
        engines,
        encoder,
        name=files.name,
        cfg_type=chosen.cfg_type,
        limits=limits,
        batches=chosen.stream_batch,
    )


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
