"""What to compute: the models by name, and what the daemon must know of one without loading it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mirage_runtime.config import ModelConfig, cache_dir
from mirage_runtime.errors import MirageRuntimeError

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Settings:
    """The parameters resolved for one frame: prompts with weights that sum to 1, and the rest of the table."""

    prompts: tuple[tuple[str, float], ...]
    strength: float = 1.0
    steps: int = 1
    seed: int = 0


class Transform(Protocol):
    """What a worker runs on each frame."""

    @property
    def description(self) -> str:
        """What computes, on what, in one line."""

    def prepare(self, height: int, width: int) -> None:
        """Get ready for frames of one size."""

    def __call__(self, frame: Image, settings: Settings, *, out: Image | None = None) -> tuple[Image, dict[str, float]]:
        """Return the transformed frame, in ``out`` where that is given, and each stage's milliseconds.

        ``frame`` is uint8 (H, W, 3) RGB or (H, W, 4) RGBA; the result has its shape, and its alpha.
        """


class Model(Protocol):
    """A model as the pipeline uses it.

    Pictures are uint8 (H, W, 3) RGB, C-contiguous, both sides multiples of ``multiple`` and at
    least ``smallest``.
    """

    multiple: int
    smallest: int

    @property
    def description(self) -> str:
        """The engine, its precision and its threads, in one line."""

    def prepare(self, height: int, width: int) -> None:
        """Compile for one size, so that the first frame of that size does not wait for it."""

    def condition(self, prompt: str) -> NDArray[np.float32]:
        """Return the prompt as the vector that steers the model; vectors of two prompts may be blended."""

    def denoise(self, source: Image, *, condition: NDArray[np.float32], seed: int, steps: int) -> Image:
        """Return the picture that the model makes of ``source`` in ``steps`` denoising steps."""


@dataclass(frozen=True)
class ModelCard:
    """What clients are told of a model."""

    name: str
    description: str
    looks: tuple[tuple[str, str], ...] = ()

    def describe(self) -> dict[str, Any]:
        """Return the card as the server's hello carries it (SPEC.md section 4.1)."""
        looks = [{"name": name, "help": help_} for name, help_ in self.looks]
        return {"name": self.name, "description": self.description, "looks": looks}

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
        }


def card(name: str) -> ModelCard:
    """Return the card of a model; imports no engine. Raises `MirageRuntimeError` naming the nearest."""
    if name == "echo":
        return ModelCard("echo", "gives each frame back untouched, to measure and test transports")
    if name == "lsd-mini":
        from mirage_runtime.models.lsd.prompts import DESCRIPTIONS

        looks = tuple(DESCRIPTIONS.items())
        return ModelCard("lsd-mini", "the embedded live-stream diffusion model, for CPUs", looks)
    nearest = difflib.get_close_matches(name, MODEL_NAMES, n=1)
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"there are {', '.join(MODEL_NAMES)}"
    raise MirageRuntimeError(f"there is no model '{name}': {hint}")


def load(config: ModelConfig) -> Transform:
    """Load a model, its engine, and the pipeline around it. Raises `MirageRuntimeError`."""
    card(config.name)
    if config.name == "echo":
        from mirage_runtime.models.echo import Echo

        return Echo()
    from mirage_runtime.models.lsd import LsdMini
    from mirage_runtime.pipeline import Pipeline

    model = LsdMini(engine=config.engine, threads=config.threads, cache_dir=cache_dir())
    return Pipeline(model, max_pixels=config.pixels)


MODEL_NAMES = ("lsd-mini", "echo")
ENGINE_NAMES = ("auto", "openvino")
