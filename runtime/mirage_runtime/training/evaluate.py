"""How good a model is, in numbers and pictures, on photographs that it never saw.

The photographs come with scikit-image and are used for nothing else. Each is cut and scaled to 768x432.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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
OCTAVES = ((1 / 4, 1 / 2), (1 / 8, 1 / 4), (1 / 16, 1 / 8), (1 / 32, 1 / 16), (1 / 64, 1 / 32))
"""Bands of spatial frequency, in cycles a pixel, the finest first."""

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LookReport:
    """What was measured of one look on one photograph."""

    look: str
    photograph: str
    teacher_to_source: float
    """SSIM of the teacher's picture and the source: how much there is to do (less is more)."""
    recovery: tuple[float, ...]
    """For 1, 2, 3 and 4 steps: share of the way from source to teacher, in SSIM."""
    error: float
    """Mean absolute difference to the teacher after one step, of 255."""
    octaves: tuple[float, ...]
    """Power of the output over the teacher's after one step, in dB, for each of ``OCTAVES``."""
    grid: float
    """How much more uneven gradients are over the 4-pixel grid than the teacher's: 0 is no grid, 0.05 five percent."""
    seeds_differ: float
    """Mean absolute difference of two seeds' outputs, of 255."""


@dataclass(frozen=True)
class Report:
    """All measurements of a model."""

    model: str
    rows: tuple[LookReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data for a JSON file."""
        return asdict(self)

    def as_markdown(self) -> str:
        """A table with a line a look: means over the photographs, and the worst octave of any of them."""
        lines = [
            "| look | teacher's SSIM to source | recovered in 1 / 2 / 3 / 4 steps | error of 255 "
            "| worst octave, dB | grid | seeds differ by |",
            "|---|---|---|---|---|---|---|",
        ]
        for look in dict.fromkeys(row.look for row in self.rows):
            rows = [row for row in self.rows if row.look == look]
            shares = np.mean([row.recovery for row in rows], 0)
            nothing_to_do = look == "photo"
            steps = "-" if nothing_to_do else " / ".join(f"{100 * share:.0f} %" for share in shares)
            worst = max((value for row in rows for value in row.octaves), key=abs)
            lines.append(
                f"| {look} | {_mean(rows, lambda r: r.teacher_to_source):.2f} | {steps} "
                f"| {_mean(rows, lambda r: r.error):.1f} | {worst:+.1f} "
                f"| {_mean(rows, lambda r: r.grid):+.3f} | {_mean(rows, lambda r: r.seeds_differ):.1f} |"
            )
        return "\n".join(lines)


def evaluate(
    model: Path = WEIGHTS,
    *,
    photographs: Sequence[str] = PHOTOGRAPHS,
    names: Sequence[str] = layout.LOOK_NAMES,
    threads: int | None = None,
    sheet: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> Report:
    """Measure ``model`` on photographs; with ``sheet``, a JPEG or PNG path, also draw the contact sheet there.

    ``progress`` is told the share done, 0..1. Raises ``EngineError`` if the model cannot be loaded.
    """
    mini = LsdMini(threads=threads, weights=model)
    rows = []
    cases = [(photograph, look) for photograph in photographs for look in names]
    for index, (photograph, look) in enumerate(cases):
        rows.append(_measure(mini, photograph, look))
        if progress:
            progress((index + 1) / len(cases))
    if sheet:
        draw(contact_sheet(mini), sheet)
    return Report(mini.description, tuple(rows))


def load_photograph(name: str, height: int = HEIGHT, width: int = WIDTH) -> Picture:
    """One of scikit-image's photographs, cut to the frame's proportions and scaled to it: u8 (height, width, 3)."""
    from skimage import data

    image = np.ascontiguousarray(getattr(data, name)()[..., :3])
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
    """What the teacher makes of a whole picture with a seed: u8 (height, width, 3)."""
    height, width = source.shape[:2]
    pyramid = noise.enlarge_pyramid(noise.noise_pyramid(seed, height, width), height, width)
    picture = torch.from_numpy(source).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        result = looks.paint(look, picture, torch.from_numpy(pyramid)[None])
    return np.asarray((result[0].permute(1, 2, 0) * 255 + 0.5).to(torch.uint8).numpy())


def similarity(one: Picture, two: Picture) -> float:
    """SSIM of two pictures (Wang et al. 2004), over the colour channels."""
    from skimage.metrics import structural_similarity

    value: float = structural_similarity(one, two, channel_axis=2, data_range=255)  # type: ignore[no-untyped-call]
    return float(value)


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


def contact_sheet(
    mini: LsdMini, photographs: Sequence[str] = PHOTOGRAPHS[:3], size: tuple[int, int] = (216, 384)
) -> Picture:
    """A picture of every look (a row each, the source first) on some photographs, one step each, with names."""
    rows = []
    for look in layout.LOOK_NAMES:
        tiles = []
        for photograph in photographs:
            source = load_photograph(photograph)
            output = source if look == "photo" else mini.denoise(source, condition=condition({look: 1}, {}), seed=7)
            tiles.append(cv2.resize(output, size[::-1], interpolation=cv2.INTER_AREA))
        rows.append(_labelled(np.concatenate(tiles, 1), "source" if look == "photo" else look))
    return np.asarray(np.concatenate(rows), np.uint8)


def looks_sheet(mini: LsdMini, photograph: str = PHOTOGRAPHS[0], size: tuple[int, int] = (270, 480)) -> Picture:
    """One photograph and what every look makes of it in one step: nine tiles, three a row."""
    source = load_photograph(photograph)
    tiles = []
    for look in layout.LOOK_NAMES:
        painted = source if look == "photo" else mini.denoise(source, condition=condition({look: 1}, {}), seed=7)
        tile = cv2.resize(painted, size[::-1], interpolation=cv2.INTER_AREA)
        tiles.append(_labelled(np.asarray(tile, np.uint8), "source" if look == "photo" else look))
    rows = [np.concatenate(tiles[start : start + 3], 1) for start in range(0, len(tiles), 3)]
    return np.asarray(np.concatenate(rows), np.uint8)


def teacher_sheet(mini: LsdMini, photograph: str = PHOTOGRAPHS[1], names: Sequence[str] = layout.GENERATING) -> Picture:
    """A picture of the generating looks, a row each: the teacher, the model, and the model with another seed."""
    source = load_photograph(photograph)
    rows = []
    for look in names:
        pictures = {f"{look}: teacher": teach(source, look, 1)}
        for seed in (1, 2):
            painted = mini.denoise(source, condition=condition({look: 1}, {}), seed=seed)
            pictures[f"model, seed {seed}"] = painted
        rows.append(np.concatenate([_labelled(p[100:330, 220:620].copy(), text) for text, p in pictures.items()], 1))
    return np.asarray(np.concatenate(rows), np.uint8)


def draw(picture: Picture, path: Path) -> None:
    """Write a picture as JPEG or PNG, by the path's ending. Raises ``OSError`` if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 86]):
        raise OSError(f"cannot write {path}")


def _labelled(picture: Picture, text: str) -> Picture:
    """Write a name into the top left corner, in place."""
    for ink, shift in ((0, 1), (255, 0)):
        place = (8 + shift, 22 + shift)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (ink, ink, ink), 1, cv2.LINE_AA)
    return picture


def _measure(mini: LsdMini, photograph: str, look: str) -> LookReport:
    source = load_photograph(photograph)
    teacher = teach(source, look, seed=1)
    chosen = condition({look: 1}, {})
    outputs = [mini.denoise(source, condition=chosen, seed=1, steps=steps) for steps in (1, 2, 3, 4)]
    other = mini.denoise(source, condition=chosen, seed=2)
    return LookReport(
        look,
        photograph,
        similarity(source, teacher),
        tuple(recovered(source, teacher, output) for output in outputs),
        _difference(outputs[0], teacher),
        octave_gap(outputs[0], teacher),
        grid_excess(outputs[0], teacher),
        _difference(outputs[0], other),
    )


def _mean(rows: Sequence[LookReport], value: Callable[[LookReport], float]) -> float:
    return float(np.mean([value(row) for row in rows]))


def _difference(one: Picture, two: Picture) -> float:
    return float(np.abs(one.astype(np.int16) - two).mean())


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
