"""The embedded model at run time: few-step diffusion from a frame, its noise and a condition to a picture.

Sampling is multistep consistency sampling (Song et al. 2023, arXiv:2303.01469, algorithm 1): the network predicts the
finished picture from time 1, that estimate is noised again to the next smaller time with the same ``epsilon``, and the
network is asked again. All arithmetic on pixels happens inside the graph: this module only hands bytes over.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirage_kernels import noise
from mirage_runtime.engines import Engine, EngineError
from mirage_runtime.models.lsd import layout
from mirage_runtime.models.lsd.prompts import understand

WEIGHTS = Path(__file__).parent / "weights" / "lsd-mini.onnx"

MAX_STEPS = 4

Picture = npt.NDArray[np.uint8]


class LsdMini:
    """The ``lsd-mini`` model, ready to transform frames. Not for several threads at once."""

    name = "lsd-mini"
    multiple = 16
    """Frames' height and width must be multiples of this."""
    smallest = 32
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

        ``engine`` is ``auto``, ``openvino`` or ``onnxruntime`` (for comparison). ``threads`` and ``cache_dir`` are the
        engine's. Raises :class:`EngineError` if the engine or the weights cannot be loaded, ``ValueError`` for an
        unknown engine.
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
        """Turn a prompt into the network's condition: f32 ``(13,)``, looks and modifiers.

        Diffusion time and step size are not in it: ``denoise`` appends them. Blend two conditions linearly to blend
        their looks.
        """
        understood = understand(prompt)
        return condition(understood.looks, understood.modifiers)

    def denoise(
        self,
        source: Picture,
        *,
        condition: npt.NDArray[np.float32],
        seed: int = 0,
        steps: int = 1,
        memory: Picture | None = None,
        validity: Picture | None = None,
    ) -> Picture:
        """Transform one frame: u8 ``(height, width, 3)`` to the same, C-contiguous and the caller's own.

        ``condition`` is f32 ``(13,)`` from :meth:`condition`. ``seed`` decides the generated texture, ``steps`` (1..4)
        how often the network looks. ``memory`` u8 ``(height, width, 3)`` and ``validity`` u8 ``(height, width)`` or
        ``(height, width, 1)`` are taken for later versions; these weights were trained without them and ignore them.
        Same arguments, same bits (on one machine, with one thread count). Raises ``ValueError`` for arguments of other
        shapes or ranges.
        """
        height, width = self._check_frame(source)
        if not 1 <= steps <= MAX_STEPS:
            raise ValueError(f"steps must be 1 to {MAX_STEPS}, not {steps}")
        if condition.shape != (layout.TIME,):
            raise ValueError(f"condition must have shape ({layout.TIME},), not {condition.shape}")
        inputs = {"source": source[None], "epsilon": _epsilon(seed, height, width)[None]}
        inputs |= _remembered(memory, validity, (height, width))
        fields: dict[str, npt.NDArray[np.float32]] = {"noise": _pyramid(seed, height, width)[None]}
        estimate = source  # at time 1 the estimate has no weight
        for step in range(steps):
            moment = np.array([(steps - step) / steps, 1 / steps], np.float32)
            fields["condition"] = np.concatenate([condition, moment])[None].astype(np.float32)
            estimate = self._engine.run((height, width), inputs | fields | {"estimate": estimate[None]})
        return estimate

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
    """Lay out weights of looks (scaled to add up to 1; none means ``photo``) and modifiers (clipped): f32 ``(13,)``.

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
    raise ValueError(f"engine must be auto, openvino or onnxruntime, not {name!r}")


def _remembered(memory: Picture | None, validity: Picture | None, size: tuple[int, int]) -> dict[str, Picture]:
    """The inputs that a memory adds; none without one. Raises ``ValueError`` for other shapes."""
    if memory is None or validity is None:
        return {}
    if memory.shape != (*size, 3) or validity.shape not in ((*size, 1), size):
        raise ValueError(f"memory {memory.shape} and validity {validity.shape} do not fit a frame of {size}")
    return {"memory": memory[None], "validity": validity.reshape(1, *size, 1)}


@lru_cache(maxsize=8)
def _epsilon(seed: int, height: int, width: int) -> npt.NDArray[np.int8]:
    return noise.pixel_epsilon(seed, height, width)


@lru_cache(maxsize=8)
def _pyramid(seed: int, height: int, width: int) -> npt.NDArray[np.float32]:
    return noise.enlarge_pyramid(noise.noise_pyramid(seed, height, width), height, width)


__all__ = ["MAX_STEPS", "WEIGHTS", "EngineError", "LsdMini", "condition"]
