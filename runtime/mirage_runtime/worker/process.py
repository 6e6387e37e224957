"""The worker process: takes one frame at a time, transforms it, says how long each stage took.

Started by `mirage_runtime.worker.handle`; ends when its standard input does, so it never outlives the daemon.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import logging
import mmap
import os
import select
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mirage_protocol import ring
from mirage_runtime import models
from mirage_runtime.clock import microseconds
from mirage_runtime.config import ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.worker.messages import packed, read
from mirage_runtime.worker.planes import found
from mirage_runtime.worker.shared_block import SharedBlock

_log = logging.getLogger("mirage.worker")


def main() -> None:
    """Load the model that the arguments name, then answer frames until standard input ends."""
    arguments = json.loads(sys.argv[1])
    logging.basicConfig(level=arguments["log_level"], format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # The daemon decides when a worker stops; Ctrl-C in its terminal reaches this process too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = _take_standard_output()
    threading.Thread(target=_end_with_the_daemon, name="the daemon's end", daemon=True).start()
    config = ModelConfig.of(arguments["model"])
    try:
        transform = models.load(config)
        if config.prepare is not None:
            transform.prepare(*config.prepare)
    except Exception as error:
        if not isinstance(error, MirageRuntimeError):
            _log.exception("the model cannot be loaded")
        _reply(replies, {"op": "unable", "message": _one_line(error)})
        sys.exit(1)
    _reply(replies, {"op": "ready", "description": transform.description})
    frames = FrameWorker(transform, Blocks({name: SharedBlock(own) for name, own in arguments["blocks"].items()}))
    try:
        while True:
            _reply(replies, frames.answer(read(_read_exactly)))
    except EOFError:
        pass


class Blocks:
    """Memory that requests name: the daemon's own blocks, and what clients share."""

    def __init__(self, own: Mapping[str, SharedBlock]) -> None:
        self._own = own
        self._clients: dict[str, memoryview] = {}

    def view(self, name: str, reference: str, size: int) -> memoryview:
        """Return a block, writable. Raises OSError or `ProtocolError` where it is not to be had any more."""
        if name in self._own:
            self._own[name].attach(size, reference)
            return self._own[name].view(size)
        if name not in self._clients:
            self._clients[name] = _opened(name, reference, size)
        return self._clients[name]

    def forget(self, names: Sequence[str]) -> None:
        """Unmap what clients share no longer."""
        for name in names:
            self._clients.pop(name, None)


def _opened(name: str, path: str, size: int) -> memoryview:
    with Path(path).open("r+b") as file:
        view = memoryview(mmap.mmap(file.fileno(), size))
    _, nonce = ring.found(view)
    if nonce.hex() != name:  # the number of a descriptor means something else once it was closed
        raise MirageRuntimeError("the memory that the frame was in is gone")
    return view


class FrameWorker:
    """Answer requests with the transform, out of one block of memory into another."""

    def __init__(self, transform: models.Transform, blocks: Blocks) -> None:
        self._transform = transform
        self._blocks = blocks

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Transform the frame that ``request`` describes and return the reply; an error is a reply too."""
        began = microseconds()
        try:
            self._blocks.forget(request["gone"])
            *block, offset = request["output"]
            frame, settings, context = found(request, self._blocks.view(*request["input"]))
            unpacked = microseconds()
            result = self._blocks.view(*block)[offset : offset + frame.nbytes]
            out = np.frombuffer(result, np.uint8).reshape(frame.shape)
            outcome = self._transform(frame, settings, context=context, out=out)
        except Exception as error:
            if isinstance(error, MirageRuntimeError):
                _log.warning("stream %s: frame %s: %s", request["stream"], request["id"], error)
            else:
                _log.exception("stream %s: frame %s could not be transformed", request["stream"], request["id"])
            return {"op": "failed", "message": _one_line(error)}
        stages = {"decode": (began, unpacked)} if request["planes"][0][0] == "jpeg" else {}
        return {
            "op": "done",
            "stages": stages | outcome.stages,
            "busy": (began, microseconds()),
            "memory": outcome.memory,
            "reset": outcome.reset,
            "lag": outcome.lag,
        }


def _take_standard_output() -> BinaryIO:
    """Return standard output for replies, and send whatever a library prints to standard error instead."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return replies


def _reply(replies: BinaryIO, message: dict[str, Any]) -> None:
    try:
        replies.write(packed(message))
    except BrokenPipeError:
        os._exit(0)


def _read_exactly(size: int) -> bytes:
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _end_with_the_daemon() -> None:
    """End this process when the daemon's has ended, in the middle of a frame too."""
    if sys.platform == "win32":
        synchronize, for_ever = 0x0010_0000, 0xFFFF_FFFF
        kernel = ctypes.windll.kernel32
        kernel.WaitForSingleObject(kernel.OpenProcess(synchronize, False, os.getppid()), for_ever)
    else:
        hang_up = select.poll()
        hang_up.register(0, 0)  # nothing to wait for but its end, which is always reported
        hang_up.poll()
    # Not sys.exit: the main thread may be inside an engine that never returns.
    os._exit(0)


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__


def arguments(model: ModelConfig, source: SharedBlock, results: Sequence[SharedBlock], log_level: int) -> str:
    """Return the argument that `main` reads."""
    blocks = {"input": source.reference}
    blocks |= {f"output {turn}": result.reference for turn, result in enumerate(results)}
    return json.dumps({"model": dataclasses.asdict(model), "log_level": log_level, "blocks": blocks})


if __name__ == "__main__":
    main()
