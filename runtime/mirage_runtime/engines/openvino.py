"""Runs graphs with OpenVINO, the default on CPUs.

A graph is compiled for one fixed size at a time, which lets OpenVINO plan its memory; the last few sizes are kept. With
a cache folder the second start of a size skips compilation. bfloat16 is used where the CPU has instructions for it.

The threads' number is fixed, so that the same inputs give the same bits.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mirage_runtime.engines import Array, EngineError, Size, batch_of, usable_cores

_KEPT = 8
_KEPT_FILES = 32
_TYPES = {"u8": np.uint8, "i8": np.int8, "i64": np.int64, "f16": np.float16, "f32": np.float32}


class OpenVinoEngine:
    """Runs one ONNX model on the CPU through OpenVINO. Not for several threads at once."""

    def __init__(
        self,
        model: Path,
        *,
        threads: int | None = None,
        cache_dir: Path | None = None,
        grid: int = 4,
        precise: bool = False,
    ) -> None:
        """Load ``model``; compile nothing yet.

        A graph's free NCHW inputs have a sample every ``grid`` pixels of the frame. ``threads`` is the number of CPU
        threads, by default one a core that this process may use. ``cache_dir`` keeps compiled graphs. ``precise``:
        numbers of 32 bits in any case. Raises :class:`EngineError` for a model that is missing or no ONNX model, and
        where OpenVINO is not installed.
        """
        _silence_telemetry()
        try:
            import openvino
        except ImportError as error:
            raise EngineError(f"OpenVINO cannot be imported: {error}") from error
        if not model.is_file():
            raise EngineError(f"there is no model at {model}")
        self._core = openvino.Core()
        try:
            # Weights in a file of their own are found beside the graph's.
            self._graph = str(model) if Path(f"{model}.data").exists() else model.read_bytes()
            inputs = self._read().inputs
        except Exception as error:
            raise EngineError(f"{model} is not a model that OpenVINO can read: {_first_line(error)}") from error
        self._inputs = {
            port.get_any_name(): (_TYPES[port.get_element_type().get_type_name()], port.get_partial_shape())
            for port in inputs
        }
        self._model = model
        self._grid = grid
        self._threads = threads or usable_cores()
        half = not precise and "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self._threads,
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        }
        if cache_dir is not None:
            self._settings["CACHE_DIR"] = str(cache_dir)
        version = ".".join(openvino.get_version().split("-")[0].split(".")[:2])
        plural = "" if self._threads == 1 else "s"
        self._description = f"OpenVINO {version} CPU {'bf16' if half else 'f32'}, {self._threads} thread{plural}"
        self._compiled: OrderedDict[tuple[Size, int], _Compiled] = OrderedDict()

    @property
    def description(self) -> str:
        """Library, device, precision and threads."""
        return self._description

    def prepare(self, size: Size, batch: int = 1) -> None:
        """Compile for frames of ``size`` and run once, unless that is done. Raises :class:`EngineError`."""
        self._at(size, batch)

    def run(self, size: Size, inputs: Mapping[str, Array]) -> Array:
        """Run the graph once; see :class:`mirage_runtime.engines.Engine`."""
        return self._at(size, batch_of(inputs)).run(inputs)

    def _read(self) -> Any:
        if isinstance(self._graph, bytes):
            return self._core.read_model(self._graph, b"")
        return self._core.read_model(self._graph)

    def _at(self, size: Size, batch: int) -> _Compiled:
        """The graph compiled for ``batch`` frames of ``size``, making room for it if need be."""
        compiled = self._compiled.get((size, batch))
        if compiled is None:
            compiled = self._compile(size, batch)
            self._compiled[size, batch] = compiled
            if len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end((size, batch))
        return compiled

    def _compile(self, size: Size, batch: int) -> _Compiled:
        self._prune_cache()
        height, width = size
        shapes = {name: _fixed(shape, batch, size, self._grid) for name, (_, shape) in self._inputs.items()}
        try:
            graph = self._read()
            graph.reshape(shapes)
            request = self._core.compile_model(graph, "CPU", self._settings).create_infer_request()
        except Exception as error:
            message = f"{self._model.name} cannot be compiled for {width}x{height}: {_first_line(error)}"
            raise EngineError(message) from error
        zeros = {name: np.zeros(shapes[name], kind) for name, (kind, _) in self._inputs.items()}
        compiled = _Compiled(request, zeros)
        compiled.run({})
        return compiled

    def _prune_cache(self) -> None:
        """Keep the newest compiled graphs: a window that is being resized would fill the disk."""
        folder = self._settings.get("CACHE_DIR")
        if folder is None or not Path(folder).is_dir():
            return
        files = sorted(Path(folder).glob("*.blob"), key=lambda file: file.stat().st_mtime)
        for file in files[:-_KEPT_FILES]:
            file.unlink(missing_ok=True)


class _Compiled:
    """One size's compiled graph, and an array of zeros for each input that a caller leaves out."""

    def __init__(self, request: Any, zeros: dict[str, Array]) -> None:
        self._request = request
        self._zeros = zeros

    def run(self, inputs: Mapping[str, Array]) -> Array:
        from openvino import Tensor

        given = []  # what is copied here must outlive the inference
        for name, zeros in self._zeros.items():
            array = inputs.get(name, zeros)
            if array.shape != zeros.shape or array.dtype != zeros.dtype:
                raise EngineError(f"{name} is {array.dtype} {array.shape}, not {zeros.dtype} {zeros.shape}")
            # OpenVINO shares only what may be written to, though it writes to no input.
            array = np.require(array, requirements=["C_CONTIGUOUS", "WRITEABLE"])
            given.append(array)
            self._request.set_tensor(name, Tensor(array, shared_memory=True))
        try:
            self._request.infer()
        except Exception as error:
            raise EngineError(f"OpenVINO failed: {_first_line(error)}") from error
        return np.array(self._request.get_output_tensor(0).data, copy=True)


def _fixed(shape: Any, batch: int, size: Size, grid: int) -> list[int]:
    """Fill a graph's free dimensions: NHWC pictures get the frame's size, NCHW fields a sample a ``grid`` of pixels."""
    height, width = size
    lengths = [-1 if dimension.is_dynamic else dimension.get_length() for dimension in shape]
    if lengths[0] < 0:
        lengths[0] = batch
    free = [index for index, length in enumerate(lengths) if length < 0]
    if free == [1, 2]:
        lengths[1:3] = [height, width]
    elif free == [2, 3]:
        lengths[2:4] = [height // grid, width // grid]
    return lengths


def _silence_telemetry() -> None:
    """Keep OpenVINO's import from phoning home, which it does from a forked process that can outlive this one.

    Without the package it falls back to a stub of its own.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
