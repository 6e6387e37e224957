"""What to compute: the models by name, and what the daemon must know of one without loading it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mirage_runtime.config import ModelConfig, cache_dir
from mirage_runtime.errors import MirageRuntimeError

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Settings:
    """The parameters resolved for one frame."""

    prompts: tuple[tuple[str, float], ...]
    """Texts and weights, which sum to 1."""
    strength: float = 1.0
    coherence: float = 1.0
    steps: int = 1
    seeds: tuple[tuple[int, float], ...] = ((0, 1.0),)
    """Seeds and the amplitudes that their noises are added with; the squares sum to 1."""
    guidance: float = 1.0
    """How far models of Stable Diffusion's family lead away from the negative prompt; 1 does not look at it."""
    negative: str = ""
    mask_ids: tuple[int, ...] = ()
    """Objects of the frame's ids that stay as they were rendered."""


@dataclass(frozen=True)
class MotionPlane:
    """Motion as an engine gives it (SPEC.md section 5.3)."""

    pixels: NDArray[np.float16]
    """``(H, W, 2)``, in pixels of the colour plane; NaN where unknown."""
    frame: int
    """The frame that moved."""
    source: int
    """The frame that it points back to."""


@dataclass(frozen=True)
class Camera:
    """View and projection, f64 ``(4, 4)`` each, as in SPEC.md section 5.6."""

    view: NDArray[np.float64]
    projection: NDArray[np.float64]


@dataclass(frozen=True)
class Context:
    """What is known of a frame beside its picture."""

    stream: str = ""
    """Frames of one stream share a memory; another name, another memory."""
    id: int = 0
    motion: tuple[MotionPlane, ...] = ()
    """The frame's own motion, then that of frames before it that were dropped, newest first."""
    depth: NDArray[np.float32] | None = None
    """Metres, ``(H, W)``; infinite where nothing was drawn."""
    camera: Camera | None = None
    ids: NDArray[np.uint32] | None = None
    """A number an object, ``(H, W)``; 0 for none."""


@dataclass(frozen=True)
class Outcome:
    """A transformed frame and how it came about."""

    picture: Image
    stages: dict[str, tuple[int, int]]
    """When each stage began and ended, in microseconds of `clock.microseconds`."""
    memory: float = 0.0
    """Share of the frame that was remembered, 0..1."""
    reset: bool = False
    """Whether a cut began the memory anew."""
    lag: int = 0
    """The picture is that of the frame with this number less: above 0 where frames are on their way side by side."""

    @property
    def timings(self) -> dict[str, float]:
        """Each stage's milliseconds."""
        return {stage: (ended - began) / 1000.0 for stage, (began, ended) in self.stages.items()}


class Transform(Protocol):
    """What a worker runs on each frame."""

    @property
    def description(self) -> str:
        """What computes, on what, in one line."""

    def prepare(self, height: int, width: int) -> None:
        """Get ready for frames of one size."""

    def __call__(
        self, frame: Image, settings: Settings, *, context: Context | None = None, out: Image | None = None
    ) -> Outcome:
        """Transform a frame, into ``out`` where that is given.

        ``frame`` is uint8 (H, W, 3) RGB or (H, W, 4) RGBA; the result has its shape, and its alpha. Without a
        ``context`` the frame belongs to no stream, and nothing is remembered.
        """


@dataclass(frozen=True)
class Steering:
    """What steers a model of Stable Diffusion's family beside its condition."""

    strength: float = 1.0
    """How much noise the source is given: at 0 it stays as it is."""
    guidance: float = 1.0
    """How far the picture is led away from what the negative prompt says; 1 does not look at it."""
    negative: str = ""


UNSTEERED = Steering()


