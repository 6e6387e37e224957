"""Train ``lsd-mini``: one loop that resumes, reports and leaves a checkpoint and a log.

Per step: crop procedural pictures, let the teachers paint them from the noise that the network will see, disturb the
result to a random time, and ask the network for the finished picture (x0-prediction). Six of ten examples are at pure
noise, since one step from there is what a live stream runs.

The loss is the distance of pixels (absolute, and squared: the absolute distance alone is content with a median, which
for rare bright cracks is no crack), of gradients at two scales, and of local band energies. Distances are smallest
for a picture that is slightly too smooth; the energy term asks each octave for as much contrast as the teacher has,
wherever it is.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from mirage_kernels import noise
from mirage_runtime.engines import usable_cores
from mirage_runtime.models.lsd import layout
from mirage_runtime.training import data, looks
from mirage_runtime.training.filters import blur
from mirage_runtime.training.network import Network
from mirage_runtime.training.workers import Gradients, InProcess, Processes

_WARM_UP = 200
_REPORT_SECONDS = 0.5
_LOOK_SHARES = (0.4, 1.2, 0.9, 1.1, 1.1, 1.4, 1.2, 1.5, 0.9)
"""How often each look is trained, relative to the others: harder ones more, ``photo`` less."""


@dataclass(frozen=True)
class TrainOptions:
    """What to train, on what, for how long, and where to keep it."""

    folder: Path = Path("checkpoints/lsd-mini")
    """Where the checkpoint, the log and the cached pictures go. A checkpoint found there is continued."""
    steps: int = 20_000
    """Optimiser steps of the whole schedule."""
    minutes: float | None = None
    """If set, the schedule is this much training time instead of ``steps``, over all resumptions."""
    batch: int = 16
    crop: int = 128
    """Side of a training crop, a multiple of 32 pixels."""
    pictures: int = 3000
    picture_size: int = 176
    rate: float = 2e-3
    """Peak learning rate of AdamW."""
    seed: int = 1
    workers: int | None = None
    """Parts that a batch is cut into on a CPU, a core each; one a core if unset. The batch is a multiple of it."""
    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``."""
    save_every: float = 60.0
    """Seconds between checkpoints."""


@dataclass(frozen=True)
class Progress:
    """What the trainer tells its caller, about twice a second."""

    stage: str
    """``pictures`` or ``train``."""
    done: float
    """Share of the stage that is done, 0..1."""
    step: int
    loss: float
    """Mean of the last hundred steps; nan before the first."""
    seconds_left: float
    """Estimate for the stage; nan while unknown."""


@dataclass(frozen=True)
class Trained:
    """Where training left its result."""

    checkpoint: Path
    steps: int
    seconds: float
    """Time spent training, over all resumptions."""
    loss: float


def train(options: TrainOptions, progress: Callable[[Progress], None] | None = None) -> Trained:
    """Train, or continue to train, until the schedule ends; ``progress`` may raise to stop after a saved checkpoint.

    Deterministic for a fixed seed, number of workers and machine when the schedule is in steps, resumed or not: all
    that is random follows from the seed and the step's number. Raises ``ValueError`` for a crop that is not a multiple
    of 32 or larger than the pictures, and for a batch that does not divide into the workers' parts.
    """
    if options.crop % 32 or options.crop > options.picture_size:
        raise ValueError(f"crop must be a multiple of 32, at most {options.picture_size}: not {options.crop}")
    report = progress or (lambda _: None)
    options.folder.mkdir(parents=True, exist_ok=True)
    cache = options.folder.parent if options.folder.parent.name == "checkpoints" else options.folder

    def drawing(done: float) -> None:
        report(Progress("pictures", done, 0, math.nan, math.nan))

    data.pictures(options.pictures, options.picture_size, options.seed, cache, drawing)
    threads = torch.get_num_threads()
    run = _Run(options, cache)
    run.resume()
    try:
        if run.device.type == "cpu":
            torch.set_num_threads(1)  # the cores are the workers'
        run.loop(report)
    finally:
        run.gradients.close()
        run.save()
        torch.set_num_threads(threads)
    return Trained(run.checkpoint, run.step, run.seconds, run.mean_loss())


