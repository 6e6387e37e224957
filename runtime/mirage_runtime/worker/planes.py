"""A frame's planes on their way to the worker: where they lie, and what is said of them.

What a client has put into memory that it shares stays there, and the result goes straight into that memory too. All
else is copied into a block that daemon and worker share: one plane after the other, colour first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_protocol import Camera, Plane
from mirage_runtime import models

_ALIGNMENT = 64
_TYPES = {"rgb8": (np.uint8, 3), "rgba8": (np.uint8, 4), "r32f": (np.float32, 1), "rg16f": (np.float16, 2)}


@dataclasses.dataclass(frozen=True)
class Block:
    """Memory that daemon and worker both map: a name that is never used twice, and what it is opened by."""

    name: str
    reference: str
    size: int


@dataclasses.dataclass(frozen=True)
class Lease:
    """A frame where its client has put it: nothing was copied, and whoever used it asks whether it was ``intact``."""

    block: Block
    intact: Callable[[], bool]
    offset: Callable[[memoryview], int | None]
    """Where in the block a view of it begins; None for memory that is elsewhere."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Where a result's picture goes, so that nobody has to copy it there: ``view`` is it."""

    block: Block
    offset: int
    view: memoryview
    number: int


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
    lease: Lease | None = None
    target: Target | None = None

    @property
    def planes(self) -> list[Plane]:
        """The planes, in the order in which `described` lists them."""
        return [self.color, *([self.depth] if self.depth else []), *(moved.plane for moved in self.motion)]


def offsets(planes: Sequence[Plane]) -> tuple[list[int], int]:
    """Return where each plane begins in a block of their own, and the size of all."""
    places, end = [], 0
    for plane in planes:
        places.append(end)
        end += -(-len(plane.data) // _ALIGNMENT) * _ALIGNMENT
    return places, end


def described(work: Work, places: Sequence[int]) -> dict[str, Any]:
    """Return what the worker must be told to find the planes at ``places`` and know what they are."""
    settings, camera = work.settings, work.camera
    return {
        "stream": work.stream,
        "id": work.id,
        "source": work.source,
        "settings": {field: getattr(settings, field) for field in _SETTINGS},
        "planes": [
            [plane.format, plane.height, plane.width, place] for plane, place in zip(work.planes, places, strict=True)
        ],
        "has_depth": work.depth is not None,
        "motion": [[moved.frame, moved.source] for moved in work.motion],
        "camera": [list(camera.view), list(camera.projection)] if camera else None,
    }


_SETTINGS = tuple(field.name for field in dataclasses.fields(models.Settings))


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
