"""Compiling the embedded model with TensorRT, for graphics cards that are to do nothing else but it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import onnx

from mirage_runtime.compile import compiled
from mirage_runtime.compile.compiled import Recipe
from mirage_runtime.compile.edges import with_bytes_at_the_edges
from mirage_runtime.compile.errors import CompileError
from mirage_runtime.engines import Size, tensorrt_build

GRAPH: Final = "lsd-mini"
_SMALLEST: Final = (32, 32)
_LARGEST: Final = (2176, 3840)


def recipe_of(weights: Path, size: Size, targets: tuple[str, ...] = ()) -> Recipe:
    """Return what would be compiled for frames of about (height, width). Raises `MirageRuntimeError`."""
    tensorrt_build.check_targets(targets)
    usual = (max(32, round(size[0] / 16) * 16), max(32, round(size[1] / 16) * 16))
    library = compiled.library_of("tensorrt")
    return Recipe(weights_hash(weights), "tensorrt", library, usual, _SMALLEST, _LARGEST, tuple(sorted(targets)))


def compile_lsd(weights: Path, recipe: Recipe, progress: compiled.Progress) -> compiled.Report:
    """Compile the embedded model, unless that is done. Raises `MirageRuntimeError`; then nothing is left."""
    folder = compiled.folder_of(GRAPH, recipe)
    if compiled.find(folder, recipe) is not None:
        return compiled.Report(folder, recipe, None)
    try:
        graph = with_bytes_at_the_edges(onnx.load(str(weights)))
    except Exception as error:
        raise CompileError(f"{weights} cannot be read: {error}") from error
    with compiled.written(folder, recipe) as target:
        path = target / f"{GRAPH}.onnx"
        onnx.save(graph, str(path))
        progress("build", 0.0)
        ranges = _ranges(graph, recipe)
        tensorrt_build.build(path, target / f"{GRAPH}.engine", ranges, recipe.targets)
        path.unlink()
        progress("build", 1.0)
    return compiled.Report(folder, recipe, None)


def weights_hash(weights: Path) -> str:
    """Return the hash of a weights file."""
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def _ranges(graph: onnx.ModelProto, recipe: Recipe) -> tensorrt_build.Ranges:
    """Return shapes of the inputs with free dimensions, which are named ``16*rows`` and the like."""
    found = {}
    for given in graph.graph.input:
        dimensions = given.type.tensor_type.shape.dim
        if not any(each.dim_param for each in dimensions):
            continue
        smallest, usual, largest = (
            [_length(each, {"rows": height // 16, "columns": width // 16}) for each in dimensions]
            for height, width in (recipe.smallest, recipe.usual, recipe.largest)
        )
        found[given.name] = (smallest, usual, largest)
    return found


def _length(dimension: onnx.TensorShapeProto.Dimension, units: dict[str, int]) -> int:
    if not dimension.dim_param:
        return int(dimension.dim_value)
    factor, _, name = dimension.dim_param.partition("*")
    return int(factor) * units[name]
