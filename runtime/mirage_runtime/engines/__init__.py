"""How to compute a model's graph: one small interface, one module for each library that can do it.

An engine runs a graph whose inputs and outputs are arrays with a leading batch, which is 1 but for graphs that are made
for more. Nothing is imported until an engine is made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mirage_runtime.errors import MirageRuntimeError

Array = Any
"""A NumPy array, or what an engine keeps on its device and understands itself: a torch tensor."""
Size = tuple[int, int]
"""Height and width in pixels."""


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_host(array: Array) -> npt.NDArray[Any]:
    """Return an engine's array as NumPy's."""
    return array if isinstance(array, np.ndarray) else np.asarray(array.cpu().numpy())


def batch_of(inputs: Mapping[str, Array]) -> int:
    """Return how many of each input there are; 1 where there are none."""
    return int(next(iter(inputs.values())).shape[0]) if inputs else 1


class EngineError(MirageRuntimeError):
    """A graph cannot be loaded, compiled or run; the message says which and why."""


class Engine(Protocol):
    """Something that runs one graph at any size."""

    @property
    def description(self) -> str:
        """Library, device, precision and threads, for people: ``OpenVINO 2026.4 CPU bf16, 2 threads``."""
        ...

    def prepare(self, size: Size, batch: int = 1) -> None:
        """Do all slow work for ``batch`` frames of ``size`` at once now. Raises :class:`EngineError`."""
        ...

    def run(self, size: Size, inputs: Mapping[str, Array]) -> Array:
        """Run the graph once and return what it gives, as many as it is given, as an array of the caller's own.

        Inputs are C-contiguous, named as in the graph, and all of one length; one that is left out is zero. Raises
        :class:`EngineError`.
        """
        ...
