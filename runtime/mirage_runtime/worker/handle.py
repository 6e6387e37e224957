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
from mirage_runtime.clock import microseconds
from mirage_runtime.config import ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.worker.messages import packed, taken
from mirage_runtime.worker.planes import Block, Target, Work, described, offsets
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


class Overwritten(Exception):
    """The frame's client wrote a newer one over it before it was transformed."""


@dataclasses.dataclass(frozen=True)
class Transformed:
    """The worker's answer. ``data`` is a view: the answer after the next overwrites it, or the next, once released."""

    data: memoryview
    stages: dict[str, tuple[int, int]]
    """When each stage began and ended, in microseconds; `handover` and `return` lead to the worker and back."""
    memory: float = 0.0
    reset: bool = False
    lag: int = 0


Outcome = Transformed | Exception
"""What a frame comes to: an exception is `WorkerLost`, `FrameFailed` or `Overwritten`."""


@dataclasses.dataclass(frozen=True)
class _Begun:
    """A frame that is with the worker."""

    work: Work
    data: memoryview
    began: int
    done: Callable[[Outcome], None]
    patience: asyncio.TimerHandle


class WorkerHandle:
    """One worker process at a time, replaced when it dies or hangs. One frame is with it at a time.

    Results alternate between two blocks, so that one can be sent while the worker is at the next frame. Where a client
    shares its memory, the worker reads frames there and writes results there.
    """

    def __init__(self, model: ModelConfig, *, hang_timeout: float, on_state: Callable[[], None]) -> None:
        self._model = model
        self._hang_timeout = hang_timeout
        self._on_state = on_state
        self._process: _Process | None = None
        self._begun: _Begun | None = None
        self._turn = 0
        self._shown: int | None = None  # the block whose result is being looked at
        self._sizes: deque[tuple[int, int]] = deque(maxlen=_SIZES_REMEMBERED)
        self._input = SharedBlock.create()
        self._outputs = (SharedBlock.create(), SharedBlock.create())
        self._own = {"input", "output 0", "output 1"}
        self._mapped: set[str] = set()  # what clients share and the worker has been told of
        self._gone: list[str] = []
        self.ready = False
        """Whether a frame can be transformed now."""
        self.description = ""
        self.problem: str | None = "the model is being loaded"
        self.restarts = 0

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

    def begin(self, work: Work, done: Callable[[Outcome], None]) -> None:
        """Hand a frame to the worker; ``done`` is called with what it comes to, once.

        Raises `WorkerLost`, or `FrameFailed` where there is no memory for the frame.
        """
        process = self._process
        if not self.ready or process is None:
            raise WorkerLost
        began = microseconds()
        try:
            source, places = _lent(work) or self._copied(work)
            result, offset, data = self._lent_result(work.target) if work.target else self._result(work.result_size)
        except OSError as error:
            raise FrameFailed(f"no memory for a frame of {len(work.color.data)} bytes: {error.strerror}") from None
        request = described(work, places)
        request["input"] = [source.name, source.reference, source.size]
        request["output"] = [result.name, result.reference, result.size, offset]
        request["gone"], self._gone = self._gone, []
        self._mapped |= {block.name for block in (source, result)} - self._own
        process.say(packed(request))
        patience = asyncio.get_running_loop().call_later(self._patience(work.color), self._hung)
        self._begun = _Begun(work, data, began, done, patience)

    def release(self) -> None:
        """Say that the last answer's picture is needed no longer: the next goes where it was, in the cache still."""
        self._shown = None

    def forget(self, block: Block) -> None:
        """Let the worker unmap what a client has shared, with its next frame."""
        if block.name in self._mapped:
            self._mapped.remove(block.name)
            self._gone.append(block.name)

    def _copied(self, work: Work) -> tuple[Block, list[int]]:
        places, size = offsets(work.planes)
        self._input.reserve(size)
        block = self._input.view(size)
        for plane, place in zip(work.planes, places, strict=True):
            block[place : place + len(plane.data)] = plane.data
        return Block("input", self._input.reference, self._input.reserve(0)), places

    @staticmethod
    def _lent_result(target: Target) -> tuple[Block, int, memoryview]:
        return target.block, target.offset, target.view

    def _result(self, size: int) -> tuple[Block, int, memoryview]:
        if self._turn == self._shown:
            self._turn = 1 - self._turn
        output = self._outputs[self._turn]
        output.reserve(size)
        return Block(f"output {self._turn}", output.reference, output.reserve(0)), 0, output.view(size)

    def _replied(self, reply: dict[str, Any]) -> None:
        begun = self._settled()
        if begun is None:
            return
        work = begun.work
        if (work.color.height, work.color.width) not in self._sizes:
            self._sizes.append((work.color.height, work.color.width))
        if reply["op"] == "failed":
            begun.done(FrameFailed(reply["message"]))
            return
        if work.lease is not None and not work.lease.intact():
            begun.done(Overwritten())
            return
        if work.target is None:
            self._shown = self._turn
        began, ended = reply["busy"]
        stages = {"handover": (begun.began, began), **_pairs(reply["stages"]), "return": (ended, microseconds())}
        begun.done(Transformed(begun.data, stages, reply["memory"], reply["reset"], reply["lag"]))

    def _settled(self) -> _Begun | None:
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.patience.cancel()
        return begun

    def _patience(self, color: Plane) -> float:
        known = (color.height, color.width) in self._sizes
        return self._hang_timeout if known else max(self._hang_timeout, _NEW_SIZE_TIMEOUT)

    def _hung(self) -> None:
        assert self._begun is not None
        patience = self._patience(self._begun.work.color)
        if self._process is not None:
            self._process.kill()
        self._lost(f"the worker gave no answer for {patience:g} s and is replaced")

    def _silent(self) -> None:
        """The worker has closed its end: it will say nothing more."""
        if self._begun is not None:
            self._lost("the worker ended in the middle of a frame and is started again")

    async def _start(self) -> str | None:
        """Start a worker and wait until it has loaded the model; return why there is none, or None."""
        level = logging.getLogger().getEffectiveLevel()
        descriptors = [number for block in (self._input, *self._outputs) for number in block.descriptors]
        # -P: nothing in the folder that the daemon happens to run in may stand in for a module.
        command = [sys.executable, "-P", "-m", "mirage_runtime.worker.process"]
        loop = asyncio.get_running_loop()
        try:
            _, process = await loop.subprocess_exec(
                lambda: _Process(self._replied, self._silent),
                *(*command, arguments(self._model, self._input, self._outputs, level)),
                stderr=None,
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C in the daemon's terminal is the daemon's to act on
            )
        except OSError as error:
            return f"the worker cannot be started: {error.strerror or error}"
        self._process = process
        self._sizes.clear()
        self._mapped.clear()
        self._gone.clear()
        try:
            async with asyncio.timeout(_LOAD_TIMEOUT):
                reply = await process.hello
        except TimeoutError:
            process.kill()
            return f"the worker did not load the model within {_LOAD_TIMEOUT:g} s"
        except EOFError:
            return f"the worker cannot load the model ({_ending(await process.ended)}): the log says more"
        if reply["op"] == "unable":
            await process.ended
            return str(reply["message"])
        self.description, self.problem = reply["description"], None
        _log.info("worker %d is ready: %s", process.pid, self.description)
        self.ready = True
        self._on_state()
        return None

    async def _watch(self) -> str:
        """Return how the worker ended."""
        assert self._process is not None
        problem = f"the worker ended ({_ending(await self._process.ended)}) and is started again"
        if self.ready:
            self._lost(problem)
        return problem

    def _lost(self, problem: str) -> None:
        _log.warning("%s", problem)
        was_ready, self.ready, self.problem = self.ready, False, problem
        begun = self._settled()
        if was_ready:
            self._on_state()
        if begun is not None:
            begun.done(WorkerLost())

    async def _end(self) -> None:
        process, self._process = self._process, None
        self.ready = False
        self._settled()
        if process is not None:
            await process.end()


