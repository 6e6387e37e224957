"""Video to measure with: scenes whose motion is known exactly, of photographs and of pictures never trained on.

A scene is layers of pictures under a camera that pans, zooms and rolls. Photographs are scikit-image's, which no
training sees; procedural pictures and clips come from seeds of their own, which no training uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from mirage_runtime.temporal import fields
from mirage_runtime.training import data
from mirage_runtime.training.evaluate import load_photograph
from mirage_runtime.training.video import Clip

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Map = npt.NDArray[np.float64]
Size = tuple[int, int]
"""Height and width in pixels."""

SEED = 20_261_122
"""The first number of every seed here: trainings begin theirs with small numbers of their own."""

_OPAQUE = 0.5
_RESTING = 0.5  # pixels: a clip whose mean motion is below moves too little to tell moving texture from fixed
_LIT = 4.0  # of 255: a clip that changes by more along its exact motion shows changing light
_BLANK = 1.5  # of 255: a clip whose reduced pictures change by less shows nothing that moves


@dataclass(frozen=True)
class Frame:
    """A frame of a sequence and what is known of it."""

    picture: Bytes
    """u8 ``(height, width, 3)``."""
    motion: Floats
    """Where each pixel was in the sequence's frame before, minus where it is: f32 ``(height, width, 2)``, x and y."""
    visible: Mask
    """Where what is seen now was to be seen in that frame: ``(height, width)``."""
    depth: Floats
    """Metres: f32 ``(height, width)``."""
    planes: tuple[Floats, ...]
    """What an engine would send: its own motion, then that of the frames dropped before it, newest first."""


@dataclass(frozen=True)
class Take:
    """A short sequence."""

    name: str
    kind: str
    """``photograph`` or ``procedural``."""
    frames: tuple[Frame, ...]


class Pose(NamedTuple):
    """Where a camera looks: pixels of the world from where it began, magnification, radians."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    roll: float = 0.0


@dataclass(frozen=True)
class Layer:
    """A picture in the world, without end unless it is cut out."""

    texture: Bytes
    """u8 ``(rows, columns, 3)``; mirrored beyond its borders."""
    cover: Floats | None = None
    """What is there of it, 0..1, f32 ``(rows, columns)``; None is all, mirrored like the texture."""
    distance: float = 10.0
    """Metres: nearer layers pass faster, in proportion."""
    path: Callable[[float], tuple[float, float]] = lambda _: (0.0, 0.0)
    """Where its middle is in the world at a time in frames: pixels right of and below the world's middle."""


class Scene:
    """Layers, the farthest first, under a camera. The first is the ground and covers everything."""

    def __init__(self, layers: Sequence[Layer], camera: Callable[[float], Pose], size: Size) -> None:
        """``camera`` gives the pose at a time in frames; frames are ``size``."""
        self._layers = layers
        self._camera = camera
        self._size = size

    def render(self, time: float, before: float | None = None) -> Frame:
        """The frame at ``time``; motion leads back to ``before``, and without that nothing was visible before."""
        height, width = self._size
        canvas = np.zeros((height, width, 3), np.float32)
        motion = np.zeros((height, width, 2), np.float32)
        depth = np.zeros((height, width), np.float32)
        y, x = np.mgrid[0:height, 0:width].astype(np.float64)
        then = time if before is None else before
        owner = self._owner(time)
        for index, layer in enumerate(self._layers):
            now = self._place(layer, time)
            flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
            texture = cv2.warpAffine(
                layer.texture, now, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101
            )
            canvas += self._cover(layer, time)[..., None] * (texture - canvas)
            back = after(inverse(self._place(layer, then)), now)
            mine = owner == index
            depth[mine] = layer.distance
            motion[mine, 0] = (back[0, 0] * x + back[0, 1] * y + back[0, 2] - x)[mine]
            motion[mine, 1] = (back[1, 0] * x + back[1, 1] * y + back[1, 2] - y)[mine]
        visible = np.zeros((height, width), bool)
        if before is not None:
            visible = _still_there(owner, self._owner(before), motion)
        picture = np.rint(np.clip(canvas, 0, 255)).astype(np.uint8)
        return Frame(picture, motion, visible, depth, (motion,))

    def frames(self, count: int) -> tuple[Frame, ...]:
        """The first ``count`` frames."""
        return tuple(self.render(time, time - 1 if time else None) for time in range(count))

    def _place(self, layer: Layer, time: float) -> Map:
        """The map (2, 3) from the screen's pixels to the layer's own."""
        height, width = self._size
        rows, columns = layer.texture.shape[:2]
        nearness = self._layers[0].distance / layer.distance
        pose, own = self._camera(time), layer.path(time)
        c, s = np.cos(pose.roll) / pose.zoom, np.sin(pose.roll) / pose.zoom
        linear = np.array([[c, s], [-s, c]])
        middle = np.array([width - 1, height - 1]) / 2
        world = nearness * np.array([pose.x, pose.y]) - np.array(own) + np.array([columns - 1, rows - 1]) / 2
        return np.concatenate([linear, (world - linear @ middle)[:, None]], axis=1)

    def _cover(self, layer: Layer, time: float) -> Floats:
        height, width = self._size
        if layer.cover is None:
            return np.ones((height, width), np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(layer.cover, self._place(layer, time), (width, height), flags=flags))

    def _owner(self, time: float) -> npt.NDArray[np.intp]:
        """Which layer is seen at each pixel."""
        owner = np.zeros(self._size, np.intp)
        for index, layer in enumerate(self._layers):
            owner[self._cover(layer, time) > _OPAQUE] = index
        return owner


