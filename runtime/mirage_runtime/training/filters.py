"""Classic picture operations on batches, in torch: what the teachers are built from.

Pictures are f32 (n, c, h, w), 0..1 unless said otherwise. Everything is local: no statistic of the whole picture
enters, since a network that is trained on crops could not know it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

_LUMA = (0.299, 0.587, 0.114)


def luma(image: Tensor) -> Tensor:
    """Brightness (n, 1, h, w) of an RGB picture (ITU-R BT.601)."""
    weights = image.new_tensor(_LUMA).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True)


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur with ``sigma`` in pixels, mirrored at the borders."""
    return _separable(image, _blur_matrix, sigma)


def box(image: Tensor, window: int, margin: int) -> Tensor:
    """Means of all windows of ``window`` x ``window`` in a picture extended by ``margin`` at each side.

    Returns (n, c, h + 2 * margin - window + 1, w + 2 * margin - window + 1).
    """
    return _separable(image, _box_matrix, window, margin)


def enlarge(image: Tensor, times: int) -> Tensor:
    """Enlarge by a whole factor with a windowed sinc."""
    return _separable(image, _enlarge_matrix, times)


def _separable(image: Tensor, maker: Callable[..., Tensor], *arguments: float) -> Tensor:
    """Apply one linear map down the columns and along the rows.

    Products with band matrices: on crops this is many times as fast as convolutions of a single channel.
    """
    vertical = maker(image.shape[2], *arguments).to(image)
    horizontal = maker(image.shape[3], *arguments).to(image)
    result: Tensor = vertical @ image @ horizontal.T
    return result


@lru_cache(maxsize=128)
def _blur_matrix(size: int, sigma: float) -> Tensor:
    """(size, size): each row a normalised Gaussian, what falls outside reflected back in."""
    radius = min(math.ceil(2.7 * sigma), size - 1)
    taps = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    place = torch.arange(size)[:, None] + taps
    place = (size - 1) - ((size - 1) - place.abs()).abs()
    matrix = torch.zeros(size, size)
    matrix.scatter_add_(1, place, (kernel / kernel.sum()).expand(size, -1).contiguous())
    return matrix


@lru_cache(maxsize=32)
def _box_matrix(size: int, window: int, margin: int) -> Tensor:
    """(size + 2 * margin - window + 1, size): each row a mean of ``window`` cells, borders repeated."""
    count = size + 2 * margin - window + 1
    place = (torch.arange(count)[:, None] + torch.arange(window) - margin).clamp(0, size - 1)
    return torch.zeros(count, size).scatter_add_(1, place, torch.full((count, window), 1 / window))


@lru_cache(maxsize=32)
def _enlarge_matrix(size: int, times: int) -> Tensor:
    """(size * times, size): a windowed sinc of eight taps (Lanczos), pixel centres aligned.

    Texture that moves by a fraction of a sample must look the same there, which a bicubic's four taps do not achieve.
    """
    taps = torch.arange(-3, 5)
    place = (torch.arange(size * times) + 0.5) / times - 0.5
    first = place.floor()
    away = (place - first)[:, None] - taps
    weight = torch.sinc(away) * torch.sinc(away / 4)
    columns = (first[:, None].long() + taps).clamp(0, size - 1)
    return torch.zeros(size * times, size).scatter_add_(1, columns, weight / weight.sum(1, keepdim=True))


