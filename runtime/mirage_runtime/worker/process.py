"""The worker process: takes one frame at a time, transforms it, says how long each stage took.

Started by `mirage_runtime.worker.handle`; ends when its standard input does, so it never outlives the daemon.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from mirage_runtime import models
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
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), name="requests", daemon=True).start()
    config = ModelConfig(**arguments["model"] | {"prepare": arguments["model"]["prepare"] or None})
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
    outputs = [SharedBlock(reference) for reference in arguments["outputs"]]
    frames = FrameWorker(transform, SharedBlock(arguments["input"]), outputs)
    while True:
        _reply(replies, frames.answer(requests.get()))


class FrameWorker:
    """Answer requests with the transform, out of one shared block into the one that the request names."""

    def __init__(self, transform: models.Transform, source: SharedBlock, results: Sequence[SharedBlock]) -> None:
        self._transform = transform
        self._source = source
        self._results = results

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Transform the frame that ``request`` describes and return the reply; an error is a reply too."""
        began = time.perf_counter()
        try:
            result = self._results[request["turn"]]
            self._source.attach(*request["input"])
            result.attach(*request["output"])
            frame, settings, context = found(request, self._source.view(request["size"]))
            out = np.frombuffer(result.view(frame.nbytes), np.uint8).reshape(frame.shape)
            outcome = self._transform(frame, settings, context=context, out=out)
        except Exception as error:
            _log.exception("stream %s: frame %s could not be transformed", request["stream"], request["id"])
            return {"op": "failed", "message": _one_line(error)}
        busy = (time.perf_counter() - began) * 1000.0
        return {
            "op": "done",
            "timings": outcome.timings,
            "busy": busy,
            "memory": outcome.memory,
            "reset": outcome.reset,
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


def _read_requests(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Queue what arrives. Runs in a thread of its own so that the daemon's end is noticed in mid-frame too."""
    stdin = sys.stdin.buffer

    def read_exactly(size: int) -> bytes:
        data = stdin.read(size)
        if len(data) < size:
            raise EOFError
        return data

    try:
        while True:
            requests.put(read(read_exactly))
    except EOFError:
        # Not sys.exit: the main thread may be inside an engine that never returns.
        os._exit(0)


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__


def arguments(model: ModelConfig, source: SharedBlock, results: Sequence[SharedBlock], log_level: int) -> str:
    """Return the argument that `main` reads."""
    references = {"input": source.reference, "outputs": [result.reference for result in results]}
    return json.dumps({"model": dataclasses.asdict(model), "log_level": log_level} | references)


if __name__ == "__main__":
    main()