def pan(photograph: str, velocity: tuple[float, float], count: int, size: Size) -> Take:
    """A camera that passes over a photograph, ``velocity`` pixels right and down a frame."""
    vx, vy = velocity
    speed = f"{vx:g}" if vy == 0 else f"{vx:g}, {vy:g}"
    return _filmed(f"pan {speed} px", photograph, lambda t: Pose(vx * t, vy * t), count, size)


def zoom(photograph: str, percent: float, count: int, size: Size) -> Take:
    """A camera that comes nearer by ``percent`` a frame, or goes away."""
    rate = 1 + percent / 100
    return _filmed(f"zoom {percent:+g} %", photograph, lambda t: Pose(zoom=rate**t), count, size)


def roll(photograph: str, degrees: float, count: int, size: Size) -> Take:
    """A camera that rolls by ``degrees`` a frame."""
    return _filmed(f"roll {degrees:g} deg", photograph, lambda t: Pose(roll=np.deg2rad(degrees) * t), count, size)


def procedural(count: int, frames: int, size: int) -> Iterator[Take]:
    """Clips as in training, from other seeds and ``size`` x ``size``: the first ``count`` that are of use.

    Left out is what hardly moves, what shows no motion for want of any detail, and what is lit unsteadily.
    """
    index = found = 0
    while found < count:
        take = _clip(index, frames, size)
        index += 1
        if take is not None:
            found += 1
            yield take


def dropped(take: Take) -> Take:
    """The take with every second frame lost on the way; motion leads from each frame that came to the one before it."""
    kept = []
    for lost, frame in zip(take.frames[1::2], take.frames[2::2], strict=False):
        places = frame.motion + _pixels(frame.motion.shape[:2])
        near = {"interpolation": cv2.INTER_NEAREST, "borderMode": cv2.BORDER_REPLICATE}
        motion = frame.motion + cv2.remap(lost.motion, places, None, **near)
        visible = frame.visible & (cv2.remap(lost.visible.astype(np.uint8), places, None, **near) > 0)
        kept.append(Frame(frame.picture, motion, visible, frame.depth, (frame.motion, lost.motion)))
    return Take(f"{take.name}, every second frame dropped", take.kind, (take.frames[0], *kept))


