"""The randomness that a diffusion step is given: surface noise for texture, pixel noise for the diffusion itself.

**Surface noise** is four pairs of Gaussian fields over the plane, with a cell for every 6, 11, 18 and 32 pixels. They
are not grids of numbers but functions of a place: white noise seen through a filter whose square is a Nyquist pulse
(the root-raised cosine, Nyquist 1928). So samples that are a cell apart are independent *wherever the first of them
lies*, and the fields can be moved by any fraction of a pixel, for hours, and stay white at their own resolution:
nothing is ever interpolated twice. A model that sees the fields can draw texture from them, and it sticks to what they
move with. The finest cells are as fine as a sample every 4 pixels can show without aliasing: with cells of 4, texture
shimmers as it moves, whatever draws it (its warp error is 4.3 of 255 with cells of 4 pixels and 0.7 with 6).

A surface that comes nearer stretches its texture. The filter widens and narrows with it (noise mip-maps, a quarter of
an octave apart), and past half an octave a field of the next octave fades in, power for power, so that fields stay
white through any zoom: detail enters where resolution does, as Go-with-the-Flow (Burgert et al. 2025,
arXiv:2501.08331) asks of warped noise.

**Pixel noise** (``epsilon``) is independent of it. Were it not, a model could read the texture off its own noised
input, and every step after the first would be a copy.

Everything here is a pure function of its arguments: same seed and places, same bits.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

LEVELS: tuple[int, ...] = (6, 11, 18, 32)
"""Pixels to a cell, for each level."""

FIELDS = 2
"""Independent Gaussian fields in each level."""

CHANNELS = FIELDS * len(LEVELS)
"""Channels of sampled surface noise, the finest level first."""

GRID = 4
"""Pixels of the frame to a sample of surface noise, in each direction."""

EPSILON_SCALE = 32
"""An ``epsilon`` of 1 standard deviation is stored as this integer."""

_CELLS = 128  # of the tile, which repeats: 768 pixels at the finest level, 4096 at the coarsest
_PER_CELL = 8  # samples of the tile: linear reading then loses nothing that matters
_ROLL_OFF = 0.5  # of the root-raised cosine
_BINS = 4  # mip-maps to an octave
_REACH = 3  # mip-maps to either side of the unstretched one
_APRON = 4  # rows repeated above and below each mip-map, for the taps of the interpolation
_FARTHEST = 12.0  # octaves of stretch; beyond, noise is no longer white
_FARTHEST_OCTAVE = int(_FARTHEST) + 1
_FADE = (0.25, 0.75)  # octaves from its own scale between which a field of one octave gives way to the next
_SURFACE_STREAM, _EPSILON_STREAM, _TILE_STREAM = 0, 1, 2

Fields = npt.NDArray[np.float32]


def screen(height: int, width: int) -> Fields:
    """Places of the samples of a frame that has not moved: f32 ``(height / 4, width / 4, 2)``, x and y in pixels.

    The places are the centres of 4x4 patches, where (0, 0) is the centre of the first pixel. Raises ``ValueError`` for
    a size that is not a positive multiple of 4.
    """
    _check_size(height, width)
    y, x = np.mgrid[0 : height // GRID, 0 : width // GRID].astype(np.float32) * GRID + (GRID - 1) / 2
    return np.ascontiguousarray(np.stack([x, y], axis=-1))


def surface_noise(seed: int, places: Fields, stretch: Fields | None = None) -> Fields:
    """Read the noise of a seed at places of a surface: f32 ``(8, h, w)``, zero mean and unit variance.

    ``places`` is f32 ``(h, w, 2)``, x and y in pixels of the surface as it was when it came into being: unbounded, and
    :func:`screen` for a frame that has not moved. ``stretch`` is f32 ``(h, w)``, screen pixels to a pixel of the
    surface: 1 as at first, 2 when it has come twice as near; None for 1 everywhere.
    """
    if stretch is None:
        return _read_unstretched(seed, places)
    stretched = np.flatnonzero(stretch != 1)
    if len(stretched) == stretch.size:
        return _read_stretched(seed, places, stretch)
    result = _read_unstretched(seed, places)
    if len(stretched):
        # OpenCV reads pictures: the places in question fill one of 64 columns.
        some = np.resize(stretched, (-(-len(stretched) // 64), 64))
        read = _read_stretched(seed, places.reshape(-1, 2)[some], stretch.reshape(-1)[some])
        result.reshape(CHANNELS, -1)[:, stretched] = read.reshape(CHANNELS, -1)[:, : len(stretched)]
    return result


def pixel_epsilon(seed: int, height: int, width: int) -> npt.NDArray[np.int8]:
    """Draw the diffusion's own noise: i8 ``(height, width, 3)``, a unit Gaussian times 32, clipped at +-127.

    Raises ``ValueError`` for a size that is not a positive multiple of 4.
    """
    _check_size(height, width)
    gaussian = _generator(seed, _EPSILON_STREAM).standard_normal((height, width, 3), dtype=np.float32)
    return np.clip(np.rint(gaussian * EPSILON_SCALE), -127, 127).astype(np.int8)


def _share(distance: Fields) -> Fields:
    """Amplitude of a field ``distance`` octaves from its own scale: squares of neighbours' amplitudes sum to one."""
    low, high = _FADE
    return np.cos(np.pi / 2 * np.clip((np.abs(distance) - low) / (high - low), 0, 1)).astype(np.float32)


