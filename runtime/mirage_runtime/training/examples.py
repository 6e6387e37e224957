"""What the network learns from: live streams of procedural video, and the teachers' answer to each frame.

Each place of a batch is a stream that lives on from step to step: its next frame, its memory of what **the network
itself** made of the last one, moved by the same code that runs in a show, and the teachers' picture from noise that is
carried along the surfaces. So the network meets its own past, errors and all, at the price of no extra step.

That past is disturbed as well (noise, blur, drifts of colour, a stale frame, a shift, none at all): what a network has
never had to mend it cannot mend, and a stream of hours collapses ("history augmentation", MirageLSD 2025; its source is
the exposure bias that Bengio et al. 2015 describe). Each frame has its own noise level, whatever its past's (diffusion
forcing, Chen et al. 2024, arXiv:2407.01392).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mirage_kernels import noise
from mirage_runtime.models.lsd import layout
from mirage_runtime.temporal.memory import Evidence, Memory
from mirage_runtime.training import looks
from mirage_runtime.training.filters import blur
from mirage_runtime.training.video import Clip, Shot

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_LOOK_SHARES = {
    "photo": 0.3,
    "ink": 0.7,
    "sketch": 0.7,
    "watercolour": 0.8,
    "neon": 0.8,
    "oil": 1.5,
    "glass": 2.6,
    "starry": 2.0,
    "circuit": 3.2,
    "space": 1.6,
    "marble": 1.6,
    "comic": 0.8,
    "thermal": 0.4,
    "film": 0.4,
}
"""How often each look is trained, relative to 1.2 for the others: harder ones more."""


@dataclass(frozen=True)
class Augmentation:
    """What the streams' past suffers in training; for ablations."""

    history: bool = True
    """Whether the memory is disturbed at all."""
    moved_noise: bool = True
    """Whether noise is carried along surfaces; else it is fixed to the screen."""


@dataclass(frozen=True)
class Example:
    """One frame of each stream of a batch."""

    inputs: tuple[Tensor, ...]
    """The network's seven inputs, in its order."""
    target: Tensor
    """The teachers' pictures, f32 (n, 3, h, w), 0..1."""
    error: Tensor
    """How the network's last output differed from its target, moved along the exact motion: f32 (n, 3, h, w)."""
    continued: Tensor
    """Where that is known, 0 or 1: f32 (n, 1, h, w)."""