def _pairs(stages: dict[str, list[int]]) -> dict[str, tuple[int, int]]:
    return {stage: (began, ended) for stage, (began, ended) in stages.items()}


def _lent(work: Work) -> tuple[Block, list[int]] | None:
    """Return where the planes lie in memory that the worker can map; None where any of them does not."""
    if work.lease is None:
        return None
    places = [place for plane in work.planes if (place := work.lease.offset(plane.data)) is not None]
    return (work.lease.block, places) if len(places) == len(work.planes) else None


class _Process(asyncio.SubprocessProtocol):
    """A worker process: what it says, and when it has ended."""

    def __init__(self, on_reply: Callable[[dict[str, Any]], None], on_silence: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self.hello: asyncio.Future[dict[str, Any]] = loop.create_future()
        """Its first message; EOFError where it ended without one."""
        self.ended: asyncio.Future[int] = loop.create_future()
        """Its exit code."""
        self._on_reply = on_reply
        self._on_silence = on_silence
        self._received = bytearray()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._transport.get_pid()

    def say(self, message: bytes) -> None:
        """Send it a message."""
        transport = self._transport.get_pipe_transport(0)
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(message)

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()

    async def end(self) -> None:
        """Close its input, which ends it, and wait until it has ended."""
        if not self.ended.done():
            transport = self._transport.get_pipe_transport(0)
            assert transport is not None
            transport.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.ended), 1.0)
            self.kill()
            await self.ended
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take in what it says."""
        self._received += data
        while (message := taken(self._received)) is not None:
            if self.hello.done():
                self._on_reply(message)
            else:
                self.hello.set_result(message)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Note that it will say nothing more."""
        if fd != 1:
            return
        if self.hello.done():
            self._on_silence()
        else:
            self.hello.set_exception(EOFError())

    def process_exited(self) -> None:
        """Note how it ended."""
        code = self._transport.get_returncode()
        if not self.ended.done():
            self.ended.set_result(-1 if code is None else code)


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