class _Run:
    """One training's state: network, average, optimiser, counters."""

    def __init__(self, options: TrainOptions, cache: Path) -> None:
        self.options = options
        self.device = _device(options)
        torch.manual_seed(options.seed)
        self.network = Network().to(self.device)
        self.parameters = list(self.network.parameters())
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), options.rate, weight_decay=1e-4, betas=(0.9, 0.99), fused=True
        )
        workers = _workers(options, self.device)
        self.shared = parameters_to_vector(self.parameters).detach().cpu().share_memory_()
        make_part = partial(_Part, options, cache, workers)
        self.gradients: Gradients = (
            Processes(make_part, self.shared, workers) if workers > 1 else InProcess(make_part(self.shared), 1)
        )
        self.step = 0
        self.seconds = 0.0
        self.losses: list[float] = []
        self.checkpoint = options.folder / "checkpoint.pt"

    def loop(self, report: Callable[[Progress], None]) -> None:
        """Step until the schedule ends, saving and reporting on the way."""
        started, before = time.monotonic(), self.seconds
        saved = told = started
        while (done := self._done()) < 1:
            self._set_rate(done)
            self.losses.append(self._update())
            self.step += 1
            now = time.monotonic()
            self.seconds = before + now - started
            if now - saved > self.options.save_every:
                self.save()
                saved = time.monotonic()
            if now - told >= _REPORT_SECONDS:
                told = now
                done = self._done()
                left = (now - started) * (1 - done) / max(done - self._done_at(before), 1e-9)
                report(Progress("train", min(done, 1), self.step, self.mean_loss(), left))

    def mean_loss(self) -> float:
        """Mean loss of the last hundred steps."""
        return float(np.mean(self.losses[-100:])) if self.losses else math.nan

    def save(self) -> None:
        """Write the checkpoint in one move, and a line of the log."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses[-100:],
        }
        partial = self.checkpoint.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.checkpoint)
        options: dict[str, Any] = asdict(self.options) | {"folder": self.options.folder.name}
        line = {"step": self.step, "seconds": round(self.seconds, 1), "loss": self.mean_loss(), "options": options}
        with (self.options.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")

    def resume(self) -> None:
        """Continue from the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.losses = state["step"], state["seconds"], state["losses"]

    def _done(self) -> float:
        return self._done_at(self.seconds)

    def _done_at(self, seconds: float) -> float:
        if self.options.minutes is not None:
            return seconds / (60 * self.options.minutes)
        return self.step / self.options.steps

    def _set_rate(self, done: float) -> None:
        """Warm up, then fall along a cosine to 2 % of the peak."""
        warm = min(1.0, (self.step + 1) / _WARM_UP)
        rate = self.options.rate * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * min(done, 1.0))))
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def _update(self) -> float:
        """One optimiser step; returns its loss."""
        with torch.no_grad():
            self.shared.copy_(parameters_to_vector(self.parameters))
        loss, gradients = self.gradients.compute(self.step)
        sizes = [parameter.numel() for parameter in self.parameters]
        for parameter, gradient in zip(self.parameters, gradients.split(sizes), strict=True):
            parameter.grad = gradient.view_as(parameter).to(self.device)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        keep = min(0.998, (1 + self.step) / (20 + self.step))
        values = self.network.state_dict()
        torch._foreach_lerp_([*self.average.values()], [values[name] for name in self.average], 1 - keep)
        return loss


class _Part:
    """One worker's part of every batch: draws it and differentiates the loss."""

    def __init__(self, options: TrainOptions, cache: Path, workers: int, weights: Tensor) -> None:
        self.options = options
        self.device = _device(options)
        self.count = options.batch // workers
        self.sources = torch.from_numpy(data.pictures(options.pictures, options.picture_size, options.seed, cache))
        self.network = Network().to(self.device)
        self.parameters = list(self.network.parameters())
        self.weights = weights

    def __call__(self, step: int, worker: int) -> tuple[float, Tensor]:
        """Loss and flat gradients of this worker's part in one step."""
        with torch.no_grad():
            vector_to_parameters(self.weights.to(self.device), self.parameters)
        random = torch.Generator().manual_seed((self.options.seed * 1_000_003 + step) * 64 + worker)
        example = make_example(self.sources, self.count, self.options.crop, random, self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            prediction = self.network.predict(*example.inputs)
        loss = distance(prediction.float(), example.target)
        gradients = torch.autograd.grad(loss, self.parameters)
        return loss.item(), torch.cat([gradient.flatten() for gradient in gradients]).cpu()


def _device(options: TrainOptions) -> torch.device:
    name = ("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device
    return torch.device(name)


def _workers(options: TrainOptions, device: torch.device) -> int:
    """How many parts a batch is cut into. Raises ``ValueError`` if it does not divide."""
    if device.type != "cpu":
        return 1
    workers = options.workers or min(usable_cores(), options.batch)
    if options.workers is None:
        while options.batch % workers:
            workers -= 1
    if options.batch % workers:
        raise ValueError(f"a batch of {options.batch} does not divide into {workers} workers' parts")
    return workers


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


def distance(prediction: Tensor, target: Tensor) -> Tensor:
    """The loss of a folded prediction (n, 12, h / 2, w / 2) against pictures (n, 3, h, w)."""
    image = _unfolded(prediction)
    loss = functional.l1_loss(image, target) + 2.0 * functional.mse_loss(image, target)
    for scale, weight in ((1, 0.5), (2, 0.25)):
        one, two = (functional.avg_pool2d(x, scale) if scale > 1 else x for x in (image, target))
        for axis in (2, 3):
            loss = loss + weight * functional.l1_loss(one.diff(dim=axis), two.diff(dim=axis))
    return loss + 0.02 * _energy_gap(image, target)


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
    """Mean difference of local contrasts over the target's, which counts as 0.015 at least: noise needs no match."""
    one, two = (torch.sqrt(functional.avg_pool2d(x * x, 8, stride=4) + 1e-6) for x in (band, target))
    return ((one - two).abs() / (two + 0.015)).mean()


def _unfolded(prediction: Tensor) -> Tensor:
    """(n, 12, h / 2, w / 2) in the network's (row, column, channel) order to (n, 3, h, w)."""
    n, _, h, w = prediction.shape
    return functional.pixel_shuffle(prediction.view(n, 4, 3, h, w).transpose(1, 2).reshape(n, 12, h, w), 2)


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


__all__ = ["Example", "Progress", "TrainOptions", "Trained", "distance", "make_example", "train"]
