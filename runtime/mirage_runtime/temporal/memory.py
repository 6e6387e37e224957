"""The memory of one stream: the last output, the frame it was made of, and the surfaces that texture is anchored to."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage_kernels.noise import GRID
from mirage_runtime.temporal import fields, motion
from mirage_runtime.temporal.beside import beside
from mirage_runtime.temporal.motion import Motion, View
from mirage_runtime.temporal.surface import Surface

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_BETWEEN = 0.04  # f (1 - f) of both directions: below, a pixel was read almost where it is
_SHARPENED = 1.15  # of what theory asks: what is lost in the corners of the spectrum is made up for in the rest
_DOUBTED = 0.02  # share of the frame below which an engine's motion is not looked behind
_LONGEST_LAG = 3  # frames: as many as can be on their way behind the newest
_CUT = 0.25  # share of the frame that must be recognised for it to be the same scene


@dataclass(frozen=True)
class Recalled:
    """What is remembered of the frame at hand."""

    moved: Future[Bytes] | None
    """The last output on its way to where it belongs now; None where nothing is remembered."""
    validity: Floats
    """How far that can be trusted, 0..1: f32 ``(height / 4, width / 4)``. Changed light is no reason to trust it."""
    places: Floats
    """Where on its surface each noise sample lies: f32 ``(height / 4, width / 4, 2)``."""
    stretch: Floats | None
    """Screen pixels to a pixel of the surface, f32 ``(height / 4, width / 4)``; None for 1."""
    reset: bool = False
    """Whether the scene was taken for another, and the memory began anew."""

    @property
    def memory(self) -> Bytes | None:
        """The last output where it belongs now, u8 ``(height, width, 3)``; waits until it is there."""
        return None if self.moved is None else self.moved.result()


@dataclass(frozen=True)
class Evidence:
    """What the engine says of a frame, at the noise grid's resolution. Everything is optional."""

    motion: Floats | None = None
    """Pixels back to the remembered frame, f32 ``(height / 4, width / 4, 2)``; may hold what is not finite."""
    depth: Floats | None = None
    """Metres, f32 ``(height / 4, width / 4)``; 0 where unknown."""


class Memory:
    """Recall before a frame is transformed, keep after. One stream's; not for several threads at once."""

    def __init__(self) -> None:
        self.resets = 0
        """How often a cut began the memory anew."""
        self._view: View | None = None
        self._surface: Surface | None = None
        self._output: Bytes | None = None
        self._away: tuple[Floats, Floats] | None = None
        """Motion and trust from the last frame back to the one that the output shows; None where that is the same."""
        self._steps: deque[tuple[Floats, Floats]] = deque(maxlen=_LONGEST_LAG)
        """Motion and trust from each of the last frames back to the one before."""

    def recall(self, frame: Bytes, evidence: Evidence | None = None) -> Recalled:
        """Take the next frame, u8 ``(height, width, 3)`` with sides that are multiples of 16, and say what is known.

        A frame of another size, and a cut, begin anew.
        """
        evidence = evidence or Evidence()
        height, width = frame.shape[:2]
        before, now = self._view, View.of(frame, evidence.depth)
        self._view = now
        if before is None or self._surface is None or before.half.shape != now.half.shape:
            return self._anew(height, width)
        found = _motion(evidence, before, now)
        if float(found.trust.mean()) < _CUT:
            self.resets += 1
            return self._anew(height, width, reset=True)
        step = (found.field, found.trust * found.alike)
        self._steps.append(step)
        moved, validity = None, np.zeros_like(found.trust)
        if self._output is not None:
            # Kept, so that an output is led on over frames that gave none, such as one that failed.
            field, validity = self._away = step if self._away is None else _both(step, self._away)
            moved = beside(warped, self._output, field)
        self._surface.advance(found.field, found.trust)
        return Recalled(moved, validity, self._surface.places, self._surface.stretch())

    def keep(self, output: Bytes, lag: int = 0) -> None:
        """Remember what was made of the last frame, u8 ``(height, width, 3)``; it is not copied.

        ``lag``: of the frame so many frames before it, 0..3. One from before a cut is not remembered.
        """
        if lag > len(self._steps):
            self.forget_appearance()
            return
        self._output, self._away = output, None
        for step in list(self._steps)[len(self._steps) - lag :]:
            self._away = step if self._away is None else _both(step, self._away)

    def forget_appearance(self) -> None:
        """Forget the last output; surfaces and their motion are still known."""
        self._output = self._away = None

    def forget(self) -> None:
        """Forget everything."""
        self._view = self._surface = self._output = self._away = None
        self._steps.clear()

    def _anew(self, height: int, width: int, *, reset: bool = False) -> Recalled:
        self._output = self._away = None
        self._steps.clear()
        self._surface = Surface(height, width)
        unknown = np.zeros((height // GRID, width // GRID), np.float32)
        return Recalled(None, unknown, self._surface.places, None, reset)


def warped(picture: Bytes, field: Floats) -> Bytes:
    """Move a picture u8 ``(height, width, 3)`` along a motion f32 ``(height / 4, width / 4, 2)`` of pixels.

    Linear reading between pixels blurs, which a memory that is moved with every frame cannot bear. The blur of a
    fraction f is undone by f (1 - f) / 2 of the second difference, at half the price of cubic reading.
    """
    height, width = picture.shape[:2]
    places = fields.enlarged(field, height, width)
    moved = cv2.remap(  # four channels take OpenCV half the time of three
        cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    moved = np.asarray(cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB), np.uint8)
    fraction = field - np.floor(field)
    x, y = cv2.split(fraction * (1 - fraction))
    between = cv2.compare(x + y, _BETWEEN, cv2.CMP_GT)
    if between.any():
        amounts = [cv2.mean(part, between)[0] * _SHARPENED / 2 for part in (x, y)]
        across, down = (np.array([-amount, 1 + 2 * amount, -amount], np.float32) for amount in amounts)
        sharp = cv2.sepFilter2D(moved, -1, across, down, borderType=cv2.BORDER_REPLICATE)
        if between.all():
            return np.asarray(sharp, np.uint8)
        cv2.copyTo(sharp, cv2.resize(between, (width, height), interpolation=cv2.INTER_NEAREST), moved)
    return moved


def _both(late: tuple[Floats, Floats], early: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Return motion and trust over both of two steps back; ``late`` is the one to the frame at hand."""
    (field, trust), (field_before, trust_before) = late, early
    then = cv2.remap(trust_before, fields.spots(field), None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return fields.composed(field, field_before), np.asarray(trust * then, np.float32)


def _motion(evidence: Evidence, before: View, now: View) -> Motion:
    """The engine's motion where it is known and holds, else what can be seen."""
    if evidence.motion is None:
        return motion.estimate(before, now)
    told = motion.given(evidence.motion, before, now)
    doubted = told.trust < 0.5
    if float(doubted.mean()) < _DOUBTED:
        return told
    seen = motion.estimate(before, now)
    better = doubted & (seen.trust > told.trust)
    field = np.where(better[..., None], seen.field, told.field)
    trust, alike = (np.where(better, a, b) for a, b in ((seen.trust, told.trust), (seen.alike, told.alike)))
    return Motion(field, trust, alike)
