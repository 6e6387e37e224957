"""How a model's picture moves: measured on one look and one sequence at a time, against exact motion.

*Warp error* is the mean difference of a frame and the one before it, moved along the exact motion, of 255, where that
is visible in both. It holds what a teacher's own picture changes by as well, so the teacher's, given the very same
noise, is measured beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from mirage_runtime.models import Context, Model, MotionPlane, Settings
from mirage_runtime.models.lsd.model import condition
from mirage_runtime.temporal.stream import Embedding, TemporalStream, still
from mirage_runtime.training.clips import Frame, Take, warp_error
from mirage_runtime.training.evaluate import Picture, gradient_energy, load_photograph, painted, similarity

FIRST = 4
"""The first frame that is measured: a stream begins without a memory."""

BORDER = 20
"""Pixels at each side that are not measured: what comes in from outside is new, and pictures end there."""

_SEED = 1
_COMPARED = 2  # frames at a sequence's end whose fidelity is measured


@dataclass(frozen=True)
class Mode:
    """How a stream is run; anything but the defaults takes a part away."""

    coherence: float = 1.0
    memory: bool = True
    """Whether the model is given its last picture."""
    moved_noise: bool = True
    """Whether noise is carried along surfaces, or fixed to the screen."""
    engine: bool = False
    """Whether exact motion and depth come with the frames, or have to be seen."""


MODES = {
    "memory": Mode(),
    "engine": Mode(engine=True),
    "none": Mode(coherence=0.0),
    "moved noise alone": Mode(memory=False),
    "memory, screen noise": Mode(moved_noise=False),
}
"""By name: as it is; with an engine's motion; with ``coherence`` 0; and the ablations of either half."""


@dataclass(frozen=True)
class Run:
    """What was measured of one look on one sequence."""

    look: str
    take: str
    kind: str
    """``photograph`` or ``procedural``."""
    mode: str
    """One of ``MODES``."""
    steps: int
    warp: float
    """Warp error, of 255."""
    source: float
    """The source's own, of 255: sensor noise, light, and what moving a picture costs."""
    teacher: float
    """The teacher's, given the same noise, of 255; nan where it was not asked for."""
    gradient: float
    """Gradient energy over the teacher's."""
    similarity: float
    """SSIM to the teacher."""
    remembered: float
    """Mean share of the frame that was remembered, 0..1."""
    resets: int
    """How often a cut was seen."""


@dataclass(frozen=True)
class Change:
    """How fast a change of the source shows in a look."""

    look: str
    what: str
    shares: tuple[float, ...]
    """After 1, 2, 3 frames: share of the change that the model makes of it without a memory."""
    missing: tuple[float, ...]
    """After 1, 2, 3 frames: what is missing of that change, of 255, on the mean of where the source changed."""
    reset: bool
    """Whether it was taken for a cut."""


def follow(
    model: Model,
    look: str,
    take: Take,
    mode: str = "memory",
    *,
    steps: int = 1,
    teacher: bool = True,
    seed: int = _SEED,
) -> Run:
    """Run a stream over a sequence and measure from frame ``FIRST`` on.

    Fidelity, to the teacher with the stream's noise, is measured on the last two frames. Without ``teacher`` its
    warp error is left out, which saves most of the time.
    """
    stream = Stream(model, look, MODES[mode], steps, seed)
    warps: list[float] = []
    sources: list[float] = []
    teachers: list[float] = []
    gradients: list[float] = []
    similarities: list[float] = []
    shares: list[float] = []
    output = taught = None
    resets = 0
    for index, frame in enumerate(take.frames):
        before, taught_before = output, taught
        known, output = stream.next(frame)
        resets += known.reset
        compared = index >= len(take.frames) - _COMPARED
        taught = None
        if compared or (teacher and index >= FIRST - 1):
            taught = painted(frame.picture, look, known.noise)
        if index < FIRST or before is None:
            continue
        shares.append(known.share)
        warps.append(warp_error(before, output, frame, BORDER))
        sources.append(warp_error(take.frames[index - 1].picture, frame.picture, frame, BORDER))
        if taught is not None and taught_before is not None:
            teachers.append(warp_error(taught_before, taught, frame, BORDER))
        if taught is not None and compared:
            ours, theirs = _inner(output), _inner(taught)
            gradients.append(gradient_energy(ours) / max(gradient_energy(theirs), 1e-6))
            similarities.append(similarity(ours, theirs))
    return Run(
        look=look,
        take=take.name,
        kind=take.kind,
        mode=mode,
        steps=steps,
        warp=_mean(warps),
        source=_mean(sources),
        teacher=_mean(teachers if teacher else ()),
        gradient=_mean(gradients),
        similarity=_mean(similarities),
        remembered=_mean(shares),
        resets=resets,
    )