class Model(Protocol):
    """A model as the pipeline uses it.

    Pictures are uint8 (H, W, 3) RGB, C-contiguous, both sides multiples of ``multiple`` and at
    least ``smallest``.
    """

    multiple: int
    smallest: int
    limits: tuple[tuple[int, int], tuple[int, int]] | None
    """The smallest and largest (height, width) that it works at; None for any."""
    takes_strength: bool
    """Whether a frame's strength steers the model itself; else its picture is mixed with the frame."""

    @property
    def description(self) -> str:
        """The engine, its precision and its threads, in one line."""

    def prepare(self, height: int, width: int) -> None:
        """Compile for one size, so that the first frame of that size does not wait for it."""

    def condition(self, prompt: str) -> NDArray[np.float32]:
        """Return the prompt as the vector that steers the model; vectors of two prompts may be blended."""

    def noise(self, seed: int, places: NDArray[np.float32], stretch: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return the noise of a seed at places of surfaces, which come as `mirage_kernels.noise.screen` has them."""

    def denoise(
        self,
        source: Image,
        *,
        condition: NDArray[np.float32],
        noise: NDArray[np.float32],
        steps: int,
        memory: Image | None = None,
        validity: NDArray[np.float32] | None = None,
        steering: Steering = UNSTEERED,
    ) -> Image:
        """Return the picture that the model makes of ``source`` in ``steps`` denoising steps.

        ``noise`` is what `noise` returned, or a sum of such. ``memory`` is the last picture, moved to
        where it belongs now, and ``validity``, f32 (H / 4, W / 4), 0..1, how far it can be trusted.
        """

    def stream_batch(self) -> StreamBatch | None:
        """Return what takes one stream's frames through side by side; None where each is finished before the next."""


class StreamBatch(Protocol):
    """Frames of one stream on their way through a model side by side."""

    def denoise(
        self,
        source: Image,
        *,
        condition: NDArray[np.float32],
        noise: NDArray[np.float32],
        steps: int,
        memory: Image | None = None,
        validity: NDArray[np.float32] | None = None,
        steering: Steering = UNSTEERED,
        anew: bool = False,
    ) -> tuple[Image, int]:
        """Take a frame in as `Model.denoise` does; return the picture that is done, and how many frames ago its came.

        ``anew`` leaves behind what is on its way.
        """


@dataclass(frozen=True)
class ModelCard:
    """What clients are told of a model."""

    name: str
    description: str
    looks: tuple[tuple[str, str], ...] = ()
    planes: tuple[str, ...] = ()
    """The planes beside colour that it makes use of."""
    unused: tuple[str, ...] = ()
    """Parameters that it makes nothing of."""

    def describe(self) -> dict[str, Any]:
        """Return the card as the server's hello carries it (SPEC.md section 4.1)."""
        looks = [{"name": name, "help": help_} for name, help_ in self.looks]
        return {"name": self.name, "description": self.description, "looks": looks, "unused": list(self.unused)}

    def understand(self, prompt: str) -> dict[str, Any] | None:
        """Return what the model makes of a prompt (SPEC.md section 4.7), or None where it reads none."""
        if self.name != "lsd-mini":
            return None
        from mirage_runtime.models.lsd.prompts import understand

        understood = understand(prompt)
        return {
            "looks": dict(understood.looks),
            "modifiers": dict(understood.modifiers),
            "unknown_words": list(understood.unknown_words),
            "confidence": understood.confidence,
            "nearest": list(understood.nearest),
        }

    def understand_blend(self, prompts: Sequence[tuple[str, float]]) -> dict[str, Any] | None:
        """Return what the model makes of several prompts with shares that sum to 1, or None where it reads none."""
        parts = [(self.understand(text), share) for text, share in prompts]
        if len(parts) == 1:
            return parts[0][0]
        blend: dict[str, Any] = {}
        for understood, share in parts:
            for key, value in (understood or {}).items():
                if isinstance(value, dict):
                    total = blend.setdefault(key, {})
                    for name, amount in value.items():
                        total[name] = total.get(name, 0.0) + share * amount
                elif isinstance(value, list):
                    blend[key] = list(dict.fromkeys([*blend.get(key, []), *value]))
                else:
                    blend[key] = blend.get(key, 0.0) + share * value
        return blend or None


def card(config: ModelConfig) -> ModelCard:
    """Return the card of a model; imports no engine. Raises `MirageRuntimeError` that says what is wrong with it."""
    name = config.name
    if name == "echo":
        return ModelCard("echo", "gives each frame back untouched, to measure and test transports")
    if name == "lsd-mini":
        from mirage_runtime.models.lsd.meaning import describe
        from mirage_runtime.models.lsd.prompts import DESCRIPTIONS

        looks = tuple(DESCRIPTIONS.items())
        # Loads what reads prompts here, once, so that the first prompt of a stream does not wait for it.
        description = f"the embedded live-stream diffusion model, for CPUs; {describe()}"
        return ModelCard("lsd-mini", description, looks, ("depth", "ids", "motion"), AWAY_FROM_A_PROMPT)
    if is_path(name):
        from mirage_runtime.models.diffusion.files import look_at

        unused = AWAY_FROM_A_PROMPT if config.diffusion.cfg_type == "off" else ()
        return replace(look_at(config).card(), unused=unused)
    nearest = difflib.get_close_matches(name, MODEL_NAMES, n=1)
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"there are {', '.join(MODEL_NAMES)}, and paths of models"
    raise MirageRuntimeError(f"there is no model '{name}': {hint}")


def located(config: ModelConfig) -> ModelConfig:
    """Return the configuration with the paths of what is named by the hub's names, which is fetched if need be.

    Raises `MirageRuntimeError` where it is not to be had.
    """
    if not is_path(config.name):
        return config
    from mirage_runtime.models.diffusion import files

    return files.located(config)


def is_path(name: str) -> bool:
    """Whether a model's name is a place, on this machine or in the hub."""
    return name not in MODEL_NAMES and ("/" in name or "\\" in name or Path(name).exists())


def load(config: ModelConfig) -> Transform:
    """Load a model, its engine, and the pipeline around it. Raises `MirageRuntimeError`."""
    card(config)
    if config.name == "echo":
        from mirage_runtime.models.echo import Echo

        return Echo()
    from mirage_runtime.pipeline import Pipeline

    if is_path(config.name):
        from mirage_runtime.models.diffusion import open_model

        return Pipeline(open_model(config), max_pixels=config.pixels, still=config.diffusion.still)
    from mirage_runtime.models.lsd import LsdMini

    model = LsdMini(engine=config.engine, threads=config.threads, cache_dir=cache_dir())
    return Pipeline(model, max_pixels=config.pixels)


MODEL_NAMES = ("lsd-mini", "echo")
AWAY_FROM_A_PROMPT = ("negative_prompt", "guidance")
"""What only models of Stable Diffusion's family follow."""
ENGINE_NAMES = ("auto", "openvino", "torch", "tensorrt")
