"""The daemon's hold on its worker: start it, give it frames, kill it when it hangs, start it again."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from mirage_protocol import Plane
from mirage_runtime.config import ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.worker.messages import LENGTH, packed, unpacked
from mirage_runtime.worker.planes import Work, described, offsets, planes_of
from mirage_runtime.worker.process import arguments
from mirage_runtime.worker.shared_block import SharedBlock

_log = logging.getLogger("mirage.worker")

_LOAD_TIMEOUT = 120.0
# A size that was not seen lately is compiled first: seconds on a slow machine, and no hang.
_NEW_SIZE_TIMEOUT = 60.0
_SIZES_REMEMBERED = 4
# A worker that ends sooner than this after it was ready counts as failing; the pauses between tries grow to this.
_SHORT_LIFE = 5.0


class WorkerLost(Exception):
    """The worker ended, or was killed because it gave no answer; another one is being started."""


class FrameFailed(Exception):
    """The worker could not transform this frame, and goes on."""


@dataclasses.dataclass(frozen=True)
class Transformed:
    """The worker's answer. ``data`` is a view that the answer after the next one overwrites."""

    data: memoryview
    timings: dict[str, float]
    memory: float = 0.0
    reset: bool = False


@dataclasses.dataclass(frozen=True)
class Begun:
    """A frame that is with the worker."""

    process: asyncio.subprocess.Process
    result: SharedBlock
    work: Work
    began: float


class WorkerHandle:
    """One worker process at a time, replaced when it dies or hangs. One frame is with it at a time.

    Results alternate between two blocks, so that one can be sent while the worker is at the next frame.
    """

    def __init__(self, model: ModelConfig, *, hang_timeout: float, on_state: Callable[[], None]) -> None:
        self._model = model
        self._hang_timeout = hang_timeout
        self._on_state = on_state
        self._process: asyncio.subprocess.Process | None = None
        self._turn = 0
        self._sizes: deque[tuple[int, int]] = deque(maxlen=_SIZES_REMEMBERED)
        self._ready = asyncio.Event()
        self._input = SharedBlock.create()
        self._outputs = (SharedBlock.create(), SharedBlock.create())
        self.description = ""
        self.problem: str | None = "the model is being loaded"
        self.restarts = 0

    @property
    def ready(self) -> bool:
        """Whether a frame can be transformed now."""
        return self._ready.is_set()

    async def run(self) -> None:
        """Keep a worker alive until cancelled. Raises `MirageRuntimeError` when the first one cannot start."""
        failures = 0
        try:
            while True:
                problem = await self._start()
                if problem is None:
                    began = time.monotonic()
                    problem = await self._watch()
                    failures = failures + 1 if time.monotonic() - began < _SHORT_LIFE else 0
                elif self.restarts == 0:
                    raise MirageRuntimeError(problem)
                else:
                    failures += 1
                    self._lost(problem)
                self.restarts += 1
                await asyncio.sleep(min(_SHORT_LIFE, 0.1 * 2**failures) if failures > 1 else 0)
        finally:
            await self._end()
            for block in (self._input, *self._outputs):
                block.close()

    async def wait_ready(self) -> None:
        """Return when a worker is ready."""
        await self._ready.wait()

    def begin(self, work: Work) -> Begun:
        """Hand a frame to the worker. Raises `WorkerLost`, or `FrameFailed` where there is no memory for it."""
        process = self._process
        if not self.ready or process is None or process.stdin is None:
            raise WorkerLost
        began = time.perf_counter()
        self._turn = 1 - self._turn
        result = self._outputs[self._turn]
        planes = planes_of(work)
        places, size = offsets(planes)
        try:
            self._input.reserve(size)
            result.reserve(len(work.color.data))
        except OSError as error:
            raise FrameFailed(f"no memory for a frame of {size} bytes: {error.strerror}") from None
        block = self._input.view(size)
        for plane, place in zip(planes, places, strict=True):
            block[place : place + len(plane.data)] = plane.data
        process.stdin.write(packed(self._request(work, result)))
        return Begun(process, result, work, began)

    async def finish(self, begun: Begun) -> Transformed:
        """Return the frame transformed. Raises `FrameFailed`, or `WorkerLost` when the worker is gone or hung."""
        color = begun.work.color
        reply = await self._reply(begun.process, self._patience(color))
        if (color.height, color.width) not in self._sizes:
            self._sizes.append((color.height, color.width))
        if reply["op"] == "failed":
            raise FrameFailed(reply["message"])
        timings: dict[str, float] = reply["timings"]
        timings["transfer"] = max(0.0, (time.perf_counter() - begun.began) * 1000.0 - reply["busy"])
        return Transformed(begun.result.view(len(color.data)), timings, reply["memory"], reply["reset"])

    def _request(self, work: Work, result: SharedBlock) -> dict[str, Any]:
        return described(work) | {
            "input": (self._input.reserve(0), self._input.reference),
            "turn": self._turn,
            "output": (result.reserve(0), result.reference),
        }

    def _patience(self, color: Plane) -> float:
        known = (color.height, color.width) in self._sizes
        return self._hang_timeout if known else max(self._hang_timeout, _NEW_SIZE_TIMEOUT)

    async def _reply(self, process: asyncio.subprocess.Process, patience: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(patience):
                return await _read(process)
        except TimeoutError:
            problem = f"the worker gave no answer for {patience:g} s and is replaced"
        except (asyncio.IncompleteReadError, ConnectionError):
            problem = "the worker ended in the middle of a frame and is started again"
        self._lost(problem)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise WorkerLost

    async def _start(self) -> str | None:
        """Start a worker and wait until it has loaded the model; return why there is none, or None."""
        level = logging.getLogger().getEffectiveLevel()
        descriptors = [number for block in (self._input, *self._outputs) for number in block.descriptors]
        # -P: nothing in the folder that the daemon happens to run in may stand in for a module.
        command = [sys.executable, "-P", "-m", "mirage_runtime.worker.process"]
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *(*command, arguments(self._model, self._input, self._outputs, level)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C in the daemon's terminal is the daemon's to act on
            )
        except OSError as error:
            return f"the worker cannot be started: {error.strerror or error}"
        self._sizes.clear()
        try:
            async with asyncio.timeout(_LOAD_TIMEOUT):
                reply = await _read(process)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            return f"the worker did not load the model within {_LOAD_TIMEOUT:g} s"
        except (asyncio.IncompleteReadError, ConnectionError):
            return f"the worker cannot load the model ({_ending(await process.wait())}): the log says more"
        if reply["op"] == "unable":
            await process.wait()
            return str(reply["message"])
        self.description, self.problem = reply["description"], None
        _log.info("worker %d is ready: %s", process.pid, self.description)
        self._ready.set()
        self._on_state()
        return None

    async def _watch(self) -> str:
        """Return how the worker ended."""
        assert self._process is not None
        problem = f"the worker ended ({_ending(await self._process.wait())}) and is started again"
        if self.ready:
            self._lost(problem)
        return problem

    def _lost(self, problem: str) -> None:
        _log.warning("%s", problem)
        was_ready, self.problem = self.ready, problem
        self._ready.clear()
        if was_ready:
            self._on_state()

    async def _end(self) -> None:
        process, self._process = self._process, None
        self._ready.clear()
        if process is None or process.returncode is not None:
            return
        await asyncio.sleep(0)  # whoever was cancelled with us lets go of the pipe first
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