def loop(kind: str, period: int, size: Size, *, speed: float = 2.2, photograph: str = "coffee") -> Scene:
    """A scene whose camera and things come back to where they were after ``period`` frames.

    ``kind`` is ``photograph``, or ``procedural``: pictures never trained on, with things at three distances. The camera
    pans at up to ``speed`` pixels a frame, zooms and rolls.
    """
    phase = 2 * np.pi / period
    reach = speed / phase

    def camera(time: float) -> Pose:
        turn = phase * time
        zoom, tilt = np.exp(0.18 * np.sin(turn + 1)), 0.12 * np.sin(2 * turn)
        return Pose(reach * float(np.sin(turn)), 0.27 * reach * float(np.sin(2 * turn)), float(zoom), float(tilt))

    if kind == "photograph":
        return Scene([Layer(load_photograph(photograph))], camera, size)
    random = np.random.default_rng([SEED, 500])
    layers = [Layer(_picture(500, 0, 480), distance=10.0)]
    for number, (distance, radius) in enumerate(((8.0, 0.34), (6.0, 0.22)), 1):
        side = int(2.4 * radius * size[0]) // 2 * 2
        cover = data.outline(random, side, side * 0.42, centred=True)
        swing, begin = random.uniform(0.15, 0.3) * reach, random.uniform(0, 6)

        def path(time: float, swing: float = swing, begin: float = begin, side: int = side) -> tuple[float, float]:
            return swing * float(np.sin(phase * time + begin)), side * 0.4 * float(np.cos(phase * time + begin))

        layers.append(Layer(_picture(500, number, side), cv2.GaussianBlur(cover, (0, 0), 0.8), distance, path))
    return Scene(layers, camera, size)


def after(one: Map, two: Map) -> Map:
    """The map that applies ``two``, then ``one``: all (2, 3)."""
    return np.concatenate([one[:, :2] @ two[:, :2], one[:, :2] @ two[:, 2:] + one[:, 2:]], axis=1)


def inverse(one: Map) -> Map:
    """The map (2, 3) that leads back."""
    back = np.linalg.inv(one[:, :2])
    return np.concatenate([back, -back @ one[:, 2:]], axis=1)


def warp_error(before: Bytes, now: Bytes, frame: Frame, border: int = 20) -> float:
    """How far a picture is from the one before it, moved along ``frame``'s exact motion: mean difference, of 255.

    Left out are ``border`` pixels at each side, what was not visible, and two pixels around that.
    """
    places = frame.motion + _pixels(frame.motion.shape[:2])
    moved = cv2.remap(before, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    counted = cv2.erode(frame.visible.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    inner = np.zeros_like(counted)
    inner[border:-border, border:-border] = True
    counted &= inner
    if not counted.any():
        return 0.0
    return float(cv2.absdiff(moved, now)[counted].mean())


def _filmed(name: str, photograph: str, camera: Callable[[float], Pose], count: int, size: Size) -> Take:
    scene = Scene([Layer(load_photograph(photograph))], camera, size)
    return Take(f"{photograph}: {name}", "photograph", scene.frames(count))


@lru_cache(maxsize=32)
def _clip(index: int, count: int, size: int) -> Take | None:
    """One of training's clips from a seed of its own; None if it rests, is blank, or its light changes."""
    pictures = np.stack([_picture(index, number, size * 11 // 8) for number in range(5)])
    clip = Clip(np.random.default_rng([SEED, index]), pictures, size)
    shots = [clip.next() for _ in range(count)]
    frames = [Frame(s.picture, s.motion, s.seen, s.depth, (s.motion,)) for s in shots]
    speed = np.mean([np.hypot(*np.moveaxis(frame.motion, -1, 0)).mean() for frame in frames[1:]])
    pairs = list(zip(shots[:-1], shots[1:], frames[1:], strict=True))
    along = [warp_error(one.clean, two.clean, frame) for one, two, frame in pairs]
    at_rest = [cv2.absdiff(_quarter(one.clean), _quarter(two.clean)).mean() for one, two, _ in pairs]
    if speed < _RESTING or max(along) > _LIT or np.mean(at_rest) < _BLANK:
        return None
    return Take(f"clip {index}", "procedural", tuple(frames))


def _quarter(picture: Bytes) -> Bytes:
    return np.asarray(cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))


def _picture(scene: int, number: int, side: int) -> Bytes:
    return data.picture(np.random.default_rng([SEED, scene, number]), side)


def _still_there(owner: npt.NDArray[np.intp], owner_before: npt.NDArray[np.intp], motion: Floats) -> Mask:
    height, width = owner.shape
    places = np.rint(motion + _pixels((height, width))).astype(int)
    x, y = places[..., 0], places[..., 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    there: Mask = inside & (owner_before[y.clip(0, height - 1), x.clip(0, width - 1)] == owner)
    return there


def _pixels(size: Size) -> Floats:
    return fields.enlarged(np.zeros((1, 1, 2), np.float32), *size)
