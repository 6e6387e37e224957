"""The looks that draw nothing which the source lacks: drawings, paintings, prints and cameras.

Each is a teacher as ``looks`` describes it. Those that take any noise at all take it as slight unevenness.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mirage_runtime.training.filters import blur, enlarge, gradients, kuwahara, luma, mix, ramp, smoothstep

_SEPIA = ((0.13, 0.09, 0.075), (0.36, 0.265, 0.19), (0.63, 0.51, 0.37), (0.86, 0.76, 0.59), (0.99, 0.94, 0.82))
_IRON = (
    *((0.02, 0.0, 0.09), (0.15, 0.02, 0.42), (0.42, 0.03, 0.62), (0.78, 0.09, 0.52)),
    *((0.95, 0.30, 0.22), (1.0, 0.58, 0.06), (1.0, 0.85, 0.22), (1.0, 1.0, 0.92)),
)


def photo(source: Tensor, noise: Tensor) -> Tensor:
    """The source as it is."""
    return source


def ink(source: Tensor, noise: Tensor) -> Tensor:
    """Brush and pen on warm paper: contour lines, black masses, and one thin grey wash.

    Lines and masses are an extended difference of Gaussians (Winnemöller 2011).
    """
    bright = luma(source)
    fine, wide = blur(bright, 1.0), blur(bright, 1.8)
    sharp = fine + 18.0 * (fine - wide)
    line = torch.sigmoid(13.0 * (sharp - 0.30))
    broad = blur(bright, 3.0)
    wash = 1 - 0.20 * smoothstep(0.56, 0.36, broad) - 0.16 * smoothstep(0.34, 0.2, broad)
    return ramp(line * wash, ((0.05, 0.05, 0.09), (0.30, 0.30, 0.33), (0.62, 0.61, 0.58), (0.97, 0.95, 0.89)))


def sketch(source: Tensor, noise: Tensor) -> Tensor:
    """Graphite on white paper: dodged contours at two widths over a soft shading."""
    bright = luma(source).clamp(0.02, 1)
    near = (blur(bright, 0.8) + 0.05) / (blur(bright, 3.0) + 0.05)
    far = (blur(bright, 1.8) + 0.08) / (blur(bright, 9.0) + 0.08)
    line = (near.clamp(max=1.0) ** 3.6) * (far.clamp(max=1.02) ** 1.3)
    shade = 0.60 + 0.42 * smoothstep(0.0, 0.6, blur(bright, 3.0))
    tone = (line * shade).clamp(0, 1)
    return ramp(tone, ((0.12, 0.12, 0.14), (0.38, 0.38, 0.40), (0.69, 0.69, 0.69), (0.98, 0.975, 0.96)))


def watercolour(source: Tensor, noise: Tensor) -> Tensor:
    """Pigment on paper: calm washes, darker where a wash ends, paper left white in the lights, uneven drying."""
    flat = blur(kuwahara(blur(source, 1.2), 8), 1.3)
    bright = luma(flat)
    flat = bright + (flat - bright) * 1.5
    density = -torch.log(flat.clamp(0.06, 1)) * 0.64
    rim = (blur(bright, 3.5) - bright).clamp(min=0)
    pool = enlarge(mix(noise, 0, (0.34, 0.3, 0.45, 0.6)), 4)
    dry = smoothstep(0.90, 0.45, blur(bright, 2.0) + 0.06 * pool)
    density = density * (1 + 6.0 * rim) * (1 + 0.26 * pool) * (0.25 + 0.75 * dry)
    paper = source.new_tensor([0.985, 0.975, 0.945]).view(1, 3, 1, 1)
    return paper * torch.exp(-density.clamp(min=0))


def neon(source: Tensor, noise: Tensor) -> Tensor:
    """Glass tubes along the contours, cyan to pink by the surface's own light and hue, glowing into a violet night."""
    bright = luma(source)
    right, down = gradients(blur(bright, 1.1))
    slope = torch.sqrt(right**2 + down**2 + 1e-8)
    tube = smoothstep(0.012, 0.10, slope)
    colour = blur(source, 4.0)
    warmth = colour[:, :1] - 0.5 * colour[:, 1:2] - 0.5 * colour[:, 2:]
    warm = torch.sigmoid(7 * (warmth - 0.10) + 6 * (0.5 - luma(colour)))
    pink, cyan = (source.new_tensor(c).view(1, 3, 1, 1) for c in ([1.0, 0.10, 0.70], [0.04, 0.78, 1.0]))
    hue = cyan + (pink - cyan) * warm
    glow = 0.75 * blur(tube, 3.0) + 0.6 * blur(tube, 9.0)
    night = source.new_tensor([0.035, 0.015, 0.085]).view(1, 3, 1, 1)
    surface = blur(bright, 1.5) * source.new_tensor([0.14, 0.08, 0.30]).view(1, 3, 1, 1)
    return night + surface + hue * (0.85 * tube + glow) + 0.7 * tube**4


def comic(source: Tensor, noise: Tensor) -> Tensor:
    """A printed comic: three bold tones of strong colour with smooth borders, black outlines, black in the shadows."""
    flat = blur(kuwahara(blur(source, 1.0), 5), 1.0)
    bright = luma(flat)
    tone = 0.26 + 0.27 * torch.sigmoid(30 * (bright - 0.34)) + 0.34 * torch.sigmoid(30 * (bright - 0.64))
    chroma = (flat - bright) / (bright + 0.12)
    colour = tone * (1 + 1.25 * torch.tanh(2.2 * chroma))
    line = 0.55 * luma(source) + 0.45 * bright
    fine, wide = blur(line, 0.9), blur(line, 2.2)
    pen = torch.sigmoid(22.0 * (fine + 16.0 * (fine - wide) - 0.08))
    shadow = torch.sigmoid(40.0 * (bright - 0.13))
    return colour * pen * shadow + 0.02


def thermal(source: Tensor, noise: Tensor) -> Tensor:
    """A heat camera: light as heat, and warm hues warmer, through the iron palette; a little heat spreads."""
    soft = blur(source, 1.3)
    heat = 1.08 * luma(soft) - 0.08 + 0.14 * (soft[:, :1] - soft[:, 2:])
    heat = heat + 0.6 * (heat - blur(heat, 9.0))
    return ramp(0.03 + 0.97 * (0.8 * heat + 0.2 * blur(heat, 4.0)), _IRON)


def film(source: Tensor, noise: Tensor) -> Tensor:
    """A faded photograph: warm sepia with a last breath of colour, lifted blacks, lights that bleed."""
    soft = blur(source, 0.8)
    bright = luma(soft)
    halo = blur(smoothstep(0.55, 1.0, bright), 6.0)
    tone = 0.55 * bright + 0.45 * smoothstep(0.0, 0.95, bright)
    sepia = ramp(tone, _SEPIA)
    glow = source.new_tensor([0.20, 0.10, 0.03]).view(1, 3, 1, 1)
    return sepia + 0.22 * (soft - bright) + glow * halo * (1.1 - tone)
