"""`mirage bench`: what this machine does, each figure beside what bounds it, in one run.

Engine, pipeline, end to end and a bare echo of the same bytes take turns, so that a noisy machine is noisy for all. The
frames pan over a picture, so that there is motion to find and a memory to move.
"""

from __future__ import annotations

import importlib.util
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

import mirage
from mirage_runtime.config import DEFAULT_MODEL_PIXELS, cache_dir
from mirage_runtime.measuring import (
    PATIENCE,
    START_TIMEOUT,
    Times,
    machine,
    server,
    websocket_client,
    websocket_echo,
    websocket_round_trip,
)
from mirage_runtime.models import Context, Image, Settings
from mirage_runtime.models.lsd import LsdMini
from mirage_runtime.pipeline import Pipeline

SIZES = ((512, 288), (768, 432), (1920, 1080))
PROMPT = "ink"
_FRAMES = 16  # of the pan, there and back
_PAN = (5, 1)  # pixels a frame


@dataclass
class SizeReport:
    """The figures of one size, in milliseconds; ``rate`` in frames a second, sustained."""

    size: str
    model_size: str
    engine_p50: float
    onnxruntime_p50: float | None
    pipeline_p50: float
    end_to_end_p50: float
    end_to_end_p95: float
    alone_p50: float
    """End to end with ``coherence`` 0."""
    echo_p50: float
    rate: float
    stages_p50: dict[str, float]

    @property
    def overhead(self) -> float:
        """What the daemon and the network add to the engine and the temporal stage, in milliseconds."""
        return self.end_to_end_p50 - self.engine_p50 - self.stages_p50.get("temporal", 0.0)


@dataclass
class Report:
    """A whole run."""

    machine: str
    engine: str
    first_frame_seconds: float
    sizes: list[SizeReport]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self) | {"sizes": [asdict(size) | {"overhead": size.overhead} for size in self.sizes]}


