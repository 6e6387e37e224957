"""Everything that ``mirage eval lsd`` does, in one call: stills, streams, sheets and animations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.lsd import layout
from mirage_runtime.models.lsd.model import WEIGHTS, LsdMini
from mirage_runtime.training import evaluate, sheets
from mirage_runtime.training.animate import animate
from mirage_runtime.training.endless import PERIOD
from mirage_runtime.training.evaluate_motion import FULL, QUICK, evaluate_motion


@dataclass(frozen=True)
class Work:
    """What to measure, and what to draw."""

    weights: Path | None = None
    """An ONNX file; None for the embedded model."""
    looks: tuple[str, ...] = ()
    """None means all."""
    quick: bool = False
    motion: bool = True
    endless: int = 0
    """Frames of a long stream; 0 for none."""
    against: tuple[str, ...] = ()
    """Other weights, each as ``name=file``."""
    sheet: Path | None = None
    """Where a contact sheet is drawn."""
    animations: Path | None = None
    """The folder that animations are written to."""
    threads: int | None = None


@dataclass(frozen=True)
class Result:
    """What was measured, for people and for programs."""

    markdown: str
    figures: dict[str, Any]


def measure(work: Work, progress: Callable[[float], None] | None = None) -> Result:
    """Do the work; ``progress`` is told the share done, 0..1.

    Raises ``MirageRuntimeError`` for a look that there is not, too few frames for an endless run, weights that cannot
    be loaded or named, and a path that cannot be written.
    """
    names, against = _names(work.looks), dict(_named(text) for text in work.against)
    if 0 < work.endless < 3 * PERIOD:
        raise MirageRuntimeError(f"--endless takes {3 * PERIOD} frames at least: three rounds of {PERIOD}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the teachers' operations are small; threads that wait for one another only take longer
    try:
        return _measured(work, names, against, progress or (lambda _: None))
    except OSError as error:
        raise MirageRuntimeError(str(error)) from None
    finally:
        torch.set_num_threads(threads)


def _measured(work: Work, names: tuple[str, ...], against: dict[str, Path], told: Callable[[float], None]) -> Result:
    weights = work.weights or WEIGHTS
    stills = 0.25 if work.motion else 1.0
    report = evaluate.evaluate(
        weights,
        photographs=evaluate.PHOTOGRAPHS[:1] if work.quick else evaluate.PHOTOGRAPHS,
        names=names,
        steps=QUICK.steps if work.quick else evaluate.STEPS,
        threads=work.threads,
        progress=lambda done: told(stills * done),
    )
    markdown, figures = [report.as_markdown()], {"stills": report.as_json()}
    if work.motion:
        moving = evaluate_motion(
            weights,
            names=[name for name in names if name != "photo"],
            plan=QUICK if work.quick else FULL,
            endless_frames=work.endless,
            endless_looks=work.looks or ("lava",),
            against=against,
            threads=work.threads,
            progress=lambda done: told(stills + (1 - stills) * done),
        )
        markdown.append(moving.as_markdown())
        figures["motion"] = moving.as_json()
    _draw(work, weights, names)
    return Result("\n\n".join(markdown), figures)


def _draw(work: Work, weights: Path, names: tuple[str, ...]) -> None:
    if not (work.sheet or work.animations):
        return
    model = LsdMini(threads=work.threads, weights=weights)
    if work.sheet:
        sheets.draw(sheets.contact_sheet(model), work.sheet)
    if work.animations:
        for name in names:
            if name != "photo":
                animate(model, name, work.animations / f"{name}.webp")


def _names(looks: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in looks if name not in layout.LOOK_NAMES]
    if unknown:
        raise MirageRuntimeError(f"there is no look '{unknown[0]}': there are {', '.join(layout.LOOK_NAMES)}")
    return looks or layout.LOOK_NAMES


def _named(text: str) -> tuple[str, Path]:
    name, separator, file = text.partition("=")
    if not (name and separator and file):
        raise MirageRuntimeError(f"--against takes NAME=FILE, not '{text}'")
    return name, Path(file)
