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

from mirage_protocol import BYTES_PER_PIXEL, Camera, Plane
from mirage_runtime import models
from mirage_runtime.jpeg import decoded

_ALIGNMENT = 64
_TYPES: dict[str, tuple[type[np.generic], int]] = {
    "rgb8": (np.uint8, 3),
    "rgba8": (np.uint8, 4),
    "r32f": (np.float32, 1),
    "rg16f": (np.float16, 2),
    "r32u": (np.uint32, 1),
}


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
    ids: Plane | None = None
    camera: Camera | None = None
    lease: Lease | None = None
    target: Target | None = None

    @property
    def result_size(self) -> int:
        """Bytes of the result's picture: rows one right after the other, RGB where the frame is a JPEG."""
        return self.color.width * self.color.height * BYTES_PER_PIXEL[result_format(self.color)]

    @property
    def planes(self) -> list[Plane]:
        """The planes, in the order in which `described` lists them."""
        beside = [plane for plane in (self.depth, self.ids) if plane is not None]
        return [self.color, *beside, *(moved.plane for moved in self.motion)]


def result_format(color: Plane) -> str:
    """Return the format of the picture that a frame's colour is transformed to."""
    return "rgb8" if color.format == "jpeg" else color.format


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
        "settings": {name: getattr(settings, name) for name in _SETTINGS},
        "planes": [_described(plane, place) for plane, place in zip(work.planes, places, strict=True)],
        "has_depth": work.depth is not None,
        "has_ids": work.ids is not None,
        "motion": [[moved.frame, moved.source] for moved in work.motion],
        "camera": [list(camera.view), list(camera.projection)] if camera else None,
    }


def _described(plane: Plane, place: int) -> list[Any]:
    """Return the arguments of `_array`."""
    stride = plane.row if plane.stride is None else plane.stride
    return [plane.format, plane.height, plane.width, place, len(plane.data), stride, plane.bottom_up]


_SETTINGS = tuple(field.name for field in dataclasses.fields(models.Settings))


def found(request: dict[str, Any], block: memoryview) -> tuple[NDArray[np.uint8], models.Settings, models.Context]:
    """Return the frame, the settings and the context that a request describes, as views of ``block``.

    What is not stored as it is used is copied: a JPEG, rows from the bottom up. Raises `MirageRuntimeError` for a JPEG
    that is none, or is not of the size that was said.
    """
    color, *rest = (_array(block, *plane) for plane in request["planes"])
    depth = rest.pop(0)[..., 0] if request["has_depth"] else None
    ids = rest.pop(0)[..., 0] if request["has_ids"] else None
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
    values["mask_ids"] = tuple(values["mask_ids"])
    values["seeds"] = tuple((seed, amplitude) for seed, amplitude in values["seeds"])
    memory = f"{request['stream']}/{request['source']}"
    return color, models.Settings(**values), models.Context(memory, request["id"], motion, depth, camera, ids)


def _array(
    block: memoryview, format_: str, height: int, width: int, offset: int, size: int, stride: int, bottom_up: bool
) -> NDArray[Any]:
    if format_ == "jpeg":
        return decoded(bytes(block[offset : offset + size]), height, width)
    kind, channels = _TYPES[format_]
    item = np.dtype(kind).itemsize
    array: NDArray[Any] = np.ndarray(
        (height, width, channels), kind, block, offset, strides=(stride, channels * item, item)
    )
    return np.ascontiguousarray(array[::-1]) if bottom_up else array
