"""The training's log as a picture: loss over steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

_WIDTH, _HEIGHT, _MARGIN = 960, 480, 60
_LINE, _INK, _FAINT = (180, 90, 30), (40, 40, 40), (220, 220, 220)


def plot_log(log: Path, picture: Path) -> None:
    """Draw the losses in a training's ``log.jsonl`` to a PNG. Does nothing while the log has no two of them."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    points = [(line["step"], line["loss"]) for line in lines if np.isfinite(line["loss"]) and line["loss"] > 0]
    if len(points) > 1:
        cv2.imwrite(str(picture), draw(points))


def draw(points: Sequence[tuple[float, float]]) -> npt.NDArray[np.uint8]:
    """Draw (step, loss) with a logarithmic scale of losses: u8 (480, 960, 3), BGR."""
    canvas = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    steps, losses = np.array(points, float).T
    low, high = np.log10(losses.min()), np.log10(losses.max())
    low, high = low - 0.02, max(high, low + 0.05) + 0.02
    last = max(steps.max(), 1.0)

    def place(step: float, exponent: float) -> tuple[int, int]:
        x = _MARGIN + step / last * (_WIDTH - 2 * _MARGIN)
        y = _HEIGHT - _MARGIN - (exponent - low) / (high - low) * (_HEIGHT - 2 * _MARGIN)
        return round(x), round(y)

    for exponent in np.linspace(low, high, 6):
        y = place(0, exponent)[1]
        cv2.line(canvas, (_MARGIN, y), (_WIDTH - _MARGIN, y), _FAINT, 1)
        cv2.putText(canvas, f"{10**exponent:.3f}", (6, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)
    for step in np.linspace(0, last, 6):
        x = place(step, low)[0]
        cv2.putText(canvas, f"{step:.0f}", (x - 16, _HEIGHT - 32), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)
    curve = np.array([place(step, np.log10(loss)) for step, loss in zip(steps, losses, strict=True)], np.int32)
    cv2.polylines(canvas, [curve], False, _LINE, 2, cv2.LINE_AA)
    title = "training loss (mean of a hundred steps) over optimiser steps"
    cv2.putText(canvas, title, (_MARGIN, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    return canvas