def measure(
    *,
    frames: int = 60,
    rounds: int = 4,
    seconds: float = 5.0,
    threads: int | None = None,
    sizes: Sequence[tuple[int, int]] = SIZES,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Measure ``frames`` frames in each of ``rounds`` rounds, then ``seconds`` of streaming, for each size.

    Raises `MirageRuntimeError` when a server that it needs does not start.
    """
    model = LsdMini(threads=threads, cache_dir=cache_dir())
    rival = _onnxruntime_model(threads)
    progress("compiling the model")
    model.prepare(432, 768)
    options = [] if threads is None else ["--threads", str(threads)]
    began = time.perf_counter()
    with server("mirage_runtime", "serve", "--port", "0", "--log-level", "warning", *options) as daemon:
        url = f"ws://127.0.0.1:{daemon}/bench"
        with (
            mirage.connect(url, timeout=START_TIMEOUT) as stream,
            mirage.connect(f"{url}-alone", timeout=START_TIMEOUT) as alone,
            websocket_echo() as echo,
        ):
            stream.set(prompt=PROMPT)
            alone.set(prompt=PROMPT, coherence=0.0)
            stream.transform(pan(768, 432)[0], timeout=START_TIMEOUT)
            first = time.perf_counter() - began
            bench = _Bench(model, rival, stream, alone, echo, frames, rounds, seconds)
            reports = []
            for width, height in sizes:
                progress(f"measuring {width}x{height}")
                reports.append(bench.measure(width, height))
    return Report(machine(), model.description, first, reports)


class _Bench:
    def __init__(
        self,
        model: LsdMini,
        rival: LsdMini | None,
        stream: mirage.Stream,
        alone: mirage.Stream,
        echo: int,
        frames: int,
        rounds: int,
        seconds: float,
    ) -> None:
        self._model = model
        self._rival = rival
        self._pipeline = Pipeline(model, max_pixels=DEFAULT_MODEL_PIXELS)
        self._stream = stream
        self._alone = alone
        self._echo = echo
        self._frames = frames
        self._rounds = rounds
        self._seconds = seconds

    def measure(self, width: int, height: int) -> SizeReport:
        """Measure one size: everything in turns, then the rate."""
        frames = itertools.cycle(pan(width, height))
        settings = Settings(((PROMPT, 1.0),))
        source = self._pipeline.preprocess(next(frames))
        condition = self._pipeline.embed(settings.prompts)
        trusted = np.ones((source.shape[0] // 4, source.shape[1] // 4), np.float32)
        stages: dict[str, Times] = {}

        def engine(model: LsdMini) -> None:
            model.denoise(source, condition=condition, memory=source, validity=trusted)

        def end_to_end() -> None:
            for stage, milliseconds in self._stream.transform(next(frames), timeout=PATIENCE).timings.items():
                stages.setdefault(stage, Times()).samples.append(milliseconds)

        with websocket_client(self._echo) as echo:
            # The bytes that a frame and its result have on the wire, within a header.
            payload = next(frames).tobytes()
            subjects: dict[str, Callable[[], object]] = {
                "engine": lambda: engine(self._model),
                "pipeline": lambda: self._pipeline(next(frames), settings, context=Context("bench")),
                "end_to_end": end_to_end,
                "alone": lambda: self._alone.transform(next(frames), timeout=PATIENCE),
                "echo": lambda: websocket_round_trip(echo, payload),
            }
            if self._rival is not None:
                rival = self._rival
                subjects["onnxruntime"] = lambda: engine(rival)
            times = self._in_turns(subjects, stages)
        rival_p50 = times["onnxruntime"].percentile(50) if "onnxruntime" in times else None
        return SizeReport(
            size=f"{width}x{height}",
            model_size=f"{source.shape[1]}x{source.shape[0]}",
            engine_p50=times["engine"].percentile(50),
            onnxruntime_p50=rival_p50,
            pipeline_p50=times["pipeline"].percentile(50),
            end_to_end_p50=times["end_to_end"].percentile(50),
            end_to_end_p95=times["end_to_end"].percentile(95),
            alone_p50=times["alone"].percentile(50),
            echo_p50=times["echo"].percentile(50),
            rate=self._rate(frames),
            stages_p50={stage: samples.percentile(50) for stage, samples in stages.items()},
        )

    def _in_turns(self, subjects: dict[str, Callable[[], object]], stages: dict[str, Times]) -> dict[str, Times]:
        times = {name: Times() for name in subjects}
        for call in subjects.values():
            for _ in range(3):  # compiles, and warms every cache
                call()
        stages.clear()
        for _ in range(self._rounds):
            for name, call in subjects.items():
                for _ in range(self._frames):
                    began = time.perf_counter()
                    call()
                    times[name].samples.append((time.perf_counter() - began) * 1000.0)
        return times

    def _rate(self, frames: Iterator[Image]) -> float:
        """Return the frames a second that come back when the window is kept full."""
        done = 0
        began = time.perf_counter()
        self._stream.send(next(frames))
        while time.perf_counter() - began < self._seconds:
            self._stream.send(next(frames))
            self._stream.receive(timeout=PATIENCE)
            done += 1
        elapsed = time.perf_counter() - began
        self._stream.receive(timeout=PATIENCE)
        return done / elapsed


def pan(width: int, height: int) -> list[Image]:
    """Return the RGBA frames of a camera that pans over a picture with detail at all scales, and back."""
    tall, wide = height + _PAN[1] * _FRAMES, width + _PAN[0] * _FRAMES
    random = np.random.default_rng(1)
    picture = np.zeros((tall, wide, 3), np.float32)
    for cells in (4, 12, 36, 108, 324):
        coarse = random.random((cells, cells * wide // tall, 3), np.float32)
        picture += cv2.resize(coarse, (wide, tall), interpolation=cv2.INTER_CUBIC) / (cells / 4) ** 0.4
    low, high = picture.min(), picture.max()
    opaque = cv2.cvtColor(((picture - low) * (255 / (high - low))).astype(np.uint8), cv2.COLOR_RGB2RGBA)
    there = [
        np.ascontiguousarray(opaque[_PAN[1] * n :, _PAN[0] * n :][:height, :width], np.uint8) for n in range(_FRAMES)
    ]
    return there + there[-2:0:-1]


def _onnxruntime_model(threads: int | None) -> LsdMini | None:
    """Return the same network in ONNX Runtime where that is installed: a comparison for developers."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    return LsdMini(engine="onnxruntime", threads=threads)
