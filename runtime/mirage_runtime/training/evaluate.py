"""How good a model is, in numbers and pictures, on photographs that it never saw.

The photographs come with scikit-image and are used for nothing else. Each is cut and scaled to 768x432.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from mirage_kernels import noise
from mirage_runtime.models.lsd import layout
from mirage_runtime.models.lsd.model import WEIGHTS, LsdMini, condition
from mirage_runtime.training import looks

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
HEIGHT, WIDTH = 432, 768
STEPS = (1, 2, 4, 32)
"""Numbers of steps that are compared."""
OCTAVES = ((1 / 4, 1 / 2), (1 / 8, 1 / 4), (1 / 16, 1 / 8), (1 / 32, 1 / 16), (1 / 64, 1 / 32))
"""Bands of spatial frequency, in cycles a pixel, the finest first."""

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class StepReport:
    """How near a picture made in some steps is to the teacher's."""

    steps: int
    similarity: float
    """SSIM to the teacher's picture."""
    recovered: float
    """Share of the way from source to teacher, in SSIM."""
    error: float
    """Mean absolute difference to the teacher, of 255."""
    octaves: tuple[float, ...]
    """Power over the teacher's, in dB, for each of ``OCTAVES``."""
    gradient: float
    """Gradient energy over the teacher's."""

    @property
    def quality(self) -> float:
        """The mean of three figures that are 1 at best: the SSIM; the spectrum, 10 ** (-mean dB gap / 10); the gradient
        energy, as the ratio that is at most 1.
        """
        gap = float(np.mean(np.abs(self.octaves)))
        contrast = min(self.gradient, 1 / max(self.gradient, 1e-6))
        return (self.similarity + 10 ** (-gap / 10) + contrast) / 3


@dataclass(frozen=True)
class LookReport:
    """What was measured of one look on one photograph."""

    look: str
    photograph: str
    teacher_to_source: float
    """SSIM of the teacher's picture and the source: how much there is to do (less is more)."""
    steps: tuple[StepReport, ...]
    """For each of ``STEPS``."""
    grid: float
    """How much more uneven gradients are over the 4-pixel grid than the teacher's: 0 is no grid, 0.05 five percent."""
    seeds_differ: float
    """Mean absolute difference of two seeds' outputs, of 255."""


