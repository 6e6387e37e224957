"""`mirage bench`: what this machine does, each figure beside what bounds it, in one run.

Engine, pipeline, end to end and a bare echo of the same bytes take turns, so that a noisy machine is noisy for all. The
frames pan over a picture, so that there is motion to find and a memory to move.
Run as a module it is the bare echo server.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket

import mirage
from mirage_runtime.config import DEFAULT_MODEL_PIXELS, cache_dir
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import Context, Image, Settings
from mirage_runtime.models.lsd import LsdMini
from mirage_runtime.pipeline import Pipeline

SIZES = ((512, 288), (768, 432), (1920, 1080))
PROMPT = "ink"
_START_TIMEOUT = 120.0
_FRAMES = 16  # of the pan, there and back
_PAN = (5, 1)  # pixels a frame


@dataclass
class Times:
    """Milliseconds of one thing, many times."""

    samples: list[float] = field(default_factory=list)

    def percentile(self, percent: float) -> float:
        """Return a percentile, in milliseconds."""
        return float(np.percentile(self.samples, percent))


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
    with _server("mirage_runtime", "serve", "--port", "0", "--log-level", "warning", *options) as daemon:
        url = f"ws://127.0.0.1:{daemon}/bench"
        with (
            mirage.connect(url, timeout=_START_TIMEOUT) as stream,
            mirage.connect(f"{url}-alone", timeout=_START_TIMEOUT) as alone,
            _server("mirage_runtime.bench") as echo,
        ):
            stream.set(prompt=PROMPT)
            alone.set(prompt=PROMPT, coherence=0.0)
            stream.transform(pan(768, 432)[0], timeout=_START_TIMEOUT)
            first = time.perf_counter() - began
            bench = _Bench(model, rival, stream, alone, f"ws://127.0.0.1:{echo}", frames, rounds, seconds)
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
        echo: str,
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
            for stage, milliseconds in self._stream.transform(next(frames), timeout=60.0).timings.items():
                stages.setdefault(stage, Times()).samples.append(milliseconds)

        with connect_websocket(self._echo, compression=None, max_size=None) as echo:
            # The bytes that a frame and its result have on the wire, within a header.
            payload = next(frames).tobytes()
            subjects: dict[str, Callable[[], object]] = {
                "engine": lambda: engine(self._model),
                "pipeline": lambda: self._pipeline(next(frames), settings, context=Context("bench")),
                "end_to_end": end_to_end,
                "alone": lambda: self._alone.transform(next(frames), timeout=60.0),
                "echo": lambda: _round_trip(echo, payload),
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
            self._stream.receive(timeout=60.0)
            done += 1
        elapsed = time.perf_counter() - began
        self._stream.receive(timeout=60.0)
        return done / elapsed


def _round_trip(connection: ClientConnection, payload: bytes) -> None:
    connection.send(payload)
    connection.recv()


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


@contextlib.contextmanager
def _server(module: str, *arguments: str) -> Iterator[int]:
    """Run a module that says its port on standard error, and give that port."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments], stdin=subprocess.DEVNULL, stderr=out
            )
        try:
            yield _port(process, log)
        finally:
            process.terminate()
            process.wait(10)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(r"http://\S+?:(\d+)/", log.read_text(errors="replace")):
            return int(match[1])
        time.sleep(0.01)
    raise MirageRuntimeError("a server for the bench did not start: try `mirage serve` to see why")


def machine() -> str:
    """Return the processor, its cores and what it can, in one line."""
    name, flags = platform.processor() or platform.machine(), ""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        name = next(iter(re.findall(r"model name\s*:\s*(.+)", text)), name)
        flags = next(iter(re.findall(r"flags\s*:\s*(.+)", text)), "")
    extras = [label for flag, label in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512 BF16")) if flag in flags.split()]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name.strip()}, {cores} cores{''.join(f', {extra}' for extra in extras)}, {platform.system()}"


async def _echo_forever() -> None:
    """Give back every message as it is: the floor under every round trip."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve_websocket(echo, "127.0.0.1", 0, compression=None, max_size=None) as server:
        sys.stderr.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/\n")
        sys.stderr.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_echo_forever())
