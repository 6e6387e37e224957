"""Procedural pictures to train on: no photograph is among them.

Each picture is one of five grounds (fractal cloud, smooth gradient, dead leaves, ray-cast scene, pattern), most with
clutter over it (hair, foliage, glyphs), seen through an imperfect camera (blur, exposure, colour cast, noise). Dead
leaves, opaque shapes dropped on one another, have the edge and scale statistics of photographs (Lee, Mumford and Huang
2001) and train image networks nearly as well (Baradad et al. 2021, "Learning to See by Looking at Noise").
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mirage_runtime.training.scenes import scene

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

VERSION = 1
"""Raise when the pictures change: caches of another version are not used."""


def pictures(
    count: int, size: int, seed: int, cache: Path | None = None, progress: Callable[[float], None] | None = None
) -> Bytes:
    """Make ``count`` pictures of ``size`` x ``size``: u8 ``(count, size, size, 3)``, each from its own seed.

    With ``cache``, a folder, they are stored there once and read again. ``progress`` is told the share done, 0..1.
    """
    path = cache / f"pictures-v{VERSION}-{count}x{size}-{seed}.npy" if cache else None
    if path and path.exists():
        stored: Bytes = np.load(path, mmap_mode="c")
        return stored
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        result = np.empty((count, size, size, 3), np.uint8)
        for index in range(count):
            result[index] = picture(np.random.default_rng([seed, index]), size)
            if progress and index % 50 == 0:
                progress(index / count)
    finally:
        cv2.setNumThreads(threads)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npy")
        np.save(partial, result)
        partial.replace(path)
    return result


def picture(random: np.random.Generator, size: int) -> Bytes:
    """Make one picture: u8 ``(size, size, 3)``."""
    grounds = (cloud, gradient, leaves, scene, pattern)
    kind = int(random.choice(5, p=[0.06, 0.10, 0.46, 0.30, 0.08]))
    image = grounds[kind](random, size)
    if random.random() < 0.35:
        image = random.choice(np.array([hair, foliage, glyphs], object))(random, image)
    return _camera(random, image)


def cloud(random: np.random.Generator, size: int) -> Floats:
    """Fractal noise between two or three colours: f32 ``(size, size, 3)``, 0..1."""
    first = random.integers(0, 3)
    total = np.zeros((size, size, 3), np.float32)
    weight, decay = 1.0, random.uniform(0.35, 0.75)
    for octave in range(first, 7):
        cells = random.random((2**octave + 2, 2**octave + 2, 3), np.float32) - 0.5
        total += weight * cv2.resize(cells, (size, size), interpolation=cv2.INTER_CUBIC)
        weight *= decay
    total = total * random.uniform(0.5, 1.6) + 0.5
    if random.random() < 0.7:
        one, two = random.random((2, 3), np.float32)
        mixed: Floats = one + (two - one) * np.clip(total[..., :1], 0, 1)
        total = mixed + 0.15 * (total - 0.5)
    return np.asarray(np.clip(total, 0, 1), np.float32)


def gradient(random: np.random.Generator, size: int) -> Floats:
    """Sky or skin: a linear ramp with a few large soft lights and shades. f32 ``(size, size, 3)``, 0..1."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    angle = random.uniform(0, 2 * np.pi)
    ramp = np.clip(0.5 + (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)), 0, 1)[..., None]
    one, two = random.random((2, 3), np.float32)
    image = one + (two - one) * ramp
    for _ in range(random.integers(0, 7)):
        centre, radius = random.random(2), random.uniform(0.05, 0.6)
        aspect = random.uniform(0.5, 2)
        blob = np.exp(-(((x - centre[0]) * aspect) ** 2 + (y - centre[1]) ** 2) / radius**2)[..., None]
        image = image + blob * random.uniform(-0.5, 0.5) * (0.5 + random.random(3, np.float32))
    return np.asarray(np.clip(image, 0, 1), np.float32)


def leaves(random: np.random.Generator, size: int) -> Floats:
    """Dead leaves: shaded, plain or textured shapes over one another. f32 ``(size, size, 3)``, 0..1."""
    image = cloud(random, size) if random.random() < 0.6 else gradient(random, size)
    soft = random.uniform(0.4, 1.4)
    for _ in range(random.integers(4, 45)):
        radius = size * (0.02 + 0.55 * random.random() ** 2.2)
        cover = cv2.GaussianBlur(outline(random, size, radius), (0, 0), soft)[..., None]
        kind = random.random()
        fill = cloud(random, size) if kind < 0.3 else gradient(random, size) if kind < 0.65 else random.random(3)
        if random.random() < 0.3:  # a shadow under the shape
            shade = cv2.GaussianBlur(cover, (0, 0), radius * 0.15 + 1)[..., None]
            image = image * (1 - 0.5 * np.roll(shade, random.integers(1, 8, 2), (0, 1)))
        image = image * (1 - cover) + np.asarray(fill, np.float32) * cover
    return image.astype(np.float32)


