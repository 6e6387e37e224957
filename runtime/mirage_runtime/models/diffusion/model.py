"""Stable Diffusion, image to image, in a few steps: what a frame goes through, whatever computes the networks.

The source's latent is put at a timestep that the strength chooses (SDEdit, Meng et al. 2022, arXiv:2108.01073) and
denoised from there in 1 to 4 steps. Where something is remembered the source is mixed with it first, so that what was
generated stays where it is seen again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage_kernels import noise as kernels
from mirage_runtime.engines import Array, Engine, Size, on_host
from mirage_runtime.models import UNSTEERED, Image, Steering
from mirage_runtime.models.diffusion import schedule as sampling
from mirage_runtime.models.diffusion.schedule import Schedule

Floats = NDArray[np.float32]

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
    batch: int = 1
    """The most latents that `predict` takes at once."""

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
        cfg_type: str = "residual",
        limits: tuple[Size, Size] | None = None,
        batches: bool = False,
    ) -> None:
        """Put a model together.

        ``cfg_type``: how a frame's guidance scale is followed where it is not 1. ``limits``: the smallest and largest
        (height, width) that its engines take. ``batches``: whether `stream_batch` is to be had.
        """
        self.name = name
        self._schedule = schedule
        self.engines = engines
        self._text = text
        self._cfg_type = cfg_type
        self.limits = limits
        self._batches = batches
        self._known = lru_cache(maxsize=16)(text)

    @property
    def description(self) -> str:
        """The model's sampler and what computes it."""
        return f"{self.name} ({self._schedule.kind}), {self.engines.description}"

    def prepare(self, height: int, width: int) -> None:
        """Do all slow work for one size: every network runs once, and where frames are batched once for each number."""
        for engine in (self.engines.encode, self.engines.predict, self.engines.decode):
            engine.prepare((height, width))
        for count in range(2, self.engines.batch + 1 if self._batches else 0):
            self.engines.predict.prepare((height, width), count)

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
        flight = self.begin(mixed(source, memory, validity), noise, steps, steering.strength)
        while not flight.landed:
            self.advance([flight], condition, steering)
        return self.finish(flight)

    def stream_batch(self) -> StreamBatch | None:
        """Return what takes one stream's frames through side by side; None where each is finished before the next."""
        return StreamBatch(self) if self._batches and self.engines.batch > 1 else None

    def begin(self, source: Image, noise: Floats, steps: int, strength: float) -> Flight:
        """Put a picture at the timestep that the strength chooses, ``steps`` before its end."""
        height, width = size = source.shape[:2]
        if height % self.multiple or width % self.multiple:
            raise ValueError(f"height and width must be multiples of {self.multiple}, not {height} and {width}")
        timesteps = self._schedule.timesteps(steps, max(0.01, strength * FULL_START))
        latent = self.engines.encode.run(size, {"picture": source[None]})
        fresh = _Noises(noise[None], like=latent)
        noisy = sampling.noised(self._schedule, latent, fresh(0), timesteps[0])
        return Flight(size, latent, fresh, timesteps, noisy, latent)

    def advance(self, flights: Sequence[Flight], condition: Floats, steering: Steering) -> None:
        """Take pictures of one size a step on, each from where it is, in as few runs of the network as there can be."""
        most = max(1, self.engines.batch)
        for begin in range(0, len(flights), most):
            self._advance(flights[begin : begin + most], condition, steering)

    def finish(self, flight: Flight) -> Image:
        """Return the picture that a clean latent is."""
        picture = self.engines.decode.run(flight.size, {"latent": flight.clean})
        return np.ascontiguousarray(on_host(picture)[0])

    def _advance(self, flights: Sequence[Flight], condition: Floats, steering: Steering) -> None:
        schedule = self._schedule
        predictions = self._predicted(flights, condition)
        guides = steering.guidance != 1.0 and self._cfg_type != "off"
        against = self._against(flights, steering) if guides else predictions
        for flight, predicted, other in zip(flights, predictions, against, strict=True):
            led = sampling.guided(predicted, other, steering.guidance) if guides else predicted
            timestep, to = flight.timestep, flight.next_timestep
            flight.clean = sampling.denoised(schedule, flight.latent, led, timestep)
            flight.step += 1
            fresh = flight.fresh(flight.step) if to >= 0 else flight.clean
            flight.latent = sampling.stepped(schedule, flight.latent, flight.clean, fresh, timestep, to)

    def _against(self, flights: Sequence[Flight], steering: Steering) -> list[Array]:
        """Return the predictions that guidance leads away from."""
        if self._cfg_type == "full" or steering.negative:
            return self._predicted(flights, self._known(steering.negative))
        return [
            sampling.residual_prediction(self._schedule, each.latent, each.source, each.timestep) for each in flights
        ]

    def _predicted(self, flights: Sequence[Flight], condition: Floats) -> list[Array]:
        size, count = flights[0].size, len(flights)
        texts = self._text.split(condition, size)
        inputs: Mapping[str, Any] = {
            "latent": joined([flight.latent for flight in flights]),
            "timestep": np.array([flight.timestep for flight in flights], np.int64),
            **{name: np.repeat(value, count, axis=0) if count > 1 else value for name, value in texts.items()},
        }
        found = self.engines.predict.run(size, inputs)
        return [found[number : number + 1] for number in range(count)]


