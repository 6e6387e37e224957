"""The looks that draw matter: texture which the source lacks, made from the noise that the network gets.

Each is a teacher as ``looks`` describes it. Texture keeps away from fine detail, so that a face stays a face.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mirage_runtime.training.filters import (
    along,
    blur,
    calmness,
    combed,
    edge,
    enlarge,
    gradients,
    isoline,
    kuwahara,
    luma,
    mix,
    ramp,
    sheen,
    smoothstep,
    structure,
)

_MELT = ((0.0, 0.0, 0.0), (0.42, 0.03, 0.01), (0.86, 0.16, 0.01), (1.0, 0.5, 0.04), (1.0, 0.82, 0.25), (1.0, 0.98, 0.8))
_ICE = ((0.01, 0.04, 0.12), (0.05, 0.20, 0.40), (0.20, 0.50, 0.72), (0.55, 0.82, 0.93), (0.90, 0.98, 1.0))
_MOSS = ((0.02, 0.04, 0.02), (0.07, 0.15, 0.05), (0.20, 0.34, 0.09), (0.43, 0.56, 0.17), (0.80, 0.86, 0.46))
_COPPER = ((0.20, 0.06, 0.0), (0.62, 0.22, 0.03), (1.0, 0.50, 0.10), (1.0, 0.76, 0.32), (1.0, 0.95, 0.75))
_BOARD = ((0.0, 0.012, 0.012), (0.005, 0.05, 0.035), (0.015, 0.14, 0.085), (0.06, 0.33, 0.20), (0.25, 0.66, 0.45))
_LIVE = ((0.0, 0.22, 0.10), (0.03, 0.62, 0.24), (0.20, 0.95, 0.55), (0.55, 1.0, 0.85), (1.0, 0.97, 0.75))
_NIGHT = (
    *((0.01, 0.02, 0.10), (0.04, 0.09, 0.33), (0.09, 0.24, 0.58), (0.22, 0.46, 0.74)),
    *((0.50, 0.70, 0.72), (0.90, 0.80, 0.34), (1.0, 0.86, 0.40), (1.0, 0.97, 0.80)),
)
_POLYP = ((0.62, 0.05, 0.42), (0.92, 0.16, 0.48), (1.0, 0.42, 0.42), (1.0, 0.62, 0.28), (1.0, 0.86, 0.55))
_LAGOON = ((0.0, 0.05, 0.13), (0.0, 0.26, 0.38), (0.0, 0.52, 0.58), (0.14, 0.76, 0.74), (0.6, 0.96, 0.88))
_TEAL = ((0.01, 0.01, 0.05), (0.05, 0.08, 0.26), (0.08, 0.26, 0.52), (0.20, 0.62, 0.74), (0.75, 0.97, 0.98))
_ROSE = ((0.015, 0.005, 0.05), (0.16, 0.04, 0.30), (0.48, 0.10, 0.52), (0.94, 0.38, 0.62), (1.0, 0.90, 0.86))
_STONE = ((0.10, 0.10, 0.12), (0.37, 0.365, 0.375), (0.66, 0.64, 0.62), (0.91, 0.88, 0.82), (1.0, 0.99, 0.95))
_PANES = ((0.26, -0.06, -0.30), (-0.28, 0.06, 0.30), (0.22, -0.26, 0.14))


def lava(source: Tensor, noise: Tensor) -> Tensor:
    """Cooling basalt over a melt: dark rough crust where the source is dark, molten where it is bright, cracks between.

    Few, long cracks from the coarse fields; they close on fine detail, so that a face stays a face.
    """
    bright = blur(luma(source), 1.0)
    calm = calmness(bright)
    crack = _ridge(mix(noise, 0, (0.05, 0.13, 0.42, 0.9)), 0.17) * _somewhere(noise)
    rough = enlarge(mix(noise, 1, (0.5, 0.5, 0.3, 0.1)), 4)
    heat = 0.88 * smoothstep(0.30, 1.05, bright) + crack * (0.30 + 0.70 * calm) * (0.40 + 0.45 * bright)
    heat = heat + 0.06 * rough * (0.4 + bright) + 1.1 * edge(bright)
    melt = ramp(heat, _MELT)
    rock = (0.06 + 0.17 * bright) * (1 + 0.6 * sheen(rough * 1.6) + 0.5 * sheen(12 * bright))
    crust = rock * source.new_tensor([1.0, 0.86, 0.80]).view(1, 3, 1, 1)
    ember = blur(melt, 5.0) * 0.35
    return crust * (1 - smoothstep(0.05, 0.3, heat)) + melt + ember * (1 - melt)


def ice(source: Tensor, noise: Tensor) -> Tensor:
    """The subject inside blue ice: cracked, bevelled plates, frost on the lights, clear depth in the darks."""
    bright = blur(luma(source), 1.0)
    calm = calmness(bright)
    field = mix(noise, 0, (0.04, 0.12, 0.45, 0.9))
    crack = _ridge(field, 0.09) * (0.3 + 0.7 * calm) * _somewhere(noise)
    bevel = sheen(9.0 * torch.tanh(2.0 * enlarge(field, 4))) * (0.3 + 0.7 * calm) * _somewhere(noise)
    frost = enlarge(mix(noise, 1, (0.45, 0.5, 0.4, 0.3)), 4)
    rime = smoothstep(-0.6, 2.4, frost + 2.4 * (bright - 0.40)) * (0.5 + 0.5 * calm)
    value = 0.06 + 0.72 * bright + 0.14 * bevel + 0.26 * rime + 0.40 * crack + 0.30 * sheen(11 * bright)
    body = ramp(value, _ICE)
    glint = smoothstep(1.1, 2.0, frost) * smoothstep(0.3, 0.7, bright)
    return body + 0.25 * glint + 0.15 * (source - luma(source))


def oil(source: Tensor, noise: Tensor) -> Tensor:
    """Oil on canvas: colours laid flat in strokes that follow the forms, and the brush's relief in a side light.

    Where the picture gives no direction, the coarse noise does: skies swirl.
    """
    edges = structure(source)
    direction = functional.normalize(edges + 0.0005 * noise[:, 6:8], dim=1, eps=1e-6)
    strokes = along(torch.cat([noise[:, 0:1], noise[:, 2:3], noise[:, 3:4]], 1), direction, 9, 0.55)
    bristle, body, tint = enlarge(strokes, 4).chunk(3, dim=1)
    paint = blur(kuwahara(kuwahara(source, 4), 3), 0.6)
    bright = luma(paint)
    paint = bright + (paint - bright) * 1.3
    calm = 0.35 + 0.65 * calmness(luma(source))
    cast = source.new_tensor([0.011, 0.0, -0.014]).view(1, 3, 1, 1)
    paint = paint * (1 + 0.05 * body * calm) + cast * tint * calm * (0.4 + bright)
    relief = sheen((0.75 * bristle + 0.35 * body) * calm)
    shine = relief.clamp(min=0) ** 2
    return paint * (1 + 0.26 * relief) + 0.08 * shine


def moss(source: Tensor, noise: Tensor) -> Tensor:
    """An old wall in a wet forest: moss in cushions on the lights and the calm places, dark stone between."""
    bright = blur(luma(source), 1.0)
    calm = calmness(bright)
    patch = enlarge(mix(noise, 0, (0.16, 0.3, 0.4, 0.4)), 4)
    fuzz = enlarge(mix(noise, 1, (0.75, 0.5, 0.2, 0.0)), 4)
    cover = smoothstep(-0.45, 0.8, 0.8 * patch + 3.0 * (bright - 0.40) + 0.5 * calm - 0.25)
    cushion = sheen(1.1 * fuzz + 6.0 * cover + 6.0 * bright)
    value = 0.06 + 0.68 * bright + 0.09 * fuzz * (0.3 + bright) + 0.18 * cushion + 0.10 * patch
    green = ramp(value, _MOSS)
    grey = luma(source)
    stone = (0.4 * source + 0.6 * grey) * source.new_tensor([0.66, 0.68, 0.62]).view(1, 3, 1, 1)
    stone = stone * (1 + 0.25 * sheen(1.2 * fuzz))
    return stone * (1 - cover) + green * cover


def glass(source: Tensor, noise: Tensor) -> Tensor:
    """A church window: panes of luminous colour between dark leads, which follow the contours of the subject too.

    Leads are isolines of combed fields. The first parts the window; each of its sides is parted by a field of its own,
    so that leads meet and seldom cross. Every pane has a tint.
    """
    flat = enlarge(kuwahara(functional.avg_pool2d(source, 2), 3), 2)
    bright = luma(flat)
    grey = luma(source)
    calm = calmness(grey, 6.5)
    signs = source.new_tensor([1.0, 1.0, -1.0]).view(1, 3, 1, 1)
    spared = smoothstep(0.35, 0.9, calm)
    seeds = 0.75 * (noise[:, (4, 5, 4)] + signs * noise[:, (6, 7, 7)])
    fields = enlarge(2.0 * combed(seeds, (3, 6, 1), 25, 0.8), 4)
    sides = torch.tanh(5.0 * fields)
    first = sides[:, :1]
    share = torch.cat([torch.ones_like(first), first.clamp(min=0), (-first).clamp(min=0)], 1)
    lead = (isoline(fields, 2.8, 0.015) * smoothstep(0.0, 0.5, share)).amax(1, keepdim=True) * (0.1 + 0.9 * spared)
    inner = (1 - share * (1 - sides.abs())).amin(1, keepdim=True)
    tint = functional.conv2d(sides * share, source.new_tensor(_PANES).T[..., None, None])
    tint = tint * (0.1 + 0.9 * spared) * (0.6 + 0.4 * inner)
    glow = bright + (flat - bright) * 2.0 + 0.8 * (grey - bright) * (1 - calm)
    ripple = sheen(0.8 * enlarge(noise[:, 2:3] + 0.5 * noise[:, 0:1], 4)) * calm
    lit = (0.09 + 1.02 * glow) * (1 + tint) + 0.10 * tint
    lit = lit * (0.82 + 0.34 * inner * calm + 0.20 * (1 - calm) + 0.10 * ripple)
    right, down = gradients(blur(source, 1.2))
    slope = torch.sqrt((right**2 + down**2).amax(1, keepdim=True) + 1e-8)
    contour = smoothstep(0.035, 0.085, slope) * smoothstep(0.95, 0.55, grey)
    dark = torch.maximum(lead, contour)
    came = source.new_tensor([0.03, 0.03, 0.045]).view(1, 3, 1, 1)
    return lit * (1 - dark) + came * dark


def circuit(source: Tensor, noise: Tensor) -> Tensor:
    """A live circuit board: glowing traces that run level and upright, solder pads, lit and coloured as the subject is.

    Traces are isolines of the greater of two fields, one combed level and one upright, so they turn at right angles.
    """
    bright = blur(luma(source), 1.2)
    calm = calmness(bright)
    rails = enlarge(combed(0.5 * noise[:, 0:2] + noise[:, 2:4] + 0.4 * noise[:, 4:6], (0, 4), 21, 0.6), 4)
    maze = 2.2 * torch.maximum(rails[:, :1], rails[:, 1:])
    trace = isoline(torch.sin(2.6 * maze), 1.6, 0.08)
    bead = enlarge(noise[:, 3:4], 4)
    pad = smoothstep(1.9, 2.15, bead)
    hole = smoothstep(2.5, 2.75, bead)
    live = smoothstep(0.05, 0.75, bright)
    power = trace * (0.30 + 0.75 * live) * (0.05 + 0.95 * calm**1.5) * (0.45 + 0.55 * _somewhere(noise))
    contour = smoothstep(0.015, 0.08, edge(bright))
    power = torch.maximum(power, contour * (0.5 + 0.5 * live))
    tone = blur(source, 3.0)
    warm = torch.sigmoid(9.0 * (tone[:, :1] - tone[:, 1:2] - 0.12) + 1.2 * enlarge(noise[:, 7:8], 4) - 1.0)
    level = 0.22 + 0.8 * bright
    colour = ramp(level, _LIVE) * (1 - warm) + ramp(level, _COPPER) * warm
    board = ramp(1.15 * bright + 0.7 * (bright - blur(bright, 8.0)), _BOARD) * (1 + 0.15 * sheen(3 * maze))
    gold = source.new_tensor([1.0, 0.80, 0.36]).view(1, 3, 1, 1) * (0.5 + 0.6 * bright)
    lit = board + colour * (power + 0.6 * blur(power, 3.5)) + 0.25 * power**3
    solder = pad * (0.2 + 0.8 * calm)
    return lit * (1 - solder) + (gold * (1 - hole) + 0.02) * solder


def starry(source: Tensor, noise: Tensor) -> Tensor:
    """A night after Van Gogh: strokes follow the forms and else curl about the noise, ultramarine to chrome."""
    right, down = gradients(noise[:, 6:7] + 0.2 * noise[:, 4:5])
    curl = torch.cat([down * down - right * right, -2 * right * down], 1)
    way = functional.normalize(structure(source) + 0.015 * blur(curl, 1.0), dim=1, eps=1e-6)
    strokes = along(noise[:, 0:2] + 0.25 * noise[:, 2:4], way, 15, 0.55)
    body, tint = torch.tanh(1.1 * enlarge(strokes, 4)).chunk(2, dim=1)
    calm = calmness(luma(source))
    flat = kuwahara(source, 4)
    flat = blur(flat + 0.7 * (1 - calm) * (source - flat), 0.8)
    bright = luma(flat)
    star = smoothstep(1.1, 2.4, enlarge(noise[:, 6:7], 4)) * calm * smoothstep(0.6, 0.3, bright)
    value = 0.04 + 0.90 * bright + 0.20 * (flat[:, :1] - flat[:, 2:])
    value = value + (0.07 * body + 0.11 * tint) * (0.25 + 0.75 * calm) + 0.6 * star
    night = ramp(value, _NIGHT)
    paint = night + 0.30 * (flat - bright)
    relief = sheen(1.6 * body * (0.3 + 0.7 * calm) + 5 * bright)
    return paint * (1 + 0.38 * relief) + 0.12 * relief.clamp(min=0) ** 2


def coral(source: Tensor, noise: Tensor) -> Tensor:
    """A reef: winding ridges of brain coral, high and bright where the subject is, over turquoise depth."""
    bright = blur(luma(source), 1.0)
    calm = calmness(bright)
    local = bright + 0.8 * (bright - blur(bright, 7.0))
    seed = noise[:, 0:1] + 0.8 * noise[:, 2:3]
    maze = blur(seed, 1.0) - blur(seed, 1.7)
    maze = enlarge(7.0 * (maze - blur(maze, 1.4)), 4) * (0.2 + 0.8 * calm)
    wall = torch.sigmoid(3.4 * (maze + 1.5 * torch.tanh(2.4 * (local - 0.38))))
    patch = enlarge(mix(noise, 1, (0.0, 0.15, 0.5, 0.7)), 4)
    relief = sheen(6.0 * wall + 14.0 * bright)
    flesh = ramp(0.42 + 0.20 * patch * calm + 0.75 * (local - 0.40), _POLYP)
    deep = ramp(0.06 + 0.85 * local + 0.04 * patch, _LAGOON)
    reef = flesh * (0.34 + 1.0 * local) * (1 + 0.42 * relief) + 0.12 * relief.clamp(min=0) ** 2
    return deep * (1 + 0.25 * relief) * (1 - wall) + reef * wall


def space(source: Tensor, noise: Tensor) -> Tensor:
    """Deep space: the subject as a glowing nebula, violet to rose and teal, crossed by dust, among a few stars."""
    bright = blur(luma(source), 1.0)
    calm = calmness(bright)
    cloud = enlarge(mix(noise, 0, (0.12, 0.25, 0.40, 0.6)), 4)
    wisp = enlarge(mix(noise, 1, (0.06, 0.15, 0.4, 0.8)), 4)
    lane = torch.exp(-((wisp / 0.45) ** 2)) * smoothstep(-0.6, 0.8, cloud)
    gas = (0.06 + 0.94 * bright) * (1 + 0.24 * cloud * (0.25 + 0.75 * calm)) + 0.05 * (1 + cloud).clamp(min=0)
    gas = gas * (1 - 0.40 * lane * calm) + 0.5 * (bright - blur(bright, 6.0))
    hue = torch.sigmoid(1.7 * wisp + 3.0 * blur(source[:, :1] - source[:, 2:], 3.0))
    nebula = ramp(gas, _TEAL) * (1 - hue) + ramp(gas, _ROSE) * hue
    nebula = nebula + 0.4 * blur(nebula, 6.0) * (1 - nebula)
    star = smoothstep(2.1, 3.0, enlarge(noise[:, 0:1], 4)) * (0.3 + 0.7 * calm)
    large = smoothstep(2.75, 3.3, enlarge(noise[:, 1:2], 4)) * calm
    return nebula + star + 2.2 * blur(star * 0.5 + large, 2.0)


def marble(source: Tensor, noise: Tensor) -> Tensor:
    """The scene cut in polished marble: cream stone in a soft side light, clouds and veins of grey, a few of gold."""
    bright = blur(luma(source), 1.2)
    calm = calmness(bright)
    spared = 0.3 + 0.7 * calm
    drift = combed(0.55 * noise[:, 4:6] + noise[:, 6:8], (2, 3), 21, 0.8) + 0.03 * noise[:, 0:2] + 0.08 * noise[:, 2:4]
    grain, cross = enlarge(drift, 4).chunk(2, dim=1)
    threads = enlarge(combed(noise[:, 4:5], (2,), 21, 0.8) + 0.05 * noise[:, 2:3], 4)
    depth = smoothstep(-0.8, 0.9, cross)
    vein = 0.45 * isoline(grain, 1.8, 0.012) + 0.55 * torch.exp(-grain.abs() / (0.02 + 0.10 * depth))
    vein = vein * (0.15 + 0.85 * depth) + 0.28 * isoline(threads, 1.4, 0.012) * (1 - depth)
    cloud = smoothstep(-0.9, 0.9, grain) * smoothstep(0.8, -0.4, grain)
    gold = isoline(cross, 2.2, 0.012) * smoothstep(0.05, 0.6, grain) * spared
    cut = sheen(16.0 * blur(bright, 1.0))
    tone = 0.26 + 0.70 * bright**0.6 + 0.20 * cut
    tone = tone * (1 - (0.16 * cloud + 0.46 * vein) * spared)
    stone = ramp(tone, _STONE)
    gilt = source.new_tensor([0.90, 0.64, 0.18]).view(1, 3, 1, 1) * (0.45 + 0.7 * tone)
    polish = cut.clamp(min=0) ** 3
    return stone * (1 - 0.9 * gold) + gilt * 0.9 * gold + 0.15 * polish


def _ridge(field: Tensor, width: float) -> Tensor:
    """Thin lines at full size where a field at a quarter of the size crosses zero: (n, 1, h, w), 0..1."""
    return torch.exp(-((enlarge(field, 4) / width) ** 2))


def _somewhere(noise: Tensor) -> Tensor:
    """A soft mask that lets lines run out in about half of the picture: (n, 1, h, w), 0..1."""
    return smoothstep(-0.7, 0.5, enlarge(noise[:, 7:8] + 0.4 * noise[:, 5:6], 4))
