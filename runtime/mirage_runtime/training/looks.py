"""The teachers: what each look should make of a picture, computed from the picture and the noise that the network gets.

A look that generates must not use randomness of its own. From noise that it cannot see, a network trained on
distances learns the mean, which is blur. So cracks, frost, strokes and moss are made **from the very noise pyramid that
the network is given**: a fixed coupling of noise and picture, as reflow and consistency distillation seek, given by
construction; one step can then draw them (Liu et al. 2022, arXiv:2209.03003; Song et al. 2023, arXiv:2303.01469).

Pictures are f32 (n, 3, h, w), 0..1; a noise pyramid is f32 (n, 8, h / 4, w / 4) as ``mirage_kernels.noise`` makes it,
pairs of fields, finest first.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from mirage_runtime.models.lsd import layout
from mirage_runtime.training.filters import (
    along,
    blur,
    enlarge,
    gradients,
    kuwahara,
    luma,
    ramp,
    sheen,
    smoothstep,
    structure,
)

Teacher = Callable[[Tensor, Tensor], Tensor]

_MELT = ((0.0, 0.0, 0.0), (0.42, 0.03, 0.01), (0.86, 0.16, 0.01), (1.0, 0.5, 0.04), (1.0, 0.82, 0.25), (1.0, 0.98, 0.8))
_ICE = ((0.01, 0.04, 0.12), (0.05, 0.20, 0.40), (0.20, 0.50, 0.72), (0.55, 0.82, 0.93), (0.90, 0.98, 1.0))
_MOSS = ((0.02, 0.04, 0.02), (0.07, 0.15, 0.05), (0.20, 0.34, 0.09), (0.43, 0.56, 0.17), (0.80, 0.86, 0.46))

_SOFTNESS = {"lava": 1.0, "ice": 1.0, "oil": 1.25, "moss": 0.75}
"""Width in pixels of the anti-aliasing of looks that generate."""


def teach(source: Tensor, noise: Tensor, weights: Tensor, modifiers: Tensor) -> Tensor:
    """The picture that the network should give: (n, 3, h, w), 0..1.

    ``weights`` (n, 9) sum to 1 in each row; several looks blend by weight. ``modifiers`` (n, 4) as in ``layout``.
    """
    result = torch.zeros_like(source)
    for index, name in enumerate(layout.LOOK_NAMES):
        rows = (weights[:, index] > 0).nonzero()[:, 0]
        if len(rows):
            picture = paint(name, source[rows], noise[rows])
            result[rows] += picture * weights[rows, index, None, None, None]
    return modify(result, modifiers)


def paint(look: str, source: Tensor, noise: Tensor) -> Tensor:
    """One look of a picture: (n, 3, h, w), 0..1.

    Generated texture is drawn anti-aliased. Its edges above a quarter of a cycle a pixel would only shimmer once the
    texture moves with the scene.
    """
    picture = TEACHERS[look](source, noise).clamp(0, 1)
    return blur(picture, _SOFTNESS[look]) if look in _SOFTNESS else picture


def modify(image: Tensor, modifiers: Tensor) -> Tensor:
    """Apply temperature, brightness, vividness and softness (n, 4) to a picture; zeros leave it as it is."""
    temperature, brightness, vividness, softness = (m.view(-1, 1, 1, 1) for m in modifiers.unbind(1))
    if bool((softness != 0).any()):
        soft = blur(image, 2.5)
        image = image + softness * (0.8 * (soft - image) + 0.08 * (1 - image) * soft)
    cast = torch.cat([1 + 0.22 * temperature, 1 + 0.03 * temperature, 1 - 0.25 * temperature], 1)
    image = image * cast
    image = image.clamp(1e-4, 1) ** torch.exp2(-1.1 * brightness)
    bright = luma(image)
    image = bright + (image - bright) * (1 + 0.9 * vividness)
    image = image + vividness * 0.25 * (smoothstep(0, 1, image) - image)
    return image.clamp(0, 1)


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
    pool = enlarge(_mix(noise, 0, (0.34, 0.3, 0.45, 0.6)), 4)
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


def lava(source: Tensor, noise: Tensor) -> Tensor:
    """Cooling basalt over a melt: dark rough crust where the source is dark, molten where it is bright, cracks between.

    Few, long cracks from the coarse fields; they close on fine detail, so that a face stays a face.
    """
    bright = blur(luma(source), 1.0)
    calm = _calm(bright)
    crack = _ridge(_mix(noise, 0, (0.05, 0.13, 0.42, 0.9)), 0.17) * _somewhere(noise)
    rough = enlarge(_mix(noise, 1, (0.5, 0.5, 0.3, 0.1)), 4)
    heat = 0.88 * smoothstep(0.30, 1.05, bright) + crack * (0.30 + 0.70 * calm) * (0.40 + 0.45 * bright)
    heat = heat + 0.06 * rough * (0.4 + bright) + 1.1 * _edge(bright)
    melt = ramp(heat, _MELT)
    rock = (0.06 + 0.17 * bright) * (1 + 0.6 * sheen(rough * 1.6) + 0.5 * sheen(12 * bright))
    crust = rock * source.new_tensor([1.0, 0.86, 0.80]).view(1, 3, 1, 1)
    ember = blur(melt, 5.0) * 0.35
    return crust * (1 - smoothstep(0.05, 0.3, heat)) + melt + ember * (1 - melt)


def ice(source: Tensor, noise: Tensor) -> Tensor:
    """The subject inside blue ice: cracked, bevelled plates, frost on the lights, clear depth in the darks."""
    bright = blur(luma(source), 1.0)
    calm = _calm(bright)
    field = _mix(noise, 0, (0.04, 0.12, 0.45, 0.9))
    crack = _ridge(field, 0.09) * (0.3 + 0.7 * calm) * _somewhere(noise)
    bevel = sheen(9.0 * torch.tanh(2.0 * enlarge(field, 4))) * (0.3 + 0.7 * calm) * _somewhere(noise)
    frost = enlarge(_mix(noise, 1, (0.45, 0.5, 0.4, 0.3)), 4)
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
    calm = 0.35 + 0.65 * _calm(luma(source))
    cast = source.new_tensor([0.011, 0.0, -0.014]).view(1, 3, 1, 1)
    paint = paint * (1 + 0.05 * body * calm) + cast * tint * calm * (0.4 + bright)
    relief = sheen((0.75 * bristle + 0.35 * body) * calm)
    shine = relief.clamp(min=0) ** 2
    return paint * (1 + 0.26 * relief) + 0.08 * shine


def moss(source: Tensor, noise: Tensor) -> Tensor:
    """An old wall in a wet forest: moss in cushions on the lights and the calm places, dark stone between."""
    bright = blur(luma(source), 1.0)
    calm = _calm(bright)
    patch = enlarge(_mix(noise, 0, (0.16, 0.3, 0.4, 0.4)), 4)
    fuzz = enlarge(_mix(noise, 1, (0.75, 0.5, 0.2, 0.0)), 4)
    cover = smoothstep(-0.45, 0.8, 0.8 * patch + 3.0 * (bright - 0.40) + 0.5 * calm - 0.25)
    cushion = sheen(1.1 * fuzz + 6.0 * cover + 6.0 * bright)
    value = 0.06 + 0.68 * bright + 0.09 * fuzz * (0.3 + bright) + 0.18 * cushion + 0.10 * patch
    green = ramp(value, _MOSS)
    grey = luma(source)
    stone = (0.4 * source + 0.6 * grey) * source.new_tensor([0.66, 0.68, 0.62]).view(1, 3, 1, 1)
    stone = stone * (1 + 0.25 * sheen(1.2 * fuzz))
    return stone * (1 - cover) + green * cover


TEACHERS: dict[str, Teacher] = {
    "photo": photo,
    "ink": ink,
    "sketch": sketch,
    "watercolour": watercolour,
    "neon": neon,
    "lava": lava,
    "ice": ice,
    "oil": oil,
    "moss": moss,
}


def _mix(noise: Tensor, field: int, weights: tuple[float, float, float, float]) -> Tensor:
    """Add the four levels of one of the pyramid's two fields with ``weights``: (n, 1, h / 4, w / 4)."""
    return (noise[:, field::2] * noise.new_tensor(weights).view(1, 4, 1, 1)).sum(1, keepdim=True)


def _ridge(field: Tensor, width: float) -> Tensor:
    """Thin lines at full size where a field at a quarter of the size crosses zero: (n, 1, h, w), 0..1."""
    return torch.exp(-((enlarge(field, 4) / width) ** 2))


def _somewhere(noise: Tensor) -> Tensor:
    """A soft mask that lets lines run out in about half of the picture: (n, 1, h, w), 0..1."""
    return smoothstep(-0.7, 0.5, enlarge(noise[:, 7:8] + 0.4 * noise[:, 5:6], 4))


def _calm(bright: Tensor) -> Tensor:
    """1 on smooth surfaces, towards 0 amid fine detail, where added texture would drown the subject."""
    right, down = gradients(bright)
    return torch.exp(-blur(torch.sqrt(right**2 + down**2 + 1e-8), 4.0) * 22.0)


def _edge(bright: Tensor) -> Tensor:
    """Contours of a brightness: (n, 1, h, w), about 0..0.3."""
    right, down = gradients(blur(bright, 1.0))
    return (torch.sqrt(right**2 + down**2 + 1e-8) - 0.02).clamp(min=0)
