"""The network of ``lsd-mini``: a small conditional U-Net that predicts the finished picture from a noised one.

Its shape is set by what two CPU cores can do in about 20 ms at 768x432 (see the model card):

- Pictures enter as bytes, fold to a quarter of their size (a 4x4 patch becomes channels) and meet in one linear layer,
  which each input has its own part of, so that nothing is concatenated. Folding bytes costs a fourth of folding floats.
- Width grows where the picture is small: 32 channels at 1/4, 64 at 1/8, 96 at 1/16. No normalisation, no depthwise
  convolution: both leave matrix units idle.
- The head works at **half** size and sees the source again. One network that paints 4x4 patches from 32 channels shows
  its patches as a grid along thin dark lines; two overlapping 3x3 convolutions at half size do not.
- Prompt, modifiers and diffusion time act through one small perceptron that scales and shifts every block.

- ``memory`` (the last output, moved to where it belongs now) and ``validity`` (where that can be trusted) enter at the
  stem and again at the head, which decides for each pixel how much of the memory to keep. The less, the farther it is
  from what was painted just now: around the pixel, which a change of the scene makes, or on the mean of a wider place,
  which a change of light makes. And at most four fifths: were it more, a byte's rounding would freeze what is left of
  an error, and a stream would drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from mirage_kernels import noise
from mirage_runtime.models.lsd import layout

INPUTS = ("source", "estimate", "epsilon", "memory", "validity", "noise", "condition")
"""Names of the graph's inputs, in order."""

OUTPUT = "image"
"""Name of the graph's output."""


_LEAK = 0.03
_MOST_KEPT = 0.8
_NEAR, _WIDE = 255 / 16, 255 / 3
"""One over the differences, around and on the mean of a wider place, that halve what is kept of a memory."""


@dataclass(frozen=True)
class Shape:
    """Widths and depths of the network."""

    widths: tuple[int, int, int] = (32, 64, 96)
    """Channels at 1/4, 1/8 and 1/16 of the frame's size."""
    encoder: tuple[int, int, int] = (0, 1, 2)
    """Residual blocks on the way down, at each size."""
    decoder: tuple[int, int] = (2, 1)
    """Residual blocks on the way up, at 1/4 and 1/8."""
    head: int = 16
    """Channels at 1/2."""
    condition: int = 128
    """Width of the perceptron that the condition goes through."""


class Block(nn.Module):
    """Two 3x3 convolutions around a scale and shift, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Map ``x`` (n, channels, h, w), modulated by (n, 2 * channels), to the same shape."""
        hidden = modulate(self.first(functional.silu(x)), modulation)
        result: Tensor = x + self.second(functional.silu(hidden))
        return result