def smoothstep(low: float, high: float, value: Tensor) -> Tensor:
    """0 below ``low``, 1 above ``high``, smooth between."""
    x = ((value - low) / (high - low)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def ramp(value: Tensor, colours: tuple[tuple[float, float, float], ...]) -> Tensor:
    """Colour a map (n, 1, h, w) by a table of evenly spaced colours, linear between them: (n, 3, h, w)."""
    table = value.new_tensor(colours)
    steps = (value * (len(colours) - 1) - torch.arange(len(colours) - 1).to(value).view(1, -1, 1, 1)).clamp(0, 1)
    return functional.conv2d(steps, table.diff(dim=0).T[..., None, None], table[0])


def gradients(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences to the right and downwards, a pixel's worth, of (n, c, h, w)."""
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    return (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2, (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2


def kuwahara(image: Tensor, radius: int, sharpness: float = 6.0) -> Tensor:
    """Smooth surfaces and keep edges: each pixel takes the calmest of the four windows that touch it.

    After Kuwahara et al. 1976, softly weighted as in Papari et al. 2007. ``radius`` in pixels; ``image`` RGB.
    """
    window = radius + 1
    bright = luma(image)
    boxes = box(torch.cat([image, bright * bright], 1), window, radius)
    h, w = image.shape[2:]
    total = torch.zeros_like(image)
    weight = torch.zeros_like(bright)
    for y in (0, radius):
        for x in (0, radius):
            part = boxes[:, :, y : y + h, x : x + w]
            mean = part[:, :3]
            variance = (part[:, 3:] - luma(mean) ** 2).clamp(min=0)
            share = (1e-4 + variance) ** (-sharpness / 2)
            share = share.clamp(max=1e24)
            total = total + mean * share
            weight = weight + share
    return total / weight


def structure(image: Tensor) -> Tensor:
    """Where edges run, at a quarter of the size: (n, 2, h / 4, w / 4), the doubled angle of the edges' tangent as a
    vector (cos, sin) whose length is the edges' strength (the structure tensor, Bigün and Granlund 1987).
    """
    right, down = gradients(blur(luma(image), 1.0))
    tensor = torch.cat([down * down - right * right, -2 * right * down], 1)
    return blur(functional.avg_pool2d(tensor, 4), 2.0)


def line_kernels(count: int, length: int, width: float) -> Tensor:
    """A bank of short Gaussian strokes, (count, 1, length, length), at evenly spaced angles from 0 to pi."""
    half = length // 2
    y, x = torch.meshgrid(torch.arange(-half, half + 1.0), torch.arange(-half, half + 1.0), indexing="ij")
    kernels = []
    for index in range(count):
        angle = math.pi * index / count
        along = math.cos(angle) * x + math.sin(angle) * y
        across = -math.sin(angle) * x + math.cos(angle) * y
        kernel = torch.exp(-0.5 * (along / (0.45 * half)) ** 2 - 0.5 * (across / width) ** 2)
        kernels.append(kernel / kernel.sum())
    return torch.stack(kernels)[:, None]


def along(field: Tensor, direction: Tensor, length: int = 9, width: float = 0.55, count: int = 8) -> Tensor:
    """Draw a field (n, c, h, w) out along a direction: a line integral from a bank of oriented strokes.

    ``direction`` is (n, 2, h, w), a doubled angle as a unit vector. Strokes that point nearly along it are mixed, so
    the result is a convolution and a gate, which a small network can learn. The outcome has about unit variance for a
    white field of unit variance.
    """
    kernels = line_kernels(count, length, width).to(field)
    n, c, h, w = field.shape
    padded = functional.pad(field.reshape(n * c, 1, h, w), (length // 2,) * 4, mode="reflect")
    strokes = functional.conv2d(padded, kernels / kernels.flatten(1).norm(dim=1)[:, None, None, None])
    angles = 2 * math.pi * torch.arange(count, device=field.device) / count
    match = direction[:, :1] * angles.cos().view(1, -1, 1, 1) + direction[:, 1:] * angles.sin().view(1, -1, 1, 1)
    share = torch.exp(5.0 * (match - 1))
    share = 1.15 * share / share.sum(dim=1, keepdim=True)
    return (strokes.reshape(n, c, count, h, w) * share[:, None]).sum(2)


def combed(field: Tensor, turns: tuple[int, ...], length: int, width: float) -> Tensor:
    """Draw each channel of a field (n, c, h, w) out along an angle of its own, ``turns`` in eighths of a half turn.

    As ``along`` with a fixed direction; isolines of the outcome run nearly straight.
    """
    kernels = line_kernels(8, length, width)[list(turns)].to(field)
    padded = functional.pad(field, (length // 2,) * 4, mode="replicate")
    return functional.conv2d(padded, kernels, groups=len(turns))


def sheen(height: Tensor, light: tuple[float, float] = (-0.7, -0.7)) -> Tensor:
    """How much a relief (n, 1, h, w) faces a light from the side that ``light`` (x, y) points to: about -1..1."""
    right, down = gradients(height)
    return torch.tanh(right * light[0] + down * light[1])


def mix(noise: Tensor, field: int, weights: tuple[float, float, float, float]) -> Tensor:
    """Add the four levels of one of the pyramid's two fields with ``weights``: (n, 1, h / 4, w / 4)."""
    return (noise[:, field::2] * noise.new_tensor(weights).view(1, 4, 1, 1)).sum(1, keepdim=True)


def calmness(bright: Tensor, reach: float = 4.0) -> Tensor:
    """1 on smooth surfaces, towards 0 amid fine detail, where added texture would drown the subject.

    ``reach`` in pixels is how far a detail keeps texture away.
    """
    right, down = gradients(bright)
    return torch.exp(-blur(torch.sqrt(right**2 + down**2 + 1e-8), reach) * 22.0)


def edge(bright: Tensor) -> Tensor:
    """Contours of a brightness: (n, 1, h, w), about 0..0.3."""
    right, down = gradients(blur(bright, 1.0))
    return (torch.sqrt(right**2 + down**2 + 1e-8) - 0.02).clamp(min=0)


def isoline(height: Tensor, width: float, slack: float) -> Tensor:
    """Anti-aliased lines about ``width`` pixels wide where a map crosses zero: (n, 1, h, w), 0..1.

    Where the map is flatter than ``slack`` per pixel, it counts as that steep.
    """
    right, down = gradients(height)
    distance = height.abs() / torch.sqrt(right**2 + down**2 + slack**2)
    return smoothstep(width / 2 + 0.8, width / 2 - 0.8, distance)