_LIGHT = {"light falls by 30 %": 0.7, "light rises by 30 %": 1.3, "light falls by 5 %": 0.95}

CHANGES = ("a bright object appears", "a dark object appears", *_LIGHT)
"""Ways in which a source at rest changes from one frame to the next."""


def respond(model: Model, look: str, what: str, *, photograph: str = "coffee", size: tuple[int, int]) -> Change:
    """Let the source change, after six frames at rest, in one of the ways of ``CHANGES``, and see how fast it shows.

    The whole change is that from what the model makes without a memory of the frame before to what it so makes of the
    changed one, each with the stream's noise. The share is the projection on it of how far the stream has come, where
    the source changed.
    """
    source = load_photograph(photograph, *size)
    changed, where = _changed(source, what)
    stream = Stream(model, look, Mode())

    def without_memory(picture: Picture, known: Embedding) -> npt.NDArray[np.float64]:
        made = model.denoise(picture, condition=stream.condition, noise=known.noise, steps=1)
        return made[where].astype(np.float64)

    for _ in range(6):
        known, before = stream.next(_resting(source))
    start = without_memory(source, known)
    shares, missing, reset = [], [], False
    for _ in range(3):
        known, output = stream.next(_resting(changed))
        reset |= known.reset
        whole = without_memory(changed, known) - start
        gone = output[where].astype(np.float64) - before[where]
        shares.append(float((whole * gone).sum() / max((whole * whole).sum(), 1e-6)))
        missing.append(max(0.0, 1 - shares[-1]) * float(np.abs(whole).mean()))
    return Change(look, what, tuple(shares), tuple(missing), reset)


def cuts_seen(model: Model, pictures: Sequence[Picture], frames: int = 4) -> int:
    """How many cuts a stream sees that shows each of ``pictures`` for some frames."""
    stream = Stream(model, "photo", Mode())
    return sum(stream.next(_resting(picture))[0].reset for picture in pictures for _ in range(frames))


class Stream:
    """One stream of one look, as the pipeline runs it."""

    def __init__(self, model: Model, look: str, mode: Mode, steps: int = 1, seed: int = _SEED) -> None:
        self._model = model
        self._mode = mode
        self._temporal = TemporalStream()
        self.condition = condition({look: 1}, {})
        self._settings = Settings(((look, 1.0),), coherence=mode.coherence, steps=steps, seeds=((seed, 1.0),))
        self._id = 0

    def next(self, frame: Frame) -> tuple[Embedding, Picture]:
        """What the model was given for a frame, and what it made of it."""
        self._id += max(1, len(frame.planes))
        size = frame.picture.shape[:2]
        known = self._temporal.embed(frame.picture, size, self._context(frame), self.condition, self._settings)
        if not self._mode.moved_noise:
            known = replace(known, noise=still(self._settings.seeds, *size).noise)
        output = self._model.denoise(
            frame.picture,
            condition=self.condition,
            noise=known.noise,
            steps=self._settings.steps,
            memory=known.memory if self._mode.memory else None,
            validity=known.validity if self._mode.memory else None,
        )
        self._temporal.keep(output)
        return known, output

    def _context(self, frame: Frame) -> Context:
        if not self._mode.engine:
            return Context("evaluation", self._id)
        ids = [self._id - lost for lost in range(len(frame.planes))]
        planes = tuple(
            MotionPlane(pixels.astype(np.float16), number, number - 1)
            for number, pixels in zip(ids, frame.planes, strict=True)
        )
        return Context("evaluation", self._id, planes, frame.depth)


def _changed(source: Picture, what: str) -> tuple[Picture, npt.NDArray[np.bool_]]:
    """The source after a change, and where it changed."""
    if what in _LIGHT:
        lit = np.clip(source * np.float32(_LIGHT[what]) + 0.5, 0, 255).astype(np.uint8)
        return lit, np.ones(source.shape[:2], bool)
    height, width = source.shape[:2]
    result, cover = source.copy(), np.zeros((height, width), np.uint8)
    place, radius = (width * 3 // 5, height // 2), height // 5
    colour = (250, 225, 120) if "bright" in what else (25, 20, 45)
    cv2.circle(result, place, radius, colour, -1, cv2.LINE_AA)
    cv2.circle(cover, place, radius, 1, -1)
    return result, cover > 0


def _resting(picture: Picture) -> Frame:
    height, width = picture.shape[:2]
    motion = np.zeros((height, width, 2), np.float32)
    return Frame(picture, motion, np.ones((height, width), bool), np.zeros((height, width), np.float32), (motion,))


def _inner(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[BORDER:-BORDER, BORDER:-BORDER])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