class Network(nn.Module):
    """The denoiser: ``predict`` for training, ``forward`` for the exported graph. Sizes are multiples of 16."""

    unchanged: Tensor

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or Shape()
        quarter, eighth, sixteenth = shape.widths
        self.source_stem = nn.Conv2d(48, quarter, 1)
        self.noised_stem = nn.Conv2d(48, quarter, 1)
        self.memory_stem = nn.Conv2d(48, quarter, 1, bias=False)
        self.validity_stem = nn.Conv2d(1, quarter, 1, bias=False)
        self.noise_stem = nn.Conv2d(noise.CHANNELS, quarter, 1)
        self.encoder = nn.ModuleList(_blocks(w, n) for w, n in zip(shape.widths, shape.encoder, strict=True))
        self.down = nn.ModuleList(
            [nn.Conv2d(quarter, eighth, 3, stride=2, padding=1), nn.Conv2d(eighth, sixteenth, 3, stride=2, padding=1)]
        )
        self.up = nn.ModuleList([nn.Conv2d(eighth, quarter * 4, 1), nn.Conv2d(sixteenth, eighth * 4, 1)])
        self.decoder = nn.ModuleList(_blocks(w, n) for w, n in zip(shape.widths[:2], shape.decoder, strict=True))
        self.to_half = nn.Conv2d(quarter, shape.head * 4, 1)
        self.head_first = nn.Conv2d(shape.head + 24, shape.head, 3, padding=1)
        self.head_second = nn.Conv2d(shape.head, 16, 3, padding=1)
        # A convolution that changes nothing: engines that compute in bfloat16 leave the sums after the last one in f32.
        self.register_buffer("unchanged", torch.eye(12)[:, :, None, None], persistent=False)
        self.modulated = [*self._modulated_channels(), 12, 6, 3]
        self.perceptron = nn.Sequential(
            nn.Linear(layout.CONDITION, shape.condition),
            nn.SiLU(),
            nn.Linear(shape.condition, shape.condition),
            nn.SiLU(),
            nn.Linear(shape.condition, sum(self.modulated)),
        )

    def predict(
        self,
        source: Tensor,
        estimate: Tensor,
        epsilon: Tensor,
        memory: Tensor,
        validity: Tensor,
        noise: Tensor,
        condition: Tensor,
    ) -> Tensor:
        """Predict the finished picture, f32 (n, 12, h / 2, w / 2) folded by 2, about 0 black to 1 white.

        ``source``, ``estimate`` and ``memory`` are u8 (n, h, w, 3), ``epsilon`` i8 (n, h, w, 3), ``validity`` f32
        (n, 1, h / 4, w / 4), 0..1, ``noise`` f32 (n, 8, h / 4, w / 4), ``condition`` f32 (n, 24) as ``layout``
        describes it.
        """
        painted, missing, kept = self._paint(source, estimate, epsilon, memory, validity, noise, condition)
        return painted + kept * missing

    def forward(
        self,
        source: Tensor,
        estimate: Tensor,
        epsilon: Tensor,
        memory: Tensor,
        validity: Tensor,
        noise: Tensor,
        condition: Tensor,
    ) -> Tensor:
        """Like ``predict``, but the finished picture as bytes: u8 (n, h, w, 3)."""
        painted, missing, kept = self._paint(source, estimate, epsilon, memory, validity, noise, condition)
        image = painted * 255.0 + kept * (missing * 255.0) + 0.5
        return unfold(image.clamp(0.0, 255.0).to(torch.uint8), 2)

    def _paint(
        self,
        source: Tensor,
        estimate: Tensor,
        epsilon: Tensor,
        memory: Tensor,
        validity: Tensor,
        pyramid: Tensor,
        condition: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What is painted, 0..1, the memory less that, and how much of it to keep: each (n, 12, h / 2, w / 2).

        A line's edge is a step between a look's two ends, ink and paper say. Clipping gives steps for nothing, where a
        small head could only draw slopes. In training the clip leaks, so that nothing is ever stuck beyond it.
        """
        modulation = list(self.perceptron(condition).split(self.modulated, dim=1))
        x = self._stem(source, estimate, epsilon, memory, validity, pyramid, condition)
        x = self._body(x, modulation)
        half = functional.pixel_shuffle(self.to_half(x), 2)
        picture = _signed(fold(source, 2))
        trusted = functional.interpolate(validity, scale_factor=2.0, mode="nearest")
        remembered = _signed(fold(memory, 2)) * trusted
        seen = torch.cat([half, picture, remembered], 1)
        half = functional.silu(modulate(self.head_first(seen), modulation.pop(0)))
        direct = modulation.pop(0)[:, :, None, None]
        drawn = self.head_second(half)
        raw = drawn[:, :12] + functional.conv2d(direct * picture, self.unchanged) + 0.5
        coverage = raw.clamp(0.0, 1.0)
        if self.training:
            coverage = coverage + _LEAK * (raw - coverage)
        low, span = modulation.pop(0)[:, :, None, None].repeat(1, 4, 1, 1).unflatten(1, (4, 2, 3)).unbind(2)
        painted = coverage * (1.0 + span.flatten(1, 2)) + low.flatten(1, 2)
        missing = fold(memory, 2).float() * (1.0 / 255.0) - painted
        eager, near, wide = (value[:, :, None, None] for value in modulation.pop(0).split(1, dim=1))
        changed = (_around(missing) * torch.exp(near) * _NEAR) ** 2 + (
            _mean_around(missing) * torch.exp(wide) * _WIDE
        ) ** 2
        kept = torch.sigmoid(drawn[:, 12:] + eager) * (_MOST_KEPT * trusted / (1.0 + changed))
        return painted, missing, kept.repeat_interleave(3, 1)

    def _stem(
        self,
        source: Tensor,
        estimate: Tensor,
        epsilon: Tensor,
        memory: Tensor,
        validity: Tensor,
        pyramid: Tensor,
        condition: Tensor,
    ) -> Tensor:
        """Fold every input to 1/4 and add their linear maps; form x_t = (1 - t) * estimate + t * epsilon."""
        time = condition[:, layout.TIME, None, None, None]
        signal = _signed(runs(estimate, 4))
        disturbance = runs(epsilon, 4).float() * (1.0 / noise.EPSILON_SCALE)
        noised = (1.0 - time) * signal + time * disturbance
        result: Tensor = (
            folded(self.source_stem, _signed(runs(source, 4)))
            + folded(self.noised_stem, noised)
            + folded(self.memory_stem, _signed(runs(memory, 4))) * validity
            + self.validity_stem(validity)
            + self.noise_stem(pyramid)
        )
        return result

    def _body(self, x: Tensor, modulation: list[Tensor]) -> Tensor:
        """Down to 1/16 and up to 1/4 again. Consumes the front of ``modulation``."""
        skips = []
        encoder, decoder = (cast("list[nn.ModuleList]", stack) for stack in (self.encoder, self.decoder))
        for level, blocks in enumerate(encoder):
            for block in blocks:
                x = block(x, modulation.pop(0))
            if level < len(self.down):
                skips.append(x)
                x = self.down[level](x)
        for level in reversed(range(len(self.up))):
            x = functional.pixel_shuffle(self.up[level](x), 2) + skips[level]
            for block in decoder[level]:
                x = block(x, modulation.pop(0))
        return x

    def _modulated_channels(self) -> list[int]:
        """Numbers of modulation values, in the order in which ``predict`` consumes them."""
        shape = self.shape
        order = [w for w, n in zip(shape.widths, shape.encoder, strict=True) for _ in range(n)]
        order += [shape.widths[level] for level in (1, 0) for _ in range(shape.decoder[level])]
        return [2 * width for width in [*order, shape.head]]


def _around(missing: Tensor) -> Tensor:
    """Mean absolute difference in some 16x16 pixels around each place: (n, 12, h, w) to (n, 1, h, w)."""
    coarse = functional.avg_pool2d(missing.abs().mean(1, keepdim=True), 4)
    return functional.interpolate(_softened(coarse), scale_factor=4.0, mode="bilinear", align_corners=False)


def _mean_around(missing: Tensor) -> Tensor:
    """Absolute mean difference of each colour in some 48x48 pixels around, averaged: (n, 12, h, w) to (n, 1, h, w)."""
    one, two, three, four = functional.avg_pool2d(missing, 8).chunk(4, dim=1)
    colours = (one + two + three + four) * 0.25
    coarse = _softened(colours).abs().mean(1, keepdim=True)
    return functional.interpolate(coarse, scale_factor=8.0, mode="bilinear", align_corners=False)


def _softened(x: Tensor) -> Tensor:
    """Means of 3x3 neighbours; at the border, of those that are there."""
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def modulate(x: Tensor, modulation: Tensor) -> Tensor:
    """Scale and shift the channels of ``x`` (n, c, h, w) by ``modulation`` (n, 2 * c); zero leaves ``x`` as it is."""
    scale, shift = modulation[:, :, None, None].chunk(2, dim=1)
    return x * (1.0 + scale) + shift


def runs(x: Tensor, patch: int) -> Tensor:
    """View ``patch`` neighbours of a row as channels: (n, h, w, c) to (n, patch * c, h, w / patch); moves no byte."""
    n, h, w, c = x.shape
    return x.reshape(n, h, w // patch, patch * c).permute(0, 3, 1, 2)


def folded(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a 1x1 layer to :func:`fold`'s channels, given :func:`runs` of the same picture instead.

    A column of ``patch`` taps with a stride of ``patch`` is the same sum, and no transposed copy of the input is made.
    """
    out, channels = layer.weight.shape[:2]
    patch = channels // x.shape[1]
    weight = layer.weight.view(out, patch, x.shape[1]).permute(0, 2, 1)[..., None]
    return functional.conv2d(x, weight, layer.bias, stride=(patch, 1))


def fold(x: Tensor, patch: int) -> Tensor:
    """Turn patches into channels: (n, h, w, c) to (n, patch * patch * c, h / patch, w / patch), any type.

    The channel order is (row, column, channel): one transpose of whole runs of bytes.
    """
    n, h, w, c = x.shape
    x = x.reshape(n * h // patch, patch, w // patch, patch * c).permute(0, 2, 1, 3)
    return x.reshape(n, h // patch, w // patch, patch * patch * c).permute(0, 3, 1, 2)


def unfold(x: Tensor, patch: int) -> Tensor:
    """Undo :func:`fold`: (n, patch * patch * c, h, w) to (n, h * patch, w * patch, c)."""
    n, channels, h, w = x.shape
    run = channels // patch
    x = x.permute(0, 2, 3, 1).reshape(n * h, w, patch, run).permute(0, 2, 1, 3)
    return x.reshape(n, h * patch, w * patch, run // patch)


def _signed(bytes_: Tensor) -> Tensor:
    """Map u8 0..255 to f32 -1..1."""
    return bytes_.float() * (1.0 / 127.5) - 1.0


def _blocks(channels: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(Block(channels) for _ in range(count))
