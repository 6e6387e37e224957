"""Where each place of a frame was in the frame that is remembered: as the engine says, or as far as it can be seen.

Motion is backward, as in the protocol: position in the remembered frame minus position now, x and y in pixels. It is
kept at the resolution of the noise grid, a sample for every 4x4 pixels, and enlarged when pictures are warped.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage_kernels.noise import GRID
from mirage_runtime.temporal.beside import beside
from mirage_runtime.temporal.fields import pixels, spots

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_STILL = 3  # of 255: a change in a 4x4 mean that sensor noise makes, and motion hardly
_DETAILED = 12  # of 255: variation in 3x3 samples that motion would show in
_AROUND = (25, 25)  # samples: how far around detail speaks for plain places
_SAME_LIGHT = 0.08  # share by which a frame's mean may change before it is looked at in the light of the last
_CLEAR = (12.0, 36.0)  # of 255: differences of colour between which trust in a match fades
_AGREE = (0.75, 2.0)  # pixels: differences of forward and backward motion between which trust fades
_BETTER = 0.97  # of what rest leaves unexplained: what a camera's motion must leave at most
_CREEP = 0.05  # pixels: a camera that moves more moves plain places too, though they show no change
_CAMERA = (0.6, 1.5)  # pixels: distances from the camera's motion between which the search is believed instead
_AS_GOOD = 0.5  # of 255: where colours fit the camera's motion this nearly as well, it is believed
_UNCHANGED = 0.25  # of 255: a mean change that not even a slow camera can hide in
_FINE = 0.15  # share of the detail around a place by which its colour may differ once it has moved
_MOST_PLACES = 800  # with detail that a camera's motion is fitted to
_FEWEST = 24  # of them
_WINDOW = (7, 7)  # samples that move as one when a search is refined
_STIFF = 150.0  # brightness steps squared: detail below this moves with its neighbours
_LONGEST = 3.0  # pixels that refining moves a place by at most
_FINEST = 1  # halvings of the grid at which the search ends
_PATCH = 8  # samples: what is compared
_SMALLEST = 48  # pixels: frames below are too small to look for motion in
_NEARER = 0.08  # share of the distance that a surface may have come nearer without being another


@dataclass(frozen=True)
class View:
    """A frame as it is remembered: reduced once, compared many times."""

    half: Bytes
    """Grey, half size, where a camera's motion is settled."""
    quarter: Bytes
    """RGB at the noise grid's resolution: (height / 4, width / 4, 3)."""
    shades: Bytes
    """The same in grey, where motion is looked for."""
    depth: Floats | None = None
    """Metres at the noise grid's resolution; 0 where unknown."""

    @classmethod
    def of(cls, frame: Bytes, depth: Floats | None = None) -> View:
        """Reduce a frame u8 ``(height, width, 3)`` whose sides are multiples of 16."""
        height, width = frame.shape[:2]
        half = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        quarter = cv2.resize(half, (width // GRID, height // GRID), interpolation=cv2.INTER_AREA)
        half, shades = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (half, quarter))
        return cls(half, np.asarray(quarter, np.uint8), shades, depth)

    @cached_property
    def grey(self) -> Floats:
        """``shades`` as numbers to reckon with."""
        return self.shades.astype(np.float32)

    @cached_property
    def variation(self) -> Bytes:
        """How far the largest channel varies in a 3x3 neighbourhood."""
        window = np.ones((3, 3), np.uint8)
        return _largest(cv2.subtract(cv2.dilate(self.quarter, window), cv2.erode(self.quarter, window)))

    @cached_property
    def detailed(self) -> NDArray[np.bool_]:
        """Where there is detail that motion would show in."""
        return self.variation > _DETAILED

    @cached_property
    def slopes(self) -> tuple[Floats, ...]:
        """How brightness changes to the right and down, and in a window around: its squares and their product."""
        right, down = (cv2.Scharr(self.grey, cv2.CV_32F, *order, scale=1 / 32) for order in ((1, 0), (0, 1)))
        xx, xy, yy = (cv2.blur(product, _WINDOW) for product in (right * right, right * down, down * down))
        return right, down, xx + _STIFF, xy, yy + _STIFF


@dataclass(frozen=True)
class Motion:
    """Motion and how far it can be trusted."""

    field: Floats
    """Pixels, f32 ``(height / 4, width / 4, 2)``."""
    trust: Floats
    """0..1, f32 ``(height / 4, width / 4)``: 0 where what is seen now was hidden or outside."""
    alike: Floats
    """0..1, f32 ``(height / 4, width / 4)``: 0 where its light or colour has changed, though it may be the same."""


def estimate(before: View, now: View) -> Motion:
    """Look for the motion: dense inverse search (Kroeger et al. 2016, arXiv:1603.03590), forward and backward.

    What has not changed has not moved. Trust asks that both directions agree (Sundaram et al. 2010) and that the
    colours do.
    """
    rows, columns = now.quarter.shape[:2]
    seen, before = before, _relit(before, now)
    field = np.zeros((rows, columns, 2), np.float32)
    unchanged = cv2.norm(before.half, now.half, cv2.NORM_L1) <= _UNCHANGED * now.half.size
    if unchanged or min(now.half.shape) * 2 < _SMALLEST:
        return _judged(field, _inside(field), seen, now)
    looking = beside(lambda: (_still(before, now), _searches.forth(before, now), now.slopes))
    back = _searches.back(before, now)
    still, forth, _ = looking.result()
    back, gap = _refined(back, before, now)
    camera = _camera(back, before, now)
    if camera is not None:
        still &= _length(camera[0]) < _CREEP
        back = _settled(back, gap, *camera, now)
    field = _where(still, np.float32(0), back)
    returned = cv2.remap(forth, spots(field), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    astray = _length(returned + field) - np.float32(0.05) * _length(field)
    agreed = np.where(now.detailed, _fade(astray, _AGREE), np.float32(1))  # a search of plain places says nothing
    return _judged(field, np.where(still, np.float32(1), agreed * _inside(field)), seen, now)


def given(field: Floats, before: View, now: View) -> Motion:
    """Take an engine's motion, f32 ``(height / 4, width / 4, 2)``, where it is finite; trust it where colours agree.

    With depth in both frames, a place that was nearer before than it is now was another surface's.
    """
    finite = np.isfinite(field[..., 0]) & np.isfinite(field[..., 1])
    reach = np.float32(4 * GRID * max(field.shape[:2]))
    field = np.where(finite[..., None], np.clip(field, -reach, reach), np.float32(0))
    trust = _inside(field) * finite
    if before.depth is not None and now.depth is not None:
        was = cv2.remap(before.depth, spots(field), None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        hidden = (was > 0) & (now.depth > 0) & (was < now.depth * (1 - _NEARER))
        trust = np.where(hidden, np.float32(0), trust)
    return _judged(field, np.asarray(trust, np.float32), before, now)


def _still(before: View, now: View) -> NDArray[np.bool_]:
    """Where nothing has changed, nor what has detail nearby: plain places show no motion of their own."""
    change = _largest(cv2.absdiff(cv2.blur(before.quarter, (3, 3)), cv2.blur(now.quarter, (3, 3))))
    same = change <= _STILL
    detail = now.detailed
    quiet = cv2.blur((same & detail).astype(np.float32), _AROUND, borderType=cv2.BORDER_REPLICATE)
    seen = cv2.blur(detail.astype(np.float32), _AROUND, borderType=cv2.BORDER_REPLICATE)
    whole = float((same & detail).sum()) >= 0.5 * float(detail.sum())
    return np.asarray(same & np.where(seen > 0.02, quiet > 0.5 * seen, whole))


def _refined(field: Floats, before: View, now: View) -> tuple[Floats, Floats]:
    """Let each place's motion settle on the pictures: the search is coarse, and drawn towards its neighbours.

    A round of Lucas and Kanade's method (1981) on windows of the reduced frames, with the gradients of the frame at
    hand. With it comes what the motion leaves unexplained (:func:`_mismatch`).
    """
    right, down, xx, xy, yy = now.slopes
    gap = _read(before.grey, field) - now.grey
    xg, yg = cv2.blur(right * gap, _WINDOW), cv2.blur(down * gap, _WINDOW)
    share = np.float32(GRID) / (xx * yy - xy * xy)
    step = cv2.merge([(xy * yg - yy * xg) * share, (xy * xg - xx * yg) * share])
    refined = field + np.clip(step, -_LONGEST, _LONGEST)
    coarse, fine = cv2.blur(np.abs(gap), (3, 3)), _mismatch(before, now, refined)
    return _where(fine < coarse, refined, field), np.asarray(cv2.min(fine, coarse), np.float32)


def _settled(field: Floats, gap: Floats, camera: Floats, camera_gap: Floats, now: View) -> Floats:
    """Replace what the camera's own motion explains by that motion, which is exact where a search trembles.

    It must fit as well there; where there is no detail to search for, that is enough.
    """
    near = np.where(now.detailed, _fade(_length(field - camera), _CAMERA), np.float32(1))
    share = np.where(camera_gap <= gap + np.float32(_AS_GOOD), near, np.float32(0))
    return np.asarray(field + cv2.merge([share, share]) * (camera - field), np.float32)


def _camera(field: Floats, before: View, now: View) -> tuple[Floats, Floats] | None:
    """The camera's motion, f32 like ``field``, and what it leaves unexplained: the affine map that most detail follows.

    None if there is none. Fitted to the motion that was found (least squares, reweighted), then to the pictures
    themselves: Gauss and Newton's method on the brightness of the same places, after Lucas and Kanade (1981). It must
    explain more than rest does: a sensor's noise has a best fit too.
    """
    rows, columns = field.shape[:2]
    step = max(1, int((rows * columns / _MOST_PLACES) ** 0.5))
    some = (slice(step // 2 + 2, -2, step), slice(step // 2 + 2, -2, step))
    detailed = now.detailed[some]
    count = int(np.count_nonzero(detailed))
    if count < _FEWEST:
        return None
    # Sums of products differ in their last bits from one call to the next, by how arrays lie in memory. In double
    # precision and rounded to what matters, the same frames give the same motion.
    design = np.concatenate([_centred(rows, columns)[some][detailed], np.ones((count, 1))], axis=1, dtype=np.float64)
    found = field[some][detailed].astype(np.float64)
    model = np.concatenate([np.zeros((2, 2)), np.median(found, axis=0)[None]])
    for _ in range(3):
        gap = ((found - design @ model) ** 2).sum(axis=1)
        weighted = design / (gap + 0.1)[:, None]
        model = np.linalg.solve(design.T @ weighted + 1e-4 * np.eye(3), weighted.T @ found + 1e-4 * model)
    follows = np.sqrt(((found - design @ model) ** 2).sum(axis=1)) < _CAMERA[1]
    if follows.mean() < 0.4 or np.count_nonzero(follows) < _FEWEST:
        return None
    places = pixels(rows, columns)[some][detailed][follows]
    model = _aligned(model, design[follows], places, before.half, now.half)
    (x, y), (x_y, y_y), (x_1, y_1) = np.round(model, 4).astype(np.float32)
    across, down = cv2.split(_centred(rows, columns))
    camera = cv2.merge([across * x + down * x_y + x_1, across * y + down * y_y + y_1])
    moved, rested = (_mismatch(before, now, field) for field in (camera, None))
    return (camera, moved) if cv2.mean(moved)[0] < _BETTER * cv2.mean(rested)[0] else None


def _aligned(model: NDArray[Any], design: NDArray[Any], samples: Floats, before: Bytes, now: Bytes) -> NDArray[Any]:
    """Refine a camera's motion on two grey pictures of half size at ``samples`` of the grid."""
    places = (samples * 2 + 0.5)[None]
    offsets = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
    here, right, left, below, above = (
        cv2.remap(now, places + np.array(offset, np.float32), None, cv2.INTER_LINEAR)[0].astype(np.float32)
        for offset in offsets
    )
    across, down = ((one - two)[:, None].astype(np.float64) / 4 for one, two in ((right, left), (below, above)))
    jacobian = np.concatenate([design * across, design * down], axis=1)
    refined = model.copy()
    for _ in range(3):
        spots = places + (design @ refined * 0.5).astype(np.float32)
        gap = cv2.remap(before, spots, None, cv2.INTER_LINEAR)[0].astype(np.float64) - here
        weighted = jacobian / (1 + (gap / 6) ** 2)[:, None]
        change = np.linalg.solve(weighted.T @ jacobian + 1e-2 * np.eye(6), -weighted.T @ gap)
        refined += change.reshape(2, 3).T
    agreed = np.abs(design @ (refined - model)).max() < 4 * _CAMERA[1]
    return refined if agreed and np.isfinite(refined).all() else model


@lru_cache(maxsize=16)
def _centred(rows: int, columns: int) -> Floats:
    """x and y of each sample from the middle of the frame, in widths of it."""
    return np.asarray((pixels(rows, columns) - np.array([columns / 2, rows / 2])) / columns, np.float32)


class _Searches(threading.local):
    """Both directions' searches, for each thread its own: they keep working space that is dear to make anew."""

    def __init__(self) -> None:
        self._fine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._coarse = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def back(self, before: View, now: View) -> Floats:
        """Where each place was, in pixels, minus where it is: f32 ``(h, w, 2)``."""
        return _found(self._fine, now, before)

    def forth(self, before: View, now: View) -> Floats:
        """Where each place of the frame before went, in pixels, minus where it was: f32 ``(h, w, 2)``.

        Less finely: it has only to agree.
        """
        return _found(self._coarse, before, now)


def _found(search: cv2.DISOpticalFlow, here: View, there: View) -> Floats:
    # A search changes these to fit a small picture, and would keep that for the next.
    search.setFinestScale(_FINEST)
    search.setPatchSize(_PATCH)
    search.setPatchStride(_PATCH // 2)
    return np.asarray(search.calc(here.shades, there.shades, None) * np.float32(GRID))


_searches = _Searches()


def _judged(field: Floats, trust: Floats, before: View, now: View) -> Motion:
    """Let the colours have their say, with the frame's change of light taken out and without: a lamp that is switched
    on changes all colours and moves nothing.
    """
    allowed = now.variation * np.float32(_FINE)
    alike = same = _likeness(_read(before.quarter, field), now.quarter, allowed)
    relit = _relit(before, now)
    if relit is not before:
        same = cv2.max(alike, _likeness(_read(relit.quarter, field), now.quarter, allowed))
    return Motion(field, trust * same, alike)


def _relit(before: View, now: View) -> View:
    """The frame before in the light of this one, colour by colour; itself where the light is the same."""
    gains = [b / max(a, 1.0) for a, b in zip(cv2.mean(before.quarter)[:3], cv2.mean(now.quarter)[:3], strict=True)]
    if max(abs(gain - 1) for gain in gains) <= _SAME_LIGHT:
        return before
    gain = cv2.mean(now.shades)[0] / max(cv2.mean(before.shades)[0], 1.0)
    quarter = np.asarray(cv2.multiply(before.quarter, (*gains, 1.0)), np.uint8)
    half = np.asarray(cv2.convertScaleAbs(before.half, alpha=gain), np.uint8)
    shades = np.asarray(cv2.convertScaleAbs(before.shades, alpha=gain), np.uint8)
    return View(half, quarter, shades, before.depth)


def _likeness(was: Bytes, now: Bytes, allowed: Floats) -> Floats:
    """1 where colours match, 0 where they are clearly others, apart from what is ``allowed`` for fine detail."""
    gap = _largest(cv2.absdiff(was, now)).astype(np.float32)
    return _fade(cv2.blur(gap - allowed, (3, 3)), _CLEAR)


def _mismatch(before: View, now: View, field: Floats | None) -> Floats:
    """How far the greys are apart after a motion (None: at rest), of 255, over 3x3 samples."""
    was = before.grey if field is None else _read(before.grey, field)
    return np.asarray(cv2.blur(cv2.absdiff(was, now.grey), (3, 3)), np.float32)


def _read(picture: NDArray[Any], field: Floats) -> NDArray[Any]:
    """A picture at the grid's resolution, moved."""
    return np.asarray(cv2.remap(picture, spots(field), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _largest(picture: NDArray[Any]) -> NDArray[Any]:
    """The largest of three channels; numpy's own maximum over a short axis takes ten times as long."""
    one, two, three = cv2.split(picture)
    return np.asarray(cv2.max(cv2.max(one, two), three))


def _length(field: Floats) -> Floats:
    x, y = cv2.split(field)
    return np.asarray(np.sqrt(x * x + y * y), np.float32)  # cv2.magnitude differs in its last bit from call to call


def _inside(field: Floats) -> Floats:
    """1 where the place was inside the frame."""
    rows, columns = field.shape[:2]
    x, y = cv2.split(spots(field))
    inside: NDArray[np.bool_] = (x > -0.5) & (y > -0.5) & (x < columns - 0.5) & (y < rows - 0.5)
    return inside.astype(np.float32)


def _where(chosen: NDArray[np.bool_], one: Floats | np.float32, other: Floats) -> Floats:
    """``np.where`` for fields of two numbers a sample; a mask with a short last axis takes numpy five times as long."""
    return np.where(cv2.merge([chosen.view(np.uint8)] * 2).view(np.bool_), one, other)


def _fade(value: Floats, limits: tuple[float, float]) -> Floats:
    low, high = limits
    return np.asarray(1 - np.clip((value - low) / (high - low), 0, 1), np.float32)
