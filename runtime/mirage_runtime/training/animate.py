"""Short animations of the model at work, for the model card, and filmstrips to look closely at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mirage_runtime.models import Model
from mirage_runtime.training import clips
from mirage_runtime.training.evaluate import Picture
from mirage_runtime.training.motion_measures import MODES, Stream
from mirage_runtime.training.sheets import labelled

FRAMES = 32
"""In an animation, which then begins again without a seam in its source."""

RATE = 16
"""Frames a second."""

LIMIT = 300_000
"""Bytes that an animation may have."""

SIZE = (144, 256)
"""Height and width of either half, in pixels."""

_SPEED = 6.0  # pixels a frame
_QUALITIES = (75, 60, 45, 30, 15)


def animate(model: Model, look: str, path: Path, *, kind: str = "photograph", photograph: str = "coffee") -> int:
    """Write a looping animated WebP to ``path``: the source at the left, the look of it at the right.

    ``kind`` is ``photograph`` or ``procedural``, as ``clips.loop`` takes it. Of several qualities the best that fits
    into ``LIMIT`` bytes is taken, or the smallest. Returns the bytes. Raises ``OSError`` if it cannot be written.
    """
    scene = clips.loop(kind, FRAMES, SIZE, speed=_SPEED, photograph=photograph)
    stream = Stream(model, look, MODES["memory"])
    pictures = []
    for time in range(2 * FRAMES):  # the first round is forgotten: a stream begins without a memory
        frame = scene.render(time % FRAMES)
        _, output = stream.next(frame)
        if time >= FRAMES:
            pictures.append(np.concatenate([frame.picture, output], 1))
    for quality in _QUALITIES:
        encoded = encode(pictures, RATE, quality)
        if len(encoded) <= LIMIT:
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded)
    return len(encoded)


def encode(pictures: Sequence[Picture], rate: float, quality: int) -> bytes:
    """An animated WebP that repeats for ever, of pictures of one size; ``quality`` 1..100."""
    animation = cv2.Animation()
    animation.frames = [cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) for picture in pictures]
    animation.durations = [round(1000 / rate)] * len(pictures)
    animation.loop_count = 0
    done, encoded = cv2.imencodeanimation(".webp", animation, [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise OSError("this build of OpenCV cannot write animated WebP")
    return bytes(encoded)


def filmstrip(
    model: Model,
    look: str,
    *,
    velocity: tuple[float, float] = (2.5, -0.5),
    photograph: str = "astronaut",
    modes: Sequence[str] = ("memory", "none"),
    frames: int = 6,
    crop: int = 128,
    zoom: int = 1,
) -> Picture:
    """Consecutive frames of a pan, side by side, each cropped to where the surface of the first one went.

    A row for the source and one for each of ``modes``: what is anchored to the surface looks the same all along a row.
    ``velocity`` is in pixels a frame, ``crop`` in pixels, before it is enlarged ``zoom`` times.
    """
    warm_up = 4
    size = (256, 384)
    take = clips.pan(photograph, velocity, warm_up + frames, size)
    rows = [[frame.picture for frame in take.frames]]
    for mode in modes:
        stream = Stream(model, look, MODES[mode])
        rows.append([stream.next(frame)[1] for frame in take.frames])
    travelled = np.array(velocity) * (frames - 1)
    left, top = (np.array([size[1], size[0]]) - crop + travelled) / 2
    strips = []
    for name, pictures in zip(("source", *modes), rows, strict=True):
        cut = []
        for number, picture in enumerate(pictures[warm_up:]):
            x, y = round(left - velocity[0] * number), round(top - velocity[1] * number)
            tile = picture[y : y + crop, x : x + crop]
            cut.append(cv2.resize(tile, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST))
        strips.append(labelled(np.ascontiguousarray(np.concatenate(cut, 1)), f"{look}: {name}"))
    return np.asarray(np.concatenate(strips), np.uint8)