def _read_stretched(seed: int, places: Fields, stretch: Fields) -> Fields:
    """All channels, from the octave whose own scale is nearest, and its neighbour where that is as near."""
    octaves = np.log2(np.clip(stretch, 2.0**-_FARTHEST, 2.0**_FARTHEST)).astype(np.float32)
    own = np.rint(octaves)
    distance = octaves - own
    share = _share(distance)
    result = _read(seed, own.astype(np.intp), places, distance)
    if share.min() < 1:
        # The next octave in the direction of the distance: a sample is never between more than two.
        side = np.where(distance < 0, np.float32(-1), np.float32(1))
        other = _read(seed, (own + side).astype(np.intp), places, distance - side)
        result = share * result + np.sqrt(1 - share * share) * other
    return result


def _read_unstretched(seed: int, places: Fields) -> Fields:
    """All channels where nothing is stretched: the common case, and the fast one."""
    result = np.empty((CHANNELS, *places.shape[:2]), np.float32)
    x, y = cv2.split(places)
    # The tile repeats, but OpenCV reads no farther than 2^15 samples from it: whole tiles are taken off.
    middle = places[places.shape[0] // 2, places.shape[1] // 2].astype(np.float64)
    for level, (cell, begin) in enumerate(zip(LEVELS, _offsets(seed)[_FARTHEST_OCTAVE], strict=True)):
        scale = np.float32(_PER_CELL / cell)
        right, down = (begin - np.floor((middle * scale + begin) / _SIDE) * _SIDE).astype(np.float32)
        spots = cv2.merge([x * scale + right, y * scale + down])
        for field, tile in enumerate(_tiles(), FIELDS * level):
            cv2.remap(tile, spots, None, cv2.INTER_LINEAR, result[field], cv2.BORDER_WRAP)
    return result


def _read(seed: int, octaves: npt.NDArray[np.intp], places: Fields, distance: Fields) -> Fields:
    """All channels. ``octaves`` says which octave's noise each place has, ``distance`` how many octaves nearer than
    its own scale the place is.
    """
    result = np.empty((CHANNELS, *places.shape[:2]), np.float32)
    bins = np.clip(-distance * _BINS, -_REACH, _REACH)
    scaled = places * np.exp2(octaves).astype(np.float32)[..., None]
    offsets = _offsets(seed)
    for level, cell in enumerate(LEVELS):
        begin = offsets[octaves + _FARTHEST_OCTAVE, level]
        pair = _interpolated(scaled * np.float32(_PER_CELL / cell) + begin, bins)
        result[FIELDS * level : FIELDS * (level + 1)] = cv2.split(pair)
    return result


def _interpolated(spots: Fields, bins: Fields) -> Fields:
    """Both fields of the tile at ``spots``, in samples of the tile, of mip-map ``bins`` or between two: (h, w, 2)."""
    spots -= np.floor(spots * np.float32(1 / _SIDE)) * np.float32(_SIDE)
    first = np.floor(bins)
    part = (bins - first)[..., None]
    one = _tile_at(spots, first)
    if not part.any():
        return one
    two = _tile_at(spots, np.minimum(first + 1, _REACH))
    norm = np.sqrt((1 - part) ** 2 + part**2 + 2 * part * (1 - part) * np.float32(_LIKENESS))
    return np.asarray(((1 - part) * one + part * two) / norm, np.float32)


def _tile_at(spots: Fields, bin_: Fields) -> Fields:
    atlas, step = _atlas(), _SIDE + 2 * _APRON
    spots = spots.copy()
    spots[..., 0] += _APRON
    spots[..., 1] += (bin_ + _REACH) * step + _APRON
    return np.asarray(cv2.remap(atlas, spots, None, cv2.INTER_LINEAR), np.float32)


@lru_cache(maxsize=1)
def _tiles() -> list[Fields]:
    """The tile's two fields at their own scale, apart, as OpenCV reads them fastest: f32 ``(1024, 1024)`` each."""
    top = _REACH * (_SIDE + 2 * _APRON) + _APRON
    return [np.ascontiguousarray(x) for x in cv2.split(_atlas()[top : top + _SIDE, _APRON : _APRON + _SIDE])]


@lru_cache(maxsize=1)
def _atlas() -> Fields:
    """The tile's two fields at every mip-map, one above the other with aprons: f32 ``(maps * rows, columns, 2)``."""
    white = _generator(0, _TILE_STREAM).standard_normal((FIELDS, _SIDE, _SIDE), dtype=np.float32)
    spectrum = np.fft.rfft2(white)
    # One draw of white noise is flat on the mean alone. This one tile is all there is: only its phases stay random.
    spectrum /= np.maximum(np.abs(spectrum), 1e-6)
    maps = []
    for bin_ in range(-_REACH, _REACH + 1):
        fields = np.fft.irfft2(spectrum * _response(2.0 ** (bin_ / _BINS)), s=(_SIDE, _SIDE))
        fields -= fields.mean(axis=(1, 2), keepdims=True)
        pair = np.pad(fields.transpose(1, 2, 0), ((_APRON, _APRON), (_APRON, _APRON), (0, 0)), mode="wrap")
        maps.append(_normalised(pair.astype(np.float32)))
    atlas = np.concatenate(maps)
    atlas.setflags(write=False)
    return atlas


def _normalised(pair: Fields) -> Fields:
    """One mip-map with unit variance at the places between its samples, where it is read."""
    y, x = np.mgrid[0:_SIDE:2, 0:_SIDE:2]
    jitter = _generator(0, _TILE_STREAM, 1).random((*y.shape, 2)) * 2
    read = cv2.remap(pair, (np.stack([x, y], -1) + jitter + _APRON).astype(np.float32), None, cv2.INTER_LINEAR)
    return np.asarray(pair / read.std(axis=(0, 1)), np.float32)


def _response(width: float) -> npt.NDArray[np.float64]:
    """What the filter for cells of ``width`` lets through, at the frequencies of the tile's ``rfft2``."""
    frequencies = (np.abs(np.fft.fftfreq(_SIDE)).astype(np.float64), np.fft.rfftfreq(_SIDE).astype(np.float64))
    # Linear reading takes from high frequencies: how much on the mean of all places is given back beforehand.
    kept = (np.sqrt((2 + np.cos(2 * np.pi * f)) / 3) for f in frequencies)
    return np.outer(*(_root_raised_cosine(f * _PER_CELL * width) / k for f, k in zip(frequencies, kept, strict=True)))


def _root_raised_cosine(frequency: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Amplitude at a frequency in cycles a cell: its square, repeated at every whole frequency, sums to one."""
    part = np.clip((frequency - (1 - _ROLL_OFF) / 2) / _ROLL_OFF, 0, 1)
    return np.asarray(np.cos(np.pi / 2 * part), np.float64)


def _likeness() -> float:
    """The correlation of two neighbouring mip-maps, which are the same white noise through filters of two widths."""
    one, two = _response(1.0), _response(2.0 ** (1 / _BINS))
    weight = np.full(one.shape[1], 2.0)
    weight[0] = 1.0
    product, first, second = (float((x * weight).sum()) for x in (one * two, one * one, two * two))
    return product / float(np.sqrt(first * second))


_SIDE = _CELLS * _PER_CELL
_LIKENESS = _likeness()


@lru_cache(maxsize=64)
def _offsets(seed: int) -> Fields:
    """Where in the tile each octave's levels begin for a seed: f32 ``(octaves, 4, 2)``, in samples of the tile."""
    random = _generator(seed, _SURFACE_STREAM)
    offsets = (random.random((2 * _FARTHEST_OCTAVE + 1, len(LEVELS), 2)) * _SIDE).astype(np.float32)
    offsets.setflags(write=False)
    return offsets


def _generator(seed: int, stream: int, part: int = 0) -> np.random.Generator:
    """A counter-based generator for one purpose: streams of one seed are independent of one another."""
    key = np.array([seed & 0xFFFF_FFFF_FFFF_FFFF, stream + (part << 8)], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _check_size(height: int, width: int) -> None:
    if height <= 0 or width <= 0 or height % GRID or width % GRID:
        raise ValueError(f"height and width must be positive multiples of {GRID}, not {height} and {width}")
