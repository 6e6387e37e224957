"""How a frame's planes lie in the block that the worker reads: one after the other, colour first."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_protocol import Camera, Plane
from mirage_runtime import models

_ALIGNMENT = 64
_TYPES = {"rgb8": (np.uint8, 3), "rgba8": (np.uint8, 4), "r32f": (np.float32, 1), "rg16f": (np.float16, 2)}


@dataclasses.dataclass(frozen=True)
class Moved:
    """One frame's motion plane, and the frames that it leads from and to."""

    plane: Plane
    frame: int
    source: int


@dataclasses.dataclass(frozen=True)
class Work:
    """One frame for the worker."""

    stream: str
    id: int
    color: Plane
    settings: models.Settings
    source: int = 0
    """Which of the sources that the stream has had: each has a memory of its own."""
    motion: tuple[Moved, ...] = ()
    """The frame's own motion, then that of dropped frames before it, newest first."""
    depth: Plane | None = None
    camera: Camera | None = None


def planes_of(work: Work) -> list[Plane]:
    """Return the planes in the order in which they lie in the block."""
    return [work.color, *([work.depth] if work.depth else []), *(moved.plane for moved in work.motion)]


def offsets(planes: Sequence[Plane]) -> tuple[list[int], int]:
    """Return where each plane begins, and the size of all."""
    places, end = [], 0
    for plane in planes:
        places.append(end)
        end += -(-len(plane.data) // _ALIGNMENT) * _ALIGNMENT
    return places, end


def described(work: Work) -> dict[str, Any]:
    """Return what the worker must be told to find the planes and know what they are."""
    planes = planes_of(work)
    places, size = offsets(planes)
    layout = [[plane.format, plane.height, plane.width, place] for plane, place in zip(planes, places, strict=True)]
    camera = work.camera
    return {
        "stream": work.stream,
        "id": work.id,
        "source": work.source,
        "settings": dataclasses.asdict(work.settings),
        "size": size,
        "planes": layout,
        "has_depth": work.depth is not None,
        "motion": [[moved.frame, moved.source] for moved in work.motion],
        "camera": [list(camera.view), list(camera.projection)] if camera else None,
    }


def found(request: dict[str, Any], block: memoryview) -> tuple[NDArray[np.uint8], models.Settings, models.Context]:
    """Return the frame, the settings and the context that a request describes, as views of ``block``."""
    arrays = [_array(block, *plane) for plane in request["planes"]]
    color, rest = arrays[0], arrays[1:]
    depth = rest.pop(0)[..., 0] if request["has_depth"] else None
    motion = tuple(
        models.MotionPlane(pixels, frame, source)
        for pixels, (frame, source) in zip(rest, request["motion"], strict=True)
    )
    camera = None
    if request["camera"]:
        view, projection = (np.array(matrix, np.float64).reshape(4, 4) for matrix in request["camera"])
        camera = models.Camera(view, projection)
    values = request["settings"]
    values["prompts"] = tuple((text, weight) for text, weight in values["prompts"])
    values["seeds"] = tuple((seed, amplitude) for seed, amplitude in values["seeds"])
    memory = f"{request['stream']}/{request['source']}"
    return color, models.Settings(**values), models.Context(memory, request["id"], motion, depth, camera)


def _array(block: memoryview, format_: str, height: int, width: int, offset: int) -> NDArray[Any]:
    kind, channels = _TYPES[format_]
    return np.frombuffer(block, kind, height * width * channels, offset).reshape(height, width, channels)
