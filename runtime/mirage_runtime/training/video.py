"""Procedural video with exact motion, depth and occlusion: layers of pictures under a moving camera.

A ground and up to four cut-out things in front of it, each at its own distance, textured with procedural pictures. The
camera pans, zooms and rolls, things move on their own, light changes; near layers pass faster than far ones. Every
layer moves by an affine map, so where each pixel was in the frame before, and whether it was to be seen there, is known
exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mirage_runtime.training.data import outline

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_OPAQUE = 0.5


@dataclass(frozen=True)
class Shot:
    """One frame of a clip."""

    picture: Bytes
    """What a camera sees, sensor noise included: u8 ``(size, size, 3)``."""
    clean: Bytes
    """The same without sensor noise."""
    motion: Floats
    """Where each pixel was in the frame before, minus where it is: f32 ``(size, size, 2)``, x and y in pixels."""
    seen: npt.NDArray[np.bool_]
    """Where what is seen now was to be seen in the frame before: ``(size, size)``."""
    depth: Floats
    """Metres: f32 ``(size, size)``."""


class Clip:
    """An endless clip: ``next()`` gives one frame after the other."""

    def __init__(self, random: np.random.Generator, pictures: Bytes, size: int) -> None:
        """Compose a clip of ``size`` x ``size`` from ``pictures`` u8 ``(n, side, side, 3)``."""
        self._random = random
        self._size = size
        self._camera = _Path(random, size, camera=True)
        things = int(random.choice(5, p=[0.3, 0.25, 0.2, 0.15, 0.1]))
        distances = [random.uniform(6, 30), *sorted(random.uniform(1.5, 6, things))[::-1]]
        self._layers = [
            _Layer(random, pictures, size, distance, (distances[0] / distance) ** 0.5, ground=index == 0)
            for index, distance in enumerate(distances)
        ]
        self._light = _Light(random, size)
        self._grain = random.choice([0.0, 0.0, 0.0, random.uniform(1, 3), random.uniform(2, 6)])
        self._time = 0
        self._owner: npt.NDArray[np.intp] | None = None

    def next(self) -> Shot:
        """Render the next frame."""
        size, time = self._size, self._time
        y, x = np.mgrid[0:size, 0:size].astype(np.float32)
        canvas = np.zeros((size, size, 3), np.float32)
        owner = np.zeros((size, size), np.intp)
        depth = np.zeros((size, size), np.float32)
        motion = np.zeros((size, size, 2), np.float32)
        for index, layer in enumerate(self._layers):
            now, before = (layer.place(self._camera.at(t, layer.nearness), t) for t in (time, time - 1))
            cover = layer.paint(canvas, now)
            covered = cover > _OPAQUE
            owner[covered], depth[covered] = index, layer.distance
            back = _after(before, _inverse(now))
            motion[..., 0] = np.where(covered, back[0, 0] * x + back[0, 1] * y + back[0, 2] - x, motion[..., 0])
            motion[..., 1] = np.where(covered, back[1, 0] * x + back[1, 1] * y + back[1, 2] - y, motion[..., 1])
        was_x, was_y = np.rint(x + motion[..., 0]).astype(int), np.rint(y + motion[..., 1]).astype(int)
        seen = (was_x >= 0) & (was_x < size) & (was_y >= 0) & (was_y < size)
        if self._owner is None:
            seen[:] = False
        else:
            seen &= self._owner[was_y.clip(0, size - 1), was_x.clip(0, size - 1)] == owner
        self._owner = owner
        self._time += 1
        lit = self._light.on(canvas, time)
        clean = np.rint(np.clip(lit, 0, 255)).astype(np.uint8)
        picture = clean
        if self._grain:
            grain = self._random.standard_normal((size, size, 3), dtype=np.float32) * np.float32(self._grain)
            picture = np.rint(np.clip(lit + grain, 0, 255)).astype(np.uint8)
        return Shot(picture, clean, motion, seen, depth)


class _Path:
    """How something moves: constant speed, a swing, a zoom and a roll, some of them none."""

    def __init__(self, random: np.random.Generator, size: int, *, camera: bool) -> None:
        kind = random.random()
        fast = float(np.exp(random.uniform(np.log(0.15), np.log(14.0 if camera else 6.0))))
        angle = random.uniform(0, 2 * np.pi)
        if random.random() < 0.4:
            angle = np.rint(angle / (np.pi / 2)) * np.pi / 2  # pans are level, as a rule
        if random.random() < 0.2:
            fast = np.rint(fast * 2) / 2
        still = 0.22 if camera else 0.35
        self._speed = np.array([np.cos(angle), np.sin(angle)]) * fast * (kind >= still)
        turns = random.random(2) < (0.35, 0.3)
        self._zoom = random.uniform(-0.025, 0.025) * turns[0] * (kind >= still)
        self._roll = random.uniform(-0.03, 0.03) * turns[1] * (kind >= still)
        self._swing = random.uniform(0, 4, 2) * (random.random() < 0.25) * (kind >= still)
        self._rate, self._phase = random.uniform(0.1, 0.9), random.uniform(0, 6)
        self._middle = (size - 1) / 2

    def at(self, time: int, share: float = 1.0) -> npt.NDArray[np.float64]:
        """The map (2, 3) from where a thing would be to where it is on the screen; ``share`` scales its travel."""
        x, y = share * (self._speed * time + self._swing * np.sin(self._rate * time + self._phase))
        # A swing instead of an endless zoom: a clip must not end in one pixel.
        zoom = np.exp(0.4 * np.sin(self._zoom * time / 0.4))
        roll = self._roll * time
        c, s, m = zoom * np.cos(roll), zoom * np.sin(roll), self._middle
        return np.array([[c, -s, m - c * m + s * m + x], [s, c, m - s * m - c * m + y]])


class _Layer:
    """A picture at a distance, cut out unless it is the ground."""

    def __init__(
        self, random: np.random.Generator, pictures: Bytes, size: int, distance: float, nearness: float, *, ground: bool
    ) -> None:
        self.distance, self.nearness, self._ground = distance, nearness, ground
        self._size = size
        texture = pictures[int(random.integers(len(pictures)))]
        if random.random() < 0.5:
            texture = texture[..., random.permutation(3)]
        self._texture = np.ascontiguousarray(np.rot90(texture, int(random.integers(4))))
        self._own = _Path(random, size, camera=False) if not ground else None
        side = len(texture)
        scale = random.uniform(0.75, 1.4)
        if not ground:
            radius = size * random.uniform(0.08, 0.4)
            self._radius = radius
            self._stencil = cv2.GaussianBlur(outline(random, 128, 52, centred=True), (0, 0), 0.8)
            self._start = random.uniform(0.1, 0.9, 2) * size
            scale = min(scale, side / (2.4 * radius))
        shift = (side - scale * size) / 2 + random.uniform(-8, 8, 2)
        self._base = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])

    def place(self, camera: npt.NDArray[np.float64], time: int) -> npt.NDArray[np.float64]:
        """The map (2, 3) from the layer's own pixels to the screen's."""
        if self._own is None:
            return camera
        own = self._own.at(time)
        span = self._size * 1.5  # things come round again
        drift = self._start + own[:, 2] + camera[:, 2]
        turn = np.floor((drift + 0.25 * self._size) / span) * span
        moved = own.copy()
        moved[:, 2] += self._start - self._size / 2 - turn
        return _after(camera, moved)

    def paint(self, canvas: Floats, place: npt.NDArray[np.float64]) -> Floats:
        """Draw the layer on the canvas (h, w, 3), where ``place`` puts it; returns its cover, (h, w), 0..1."""
        size = (self._size, self._size)
        back = _inverse(place)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        texture = cv2.warpAffine(
            self._texture, _after(self._base, back), size, flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        if self._ground:
            canvas[:] = texture
            return np.ones(size, np.float32)
        middle = self._size / 2
        fit = 52 / self._radius
        stencil = np.array([[fit, 0, 64 - fit * middle], [0, fit, 64 - fit * middle]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cover = cv2.warpAffine(self._stencil, _after(stencil, back), size, flags=flags)
        cover = np.clip((cover - 0.5) * np.float32(3 * 0.5 / fit / 2 + 1) + 0.5, 0, 1)
        canvas += cover[..., None] * (texture - canvas)
        return np.asarray(cover, np.float32)


class _Light:
    """Light that changes: not at all, slowly, in a flicker, or with a shade that wanders over the scene."""

    def __init__(self, random: np.random.Generator, size: int) -> None:
        self._kind = int(random.choice(4, p=[0.55, 0.2, 0.1, 0.15]))
        self._depth, self._rate = random.uniform(0.1, 0.45), random.uniform(0.02, 0.25)
        self._phase = random.uniform(0, 6)
        self._tint = random.uniform(0.85, 1.15, 3)
        self._random = random
        self._size = size
        self._speed = random.uniform(-5, 5, 2)

    def on(self, canvas: Floats, time: int) -> Floats:
        """Light a canvas (h, w, 3)."""
        if self._kind == 0:
            return canvas
        wave = float(np.sin(self._rate * time + self._phase))
        if self._kind == 1:
            gain = 1 + self._depth * wave * self._tint
            return np.asarray(canvas * gain.astype(np.float32), np.float32)
        if self._kind == 2:
            flash = self._random.random() < 0.15
            return canvas * np.float32(1 + self._depth * (1 if flash else 0))
        y, x = np.mgrid[0 : self._size, 0 : self._size].astype(np.float32)
        centre = (self._size * (0.5 + 0.4 * wave) + self._speed * time) % (1.5 * self._size)
        shade = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (0.3 * self._size) ** 2)
        return np.asarray(canvas * (1 - np.float32(self._depth) * shade[..., None]), np.float32)


def _after(one: npt.NDArray[np.float64], two: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The map that applies ``two``, then ``one``: both (2, 3)."""
    return np.concatenate([one[:, :2] @ two[:, :2], one[:, :2] @ two[:, 2:] + one[:, 2:]], axis=1)


def _inverse(one: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    back = np.linalg.inv(one[:, :2])
    return np.concatenate([back, -back @ one[:, 2:]], axis=1)
