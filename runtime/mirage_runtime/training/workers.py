"""One training step's gradients, computed by a process a core.

Each worker does all the work of its own part of the batch on one thread. A library call that is spread over cores waits
for the slowest of them, hundreds of times a step: measured on two cores, that takes twice the processor time. Threads
of one process hold each other up at the interpreter's lock, so these are processes, with weights and gradients in
shared memory.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Protocol

import torch
from torch import Tensor


class Part(Protocol):
    """One worker's part of every step."""

    def __call__(self, step: int, worker: int) -> tuple[float, Tensor]:
        """Loss and gradients of that worker's part, gradients flat, in the parameters' order."""
        ...

    def keep(self, step: int, worker: int) -> None:
        """Store what is carried from step to step, so that ``step`` may be the first of another process."""
        ...


class Gradients(Protocol):
    """Whatever computes a step's gradients."""

    def compute(self, step: int) -> tuple[float, Tensor]:
        """Mean loss and mean flat gradients of one step."""
        ...

    def keep(self, step: int) -> None:
        """Store what is carried from step to step."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class InProcess:
    """All parts one after the other, here: for a GPU, or one core."""

    def __init__(self, part: Part, workers: int) -> None:
        self._part = part
        self._workers = workers

    def compute(self, step: int) -> tuple[float, Tensor]:
        """Mean loss and mean flat gradients of one step."""
        return _mean([self._part(step, worker) for worker in range(self._workers)])

    def keep(self, step: int) -> None:
        """Store what is carried from step to step."""
        for worker in range(self._workers):
            self._part.keep(step, worker)

    def close(self) -> None:
        """Hold nothing."""


class Processes:
    """A process for each part."""

    def __init__(self, make_part: Callable[[Tensor], Part], weights: Tensor, workers: int) -> None:
        """Start the workers. ``make_part`` is called in each, with the flat weights in shared memory, and picklable."""
        context = multiprocessing.get_context("spawn")
        self._gradients = [shared(torch.zeros_like(weights)) for _ in range(workers)]
        self._pipes: list[Connection] = []
        self._processes = []
        for worker, gradient in enumerate(self._gradients):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(make_part, weights, gradient, worker, there), daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def compute(self, step: int) -> tuple[float, Tensor]:
        """Mean loss and mean flat gradients of one step. Raises ``RuntimeError`` if a worker has died."""
        return _mean(list(zip(self._ask(step, "compute"), self._gradients, strict=True)))

    def keep(self, step: int) -> None:
        """Store what is carried from step to step. Raises ``RuntimeError`` if a worker has died."""
        self._ask(step, "keep")

    def _ask(self, step: int, what: str) -> list[float]:
        try:
            for pipe in self._pipes:
                pipe.send((step, what))
            return [pipe.recv() for pipe in self._pipes]
        except (EOFError, ConnectionError) as error:
            raise RuntimeError("a training worker died; its own message is above") from error

    def close(self) -> None:
        """End the workers."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(20)
            if process.is_alive():
                process.terminate()


def shared(tensor: Tensor) -> Tensor:
    """Move a tensor's storage to memory that other processes see, in place."""
    tensor.share_memory_()  # type: ignore[no-untyped-call]
    return tensor


def _work(
    make_part: Callable[[Tensor], Part], weights: Tensor, gradient: Tensor, worker: int, pipe: Connection
) -> None:
    """A worker's life: until the pipe closes, compute the steps that it is told."""
    torch.set_num_threads(1)
    part = make_part(weights)
    try:
        while True:
            step, what = pipe.recv()
            loss = 0.0
            if what == "keep":
                part.keep(step, worker)
            else:
                loss, mine = part(step, worker)
                gradient.copy_(mine)
            pipe.send(loss)
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return


def _mean(parts: list[tuple[float, Tensor]]) -> tuple[float, Tensor]:
    losses, gradients = zip(*parts, strict=True)
    return sum(losses) / len(losses), torch.stack(gradients).mean(0)
