"""Small ray-cast scenes: lit spheres and boxes on a ground, as a game frame or a simple render looks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_FAR = np.float32(1e6)


def scene(random: np.random.Generator, size: int) -> Floats:
    """Render one scene: f32 ``(size, size, 3)``, 0..1."""
    rays = _rays(random, size)
    origin = np.array([0.0, random.uniform(0.6, 2.2), -4.0], np.float32)
    light = _unit(np.array([random.uniform(-1, 1), random.uniform(0.5, 1.5), random.uniform(-1.2, 0.4)], np.float32))
    solids = [_Sphere(random) if random.random() < 0.5 else _Box(random) for _ in range(random.integers(2, 8))]
    sky, ground = random.random((2, 3), np.float32), random.random((2, 3), np.float32)
    picture = sky[0] + (sky[1] - sky[0]) * np.clip(rays[..., 1:2] * 1.5 + 0.5, 0, 1)

    depth, normal, albedo = _ground(random, rays, origin, ground)
    for solid in solids:
        hit, facing = solid.hit(rays, origin)
        nearer = hit < depth
        depth = np.where(nearer, hit, depth)
        normal = np.where(nearer[..., None], facing, normal)
        albedo = np.where(nearer[..., None], solid.colour, albedo)

    lit = depth < _FAR
    place = origin + rays * np.where(lit, depth, 0)[..., None]
    shadow = _shadow(solids, place + normal * 0.01, light)
    diffuse = np.clip(normal @ light, 0, None) * (1 - shadow)
    mirror = rays - 2 * np.sum(rays * normal, -1, keepdims=True) * normal
    gloss = np.clip(mirror @ light, 0, 1) ** random.integers(8, 60) * random.uniform(0, 0.7) * (1 - shadow)
    ambient = random.uniform(0.1, 0.45)
    shaded = albedo * (ambient + (1.1 - ambient) * diffuse[..., None]) + gloss[..., None]
    fog = np.exp(-np.where(lit, depth, 0) * random.uniform(0, 0.08))[..., None]
    shaded = shaded * fog + picture * (1 - fog)
    return np.asarray(np.clip(np.where(lit[..., None], shaded, picture), 0, 1), np.float32)


class _Sphere:
    """A ball on or above the ground."""

    def __init__(self, random: np.random.Generator) -> None:
        self.radius = np.float32(random.uniform(0.2, 1.3))
        self.centre = _somewhere(random, float(self.radius))
        self.colour = random.random(3, np.float32)

    def hit(self, rays: Floats, origin: Floats) -> tuple[Floats, Floats]:
        """Distances (h, w) along rays, far where they miss, and normals (h, w, 3)."""
        away = origin - self.centre
        b = np.sum(rays * away, -1)
        inside = b * b - (np.sum(away * away, -1) - self.radius**2)
        near = -b - np.sqrt(np.maximum(inside, 0))
        depth = np.where((inside > 0) & (near > 1e-3), near, _FAR)
        normal = (origin + rays * depth[..., None] - self.centre) / self.radius
        return depth, np.where((depth < _FAR)[..., None], normal, 0)


class _Box:
    """A box with axes along the world's, which perspective and light make look like anything square."""

    def __init__(self, random: np.random.Generator) -> None:
        self.half = random.uniform(0.15, 1.0, 3).astype(np.float32)
        self.centre = _somewhere(random, float(self.half[1]))
        self.colour = random.random(3, np.float32)

    def hit(self, rays: Floats, origin: Floats) -> tuple[Floats, Floats]:
        """Distances (h, w) along rays, far where they miss, and normals (h, w, 3)."""
        inverse = 1 / np.where(np.abs(rays) < 1e-5, 1e-5, rays)
        one, two = (self.centre - self.half - origin) * inverse, (self.centre + self.half - origin) * inverse
        entry, leave = np.minimum(one, two), np.maximum(one, two)
        near, far = entry.max(-1), leave.min(-1)
        depth = np.where((near < far) & (near > 1e-3), near, _FAR)
        axis = np.eye(3, dtype=np.float32)[entry.argmax(-1)]
        return depth, axis * -np.sign(rays)


def _rays(random: np.random.Generator, size: int) -> Floats:
    """Unit view rays (size, size, 3) of a camera that looks forward and somewhat about."""
    span = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = np.meshgrid(span, -span)
    zoom = random.uniform(1.0, 3.5)
    pan, tilt = random.uniform(-0.4, 0.4), random.uniform(-0.45, 0.15)
    return _unit(np.stack([x + pan * zoom, y + tilt * zoom, np.full_like(x, zoom)], -1))


def _ground(
    random: np.random.Generator, rays: Floats, origin: Floats, colours: Floats
) -> tuple[Floats, Floats, Floats]:
    """The floor: distances, normals and a plain, checked or striped colour."""
    down = np.where(rays[..., 1] < -1e-3, rays[..., 1], -1e-9)
    depth = -origin[1] / down
    depth = np.where(depth < 60, depth, _FAR).astype(np.float32)
    place = (origin + rays * np.where(depth < _FAR, depth, 0)[..., None]) * random.uniform(0.5, 2)
    kind = random.integers(3)
    if kind == 0:
        mix = np.zeros_like(depth)
    elif kind == 1:
        mix = ((np.floor(place[..., 0]) + np.floor(place[..., 2])) % 2).astype(np.float32)
    else:
        mix = (np.floor(place[..., 0]) % 2).astype(np.float32)
    normal = np.broadcast_to(np.array([0, 1, 0], np.float32), rays.shape)
    return depth, normal, colours[0] + (colours[1] - colours[0]) * mix[..., None]


def _shadow(solids: list[_Sphere | _Box], place: Floats, light: Floats) -> Floats:
    """1 where some solid stands between ``place`` and the light."""
    towards = np.broadcast_to(light, place.shape)
    shadow = np.zeros(place.shape[:2], np.float32)
    for solid in solids:
        shadow = np.maximum(shadow, (solid.hit(towards, place)[0] < _FAR).astype(np.float32))
    return shadow


def _somewhere(random: np.random.Generator, height: float) -> Floats:
    """A place on the ground (or now and then above it) in front of the camera."""
    lift = random.uniform(0, 1.5) if random.random() < 0.25 else 0.0
    return np.array([random.uniform(-2.5, 2.5), height + lift, random.uniform(-0.5, 5.0)], np.float32)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector, axis=-1, keepdims=True), np.float32)
