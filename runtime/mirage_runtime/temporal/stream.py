"""The temporal stage of one stream: from a frame and its context to noise, memory and validity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mirage_kernels import noise
from mirage_runtime.models import Camera, Context, Image, Settings
from mirage_runtime.temporal import fields
from mirage_runtime.temporal.beside import undivided
from mirage_runtime.temporal.memory import Evidence, Memory

Floats = NDArray[np.float32]

_JUMP = 0.5  # of a condition's or a seed's change from frame to frame: more is no transition but another look

NoiseOf = Callable[[int, Floats, Floats | None], Floats]
"""A model's noise of a seed at places and their stretch."""


@dataclass(frozen=True)
class Embedding:
    """What the diffusion is given beside the frame and the condition."""

    noise: Floats
    """As the model's `noise` makes it."""
    memory: Image | None = None
    """The last picture, moved to where it belongs now."""
    validity: Floats | None = None
    """How far it can be trusted, 0..1: f32 ``(height / 4, width / 4)``."""
    share: float = 0.0
    """How much of the frame is remembered, 0..1: the mean of ``validity``."""
    reset: bool = False
    """Whether a cut began the memory anew."""


class TemporalStream:
    """Everything that is carried from one frame of a stream to the next. Not for several threads at once."""

    def __init__(self, noise_of: NoiseOf = noise.surface_noise) -> None:
        self._noise_of = noise_of
        self._memory = Memory()
        self._id: int | None = None
        self._size: tuple[int, int] | None = None
        self._camera: Camera | None = None
        self._condition: Floats | None = None
        self._seeds: dict[int, float] = {}

    def embed(
        self, source: Image, original: tuple[int, int], context: Context, condition: Floats, settings: Settings
    ) -> Embedding:
        """Recall what is known of a frame, u8 ``(height, width, 3)`` at the model's size.

        ``original`` is the (height, width) of the frame as it came, which its planes belong to. With ``coherence`` 0
        nothing is remembered and the noise is fixed to the screen. Where condition or seed jump, the appearance of the
        memory is discarded and its motion kept.
        """
        height, width = source.shape[:2]
        jumped = self._jumped(condition, settings)
        if settings.coherence == 0.0:
            self.forget()
            return still(settings.seeds, height, width, self._noise_of)
        if jumped:
            self._memory.forget_appearance()
        with undivided():
            evidence = self._evidence(context, (height, width), original)
            recalled = self._memory.recall(source, evidence)
            self._id, self._size, self._camera = context.id, original, context.camera
            fields = seeded(settings.seeds, recalled.places, recalled.stretch, self._noise_of)
            memory = recalled.memory
        if memory is None:
            return Embedding(fields, reset=recalled.reset)
        validity = recalled.validity * np.float32(settings.coherence)
        return Embedding(fields, memory, validity, min(1.0, float(validity.mean())))

    def keep(self, picture: Image, lag: int = 0) -> None:
        """Remember what was made of the frame, or of the one ``lag`` frames before; the picture is not copied."""
        if self._id is not None:
            self._memory.keep(picture, lag)

    def forget_appearance(self) -> None:
        """Forget the last picture; where things are is still known."""
        self._memory.forget_appearance()

    def forget(self) -> None:
        """Forget everything."""
        self._memory.forget()
        self._id = None

    def _jumped(self, condition: Floats, settings: Settings) -> bool:
        seeds = dict(settings.seeds)
        likeness = sum(amplitude * self._seeds.get(seed, 0.0) for seed, amplitude in seeds.items())
        before, self._condition, self._seeds = self._condition, condition, seeds
        return before is None or _change(before, condition) > _JUMP or likeness < 1 - _JUMP

    def _evidence(self, context: Context, size: tuple[int, int], original: tuple[int, int]) -> Evidence:
        """The engine's planes at the noise grid's resolution; motion only where it leads to the remembered frame."""
        grid = (size[0] // noise.GRID, size[1] // noise.GRID)
        depth = None
        if context.depth is not None:
            depth = _sampled(context.depth, grid).astype(np.float32)
            depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))
        if self._id is None or self._size != original:
            return Evidence(None, depth)
        field = self._led_back(context, grid, size, original)
        if field is None and depth is not None and depth.any():
            field = self._camera_motion(context.camera, depth, size)
        return Evidence(field, depth)

    def _led_back(
        self, context: Context, grid: tuple[int, int], size: tuple[int, int], original: tuple[int, int]
    ) -> Floats | None:
        """The motion planes composed until they lead to the remembered frame; None where they do not."""
        scale = np.array([size[1] / original[1], size[0] / original[0]], np.float32)
        frame, total = context.id, None
        for plane in context.motion:
            if plane.frame != frame or plane.source >= frame:
                return None
            pixels = _sampled(plane.pixels, grid).astype(np.float32) * scale
            total = pixels if total is None else fields.composed(total, pixels)
            frame = plane.source
            if frame == self._id:
                return total
        return None

    def _camera_motion(self, camera: Camera | None, depth: Floats, size: tuple[int, int]) -> Floats | None:
        if camera is None or self._camera is None:
            return None
        try:
            return fields.from_camera(depth, (camera.view, camera.projection), _pair(self._camera), size)
        except ValueError:
            return None  # a camera that makes no sense is as good as none


def _change(before: Floats, now: Floats) -> float:
    """How far a condition has moved, beside how large it is."""
    return float(np.abs(now - before).sum() / max(1e-6, np.abs(now).sum(), np.abs(before).sum()))


def _pair(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return camera.view, camera.projection


def seeded(
    seeds: tuple[tuple[int, float], ...],
    places: Floats,
    stretch: Floats | None,
    noise_of: NoiseOf = noise.surface_noise,
) -> Floats:
    """Add the noises of seeds by their amplitudes."""
    (seed, amplitude), *others = seeds
    fields = noise_of(seed, places, stretch)
    if others:
        fields = fields * np.float32(amplitude)
        for seed, amplitude in others:
            fields += np.float32(amplitude) * noise_of(seed, places, stretch)
    return fields


@lru_cache(maxsize=8)
def still(
    seeds: tuple[tuple[int, float], ...], height: int, width: int, noise_of: NoiseOf = noise.surface_noise
) -> Embedding:
    """What a frame without memory is given: noise that is fixed to the screen."""
    fields = seeded(seeds, noise.screen(height, width), None, noise_of)
    fields.setflags(write=False)
    return Embedding(fields)


def _sampled(plane: NDArray[np.generic], grid: tuple[int, int]) -> NDArray[np.generic]:
    """The samples of a plane (H, W, ...) that lie nearest to the middles of a grid's cells."""
    rows, columns = (
        ((np.arange(n) + 0.5) * side / n).astype(np.intp) for n, side in zip(grid, plane.shape, strict=False)
    )
    return np.asarray(plane[rows[:, None], columns[None]])
