"""Train ``lsd-mini``: one loop that resumes, reports and leaves a checkpoint and a log.

Per step: take the next frame of each stream of procedural video, let the teachers paint it from the noise that the
network will see, disturb the result to a random time, and ask the network for the finished picture (x0-prediction).
Two of three examples are at pure noise, since one step from there is what a live stream runs. Some examples learn that
one long step leads where two short ones do (shortcut models, Frans et al. 2024, arXiv:2410.12557).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import mirage_kernels
from mirage_runtime import temporal
from mirage_runtime.engines import usable_cores
from mirage_runtime.models.lsd import layout
from mirage_runtime.models.lsd.network import Network
from mirage_runtime.training import data
from mirage_runtime.training.examples import Augmentation, Streams
from mirage_runtime.training.loss import distance, flicker, unfolded
from mirage_runtime.training.plot import plot_log
from mirage_runtime.training.workers import Gradients, InProcess, Processes, shared

_WARM_UP = 200
_FLICKER = 2.0  # weight of the error's changes beside the error itself
_SHORTCUT_EVERY = 4  # steps: in these, half of the examples learn to take long steps
_REPORT_SECONDS = 0.5


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
    augmentation: Augmentation = field(default_factory=Augmentation)
    """What the streams' past suffers."""
    shortcut: bool = True
    """Whether long steps learn from short ones."""


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
    that is random follows from the seed, and the streams are stored with the checkpoint. Raises ``ValueError`` for a
    crop that is not a multiple of 32 or larger than the pictures, and for a batch that does not divide into the
    workers' parts.
    """
    if options.crop % 32 or options.crop > options.picture_size:
        raise ValueError(f"crop must be a multiple of 32, at most {options.picture_size}: not {options.crop}")
    report = progress or (lambda _: None)
    options.folder.mkdir(parents=True, exist_ok=True)

    def drawing(done: float) -> None:
        report(Progress("pictures", done, 0, math.nan, math.nan))

    data.pictures(options.pictures, options.picture_size, options.seed, options.folder, drawing)
    threads = torch.get_num_threads()
    run = _Run(options)
    run.resume()
    try:
        if run.device.type == "cpu":
            torch.set_num_threads(1)  # the cores are the workers'
        run.loop(report)
        run.save()
    except BaseException:
        with contextlib.suppress(RuntimeError):  # a worker that died: what was saved before is what there is
            run.save()
        raise
    finally:
        run.gradients.close()
        torch.set_num_threads(threads)
    return Trained(run.checkpoint, run.step, run.seconds, run.mean_loss())


class _Run:
    """One training's state: network, average, optimiser, counters."""

    def __init__(self, options: TrainOptions) -> None:
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
        self.shared = shared(parameters_to_vector(self.parameters).detach().cpu())
        make_part = partial(_Part, options, workers)
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
        """Store the streams, write the checkpoint in one move, and a line of the log."""
        self.gradients.keep(self.step)
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
        plot_log(self.options.folder / "log.jsonl", self.options.folder / "loss.png")

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
        for parameter, gradient in zip(self.parameters, torch.split(gradients, sizes), strict=True):
            parameter.grad = gradient.view_as(parameter).to(self.device)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        keep = min(0.998, (1 + self.step) / (20 + self.step))
        values = self.network.state_dict()
        torch._foreach_lerp_([*self.average.values()], [values[name] for name in self.average], 1 - keep)
        return loss


