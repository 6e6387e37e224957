"""Stable Diffusion, image to image, in a few steps: what a frame goes through, whatever computes the networks.

The source's latent is put at a timestep that the strength chooses (SDEdit, Meng et al. 2022, arXiv:2108.01073) and
denoised from there in 1 to 4 steps. Where something is remembered the source is mixed with it first, so that what was
generated stays where it is seen again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage_kernels import noise as kernels
from mirage_runtime.engines import Array, Engine, Size, on_host
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import UNSTEERED, Image, Steering
from mirage_runtime.models.diffusion import schedule as sampling
from mirage_runtime.models.diffusion.schedule import Schedule

Floats = NDArray[np.float32]
GUIDANCES: Final = ("full", "residual", "off")

FULL_START: Final = 0.7
"""Share of the noise's way that strength 1 puts a source at: farther, hardly anything of it is left."""
_KEPT: Final = 0.5
"""How much of a place that is remembered in full comes from memory."""


class Conditions(Protocol):
    """What turns prompts into the inputs of `Engines.predict`."""

    def __call__(self, prompt: str) -> Floats:
        """Return a prompt's condition, a flat vector."""

    def split(self, condition: Floats, size: Size) -> dict[str, Floats]:
        """Return a condition as inputs by name, for pictures of (height, width)."""


@dataclass(frozen=True)
class Engines:
    """What computes the three networks; see `networks` for their inputs. Arrays stay where the engine has them."""

    encode: Engine
    predict: Engine
    decode: Engine

    @property
    def description(self) -> str:
        """What computes, on what, in one line."""
        return self.predict.description


class StableDiffusion:
    """A model of Stable Diffusion's family as the pipeline uses it. Not for several threads at once."""

    multiple = 64
    """Frames' height and width at the model must be multiples of this: three halvings of latents of 8 pixels."""
    smallest = 64
    takes_strength = True

    def __init__(
        self,
        schedule: Schedule,
        engines: Engines,
        text: Conditions,
        *,
        name: str,
        guidance: str = "residual",
        limits: tuple[Size, Size] | None = None,
    ) -> None:
        """Put a model together.

        ``guidance``: how a frame's guidance scale is followed where it is not 1. ``limits``: the smallest and largest
        (height, width) that its engines take.
        """
        if guidance not in GUIDANCES:
            raise MirageRuntimeError(f"there is no guidance '{guidance}': there are {', '.join(GUIDANCES)}")
        self.name = name
        self._schedule = schedule
        self._engines = engines
        self._text = text
        self._guidance = guidance
        self.limits = limits
        self._known = lru_cache(maxsize=16)(text)

    @property
    def description(self) -> str:
        """The model's sampler and what computes it."""
        return f"{self.name} ({self._schedule.kind}), {self._engines.description}"

    def prepare(self, height: int, width: int) -> None:
        """Do all slow work for one size: every network runs once."""
        for engine in (self._engines.encode, self._engines.predict, self._engines.decode):
            engine.prepare((height, width))

    def condition(self, prompt: str) -> Floats:
        """Return the prompt as a flat vector; vectors of two prompts may be blended."""
        return self._text(prompt)

    def noise(self, seed: int, places: Floats, stretch: Floats | None) -> Floats:
        """Return the noise of a seed: f32 ``(4, H / 8, W / 8)``, white, at places as `kernels.surface_noise` has them.

        ``places`` and ``stretch`` are of every 4th pixel, as `kernels.screen`.
        """
        # The finest level, enlarged so that a cell is as wide as a latent: neighbours are independent.
        spots = (places[::2, ::2] + 2.0) * np.float32(kernels.LEVELS[0] / 8)
        scales = None if stretch is None else stretch[::2, ::2]
        pairs = [kernels.surface_noise(each, spots, scales)[: kernels.FIELDS] for each in (seed, seed + (1 << 31))]
        return np.concatenate(pairs)

    def denoise(
        self,
        source: Image,
        *,
        condition: Floats,
        noise: Floats,
        steps: int = 1,
        memory: Image | None = None,
        validity: Floats | None = None,
        steering: Steering = UNSTEERED,
    ) -> Image:
        """Return the picture that the model makes of ``source``; see `mirage_runtime.models.Model`."""
        height, width = size = source.shape[:2]
        if height % self.multiple or width % self.multiple:
            raise ValueError(f"height and width must be multiples of {self.multiple}, not {height} and {width}")
        latent = self._engines.encode.run(size, {"picture": mixed(source, memory, validity)[None]})
        fresh = _Noises(noise[None], like=latent)
        clean = self._sampled(size, latent, fresh, condition, steps, steering)
        picture = self._engines.decode.run(size, {"latent": clean})
        return np.ascontiguousarray(on_host(picture)[0])

    def _sampled(
        self,
        size: tuple[int, int],
        source: Array,
        fresh: _Noises,
        condition: Floats,
        steps: int,
        steering: Steering,
    ) -> Array:
        """Denoise from where the strength puts the source."""
        schedule = self._schedule
        timesteps = schedule.timesteps(steps, max(0.01, steering.strength * FULL_START))
        latent = sampling.noised(schedule, source, fresh(0), timesteps[0])
        clean = latent
        for number, (timestep, to) in enumerate(sampling.pairs(timesteps), 1):
            predicted = self._predicted(size, latent, timestep, condition)
            if steering.guidance != 1.0 and self._guidance != "off":
                against = self._against(size, latent, source, timestep, steering)
                predicted = sampling.guided(predicted, against, steering.guidance)
            clean = sampling.denoised(schedule, latent, predicted, timestep)
            latent = sampling.stepped(schedule, latent, clean, fresh(number), timestep, to)
        return clean

    def _against(self, size: tuple[int, int], latent: Array, source: Array, timestep: int, steering: Steering) -> Array:
        """Return the prediction that guidance leads away from."""
        if self._guidance == "full" or steering.negative:
            return self._predicted(size, latent, timestep, self._known(steering.negative))
        return sampling.residual_noise(self._schedule, latent, source, timestep)

    def _predicted(self, size: tuple[int, int], latent: Array, timestep: int, condition: Floats) -> Array:
        inputs: Mapping[str, Any] = {"latent": latent, "timestep": np.array([timestep], np.int64)}
        return self._engines.predict.run(size, {**inputs, **self._text.split(condition, size)})


class _Noises:
    """Noise for each step: the first is the frame's own, later ones the same turned about, and independent of it."""

    def __init__(self, noise: Floats, like: Array) -> None:
        self._noise = noise
        self._like = like

    def __call__(self, step: int) -> Array:
        # Rolled by a third of the picture for each step: as white as the first, and as still from frame to frame.
        moved = np.roll(self._noise, (step, -step), (2, 3)) if step else self._noise
        flipped = moved if step % 2 == 0 else -moved[:, ::-1]
        return _beside(np.ascontiguousarray(flipped), self._like)


def mixed(source: Image, memory: Image | None, validity: Floats | None) -> Image:
    """Return the source, mixed with what is remembered where that can be trusted."""
    if memory is None or validity is None:
        return source
    height, width = source.shape[:2]
    weight = cv2.resize(validity, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(_KEPT)
    blended: Image = cv2.blendLinear(memory, source, weight, 1 - weight)
    return blended


def _beside(array: Floats, like: Array) -> Array:
    """Return an array where another one is, as numbers of the same kind."""
    if isinstance(like, np.ndarray):
        return array.astype(like.dtype, copy=False)
    return like.new_tensor(array)
