"""Runs an engine that TensorRT built, ``tensorrt_rtx`` or ``tensorrt``, on an NVIDIA GPU.

torch lends it memory and a stream, so that what one engine returns the next one takes where it lies. What is compiled
as an engine is first used (RTX engines are finished for the card that is there) is kept beside the engine.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from mirage_runtime.engines import Array, EngineError, Size, batch_of
from mirage_runtime.engines.tensorrt_build import package, version

_log = logging.getLogger("mirage.tensorrt")

_RUNTIME_CACHE: Final = ".jit"
_KEPT: Final = 8
"""Sizes and batches whose memory is kept."""


@dataclass(frozen=True)
class _Buffers:
    inputs: dict[str, Tensor]
    output: Tensor


class TensorRtEngine:
    """One engine. Not for several threads at once."""

    def __init__(self, path: Path, *, grid: int = 8) -> None:
        """Load an engine. ``grid``: NCHW inputs have a sample every so many pixels of the frame.

        Raises :class:`EngineError` where there is no GPU, or the engine is damaged or of another version or card.
        """
        if not torch.cuda.is_available():
            raise EngineError("TensorRT needs an NVIDIA GPU, and torch finds none: is its driver installed?")
        self._trt = trt = package()
        self._logger = trt.Logger(trt.Logger.ERROR)
        self._runtime = trt.Runtime(self._logger)
        try:
            plan = path.read_bytes()
        except OSError as error:
            raise EngineError(f"{path} cannot be read: {error.strerror}") from None
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(
                f"{path} cannot be used by {version(trt)} on {torch.cuda.get_device_name()}: compile the model anew"
            )
        self._path, self._grid = path, grid
        self._cache: Any = None
        self._buffers: OrderedDict[tuple[Size, int], _Buffers] = OrderedDict()
        self._context = self._made()
        if self._context is None:
            raise EngineError(f"the GPU has too little memory for {path.name}: {_free()} are free")
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        is_input = trt.TensorIOMode.INPUT
        self._inputs = [name for name in names if self._engine.get_tensor_mode(name) == is_input]
        (self._output,) = (name for name in names if self._engine.get_tensor_mode(name) != is_input)
        self._kinds = {name: _torch_kind(trt, self._engine.get_tensor_dtype(name)) for name in names}

    @property
    def description(self) -> str:
        """Library, device and precision."""
        return f"{version(self._trt)} {torch.cuda.get_device_name()} fp16"

    def prepare(self, size: Size, batch: int = 1) -> None:
        """Run once for frames of ``size``. Raises :class:`EngineError`."""
        self.run(size, self._at(size, batch).inputs)
        torch.cuda.synchronize()
        self._keep_cache()

    def run(self, size: Size, inputs: Mapping[str, Array]) -> Array:
        """Run the engine once; see :class:`mirage_runtime.engines.Engine`. Returns a tensor on the GPU."""
        buffers = self._at(size, batch_of(inputs))
        for name, target in buffers.inputs.items():
            value = inputs.get(name)
            if value is None:
                target.zero_()
            elif value is not target:
                given = (
                    torch.from_numpy(np.require(value, requirements="W")) if isinstance(value, np.ndarray) else value
                )
                target.copy_(given, non_blocking=True)
        for name, tensor in {**buffers.inputs, self._output: buffers.output}.items():
            if name != self._output and not self._context.set_input_shape(name, tuple(tensor.shape)):
                raise self._no_such_shape(size, batch_of(inputs))
            self._context.set_tensor_address(name, tensor.data_ptr())
        if not self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise EngineError(f"TensorRT could not run {self._path.name}")
        return buffers.output.clone()

    def _at(self, size: Size, batch: int) -> _Buffers:
        """Return memory for one size and batch, always the same: what is recorded as a CUDA graph stays good."""
        buffers = self._buffers.get((size, batch))
        if buffers is None:
            inputs = {name: self._empty(name, self._shape(name, size, batch)) for name in self._inputs}
            for name, tensor in inputs.items():
                if not self._context.set_input_shape(name, tuple(tensor.shape)):
                    raise self._no_such_shape(size, batch)
            output = self._empty(self._output, tuple(self._context.get_tensor_shape(self._output)))
            buffers = self._buffers[size, batch] = _Buffers(inputs, output)
            if len(self._buffers) > _KEPT:
                self._buffers.popitem(last=False)
        self._buffers.move_to_end((size, batch))
        return buffers

    def _no_such_shape(self, size: Size, batch: int) -> EngineError:
        frames = "frames" if batch > 1 else "frame"
        return EngineError(f"{self._path.name} was not compiled for {batch} {frames} of {size[1]}x{size[0]}")

    def _shape(self, name: str, size: Size, batch: int) -> tuple[int, ...]:
        shape = list(self._engine.get_tensor_shape(name))
        if shape[0] < 0:
            shape[0] = batch
        free = [place for place, length in enumerate(shape) if length < 0]
        step = 1 if free == [1, 2] else self._grid
        for place, length in zip(free, size, strict=False):
            shape[place] = length // step
        return tuple(shape)

    def _empty(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(shape, dtype=self._kinds[name], device="cuda")

    def _made(self) -> Any:
        """Return an execution context; for RTX with a cache of what is finished for this card, and CUDA graphs."""
        if not hasattr(self._engine, "create_runtime_config"):
            return self._engine.create_execution_context()
        config = self._engine.create_runtime_config()
        if hasattr(config, "create_runtime_cache"):
            self._cache = config.create_runtime_cache()
            kept = self._kept()
            if kept.is_file():
                self._cache.deserialize(kept.read_bytes())
            config.set_runtime_cache(self._cache)
        if hasattr(self._trt, "CudaGraphStrategy"):
            config.cuda_graph_strategy = self._trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        return self._engine.create_execution_context(config)

    def _kept(self) -> Path:
        card = torch.cuda.get_device_name().replace(" ", "-").replace("/", "-")
        return self._path.with_name(f"{self._path.stem}-{card}{_RUNTIME_CACHE}")

    def _keep_cache(self) -> None:
        if self._cache is None:
            return
        kept = self._kept()
        partial = kept.with_suffix(".part")
        try:
            partial.write_bytes(memoryview(self._cache.serialize()))
            partial.replace(kept)
        except OSError as error:
            _log.warning("%s cannot be written, so the next start takes as long: %s", kept, error.strerror)


def _torch_kind(trt: Any, kind: Any) -> torch.dtype:
    return {
        trt.DataType.FLOAT: torch.float32,
        trt.DataType.HALF: torch.float16,
        trt.DataType.BF16: torch.bfloat16,
        trt.DataType.INT32: torch.int32,
        trt.DataType.INT64: torch.int64,
        trt.DataType.UINT8: torch.uint8,
        trt.DataType.INT8: torch.int8,
        trt.DataType.BOOL: torch.bool,
    }[kind]


def _free() -> str:
    return f"{torch.cuda.mem_get_info()[0] / 2**30:.1f} GiB"