@dataclass(frozen=True)
class Report:
    """All measurements of a model on stills."""

    model: str
    rows: tuple[LookReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data for a JSON file."""
        return asdict(self)

    def as_markdown(self) -> str:
        """Tables with a line a look, means over the photographs, then one of the steps, means over looks as well."""
        counts = [step.steps for step in self.rows[0].steps]
        lines = [
            f"| look | teacher's SSIM to source | recovered in {' / '.join(map(str, counts))} steps | error of 255 "
            "| worst octave, dB | grid | seeds differ by |",
            "|---|---|---|---|---|---|---|",
        ]
        for look in self._looks():
            rows = [row for row in self.rows if row.look == look]
            shares = np.mean([[step.recovered for step in row.steps] for row in rows], 0)
            nothing_to_do = look == "photo"
            steps = "-" if nothing_to_do else " / ".join(f"{100 * share:.0f} %" for share in shares)
            worst = max((value for row in rows for value in row.steps[0].octaves), key=abs)
            lines.append(
                f"| {look} | {_mean(rows, lambda r: r.teacher_to_source):.2f} | {steps} "
                f"| {_mean(rows, lambda r: r.steps[0].error):.1f} | {worst:+.1f} "
                f"| {_mean(rows, lambda r: r.grid):+.3f} | {_mean(rows, lambda r: r.seeds_differ):.1f} |"
            )
        return "\n".join([*lines, "", *self._octave_table(), "", *self._step_table()])

    def _looks(self) -> list[str]:
        return list(dict.fromkeys(row.look for row in self.rows))

    def _octave_table(self) -> list[str]:
        bands = " | ".join(f"1/{1 / high:.0f} to 1/{1 / low:.0f}" for low, high in OCTAVES)
        lines = [f"| power over the teacher's, dB, one step | {bands} |", "|---" * (len(OCTAVES) + 1) + "|"]
        for look in self._looks():
            gaps = np.mean([row.steps[0].octaves for row in self.rows if row.look == look], 0)
            lines.append(f"| {look} | {' | '.join(f'{gap:+.1f}' for gap in gaps)} |")
        return lines

    def _step_table(self) -> list[str]:
        lines = [
            "| steps | SSIM to the teacher | error of 255 | mean gap of octaves, dB | gradient energy to the teacher's "
            "| quality |",
            "|---|---|---|---|---|---|",
        ]
        for index, first in enumerate(self.rows[0].steps):
            all_ = [row.steps[index] for row in self.rows if row.look != "photo"]
            if all_:
                figures = np.mean(
                    [[s.similarity, s.error, np.abs(s.octaves).mean(), s.gradient, s.quality] for s in all_], 0
                )
                ssim, error, gap, gradient, quality = figures
                lines.append(
                    f"| {first.steps} | {ssim:.3f} | {error:.2f} | {gap:.2f} | {gradient:.3f} | {quality:.3f} |"
                )
        return lines


def evaluate(
    model: Path = WEIGHTS,
    *,
    photographs: Sequence[str] = PHOTOGRAPHS,
    names: Sequence[str] = layout.LOOK_NAMES,
    steps: Sequence[int] = STEPS,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Report:
    """Measure ``model`` on photographs, in each number of ``steps``.

    ``progress`` is told the share done, 0..1. Raises ``EngineError`` if the model cannot be loaded.
    """
    mini = LsdMini(threads=threads, weights=model)
    rows = []
    cases = [(photograph, look) for photograph in photographs for look in names]
    for index, (photograph, look) in enumerate(cases):
        rows.append(_measure(mini, photograph, look, steps))
        if progress:
            progress((index + 1) / len(cases))
    return Report(mini.description, tuple(rows))


def load_photograph(name: str, height: int = HEIGHT, width: int = WIDTH) -> Picture:
    """One of scikit-image's photographs, cut to the frame's proportions and scaled to it: u8 (height, width, 3)."""
    image = _original(name)
    rows, columns = image.shape[:2]
    if rows * width > columns * height:
        kept = columns * height // width
        top = (rows - kept) // 4  # subjects stand high
        image = image[top : top + kept]
    else:
        kept = rows * width // height
        image = image[:, (columns - kept) // 2 :][:, :kept]
    shrink = cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=shrink), np.uint8)


def teach(source: Picture, look: str, seed: int) -> Picture:
    """What the teacher makes of a whole picture with a seed, on a screen that has not moved: u8 (height, width, 3)."""
    return painted(source, look, noise.surface_noise(seed, noise.screen(*source.shape[:2])))


def painted(source: Picture, look: str, fields: npt.NDArray[np.float32]) -> Picture:
    """What the teacher makes of a picture with surface noise, f32 (8, height / 4, width / 4): u8 (height, width, 3)."""
    picture = torch.from_numpy(source).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        result = looks.paint(look, picture, torch.tensor(fields)[None])
    return np.ascontiguousarray((result[0].permute(1, 2, 0) * 255 + 0.5).to(torch.uint8).numpy())


def similarity(one: Picture, two: Picture) -> float:
    """SSIM of two pictures (Wang et al. 2004), over the colour channels, in windows of 7x7 like scikit-image's."""
    x, y = one.astype(np.float64), two.astype(np.float64)
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = (cv2.blur(z, (7, 7)) for z in (x, y, x * x, y * y, x * y))
    unbiased = 49 / 48
    var_x, var_y = unbiased * (mean_xx - mean_x * mean_x), unbiased * (mean_yy - mean_y * mean_y)
    covariance = unbiased * (mean_xy - mean_x * mean_y)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    likeness /= (mean_x * mean_x + mean_y * mean_y + c1) * (var_x + var_y + c2)
    return float(likeness[3:-3, 3:-3].mean())


def recovered(source: Picture, teacher: Picture, output: Picture) -> float:
    """Share of the way from source to teacher that the output is, in SSIM: 1 is all of it."""
    start = similarity(source, teacher)
    return (similarity(output, teacher) - start) / max(1 - start, 1e-6)


def octave_gap(output: Picture, teacher: Picture) -> tuple[float, ...]:
    """Power of ``output`` over that of ``teacher`` in each of ``OCTAVES``, in dB."""
    powers = [_octave_powers(picture) for picture in (output, teacher)]
    return tuple(10 * float(np.log10((a + 1e-9) / (b + 1e-9))) for a, b in zip(*powers, strict=True))


def grid_excess(output: Picture, teacher: Picture, patch: int = 4) -> float:
    """How much the output's gradients favour some columns or rows of a grid, beyond what the teacher's do."""
    return max(_unevenness(output, axis, patch) - _unevenness(teacher, axis, patch) for axis in (0, 1))


def gradient_energy(picture: Picture) -> float:
    """Mean squared difference of neighbouring pixels, along rows and columns: how sharp and how busy a picture is."""
    wide = picture.astype(np.float32)
    return float((np.diff(wide, axis=0) ** 2).mean() + (np.diff(wide, axis=1) ** 2).mean())


def difference(one: Picture, two: Picture) -> float:
    """Mean absolute difference of two pictures, of 255."""
    return float(cv2.absdiff(one, two).mean())


def measure_steps(mini: LsdMini, source: Picture, look: str, steps: Sequence[int] = STEPS) -> tuple[StepReport, ...]:
    """How near the model comes to the teacher, on one picture with one seed, in each number of steps."""
    teacher, chosen = teach(source, look, seed=1), condition({look: 1}, {})
    start, energy = similarity(source, teacher), gradient_energy(teacher)
    reports = []
    for count in steps:
        output = mini.denoise(source, condition=chosen, seed=1, steps=count)
        likeness = similarity(output, teacher)
        reports.append(
            StepReport(
                count,
                likeness,
                (likeness - start) / max(1 - start, 1e-6),
                difference(output, teacher),
                octave_gap(output, teacher),
                gradient_energy(output) / max(energy, 1e-6),
            )
        )
    return tuple(reports)


def _measure(mini: LsdMini, photograph: str, look: str, steps: Sequence[int]) -> LookReport:
    source = load_photograph(photograph)
    teacher, chosen = teach(source, look, seed=1), condition({look: 1}, {})
    one, two = (mini.denoise(source, condition=chosen, seed=seed) for seed in (1, 2))
    return LookReport(
        look,
        photograph,
        similarity(source, teacher),
        measure_steps(mini, source, look, steps),
        grid_excess(one, teacher),
        difference(one, two),
    )


@lru_cache(maxsize=8)
def _original(name: str) -> Picture:
    from skimage import data

    return np.ascontiguousarray(getattr(data, name)()[..., :3])


def _mean(rows: Sequence[LookReport], value: Callable[[LookReport], float]) -> float:
    return float(np.mean([value(row) for row in rows]))


def _grey(picture: Picture) -> npt.NDArray[np.float64]:
    return np.asarray(picture @ np.array([0.299, 0.587, 0.114]))


def _octave_powers(picture: Picture) -> list[float]:
    grey = _grey(picture)
    window = np.hanning(grey.shape[0])[:, None] * np.hanning(grey.shape[1])
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.rfftfreq(grey.shape[1]))
    return [float(power[(radius >= low) & (radius < high)].mean()) for low, high in OCTAVES]


def _unevenness(picture: Picture, axis: int, patch: int) -> float:
    """Largest mean gradient over the phases of a grid, relative to their mean, less 1."""
    steps = np.abs(np.diff(_grey(picture), axis=axis)).mean(1 - axis)
    phases = [steps[phase::patch].mean() for phase in range(patch)]
    return float(max(phases) / (np.mean(phases) + 1e-9) - 1)
