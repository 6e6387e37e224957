"""The whole way of `mirage compile`: look, make room, export, compare, build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from mirage_runtime.compile import compiled, export, preflight
from mirage_runtime.compile.compiled import Progress, Recipe, Report
from mirage_runtime.compile.errors import CompileError
from mirage_runtime.engines import tensorrt_build
from mirage_runtime.engines.openvino import OpenVinoEngine
from mirage_runtime.models.diffusion import networks
from mirage_runtime.models.diffusion.files import ModelFiles
from mirage_runtime.models.diffusion.text import sizes_of

_AGREES: Final = 5e-3


def recipe_of(
    files: ModelFiles, engine: str, size: tuple[int, int], targets: Sequence[str] = (), batch: int = 1
) -> Recipe:
    """Return what would be compiled for ``batch`` frames of about (height, width). Raises `MirageRuntimeError`."""
    library = compiled.library_of(engine)
    tensorrt_build.check_targets(targets)
    size = (max(64, round(size[0] / 64) * 64), max(64, round(size[1] / 64) * 64))
    smallest, largest = compiled.around(size)
    return Recipe(compiled.hash_of(files), engine, library, size, smallest, largest, tuple(sorted(targets)), batch)


def compile_model(files: ModelFiles, recipe: Recipe, progress: Progress) -> Report:
    """Compile a model, unless that is done. Raises `MirageRuntimeError`; then nothing half-made is left."""
    folder = compiled.folder_of(files.name, recipe)
    if compiled.find(folder, recipe) is not None:
        return Report(folder, recipe, None)
    half = recipe.engine == "tensorrt"
    required = preflight.needed(sum(files.bytes_of_networks()) // 2)
    preflight.check(required, preflight.free(folder), folder)
    progress("load", 0.0)
    loaded, text = networks.load(files), export.Text(*sizes_of(files))
    progress("load", 1.0)
    with compiled.written(folder, recipe) as target:
        # Compared as numbers of 32 bits: a processor is slow with those of 16, and the graph is the same.
        export.export(loaded, text, target, half=False, batch=recipe.batch, progress=progress)
        difference = compare(loaded, text, target, progress, recipe.batch)
        if half:
            for file in target.iterdir():
                file.unlink()
            export.export(loaded, text, target, half=True, precise=files.precise, batch=recipe.batch, progress=progress)
            _build(loaded, text, target, recipe, progress)
    return Report(folder, recipe, difference)


def compare(loaded: networks.Networks, text: export.Text, folder: Path, progress: Progress, batch: int = 1) -> float:
    """Return how far the exported graphs are from torch, beside the largest number.

    Raises `CompileError` where that is too far.
    """
    worst = 0.0
    for number, name in enumerate(export.GRAPHS):
        progress("compare", number / len(export.GRAPHS))
        inputs, _ = export.examples(loaded, text, name, torch.float32, (64, 128), batch)
        with torch.inference_mode():
            expected = getattr(loaded, name).float()(**inputs).numpy().astype(np.float32)
        engine = OpenVinoEngine(folder / f"{name}.onnx", grid=loaded.scale, precise=True)
        found = engine.run((64, 128), {key: value.numpy() for key, value in inputs.items()}).astype(np.float32)
        # A picture's numbers are whole: one that lies at a half may fall to either side.
        spread = np.abs(found - expected) - (1.0 if name == "decode" else 0.0)
        difference = float(max(0.0, spread.max()) / max(1e-6, np.abs(expected).max()))
        if not difference <= _AGREES:
            raise CompileError(f"the exported network '{name}' is off by {difference:.2g} of its largest number")
        worst = max(worst, difference)
    progress("compare", 1.0)
    return worst


def _build(loaded: networks.Networks, text: export.Text, folder: Path, recipe: Recipe, progress: Progress) -> None:
    for number, name in enumerate(export.GRAPHS):
        progress("build", number / len(export.GRAPHS))
        ranges = _ranges(loaded, text, name, recipe)
        tensorrt_build.build(folder / f"{name}.onnx", folder / f"{name}.engine", ranges, recipe.targets)
    for file in folder.iterdir():
        if file.suffix != ".engine":
            file.unlink()
    progress("build", 1.0)


def _ranges(loaded: networks.Networks, text: export.Text, name: str, recipe: Recipe) -> dict[str, Any]:
    batches = (1, recipe.batch, recipe.batch)  # fastest with as many as it is for
    found = [
        export.examples(loaded, text, name, torch.float16, size, batch)
        for size, batch in zip((recipe.smallest, recipe.usual, recipe.largest), batches, strict=True)
    ]
    free = found[-1][1]
    return {key: [list(inputs[key].shape) for inputs, _ in found] for key in found[-1][0] if free[key]}