@dataclass
class Flight:
    """A frame on its way from noise to a picture."""

    size: Size
    source: Array
    """Its latent, untouched."""
    fresh: _Noises
    timesteps: tuple[int, ...]
    latent: Array
    """As noisy as the step that it is at."""
    clean: Array
    """What it will become, as far as can be told by now."""
    step: int = 0
    age: int = 0
    """Frames that came after it."""

    @property
    def landed(self) -> bool:
        """Whether no step is left."""
        return self.step >= len(self.timesteps)

    @property
    def timestep(self) -> int:
        """That of the step to come."""
        return self.timesteps[self.step]

    @property
    def next_timestep(self) -> int:
        """That of the step after it; -1 for the end."""
        return self.timesteps[self.step + 1] if self.step + 1 < len(self.timesteps) else -1


class StreamBatch:
    """Frames of one stream on their way side by side, each a step behind the last: one run of the network a frame.

    The picture of a frame of n steps comes n - 1 frames later (StreamDiffusion's stream batch, Kodaira et al. 2023,
    arXiv:2312.12491, section 3.1). Not for several threads at once.
    """

    def __init__(self, model: StableDiffusion) -> None:
        self._model = model
        self._flights: list[Flight] = []
        """Newest first: one at each step but the first."""

    def denoise(
        self,
        source: Image,
        *,
        condition: Floats,
        noise: Floats,
        steps: int,
        memory: Image | None = None,
        validity: Floats | None = None,
        steering: Steering = UNSTEERED,
        anew: bool = False,
    ) -> tuple[Image, int]:
        """Take a frame in and return the picture of the one that is done, and how many frames ago that came.

        ``anew``, another size and another number of steps leave behind what is on its way: the frame is taken through
        all of its steps at once, and its picture is there at once. The frames after it are behind it as it grows old.
        For the rest see `StableDiffusion.denoise`.
        """
        flight = self._model.begin(mixed(source, memory, validity), noise, steps, steering.strength)
        if anew or len(self._flights) != steps - 1 or any(each.size != flight.size for each in self._flights):
            return self._started(flight, condition, steering), 0
        column = [flight, *self._flights]
        for each in self._flights:
            each.age += 1
        self._model.advance(column, condition, steering)
        *self._flights, done = column
        return self._model.finish(done), done.age

    def _started(self, flight: Flight, condition: Floats, steering: Steering) -> Image:
        self._flights = []
        while not flight.landed:
            self._model.advance([flight], condition, steering)
            if not flight.landed:
                self._flights.append(replace(flight))
        return self._model.finish(flight)


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


def joined(arrays: Sequence[Array]) -> Array:
    """Return latents as one batch, where they are."""
    if len(arrays) == 1:
        return arrays[0]
    if isinstance(arrays[0], np.ndarray):
        return np.concatenate(arrays)
    batch = arrays[0].new_empty((len(arrays), *arrays[0].shape[1:]))
    for number, array in enumerate(arrays):
        batch[number : number + 1] = array
    return batch


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
