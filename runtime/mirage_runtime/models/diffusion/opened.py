"""A model's files put together with an engine: what a worker runs."""

from __future__ import annotations

import torch

from mirage_runtime.engines import Size
from mirage_runtime.engines.torch import Shapes, TorchEngine
from mirage_runtime.models.diffusion import networks, text
from mirage_runtime.models.diffusion.files import ModelFiles
from mirage_runtime.models.diffusion.model import Engines, StableDiffusion


def open_with_torch(files: ModelFiles, *, device: str = "auto", guidance: str = "residual") -> StableDiffusion:
    """Return a model that torch computes. Raises `MirageRuntimeError` where it cannot be loaded."""
    loaded = networks.load(files)
    encoder = text.TextEncoder(files)
    grid, channels = loaded.scale, loaded.channels

    def pictures(size: Size) -> networks.Shaped:
        return {"picture": ((1, *size, 3), torch.uint8)}

    def latents(size: Size) -> networks.Shaped:
        return {"latent": ((1, channels, size[0] // grid, size[1] // grid), torch.float32)}

    def steps(size: Size) -> networks.Shaped:
        inputs = latents(size) | {"timestep": ((1,), torch.int64)}
        inputs["text"] = ((1, encoder.tokens, encoder.width), torch.float32)
        return inputs | ({"pooled": ((1, encoder.pooled), torch.float32)} if encoder.pooled else {})

    def engine(module: torch.nn.Module, shapes: Shapes) -> TorchEngine:
        return TorchEngine(module, shapes, device=device)

    engines = Engines(engine(loaded.encode, pictures), engine(loaded.predict, steps), engine(loaded.decode, latents))
    return StableDiffusion(files.schedule, engines, encoder, name=files.name, guidance=guidance)
