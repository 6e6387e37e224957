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

from mirage_runtime.models.lsd import layout
from mirage_runtime.training import looks_generating as generating
from mirage_runtime.training import looks_plain as plain
from mirage_runtime.training.filters import blur, luma, smoothstep

Teacher = Callable[[Tensor, Tensor], Tensor]

_SOFTNESS = {
    **{"lava": 1.0, "ice": 1.0, "oil": 1.25, "moss": 0.75},
    **{"glass": 0.75, "circuit": 0.75, "starry": 1.0, "coral": 0.75, "space": 0.75, "marble": 0.75},
}
"""Width in pixels of the anti-aliasing of looks that generate."""


def teach(source: Tensor, noise: Tensor, weights: Tensor, modifiers: Tensor) -> Tensor:
    """The picture that the network should give: (n, 3, h, w), 0..1.

    ``weights`` (n, 18) sum to 1 in each row; several looks blend by weight. ``modifiers`` (n, 4) as in ``layout``.
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


TEACHERS: dict[str, Teacher] = {
    "photo": plain.photo,
    "ink": plain.ink,
    "sketch": plain.sketch,
    "watercolour": plain.watercolour,
    "neon": plain.neon,
    "lava": generating.lava,
    "ice": generating.ice,
    "oil": generating.oil,
    "moss": generating.moss,
    "comic": plain.comic,
    "thermal": plain.thermal,
    "film": plain.film,
    "glass": generating.glass,
    "circuit": generating.circuit,
    "starry": generating.starry,
    "coral": generating.coral,
    "space": generating.space,
    "marble": generating.marble,
}
