"""Whether a stream that never ends stays what it was: one scene, again and again, its last round against its second.

A fault that feeds on its own output (a tint, a blur, a loss of contrast) grows with every frame. So a scene that comes
back to where it was after ``period`` frames is run for as long as one likes, and frames of one phase are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirage_runtime.models import Context, Model, Settings
from mirage_runtime.models.lsd.model import condition
from mirage_runtime.temporal.stream import TemporalStream
from mirage_runtime.training import clips
from mirage_runtime.training.evaluate import Picture, difference, load_photograph, painted, similarity

SCENES = ("moving photograph", "moving procedural", "static photograph")
"""A camera over a photograph; things at three distances under a camera; nothing that moves, but sensor noise."""

PERIOD = 500
"""Frames to a round."""

SIZE = (144, 256)
"""Height and width in pixels: small, since it is about many frames."""

_SENSOR = 1.0  # of 255: standard deviation of the static scene's noise
_SAMPLES = 25  # phases of a round whose fidelity is measured
_SEED = 1


@dataclass(frozen=True)
class Drift:
    """The last round of a stream against its second. Phases are compared with themselves."""

    look: str
    scene: str
    """One of ``SCENES``."""
    frames: int
    period: int
    colour: float
    """Largest difference of a channel's mean over the round, in percent of the range (255)."""
    colour_relative: float
    """The same in percent of the second round's mean brightness. Texture that was drawn anew has some."""
    colour_at_worst: float
    """Largest difference of a channel's mean in any phase, in percent of the range (255)."""
    contrast: float
    """Change of the pictures' standard deviation over the round, in percent."""
    contrast_at_worst: float
    """Largest change of that in any phase, in percent."""
    fidelity: float
    """Change of the mean SSIM to the teacher given the same noise, in percent."""
    error: float
    """Change of the mean absolute difference to the teacher, of 255."""
    similarity: float
    """The second round's mean SSIM to the teacher."""
    resets: int
    """Cuts that were seen. There are none."""


@dataclass
class _Round:
    """What is kept of one round."""

    colour: npt.NDArray[np.float64]
    contrast: npt.NDArray[np.float64]
    similarity: list[float]
    error: list[float]

    @classmethod
    def empty(cls, period: int) -> _Round:
        return cls(np.zeros((period, 3)), np.zeros(period), [], [])


def endless(
    model: Model,
    look: str,
    scene: str,
    frames: int,
    *,
    period: int = PERIOD,
    size: tuple[int, int] = SIZE,
    progress: Callable[[float], None] | None = None,
) -> Drift:
    """Run one stream for ``frames`` frames, rounded down to whole rounds of ``period``, and say how it changed.

    ``progress`` is told the share done, 0..1. Raises ``ValueError`` for less than three rounds.
    """
    rounds = frames // period
    if rounds < 3:
        raise ValueError(f"an endless run takes three rounds of {period} frames at least, not {frames} frames")
    pictures = _scene(scene, period, size)
    stream, chosen = TemporalStream(), condition({look: 1}, {})
    settings = Settings(((look, 1.0),), seeds=((_SEED, 1.0),))
    random = np.random.default_rng([clips.SEED, 600])
    second, last = _Round.empty(period), _Round.empty(period)
    resets = 0
    for index in range(rounds * period):
        turn, phase = divmod(index, period)
        picture = pictures[phase % len(pictures)]
        if len(pictures) == 1:
            picture = _noisy(picture, random)
        known = stream.embed(picture, size, Context("endless", index + 1), chosen, settings)
        output = model.denoise(
            picture, condition=chosen, noise=known.noise, steps=1, memory=known.memory, validity=known.validity
        )
        stream.keep(output)
        resets += known.reset
        for kept, wanted in ((second, 1), (last, rounds - 1)):
            if turn == wanted:
                kept.colour[phase], kept.contrast[phase] = output.mean((0, 1)), output.std()
                if phase % max(1, period // _SAMPLES) == 0:
                    teacher = painted(picture, look, known.noise)
                    kept.similarity.append(similarity(output, teacher))
                    kept.error.append(difference(output, teacher))
        if progress:
            progress((index + 1) / (rounds * period))
    return _compared(look, scene, rounds * period, period, second, last, resets)


def _compared(look: str, scene: str, frames: int, period: int, second: _Round, last: _Round, resets: int) -> Drift:
    levels, contrast, ssim = second.colour.mean(0), second.contrast.mean(), float(np.mean(second.similarity))
    shift = float(np.abs(last.colour.mean(0) - levels).max())
    return Drift(
        look=look,
        scene=scene,
        frames=frames,
        period=period,
        colour=100 * shift / 255,
        colour_relative=100 * shift / max(float(levels.mean()), 1.0),
        colour_at_worst=100 * float(np.abs(last.colour - second.colour).max()) / 255,
        contrast=100 * float(last.contrast.mean() / max(contrast, 1e-6) - 1),
        contrast_at_worst=100 * float(np.abs(last.contrast / np.maximum(second.contrast, 1e-6) - 1).max()),
        fidelity=100 * (float(np.mean(last.similarity)) / max(ssim, 1e-6) - 1),
        error=float(np.mean(last.error) - np.mean(second.error)),
        similarity=ssim,
        resets=resets,
    )


def _scene(scene: str, period: int, size: tuple[int, int]) -> list[Picture]:
    """The pictures of one round; a single one where nothing moves. Raises ``ValueError`` for an unknown scene."""
    if scene == "static photograph":
        return [load_photograph("coffee", *size)]
    if scene not in SCENES:
        raise ValueError(f"there is no scene {scene!r}: there are {', '.join(SCENES)}")
    moving = clips.loop(scene.removeprefix("moving "), period, size)
    return [moving.render(time).picture for time in range(period)]


def _noisy(picture: Picture, random: np.random.Generator) -> Picture:
    noise = random.standard_normal(picture.shape, np.float32) * np.float32(_SENSOR)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