class _Part:
    """One worker's part of every batch: its own streams, their next frames, and the loss's gradients."""

    def __init__(self, options: TrainOptions, workers: int, weights: Tensor) -> None:
        self.options = options
        self.device = _device(options)
        self.count = options.batch // workers
        self.pictures = data.pictures(options.pictures, options.picture_size, options.seed, options.folder)
        self.network = Network().to(self.device)
        self.parameters = list(self.network.parameters())
        self.weights = weights
        self.streams: dict[int, Streams] = {}

    def __call__(self, step: int, worker: int) -> tuple[float, Tensor]:
        """Loss and flat gradients of this worker's part in one step."""
        with torch.no_grad():
            vector_to_parameters(self.weights.to(self.device), self.parameters)
        if worker not in self.streams:
            self.streams[worker] = self._stored(step, worker) or self._begun(step, worker)
        streams = self.streams[worker]
        example = streams.next()
        target = example.target
        if self.options.shortcut and step % _SHORTCUT_EVERY == 0:
            target = self._with_shortcuts(example.inputs, target, step)
        image = self._predict(example.inputs)
        streams.keep(image.detach())
        loss = distance(image, target) + _FLICKER * flicker(image, target, example.error, example.continued)
        gradients = torch.autograd.grad(loss, self.parameters)
        return loss.item(), torch.cat([gradient.flatten() for gradient in gradients]).cpu()

    def keep(self, step: int, worker: int) -> None:
        """Store the streams as they are before ``step``."""
        if worker in self.streams:
            path = self._path(worker)
            partial = path.with_suffix(".part")
            partial.write_bytes(pickle.dumps((step, _code(), pickle.dumps(self.streams[worker].state()))))
            partial.replace(path)

    def _begun(self, step: int, worker: int) -> Streams:
        seed = (self.options.seed * 1_000_003 + step) * 64 + worker
        options = self.options
        return Streams(self.pictures, self.count, options.crop, seed, self.device, options.augmentation)

    def _stored(self, step: int, worker: int) -> Streams | None:
        """The streams as they were before this step, if that was stored and by the same code."""
        path = self._path(worker)
        if not path.exists():
            return None
        stored, code, state = pickle.loads(path.read_bytes())  # our own file, beside our own checkpoint
        if (stored, code) != (step, _code()):
            return None
        streams = self._begun(step, worker)
        streams.restore(pickle.loads(state))
        return streams

    def _path(self, worker: int) -> Path:
        return self.options.folder / f"streams-{worker}.pickle"

    def _predict(self, inputs: Sequence[Tensor]) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            prediction = self.network.predict(*inputs)
        return unfolded(prediction.float())

    @torch.no_grad()
    def _with_shortcuts(self, inputs: tuple[Tensor, ...], target: Tensor, step: int) -> Tensor:
        """Let half of the examples take a step of twice ``d``, and make what two of ``d`` lead to their target.

        In terms of the finished pictures x1 and x2 that the two steps from times t and t - d predict, a step of 2 d
        gets to the same point if it predicts ((t - 2 d) x1 + t x2) / (2 (t - d)).
        """
        half = max(1, self.count // 2)
        random = np.random.default_rng([self.options.seed, step])
        condition = inputs[6]
        d = 0.5 ** random.integers(1, 6, half)
        t = 2 * d * np.ceil(random.random(half) * (1 / (2 * d)))
        short, long = (x.clone() for x in (condition[:half], condition[:half]))
        d_, t_ = (torch.from_numpy(x).float().to(self.device) for x in (d, t))
        short[:, layout.TIME], short[:, layout.STEP] = t_, d_
        long[:, layout.TIME], long[:, layout.STEP] = t_, 2 * d_
        rows = [x[:half] for x in inputs]
        first = self._predict([*rows[:6], short])
        d_, t_ = d_.view(-1, 1, 1, 1), t_.view(-1, 1, 1, 1)
        then = between(rows[1].permute(0, 3, 1, 2).float() / 255, first, t_, d_)
        rows[1] = (then.clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        short[:, layout.TIME] -= short[:, layout.STEP]
        second = self._predict([*rows[:6], short])
        led = ((t_ - 2 * d_) * first + t_ * second) / (2 * (t_ - d_))
        condition[:half] = long
        return torch.cat([led.clamp(0, 1), target[half:]])


@lru_cache(maxsize=1)
def _code() -> str:
    """What streams are made by: their state is of no use to other code."""
    folders = (Path(str(package.__file__)).parent for package in (temporal, mirage_kernels))
    sources = [path for folder in (*folders, Path(__file__).parent) for path in sorted(folder.glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def between(estimate: Tensor, predicted: Tensor, t: Tensor, d: Tensor) -> Tensor:
    """The clean part of the point that a step of ``d`` from time ``t`` leads to.

    A point at time t is (1 - t) times a picture plus t times the noise. On the straight line towards the predicted
    picture the noise stays and the picture becomes this blend; at t = 1 that is the prediction.
    """
    mixed: Tensor = ((1 - d / t) * (1 - t) * estimate + (d / t) * predicted) / (1 - t + d)
    return mixed


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
