"""Pictures of what a model does: for the model card, and to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mirage_runtime.models.lsd import layout
from mirage_runtime.models.lsd.model import LsdMini, condition
from mirage_runtime.training.evaluate import PHOTOGRAPHS, Picture, load_photograph, teach


def contact_sheet(
    mini: LsdMini, photographs: Sequence[str] = PHOTOGRAPHS[:3], size: tuple[int, int] = (144, 256)
) -> Picture:
    """A picture of every look on some photographs, one step each, with names, the source first: two looks a row."""
    rows = []
    for look in layout.LOOK_NAMES:
        tiles = [_tile(mini, photograph, look, size) for photograph in photographs]
        rows.append(labelled(np.concatenate(tiles, 1), "source" if look == "photo" else look))
    return _two_columns(rows)


def looks_sheet(mini: LsdMini, photograph: str = PHOTOGRAPHS[0], size: tuple[int, int] = (216, 384)) -> Picture:
    """One photograph and what every look makes of it in one step: three tiles a row, the source first."""
    tiles = [
        labelled(_tile(mini, photograph, look, size), "source" if look == "photo" else look)
        for look in layout.LOOK_NAMES
    ]
    rows = [np.concatenate(tiles[start : start + 3], 1) for start in range(0, len(tiles), 3)]
    return np.asarray(np.concatenate(rows), np.uint8)


def teacher_sheet(mini: LsdMini, photograph: str = PHOTOGRAPHS[1], names: Sequence[str] = layout.GENERATING) -> Picture:
    """A picture of the generating looks: the teacher, the model, the model with another seed; two looks a row."""
    source = load_photograph(photograph)
    rows = []
    for look in names:
        pictures = {f"{look}: teacher": teach(source, look, 1)}
        for seed in (1, 2):
            painted = mini.denoise(source, condition=condition({look: 1}, {}), seed=seed)
            pictures[f"model, seed {seed}"] = painted
        rows.append(np.concatenate([labelled(p[100:300, 220:500].copy(), text) for text, p in pictures.items()], 1))
    return _two_columns(rows)


def draw(picture: Picture, path: Path) -> None:
    """Write a picture as JPEG or PNG, by the path's ending. Raises ``OSError`` if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 86] if path.suffix.lower() in (".jpg", ".jpeg") else []
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality):
        raise OSError(f"cannot write {path}")


def labelled(picture: Picture, text: str) -> Picture:
    """Write a name into the top left corner, in place."""
    for ink, shift in ((0, 1), (255, 0)):
        place = (8 + shift, 22 + shift)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (ink, ink, ink), 1, cv2.LINE_AA)
    return picture


def _tile(mini: LsdMini, photograph: str, look: str, size: tuple[int, int]) -> Picture:
    """What a look makes of a photograph in one step, made small; ``photo`` is the source."""
    source = load_photograph(photograph)
    made = source if look == "photo" else mini.denoise(source, condition=condition({look: 1}, {}), seed=7)
    return np.asarray(cv2.resize(made, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def _two_columns(rows: Sequence[Picture]) -> Picture:
    """Lay out rows of one size in two columns, the first half at the left."""
    half = (len(rows) + 1) // 2
    padded = [*rows, *([np.zeros_like(rows[0])] * (2 * half - len(rows)))]
    columns = [np.concatenate(padded[:half]), np.concatenate(padded[half:])]
    return np.asarray(np.concatenate(columns, 1), np.uint8)
