"""Runs graphs with ONNX Runtime: for development, to compare with. It is no dependency of the runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mirage_runtime.engines import Array, EngineError, Size

_TYPES = {"tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(float)": np.float32}


class OnnxRuntimeEngine:
    """Runs one ONNX model on the CPU through ONNX Runtime."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """Load ``model``. Raises :class:`EngineError` if it or ONNX Runtime is missing, or it is no model."""
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError(f"ONNX Runtime cannot be imported: {error}") from error
        if not model.is_file():
            raise EngineError(f"there is no model at {model}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EngineError(f"{model} is not a model that ONNX Runtime can read: {error}") from error
        self._inputs = {i.name: (_TYPES[i.type], i.shape) for i in self._session.get_inputs()}
        self._description = f"ONNX Runtime {onnxruntime.__version__} CPU f32, {threads or 'all'} threads"

    @property
    def description(self) -> str:
        """Library, device, precision and threads."""
        return self._description

    def prepare(self, size: Size, batch: int = 1) -> None:
        """Run once, so that memory is there."""
        self.run(size, {})

    def run(self, size: Size, inputs: Mapping[str, Array]) -> Array:
        """Run the graph once; see :class:`mirage_runtime.engines.Engine`."""
        feeds = {
            name: inputs[name] if name in inputs else np.zeros(_fixed(shape, size), kind)
            for name, (kind, shape) in self._inputs.items()
        }
        try:
            return self._session.run(None, feeds)[0]
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed: {error}") from error


def _fixed(shape: list[int | str], size: Size) -> list[int]:
    """Fill a graph's free dimensions: NHWC pictures get the frame's size, NCHW noise a quarter of it."""
    free = [index for index, length in enumerate(shape) if isinstance(length, str)]
    values = {1: size[0], 2: size[1]} if free == [1, 2] else {2: size[0] // 4, 3: size[1] // 4}
    return [values[index] if index in free else int(length) for index, length in enumerate(shape)]
