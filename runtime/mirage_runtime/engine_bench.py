"""Every engine that can compute a model here: is what it makes right, and how long does it take?

Pictures are compared with those of torch at 32 bits. Engines take turns, frame by frame, memory to memory: from a frame
in memory to its result in memory, in one step. Then each network is timed by itself, so that it shows what the rest is.
On a graphics card torch runs without CUDA graphs too, and the card's matrix rate is measured, for the floor.
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from mirage_runtime import models
from mirage_runtime.config import ModelConfig
from mirage_runtime.engines import Array, Engine, Size
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.measuring import Times, machine
from mirage_runtime.models import Image, Settings, Transform
from mirage_runtime.models.diffusion.model import Engines, StableDiffusion

ENGINES: Final = ("torch", "torch eager", "tensorrt", "openvino")
FLOOR_GFLOP: Final = 1068.0
"""Of SD-Turbo with TAESD at 512x512, one step, image to image."""
_WARM_UP: Final = 3
_EACH: Final = 10
_MATRIX: Final = 8192


@dataclass(frozen=True)
class EngineReport:
    """One engine, with milliseconds a frame; ``problem`` where it could not be used."""

    engine: str
    description: str = ""
    problem: str | None = None
    mean_difference: float = 0.0
    """Levels of 255 from torch at 32 bits, on average."""
    most_difference: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    stages: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Milliseconds of each stage, p50."""
    networks: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Milliseconds of each network by itself, p50."""


@dataclass(frozen=True)
class Report:
    """All engines at one size."""

    machine: str
    model: str
    size: str
    engines: tuple[EngineReport, ...]
    matrix_tflops: float | None = None
    """Measured, of half-precision matrices; None without a graphics card."""

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs."""
        return dataclasses.asdict(self)

    def ratio(self, one: str, other: str) -> float | None:
        """Return how many times as fast one engine is as another, by medians; None where one of them is missing."""
        found = {each.engine: each.p50 for each in self.engines if each.problem is None}
        return found[other] / found[one] if found.get(one) and found.get(other) else None


def measure(config: ModelConfig, size: tuple[int, int], *, frames: int, progress: Callable[[str], None]) -> Report:
    """Measure every engine with a model at (width, height)."""
    width, height = size
    frame = _picture(width, height)
    settings = Settings((("stained glass, warm", 1.0),), strength=0.8)
    opened: dict[str, Transform] = {}
    problems: dict[str, str] = {}
    for engine in ENGINES:
        progress(f"loading {engine}")
        try:
            transform = _loaded(config, engine)
            transform.prepare(height, width)
            opened[engine] = transform
        except MirageRuntimeError as error:
            problems[engine] = str(error)
    progress("torch at 32 bits")
    reference = _reference(config, frame, settings)
    times = {engine: Times() for engine in opened}
    stages: dict[str, dict[str, Times]] = {engine: {} for engine in opened}
    pictures: dict[str, Image] = {}
    for number in range(frames + _WARM_UP):
        progress(f"frame {number + 1} of {frames + _WARM_UP}")
        for engine, transform in opened.items():
            began = time.perf_counter()
            outcome = transform(frame, settings)
            took = (time.perf_counter() - began) * 1000.0
            pictures[engine] = outcome.picture
            if number >= _WARM_UP:
                times[engine].samples.append(took)
                for stage, milliseconds in outcome.timings.items():
                    stages[engine].setdefault(stage, Times()).samples.append(milliseconds)
    progress("network by network")
    networks = {engine: _networks(transform, frame, settings) for engine, transform in opened.items()}
    reports = []
    for engine in ENGINES:
        if engine in problems:
            reports.append(EngineReport(engine, problem=problems[engine]))
            continue
        apart = np.abs(pictures[engine].astype(np.float32) - reference.astype(np.float32))
        reports.append(
            EngineReport(
                engine,
                opened[engine].description,
                None,
                float(apart.mean()),
                float(apart.max()),
                times[engine].percentile(50),
                times[engine].percentile(95),
                {stage: found.percentile(50) for stage, found in stages[engine].items()},
                networks[engine],
            )
        )
    return Report(_machine(), config.name, f"{width}x{height}", tuple(reports), _matrix_rate())


