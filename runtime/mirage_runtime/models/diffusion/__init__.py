"""Stable Diffusion's family, from files on this machine: few-step, image to image.

`files` and `schedule` need no more than NumPy; what computes is imported when it is used, with the extra `diffusion`.
"""

from __future__ import annotations

import logging

from mirage_runtime.config import ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.diffusion.files import ModelFiles, look_at
from mirage_runtime.models.diffusion.model import StableDiffusion

_log = logging.getLogger("mirage.diffusion")


def open_model(config: ModelConfig) -> StableDiffusion:
    """Load a model and what computes it. Raises `MirageRuntimeError` that says what is missing or wrong.

    ``engine`` ``auto`` takes TensorRT where there is a graphics card and the model was compiled for it, else torch on
    the card, else OpenVINO where it was compiled for that, else torch on the processor; and says what is lost by it.
    """
    files = look_at(config)
    try:
        if config.engine == "torch":
            return _with_torch(files, config)
        if config.engine == "auto":
            return _with_any(files, config)
        return _compiled(files, config, config.engine)
    except ImportError as error:
        raise MirageRuntimeError(
            f"{files.name} needs more packages ({error.name}): pip install 'mirage-lsd[diffusion]'"
        ) from None


def _with_any(files: ModelFiles, config: ModelConfig) -> StableDiffusion:
    from mirage_runtime.engines.torch import has_gpu

    has_card = has_gpu()
    best = "tensorrt" if has_card else "openvino"
    try:
        return _compiled(files, config, best)
    except MirageRuntimeError as error:
        slower = "about half as fast" if has_card else "slower, and meant for trying alone: a graphics card is needed"
        _log.warning("%s; torch computes it instead, %s", error, slower)
    return _with_torch(files, config)


def _with_torch(files: ModelFiles, config: ModelConfig) -> StableDiffusion:
    from mirage_runtime.models.diffusion.opened import open_with_torch

    return open_with_torch(files, config.diffusion)


def _compiled(files: ModelFiles, config: ModelConfig, engine: str) -> StableDiffusion:
    from mirage_runtime.compile.compiled import find_any, hash_of
    from mirage_runtime.models.diffusion.opened import open_compiled

    wanted = 2 if config.diffusion.stream_batch else 1
    folder, recipe = find_any(files.name, hash_of(files), engine, path_of_model=str(files.path), batch=wanted)
    if recipe.batch < wanted:
        _log.warning(
            "%s is compiled for one frame at a time, so frames are finished one by one: mirage compile %s --batch 4",
            files.name, files.path,
        )  # fmt: skip
    return open_compiled(files, folder, recipe, config.diffusion)
