"""Stable Diffusion's family, from files on this machine: few-step, image to image.

`files` and `schedule` need no more than NumPy; what computes is imported when it is used, with the extra `diffusion`.
"""

from __future__ import annotations

from mirage_runtime.config import ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.diffusion.files import look_at
from mirage_runtime.models.diffusion.model import StableDiffusion


def open_model(config: ModelConfig) -> StableDiffusion:
    """Load a model and what computes it. Raises `MirageRuntimeError` that says what is missing or wrong."""
    files = look_at(config)
    try:
        from mirage_runtime.models.diffusion.opened import open_with_torch
    except ImportError as error:
        raise MirageRuntimeError(
            f"{files.name} needs more packages ({error.name}): pip install 'mirage-lsd[diffusion]'"
        ) from None
    return open_with_torch(files, guidance=config.diffusion.guidance)
