"""The daemon's hold on its worker: start it, give it frames, kill it when it hangs, start it again."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from mirage_protocol import Plane
from mirage_runtime.config import ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import Settings
from mirage_runtime.worker.messages import LENGTH, packed, unpacked
from mirage_runtime.worker.process import arguments
from mirage_runtime.worker.shared_block import SharedBlock

_log = logging.getLogger("mirage.worker")

_CHANNELS = {"rgb8": 3, "rgba8": 4}
_LOAD_TIMEOUT = 120.0
# A size that was not seen before is compiled first: seconds on a slow machine, and no hang.
_NEW_SIZE_TIMEOUT = 60.0
_LONGEST_PAUSE = 5.0


class WorkerLost(Exception):
    """The worker ended, or was killed because it gave no answer; another one is being started."""


class FrameFailed(Exception):
    """The worker could not transform this frame, and goes on."""


@dataclasses.dataclass(frozen=True)
class Work:
    """One frame for the worker."""

    stream: str
    id: int
    color: Plane
    settings: Settings


@dataclasses.dataclass(frozen=True)
class Transformed:
    """The worker's answer. ``data`` is a view that the next but one answer overwrites."""

    data: memoryview
    timings: dict[str, float]


class WorkerHandle:
    """One worker process at a time, replaced when it dies or hangs. One frame is with it at a time."""

    def __init__(self, model: ModelConfig, *, hang_timeout: float, on_state: Callable[[], None]) -> None:
        self._model = model
        self._hang_timeout = hang_timeout
        self._on_state = on_state
        self._process: asyncio.subprocess.Process | None = None
        self._input = SharedBlock.create()
        self._output = SharedBlock.create()
        self._half = 0
        self._sizes: set[tuple[int, int]] = set()
        self._ready = asyncio.Event()
        self.description = ""
        self.problem: str | None = "the model is being loaded"
        self.restarts = 0

    @property
    def ready(self) -> bool:
        """Whether a frame can be transformed now."""
        return self._ready.is_set()

    @property
    def pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return self._process.pid if self._process is not None else None

    async def run(self) -> None:
        """Keep a worker alive until cancelled. Raises `MirageRuntimeError` when the first one cannot load."""
        failures = 0
        try:
            while True:
                began = time.monotonic()
                await self._start()
                assert self._process is not None
                code = await self._process.wait()
                failures = failures + 1 if time.monotonic() - began < _LONGEST_PAUSE else 0
                self._lost(f"the worker ended ({_ending(code)}) and is started again")
                self.restarts += 1
                await asyncio.sleep(min(_LONGEST_PAUSE, 0.1 * 2**failures) if failures > 1 else 0)
        finally:
            await self._end()
            self._input.close()
            self._output.close()

    async def wait_ready(self) -> None:
        """Return when a worker is ready."""
        await self._ready.wait()

    async def transform(self, work: Work) -> Transformed:
        """Return the transformed frame. Raises `FrameFailed`, or `WorkerLost` when the worker is gone or hung."""
        process = self._process
        if not self.ready or process is None or process.stdin is None:
            raise WorkerLost
        began = time.perf_counter()
        size = len(work.color.data)
        offset = self._place(size)
        self._input.view(0, size)[:] = work.color.data
        process.stdin.write(packed(self._request(work, offset)))
        reply = await self._reply(process, self._patience(work.color))
        self._sizes.add((work.color.height, work.color.width))
        if reply["op"] == "failed":
            raise FrameFailed(reply["message"])
        timings: dict[str, float] = reply["timings"]
        timings["transfer"] = max(0.0, (time.perf_counter() - began) * 1000.0 - reply["busy"])
        return Transformed(self._output.view(offset, size), timings)

    def _place(self, size: int) -> int:
        """Reserve room for one frame in, two out, and return where this one's result goes.

        The halves alternate, so that a result can be sent while the worker is at the next frame.
        """
        try:
            self._input.reserve(size)
            half = self._output.reserve(2 * size) // 2
        except OSError as error:
            raise FrameFailed(f"no memory for a frame of {size} bytes: {error.strerror}") from None
        self._half = 1 - self._half
        return self._half * half

    def _request(self, work: Work, offset: int) -> dict[str, Any]:
        color = work.color
        return {
            "stream": work.stream,
            "id": work.id,
            "shape": (color.height, color.width, _CHANNELS[color.format]),
            "settings": dataclasses.asdict(work.settings),
            "input": (self._input.reserve(0), self._input.reference),
            "output": (self._output.reserve(0), self._output.reference),
            "offset": offset,
        }

    def _patience(self, color: Plane) -> float:
        known = (color.height, color.width) in self._sizes
        return self._hang_timeout if known else max(self._hang_timeout, _NEW_SIZE_TIMEOUT)

    async def _reply(self, process: asyncio.subprocess.Process, patience: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(patience):
                return await _read(process)
        except TimeoutError:
            _log.error("the worker gave no answer for %g s: it is killed", patience)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self._lost("the worker ended in the middle of a frame and is started again")
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise WorkerLost

    async def _start(self) -> None:
        argument = arguments(self._model, self._input, self._output, logging.getLogger().getEffectiveLevel())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mirage_runtime.worker.process", argument),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=self._input.descriptors + self._output.descriptors,
        )
        self._process = process
        self._sizes.clear()
        try:
            async with asyncio.timeout(_LOAD_TIMEOUT):
                reply = await _read(process)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            return
        if reply["op"] == "unable":
            self._lost(reply["message"])
            if self.restarts == 0:
                raise MirageRuntimeError(reply["message"])
            return
        self.description, self.problem = reply["description"], None
        _log.info("worker %d is ready: %s", process.pid, self.description)
        self._ready.set()
        self._on_state()

    def _lost(self, problem: str) -> None:
        if self.problem is None:
            _log.warning("%s", problem)
        self.problem = problem
        self._ready.clear()
        self._on_state()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        await asyncio.sleep(0)  # a transform that was cancelled with us lets go of the pipe first
        try:
            async with asyncio.timeout(1.0):
                await process.communicate()  # closes its input, which ends it
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


async def _read(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    return unpacked(await process.stdout.readexactly(size))


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