def pattern(random: np.random.Generator, size: int) -> Floats:
    """Stripes, checks, bricks or dots between two colours, turned and lit. f32 ``(size, size, 3)``, 0..1."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    angle, period = random.uniform(0, np.pi), random.uniform(5, 50)
    u, v = (np.cos(angle) * x + np.sin(angle) * y) / period, (np.cos(angle) * y - np.sin(angle) * x) / period
    kind = random.integers(4)
    if kind == 0:
        wave = np.sin(2 * np.pi * u)
    elif kind == 1:
        wave = np.sin(2 * np.pi * u) * np.sin(2 * np.pi * v) * 3
    elif kind == 2:
        shifted = u + 0.5 * (np.floor(v * 2) % 2)
        wave = np.minimum(np.abs(shifted % 1 - 0.5), np.abs((v * 2) % 1 - 0.5) * 0.7) * 30 - 2
    else:
        wave = (0.3 - np.hypot(u % 1 - 0.5, v % 1 - 0.5)) * 12
    mix = np.clip(wave * random.uniform(0.5, 3) + 0.5, 0, 1)[..., None]
    one, two = random.random((2, 3), np.float32)
    light = 0.4 + 0.8 * gradient(random, size).mean(-1, keepdims=True)
    return np.asarray(np.clip((one + (two - one) * mix) * light, 0, 1), np.float32)


def hair(random: np.random.Generator, image: Floats) -> Floats:
    """Comb bundles of thin curved lines over a picture."""
    image = np.ascontiguousarray(image)
    size = len(image)
    base, heading = random.random(3), random.uniform(0, 2 * np.pi)
    start, spread = random.uniform(-0.2, 1.2, 2) * size, random.uniform(0.05, 0.6) * size
    for _ in range(random.integers(20, 160)):
        steps = heading + np.cumsum(random.normal(0, 0.06, 12)) + random.normal(0, 0.12)
        step = size * random.uniform(0.02, 0.09)
        points = start + random.normal(0, spread, 2) + np.cumsum(np.stack([np.cos(steps), np.sin(steps)], 1), 0) * step
        colour = np.clip(base + random.normal(0, 0.12, 3), 0, 1)
        fixed = np.round(points * 16).astype(np.int32)
        cv2.polylines(image, [fixed], False, colour.tolist(), 1, cv2.LINE_AA, 4)
    return image


def foliage(random: np.random.Generator, image: Floats) -> Floats:
    """Scatter many small bright and dark leaves of one family of colours."""
    image = np.ascontiguousarray(image)
    size = len(image)
    base, centre, spread = random.random(3), random.random(2) * size, random.uniform(0.1, 0.5) * size
    for _ in range(random.integers(60, 400)):
        place = np.round((centre + random.normal(0, spread, 2)) * 16).astype(int)
        axes = np.round(random.uniform(0.006, 0.03) * size * np.array([1, random.uniform(0.25, 0.6)]) * 16).astype(int)
        colour = np.clip(base * random.uniform(0.4, 1.5) + random.normal(0, 0.05, 3), 0, 1)
        cv2.ellipse(image, place, axes, random.uniform(0, 360), 0, 360, colour.tolist(), -1, cv2.LINE_AA, 4)
    return image


def glyphs(random: np.random.Generator, image: Floats) -> Floats:
    """Write a few lines of letters and figures, as on signs and screens."""
    canvas = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    size = len(image)
    letters = list("ABCDEFGHIKLMNOPRSTUVWXYZabcdefghkmnopqrstuvwxyz0123456789")
    for _ in range(random.integers(1, 7)):
        text = "".join(random.choice(letters, random.integers(2, 14)))
        place = (int(random.uniform(-0.1, 0.8) * size), int(random.uniform(0.05, 1) * size))
        scale, weight = random.uniform(0.3, 2.2), int(random.integers(1, 4))
        colour = (random.random(3) * 255).tolist()
        cv2.putText(canvas, text, place, int(random.integers(0, 8)), scale, colour, weight, cv2.LINE_AA)
    return canvas.astype(np.float32) / np.float32(255)


def outline(random: np.random.Generator, size: int, radius: float, *, centred: bool = False) -> Floats:
    """An ellipse, a polygon, a smooth blob or a bar, anywhere or in the middle: f32 ``(size, size)``, 1 inside."""
    mask = np.zeros((size, size), np.float32)
    centre = np.full(2, size / 2) if centred else random.uniform(-0.1, 1.1, 2) * size
    kind = random.random()
    if kind < 0.4:
        axes = (int(radius) + 1, int(radius * random.uniform(0.2, 1)) + 1)
        cv2.ellipse(mask, centre.astype(int), axes, random.uniform(0, 180), 0, 360, 1.0, -1, cv2.LINE_AA)
        return mask
    count = random.integers(3, 9) if kind < 0.75 else 40
    angles = np.sort(random.random(count)) * 2 * np.pi if count < 40 else np.linspace(0, 2 * np.pi, 40)
    waves = random.uniform(0.5, 1.2, count) if count < 40 else 1 + 0.25 * np.sin(angles * random.integers(1, 6) + 1)
    points = centre + (radius * waves)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1.0, cv2.LINE_AA)
    return mask


def _camera(random: np.random.Generator, image: Floats) -> Bytes:
    """See a picture through a lens and a sensor: blur, tone, cast, noise, compression."""
    if random.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 2.5))
    if random.random() < 0.2:  # a near or far part out of focus
        far = cv2.GaussianBlur(image, (0, 0), random.uniform(2, 6))
        focus = gradient(random, len(image)).mean(-1, keepdims=True)
        image = image + (far - image) * np.clip((focus - 0.4) * 4, 0, 1)
    image = np.clip(image, 0, 1) ** np.float32(random.uniform(0.6, 1.7))
    if random.random() < 0.5:
        image = (image - 0.5) * random.uniform(0.5, 1.5) + 0.5 + random.uniform(-0.15, 0.15)
    if random.random() < 0.35:  # the world is greyer than random colours are
        image = image + (image.mean(-1, keepdims=True) - image) * random.uniform(0.3, 1)
    image = image * random.uniform(0.85, 1.15, 3).astype(np.float32)
    if random.random() < 0.4:
        image = image + random.normal(0, random.uniform(0.003, 0.03), image.shape).astype(np.float32)
    result = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if random.random() < 0.25:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(50, 95))]
        result = np.asarray(cv2.imdecode(cv2.imencode(".jpg", result, quality)[1], cv2.IMREAD_COLOR), np.uint8)
    return result