def markdown(reports: list[Report]) -> str:
    """Return reports as a page."""
    lines = []
    for report in reports:
        lines += [f"## {report.model}, {report.size}", "", report.machine, ""]
        if report.matrix_tflops:
            floor = FLOOR_GFLOP / report.matrix_tflops
            lines += [f"Half-precision matrices: {report.matrix_tflops:.0f} TFLOP/s; "
                      f"SD-Turbo's floor at 512x512 by that is {floor:.2f} ms.", ""]  # fmt: skip
        lines += [
            "| engine | p50 ms | p95 ms | off by, mean / most | stages, p50 ms | networks, p50 ms |",
            "|---|---|---|---|---|---|",
        ]
        for each in report.engines:
            if each.problem:
                lines.append(f"| {each.engine} | {each.problem} | | | | |")
                continue
            stages, networks = (
                ", ".join(f"{name} {took:.2f}" for name, took in times.items())
                for times in (each.stages, each.networks)
            )
            off = f"{each.mean_difference:.2f} / {each.most_difference:.0f}"
            lines.append(f"| {each.description} | {each.p50:.2f} | {each.p95:.2f} | {off} | {stages} | {networks} |")
        lines.append("")
        for one, other in (("tensorrt", "torch"), ("tensorrt", "torch eager"), ("torch", "torch eager")):
            if ratio := report.ratio(one, other):
                lines.append(f"{one} is {ratio:.2f} times as fast as {other}.")
        lines.append("")
    return "\n".join(lines)


def _with(config: ModelConfig, engine: str) -> ModelConfig:
    # Every frame is computed, at its own size.
    still = dataclasses.replace(config.diffusion, still=0.0)
    return dataclasses.replace(config, engine=engine, pixels=None, prepare=None, diffusion=still)


def _loaded(config: ModelConfig, engine: str) -> Transform:
    if engine != "torch eager":
        return models.load(_with(config, engine))
    if not torch.cuda.is_available() or not models.is_path(config.name):
        raise MirageRuntimeError("the same as torch here")
    from mirage_runtime.models.diffusion.files import look_at
    from mirage_runtime.models.diffusion.opened import open_with_torch
    from mirage_runtime.pipeline import Pipeline

    return Pipeline(open_with_torch(look_at(config), config.diffusion, graphs=False))


class _Timed:
    """An engine whose runs are timed, each waited for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.times = Times()

    @property
    def description(self) -> str:
        return self._engine.description

    def prepare(self, size: Size, batch: int = 1) -> None:
        self._engine.prepare(size, batch)

    def run(self, size: Size, inputs: Mapping[str, Array]) -> Array:
        _wait()
        began = time.perf_counter()
        made = self._engine.run(size, inputs)
        _wait()
        self.times.samples.append((time.perf_counter() - began) * 1000.0)
        return made


def _networks(transform: Transform, frame: Image, settings: Settings) -> dict[str, float]:
    """Return what each network of a model of several takes by itself, p50; nothing for other models."""
    model = getattr(transform, "model", None)
    if not isinstance(model, StableDiffusion):
        return {}
    engines = model.engines
    timed = {"encode": _Timed(engines.encode), "predict": _Timed(engines.predict), "decode": _Timed(engines.decode)}
    model.engines = Engines(timed["encode"], timed["predict"], timed["decode"], engines.batch)
    try:
        for _ in range(_EACH):
            transform(frame, settings)
    finally:
        model.engines = engines
    return {name: each.times.percentile(50) for name, each in timed.items()}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _reference(config: ModelConfig, frame: Image, settings: Settings) -> Image:
    from mirage_runtime.pipeline import Pipeline

    if models.is_path(config.name):
        from mirage_runtime.models.diffusion.files import look_at
        from mirage_runtime.models.diffusion.opened import open_with_torch

        precise = open_with_torch(look_at(config), config.diffusion, half=False)
        return Pipeline(precise)(frame, settings).picture
    return models.load(_with(config, "torch"))(frame, settings).picture


def _picture(width: int, height: int) -> Image:
    """A picture with shapes at every scale: sums of waves."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(x / (7 * k) + k) * np.cos(y / (5 * k) - k) for k in range(1, 4)]
    levels = np.clip(128 + 100 * np.stack(waves, axis=-1), 0, 255)
    return np.asarray(levels, np.uint8)


def _machine() -> str:
    if not torch.cuda.is_available():
        return machine()
    free, total = torch.cuda.mem_get_info()
    used = (total - free) / 2**30
    return f"{torch.cuda.get_device_name()}, {used:.1f} GiB in use; {machine()}; Python {platform.python_version()}"


def _matrix_rate() -> float | None:
    """Return the rate of half-precision matrix products in TFLOP/s; None without a graphics card."""
    if not torch.cuda.is_available():
        return None
    one = torch.randn((_MATRIX, _MATRIX), dtype=torch.float16, device="cuda")
    for _ in range(3):
        one @ one
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(20):
        one @ one
    torch.cuda.synchronize()
    return 20 * 2 * _MATRIX**3 / (time.perf_counter() - began) / 1e12
