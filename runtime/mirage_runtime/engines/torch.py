"""Runs a torch module: on the CPU, or on an NVIDIA GPU with CUDA graphs.

On a GPU a size's first runs are recorded as a CUDA graph and replayed from then on, since launching the thousand
kernels of one step takes longer than computing them. Arrays given may be NumPy's or tensors; what is returned is a
tensor where the module is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from mirage_runtime.engines import Array, EngineError, Size, batch_of

_KEPT: Final = 8
"""Sizes and batches whose graphs are kept."""
_WARM_UPS: Final = 3
Shaped = dict[str, tuple[tuple[int, ...], torch.dtype]]
"""Inputs of a graph: their shapes and kinds."""
Shapes = Callable[[Size], Shaped]


def has_gpu() -> bool:
    """Whether torch has an NVIDIA GPU here."""
    return torch.cuda.is_available()


class TorchEngine:
    """One module. Not for several threads at once."""

    def __init__(
        self,
        module: nn.Module,
        shapes: Shapes,
        *,
        device: str = "auto",
        half: bool | None = None,
        graphs: bool = True,
    ) -> None:
        """Move a module to where it runs.

        ``shapes`` says for a frame's size which inputs the module takes. ``device`` is ``cpu``, ``cuda`` or ``auto``.
        ``half``: numbers of 16 bits; None where the device is fast with them, which is a GPU. ``graphs``: whether runs
        are recorded where they can be; to measure what that saves. Raises :class:`EngineError` for a device that is not
        there, or has too little memory.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise EngineError("torch finds no NVIDIA GPU here: is its driver installed, and a torch with CUDA?")
        self._device = torch.device(device)
        self._type = torch.float16 if (device == "cuda" if half is None else half) else torch.float32
        self._shapes = shapes
        self._graphs = graphs and device == "cuda"
        try:
            self._module = _last(module.eval().to(self._device, self._type))
        except torch.OutOfMemoryError as error:
            raise EngineError(_no_memory(module, error)) from error
        self._recorded: OrderedDict[tuple[Size, int], _Recorded] = OrderedDict()

    @property
    def description(self) -> str:
        """Library, device and precision."""
        version = torch.__version__.partition("+")[0]
        kind = "fp16" if self._type == torch.float16 else "f32"
        how = ", CUDA graphs" if self._graphs else ""
        if self._device.type == "cpu":
            return f"torch {version} CPU {kind}, {torch.get_num_threads()} threads"
        return f"torch {version} {torch.cuda.get_device_name(self._device)} {kind}{how}"

    def prepare(self, size: Size, batch: int = 1) -> None:
        """Run once for frames of ``size``, and record that on a GPU. Raises :class:`EngineError`."""
        self._at(size, batch)

    def run(self, size: Size, inputs: Mapping[str, Array]) -> Array:
        """Run the module once; see :class:`mirage_runtime.engines.Engine`."""
        try:
            with torch.inference_mode():
                placed = {name: self._placed(value) for name, value in inputs.items()}
                return self._at(size, batch_of(inputs))(placed)
        except (RuntimeError, torch.OutOfMemoryError) as error:
            raise EngineError(f"torch failed: {str(error).splitlines()[0]}") from error

    def _at(self, size: Size, batch: int) -> _Recorded:
        recorded = self._recorded.get((size, batch))
        if recorded is None:
            zeros = {
                name: torch.zeros(
                    (batch, *shape[1:]), dtype=self._type if kind.is_floating_point else kind, device=self._device
                )
                for name, (shape, kind) in self._shapes(size).items()
            }
            with torch.inference_mode():
                recorded = self._recorded[size, batch] = _Recorded(self._module, zeros, graph=self._graphs)
            if len(self._recorded) > _KEPT:
                self._recorded.popitem(last=False)
        self._recorded.move_to_end((size, batch))
        return recorded

    def _placed(self, value: Array) -> Tensor:
        # What is read-only is only read; torch warns of it all the same.
        tensor = torch.from_numpy(np.require(value, requirements="W")) if isinstance(value, np.ndarray) else value
        kind = self._type if tensor.is_floating_point() else tensor.dtype
        return tensor.to(self._device, kind, non_blocking=True)


class _Recorded:
    """A module at one size, as a graph with inputs and an output of its own where that is wanted."""

    def __init__(self, module: nn.Module, zeros: dict[str, Tensor], *, graph: bool) -> None:
        self._module, self._inputs = module, zeros
        self._graph: Any = None
        if not graph:
            module(**zeros)
            return
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                module(**zeros)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output: Any = module(**zeros)

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Run it; what is not given is zero."""
        if self._graph is None:
            made: Tensor = self._module(**{**self._inputs, **inputs})
            return made
        for name, target in self._inputs.items():
            if name in inputs:
                target.copy_(inputs[name])
            else:
                target.zero_()
        self._graph.replay()
        output: Tensor = self._output.clone()
        return output


def _last(module: nn.Module) -> nn.Module:
    """Have weights of convolutions lie with their channels last, which GPUs and CPUs are faster with."""
    placed: nn.Module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


def _no_memory(module: nn.Module, error: Exception) -> str:
    needed = sum(value.numel() * 2 for value in module.parameters()) / 2**30
    free = torch.cuda.mem_get_info()[0] / 2**30
    return f"the GPU has too little memory: the model needs {needed:.1f} GiB, {free:.1f} are free ({error})"
