"""The embedded model at run time: few-step diffusion from a frame, its noise and a condition to a picture.

Sampling follows the straight line from noise to the picture in steps of equal length (Euler's method; flow matching,
Lipman et al. 2023, arXiv:2210.02747). The network predicts the finished picture from where it is and is told how long
the step is (shortcut models, Frans et al. 2024, arXiv:2410.12557); the step's end is a blend of the last estimate and
the prediction, since the noise on the line stays the same. The noising itself happens inside the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mirage_kernels import noise as kernels
from mirage_runtime.engines import Engine, EngineError, on_host
from mirage_runtime.models import UNSTEERED, Steering
from mirage_runtime.models.lsd import layout
from mirage_runtime.models.lsd.prompts import understand

WEIGHTS = Path(__file__).parent / "weights" / "lsd-mini.onnx"

MAX_STEPS = 32
"""Steps that the network was trained for; live streams use 1 to 4."""

Picture = npt.NDArray[np.uint8]


class LsdMini:
    """The ``lsd-mini`` model, ready to transform frames. Not for several threads at once."""

    name = "lsd-mini"
    multiple = 16
    """Frames' height and width must be multiples of this."""
    smallest = 32
    takes_strength = False
    limits: tuple[tuple[int, int], tuple[int, int]] | None = None
    """Frames' height and width must be this at least."""

    def __init__(
        self,
        *,
        threads: int | None = None,
        cache_dir: Path | None = None,
        engine: str = "auto",
        weights: Path = WEIGHTS,
    ) -> None:
        """Load the weights; compile nothing yet.

        ``engine`` is ``auto``, ``openvino``, ``torch``, ``tensorrt`` (compiled before) or ``onnxruntime`` (for
        comparison). ``threads`` and ``cache_dir`` are the engine's. Raises :class:`EngineError` if the engine or the
        weights cannot be loaded, ``ValueError`` for an unknown engine.
        """
        self._engine = _make_engine(engine, weights, threads, cache_dir)
        self.description = self._engine.description

    def prepare(self, height: int, width: int) -> None:
        """Compile for one size and run once, so that the first frame is as fast as the others.

        Raises ``ValueError`` for a size that is no multiple of 16 and :class:`EngineError` if it cannot be compiled.
        """
        self._check_size(height, width)
        self._engine.prepare((height, width))

    def condition(self, prompt: str) -> npt.NDArray[np.float32]:
        """Turn a prompt into the network's condition: f32 ``(22,)``, looks and modifiers.

        Diffusion time and step size are not in it: ``denoise`` appends them. Blend two conditions linearly to blend
        their looks.
        """
        understood = understand(prompt)
        return condition(understood.looks, understood.modifiers)

    def stream_batch(self) -> None:
        """Return None: each frame is finished before the next."""

    def noise(
        self, seed: int, places: npt.NDArray[np.float32], stretch: npt.NDArray[np.float32] | None
    ) -> npt.NDArray[np.float32]:
        """Return a seed's surface noise: f32 ``(8, h, w)`` at places as `mirage_kernels.noise.screen` has them."""
        return kernels.surface_noise(seed, places, stretch)

    def denoise(
        self,
        source: Picture,
        *,
        condition: npt.NDArray[np.float32],
        noise: npt.NDArray[np.float32] | None = None,
        seed: int = 0,
        steps: int = 1,
        memory: Picture | None = None,
        validity: npt.NDArray[np.float32] | None = None,
        steering: Steering = UNSTEERED,
    ) -> Picture:
        """Transform one frame: u8 ``(height, width, 3)`` to the same, C-contiguous and the caller's own.

        ``condition`` is f32 ``(22,)`` from :meth:`condition`. ``noise``, f32 ``(8, height / 4, width / 4)``, decides
        the generated texture; without it, it is ``seed``'s on a screen that does not move. ``steps`` (1..32) is how
        often the network looks. ``memory`` u8 ``(height, width, 3)`` is the last result moved to where it belongs now,
        ``validity`` f32 ``(height / 4, width / 4)``, 0..1, how far it can be trusted. Same arguments, same bits (on one
        machine, with one thread count). ``steering`` has no effect here.

        Raises ``ValueError`` for arguments of other shapes or ranges.
        """
        height, width = self._check_frame(source)
        if not 1 <= steps <= MAX_STEPS:
            raise ValueError(f"steps must be 1 to {MAX_STEPS}, not {steps}")
        if condition.shape != (layout.TIME,):
            raise ValueError(f"condition must have shape ({layout.TIME},), not {condition.shape}")
        if noise is None:
            noise = screen_noise(seed, height, width)
        grid = (height // kernels.GRID, width // kernels.GRID)
        if noise.shape != (kernels.CHANNELS, *grid):
            raise ValueError(f"noise must have shape ({kernels.CHANNELS}, {grid[0]}, {grid[1]}), not {noise.shape}")
        inputs: dict[str, npt.NDArray[Any]] = {
            "source": source[None],
            "epsilon": _epsilon(height, width)[None],
            "noise": noise[None],
        }
        inputs |= _remembered(memory, validity, (height, width))
        estimate = source  # at time 1 the estimate has no weight
        for step in range(steps):
            time, length = (steps - step) / steps, 1 / steps
            moment = np.array([time, length], np.float32)
            inputs["condition"] = np.concatenate([condition, moment])[None].astype(np.float32)
            predicted = on_host(self._engine.run((height, width), inputs | {"estimate": estimate[None]}))[0]
            kept = (1 - length / time) * (1 - time) / (1 - time + length)
            estimate = predicted if kept == 0 else cv2.addWeighted(estimate, kept, predicted, 1 - kept, 0)
        return np.asarray(estimate, np.uint8)

    def _check_frame(self, source: Picture) -> tuple[int, int]:
        if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8:
            raise ValueError(f"source must be u8 (height, width, 3), not {source.dtype} {source.shape}")
        self._check_size(source.shape[0], source.shape[1])
        return source.shape[0], source.shape[1]

    def _check_size(self, height: int, width: int) -> None:
        if min(height, width) < self.smallest or height % self.multiple or width % self.multiple:
            allowed = f"multiples of {self.multiple}, at least {self.smallest}"
            raise ValueError(f"height and width must be {allowed}: not {height} and {width}")


def condition(looks: Mapping[str, float], modifiers: Mapping[str, float]) -> npt.NDArray[np.float32]:
    """Lay out weights of looks (scaled to add up to 1; none means ``photo``) and modifiers (clipped): f32 ``(22,)``.

    Raises ``ValueError`` for a name that is not in ``layout``.
    """
    unknown = (set(looks) - set(layout.LOOK_NAMES)) | (set(modifiers) - set(layout.MODIFIER_NAMES))
    if unknown:
        raise ValueError(f"unknown looks or modifiers: {', '.join(sorted(unknown))}")
    result = np.zeros(layout.TIME, np.float32)
    for name, weight in looks.items():
        result[layout.LOOK_NAMES.index(name)] = max(0.0, weight)
    total = result.sum()
    if total > 0:
        result /= total
    else:
        result[0] = 1.0
    for index, name in enumerate(layout.MODIFIER_NAMES):
        low = -1.0 if name in ("temperature", "brightness") else 0.0
        result[layout.LOOKS + index] = np.clip(modifiers.get(name, 0.0), low, 1.0)
    return result


def _make_engine(name: str, weights: Path, threads: int | None, cache_dir: Path | None) -> Engine:
    if name in ("auto", "openvino"):
        from mirage_runtime.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(weights, threads=threads, cache_dir=cache_dir)
    if name == "onnxruntime":
        from mirage_runtime.engines.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(weights, threads=threads)
    if name in ("torch", "tensorrt"):
        try:
            from mirage_runtime.models.lsd import computed
        except ImportError as error:
            raise EngineError(
                f"{name} needs more packages ({error.name}): pip install 'mirage-lsd[diffusion]'"
            ) from None
        return computed.with_torch(weights) if name == "torch" else computed.with_tensorrt(weights)
    raise ValueError(f"engine must be auto, openvino, torch, tensorrt or onnxruntime, not {name!r}")


def _remembered(
    memory: Picture | None, validity: npt.NDArray[np.float32] | None, size: tuple[int, int]
) -> dict[str, npt.NDArray[Any]]:
    """The inputs that a memory adds; none without one. Raises ``ValueError`` for other shapes."""
    if memory is None or validity is None:
        return {}
    grid = (size[0] // kernels.GRID, size[1] // kernels.GRID)
    if memory.shape != (*size, 3) or validity.shape != grid:
        raise ValueError(f"memory {memory.shape} and validity {validity.shape} do not fit a frame of {size}")
    return {"memory": memory[None], "validity": validity[None, None].astype(np.float32, copy=False)}


@lru_cache(maxsize=8)
def _epsilon(height: int, width: int) -> npt.NDArray[np.int8]:
    """One pixel noise for all: what a seed decides is the surface noise, which can travel to another seed's."""
    return kernels.pixel_epsilon(0, height, width)


@lru_cache(maxsize=8)
def screen_noise(seed: int, height: int, width: int) -> npt.NDArray[np.float32]:
    """The surface noise of a screen that does not move: f32 ``(8, height / 4, width / 4)``."""
    return kernels.surface_noise(seed, kernels.screen(height, width))


__all__ = ["MAX_STEPS", "WEIGHTS", "EngineError", "LsdMini", "condition", "screen_noise"]
