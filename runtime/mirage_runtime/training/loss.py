"""How far a prediction is from the teachers' picture.

The loss is the distance of pixels (absolute, and squared: the absolute distance alone is content with a median, which
for rare bright cracks is no crack), of gradients at two scales, and of local band energies. Distances are smallest
for a picture that is slightly too smooth; the energy term asks each octave for as much contrast as the teacher has,
wherever it is. To these comes how much the error flickers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def distance(image: Tensor, target: Tensor) -> Tensor:
    """The loss of pictures (n, 3, h, w) against the teachers'."""
    loss = functional.l1_loss(image, target) + 2.0 * functional.mse_loss(image, target)
    for scale, weight in ((1, 1.0), (2, 0.25)):
        one, two = (functional.avg_pool2d(x, scale) if scale > 1 else x for x in (image, target))
        for axis in (2, 3):
            loss = loss + weight * functional.l1_loss(one.diff(dim=axis), two.diff(dim=axis))
    return loss + 0.06 * _energy_gap(image, target)


def flicker(image: Tensor, target: Tensor, error: Tensor, continued: Tensor) -> Tensor:
    """How much the error changes from frame to frame, as seen by an eye that follows the surface.

    ``error`` (n, 3, h, w) is the last frame's ``image - target``, moved to where it belongs now, ``continued``
    (n, 1, h, w) where that is known. Texture that changes as the teacher's does costs nothing.
    """
    return ((image - target - error).abs() * continued).mean()


def _energy_gap(image: Tensor, target: Tensor) -> Tensor:
    """How far local contrast is from the target's, relative to it, in five bands: a mean over 8x8 neighbourhoods.

    The bands are second differences along each axis, which see the top octave alone, and three Laplacian octaves.
    """
    gap = _relative_gap(image.diff(n=2, dim=3), target.diff(n=2, dim=3))
    gap = gap + _relative_gap(image.diff(n=2, dim=2), target.diff(n=2, dim=2))
    for _ in range(3):
        bands, lows = [], []
        for x in (image, target):
            low = functional.avg_pool2d(x, 2)
            bands.append(x - functional.interpolate(low, scale_factor=2.0, mode="bilinear", align_corners=False))
            lows.append(low)
        gap = gap + _relative_gap(bands[0], bands[1])
        image, target = lows
    return gap


def _relative_gap(band: Tensor, target: Tensor) -> Tensor:
    """Mean difference of local contrasts over the target's, which counts as 0.008 at least: noise needs no match."""
    one, two = (torch.sqrt(functional.avg_pool2d(x * x, 8, stride=4) + 1e-6) for x in (band, target))
    return ((one - two).abs() / (two + 0.008)).mean()


def unfolded(prediction: Tensor) -> Tensor:
    """(n, 12, h / 2, w / 2) in the network's (row, column, channel) order to (n, 3, h, w)."""
    n, _, h, w = prediction.shape
    return functional.pixel_shuffle(prediction.view(n, 4, 3, h, w).transpose(1, 2).reshape(n, 12, h, w), 2)
