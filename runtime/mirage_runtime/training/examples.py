"""What the network learns from: crops, noise, conditions and times, and the teachers' answer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mirage_kernels import noise
from mirage_runtime.models.lsd import layout
from mirage_runtime.training import looks
from mirage_runtime.training.filters import blur

_LOOK_SHARES = (0.4, 0.7, 0.6, 1.0, 1.1, 1.6, 1.6, 3.5, 0.6)
"""How often each look is trained, relative to the others: harder ones more, ``photo`` less."""


@dataclass(frozen=True)
class Example:
    """A batch to learn from."""

    inputs: tuple[Tensor, ...]
    """The network's seven inputs, in its order."""
    target: Tensor
    """The teachers' pictures, f32 (n, 3, h, w), 0..1."""


@torch.no_grad()
def make_example(sources: Tensor, n: int, size: int, random: torch.Generator, device: torch.device) -> Example:
    """Draw ``n`` crops of ``size``: sources, noise, conditions and times, and what the teachers make of them."""
    source = _crops(sources, n, size, random)
    pyramid = _pyramids(n, size, random).to(device)
    condition = _conditions(n, random).to(device)
    picture = source.to(device).permute(0, 3, 1, 2).float() / 255
    target = looks.teach(picture, pyramid, condition[:, : layout.LOOKS], condition[:, layout.MODIFIERS])

    # What sampling will have at that point is its own earlier estimate: somewhat softer than the truth.
    slack = torch.rand(n, 1, 1, 1, generator=random).to(device) ** 2
    rough = target + slack * (blur(target, 1.0) - target)
    estimate = (rough.permute(0, 2, 3, 1) * 255 + 0.5).to(torch.uint8)
    epsilon = torch.randn(n, size, size, 3, generator=random) * noise.EPSILON_SCALE
    epsilon = epsilon.round_().clamp_(-127, 127).to(torch.int8)
    memory = torch.zeros(n, size, size, 3, dtype=torch.uint8)
    validity = torch.zeros(n, size, size, 1, dtype=torch.uint8)
    inputs = (source, estimate, epsilon, memory, validity, pyramid, condition)
    return Example(tuple(x.to(device) for x in inputs), target)


def _crops(sources: Tensor, count: int, size: int, random: torch.Generator) -> Tensor:
    """Cut random places of random pictures, turned, mirrored, and with channels exchanged: u8 (n, size, size, 3)."""
    span = sources.shape[1] - size + 1
    draw = torch.randint(0, 1 << 30, (count, 6), generator=random).tolist()
    crops = []
    for which, y, x, turn, mirror, colours in draw:
        y, x = y % span, x % span
        crop = torch.rot90(sources[which % len(sources), y : y + size, x : x + size], turn % 4, (0, 1))
        if mirror % 2:
            crop = crop.flip(1)
        if colours % 2:
            order = [(0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2), (2, 1, 0)][colours // 2 % 6]
            crop = crop[..., list(order)]
        crops.append(crop)
    return torch.stack(crops).contiguous()


def _pyramids(count: int, size: int, random: torch.Generator) -> Tensor:
    """Fresh noise pyramids, enlarged as at run time: f32 (n, 8, size / 4, size / 4)."""
    planes = []
    for level in noise.LEVELS:
        cells = noise.cells(size, level)
        matrix = torch.tensor(noise.enlarge_matrix(size, level))
        fields = torch.randn(count, noise.FIELDS, cells, cells, generator=random)
        planes.append(matrix @ fields @ matrix.T)
    return torch.cat(planes, 1)


def _conditions(count: int, random: torch.Generator) -> Tensor:
    """Random looks (one in five a mixture of two), modifiers (half of them none) and times: f32 (n, 15)."""
    condition = torch.zeros(count, layout.CONDITION)
    rows = torch.arange(count)
    shares = torch.tensor(_LOOK_SHARES)
    first, second = (torch.multinomial(shares, count, replacement=True, generator=random) for _ in range(2))
    part = torch.rand(count, generator=random) * 0.5
    part = torch.where(torch.rand(count, generator=random) < 0.8, 0.0, part)
    condition[rows, first] += 1 - part
    condition[rows, second] += part

    values = torch.rand(count, 4, generator=random) * torch.tensor([2.0, 2.0, 1.0, 1.0]) - torch.tensor([1.0, 1, 0, 0])
    used = (torch.rand(count, 4, generator=random) < 0.4) & (torch.rand(count, 1, generator=random) < 0.5)
    condition[:, layout.MODIFIERS] = values * used

    time_ = torch.rand(count, generator=random)
    pure = torch.rand(count, generator=random) < 0.6
    steps = torch.randint(1, 5, (count,), generator=random)
    condition[:, layout.TIME] = torch.where(pure, 1.0, time_.clamp(0.02, 1))
    condition[:, layout.STEP] = 1.0 / steps
    return condition