class Streams:
    """The live streams of one part of a batch."""

    def __init__(
        self,
        pictures: Bytes,
        count: int,
        size: int,
        seed: int,
        device: torch.device,
        augmentation: Augmentation | None = None,
    ) -> None:
        """Begin ``count`` streams of ``size`` x ``size``; all that is random follows from ``seed``."""
        self._pictures = pictures
        self._size = size
        self._device = device
        self._augmentation = augmentation or Augmentation()
        self._random = np.random.default_rng(seed)
        self._slots = [self._stream() for _ in range(count)]
        # Streams of one age would all end at once.
        for slot in self._slots:
            slot.left = int(self._random.integers(1, slot.left + 1))

    @torch.no_grad()
    def next(self) -> Example:
        """The next frame of every stream."""
        random, size, device = self._random, self._size, self._device
        self._slots = [slot if slot.left > 0 else self._stream() for slot in self._slots]
        frames = [slot.advance(random, self._augmentation) for slot in self._slots]
        clean = torch.from_numpy(np.stack([frame.shot.clean for frame in frames])).to(device)
        fields = torch.from_numpy(np.stack([frame.noise for frame in frames])).to(device)
        condition = torch.from_numpy(np.stack([frame.condition for frame in frames])).to(device)
        picture = clean.permute(0, 3, 1, 2).float() / 255
        target = looks.teach(picture, fields, condition[:, : layout.LOOKS], condition[:, layout.MODIFIERS])
        slack = torch.from_numpy(random.random((len(frames), 1, 1, 1), np.float32) ** 2).to(device)
        rough = target + slack * (blur(target, 1.0) - target)
        estimate = (rough.permute(0, 2, 3, 1) * 255 + 0.5).to(torch.uint8)
        epsilon = random.standard_normal((len(frames), size, size, 3), np.float32) * noise.EPSILON_SCALE
        inputs = (
            np.stack([frame.shot.picture for frame in frames]),
            estimate,
            np.clip(np.rint(epsilon), -127, 127).astype(np.int8),
            np.stack([frame.memory for frame in frames]),
            np.stack([frame.validity for frame in frames])[:, None],
            fields,
            condition,
        )
        error = np.stack([frame.error for frame in frames]).transpose(0, 3, 1, 2)
        continued = np.stack([frame.continued for frame in frames])[:, None]
        self._target = target
        return Example(
            tuple((x if isinstance(x, Tensor) else torch.from_numpy(x)).to(device) for x in inputs),
            target,
            torch.from_numpy(np.ascontiguousarray(error)).to(device),
            torch.from_numpy(continued).to(device),
        )

    @torch.no_grad()
    def keep(self, output: Tensor) -> None:
        """Give the streams what the network made of their frames, f32 (n, 3, h, w), 0..1."""
        error = (output - self._target).permute(0, 2, 3, 1).float().cpu().numpy()
        made = (output.clamp(0, 1).permute(0, 2, 3, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()
        for slot, its_error, its_output in zip(self._slots, error, made, strict=True):
            slot.keep(np.ascontiguousarray(its_output), np.ascontiguousarray(its_error))

    def state(self) -> tuple[object, ...]:
        """Everything that is carried from step to step, to be pickled."""
        return self._random, self._slots

    def restore(self, state: tuple[Any, ...]) -> None:
        """Go on from a :meth:`state`."""
        self._random, self._slots = state

    def _stream(self) -> _Stream:
        return _Stream(self._random, self._pictures, self._size)


@dataclass(frozen=True)
class _Frame:
    shot: Shot
    noise: Floats
    condition: Floats
    memory: Bytes
    validity: Floats
    error: Floats
    continued: Floats


class _Stream:
    """One stream: a clip, a look, a memory. ``left`` frames remain."""

    def __init__(self, random: np.random.Generator, pictures: Bytes, size: int) -> None:
        self.left = int(np.clip(random.geometric(1 / 14), 2, 64))
        self._clip = Clip(random, pictures, size)
        self._engine = random.random() < 0.5
        self._coherence = 1.0 if random.random() < 0.75 else random.uniform(0.05, 1.0)
        self._seed = int(random.integers(1 << 62))
        self._away = random.uniform(-4000, 4000, 2).astype(np.float32)
        self._condition = _condition(random)
        # In some streams the look changes: slowly, as in a transition, or at once.
        self._other = _condition(random) if random.random() < 0.25 else self._condition
        self._travel, self._change = int(random.choice([0, 12, 24])), int(random.integers(1, 12))
        self._memory = Memory()
        self._size = size
        self._time = 0
        self._output: Bytes | None = None
        self._error: Floats | None = None
        self._stale: Bytes | None = None

    def advance(self, random: np.random.Generator, augmentation: Augmentation) -> _Frame:
        """Render the next frame and recall what is known of it."""
        shot = self._clip.next()
        while random.random() < 0.08:  # a frame was dropped; what it moved is looked for
            shot = self._clip.next()
            self._error = None
        condition = self._resolved()
        evidence = Evidence(shot.motion[1 :: noise.GRID, 1 :: noise.GRID].copy(), shot.depth[1::4, 1::4].copy())
        exact = self._engine and self._error is not None
        recalled = self._memory.recall(shot.picture, evidence if exact else None)
        size = self._size
        empty = np.zeros((size, size, 3), np.uint8)
        validity = recalled.validity * np.float32(self._coherence)
        memory = empty if recalled.memory is None else recalled.memory
        if recalled.memory is not None and augmentation.history:
            memory, validity = _disturbed(random, memory, validity, self._stale)
        error, continued = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32)
        if self._error is not None and recalled.memory is not None and validity.max() > 0:
            y, x = np.mgrid[0:size, 0:size].astype(np.float32)
            places = shot.motion + np.stack([x, y], -1)
            error = np.asarray(cv2.remap(self._error, places, None, cv2.INTER_LINEAR), np.float32)
            continued = shot.seen.astype(np.float32)
        places, stretch = recalled.places, recalled.stretch
        if not augmentation.moved_noise:
            places, stretch = noise.screen(size, size), None
        fields = noise.surface_noise(self._seed, places + self._away, stretch)
        self.left -= 1
        self._time += 1
        return _Frame(shot, fields, _timed(random, condition), memory, validity, error, continued)

    def keep(self, output: Bytes, error: Floats) -> None:
        """Remember what became of the frame."""
        if self._time % 8 == 0:
            self._stale = self._output
        self._output, self._error = output, error
        self._memory.keep(output)

    def _resolved(self) -> Floats:
        """The condition of this frame; where the look changes at once, the appearance is forgotten."""
        if self._time < self._change or self._other is self._condition:
            return self._condition
        if self._travel == 0:
            if self._time == self._change:
                self._memory.forget_appearance()
            return self._other
        part = np.float32(min(1.0, (self._time - self._change) / self._travel))
        return (1 - part) * self._condition + part * self._other


def _disturbed(
    random: np.random.Generator, memory: Bytes, validity: Floats, stale: Bytes | None
) -> tuple[Bytes, Floats]:
    """History augmentation: what a memory can suffer, and worse."""
    kind = random.random()
    if kind < 0.7:
        return memory, validity
    if kind < 0.76:
        return np.zeros_like(memory), np.zeros_like(validity)
    if kind < 0.79 and stale is not None:
        return stale, validity
    past = memory.astype(np.float32)
    if random.random() < 0.3:
        past += random.standard_normal(past.shape, np.float32) * np.float32(random.uniform(2, 30))
    if random.random() < 0.35:
        past = cv2.GaussianBlur(past, (0, 0), random.uniform(0.4, 2.0))
    elif random.random() < 0.3:
        past = past + random.uniform(0.3, 1.2) * (past - cv2.GaussianBlur(past, (0, 0), random.uniform(0.7, 2.0)))
    if random.random() < 0.5:
        gain, offset = random.uniform(0.85, 1.15, 3), random.uniform(-20, 20, 3) * (random.random(3) < 0.7)
        past = (past - 128) * gain.astype(np.float32) + np.float32(128) + offset.astype(np.float32)
    if random.random() < 0.25:
        shift = np.array([[1, 0, random.uniform(-2, 2)], [0, 1, random.uniform(-2, 2)]])
        past = cv2.warpAffine(past, shift, past.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    if random.random() < 0.25:
        past = past * np.float32(random.uniform(0, 1)) if random.random() < 0.3 else np.roll(past, 16, 1)
    return np.rint(np.clip(past, 0, 255)).astype(np.uint8), validity


def _condition(random: np.random.Generator) -> Floats:
    """Random looks (one in five a mixture of two) and modifiers (half of them none): f32 (24,), no time yet."""
    condition = np.zeros(layout.CONDITION, np.float32)
    shares = np.array([_LOOK_SHARES.get(name, 1.2) for name in layout.LOOK_NAMES])
    first, second = random.choice(layout.LOOKS, 2, p=shares / shares.sum())
    part = random.uniform(0, 0.5) if random.random() < 0.2 else 0.0
    condition[first] += 1 - part
    condition[second] += part
    if random.random() < 0.5:
        values = random.random(4) * [2, 2, 1, 1] - [1, 1, 0, 0]
        condition[layout.MODIFIERS] = values * (random.random(4) < 0.4)
    return condition


def _timed(random: np.random.Generator, condition: Floats) -> Floats:
    """The condition with a diffusion time and a step size."""
    timed = condition.copy()
    timed[layout.TIME] = 1.0 if random.random() < 0.65 else random.uniform(0.02, 1)
    timed[layout.STEP] = 1 / random.choice([1, 1, 2, 4, 8, 32])
    return timed
