"""Where compiled models are kept, and how one is known again.

A folder for each combination of everything that a result depends on: the weights' bytes, sizes, precision, the
library's version, targets. It appears whole or not at all, with a manifest that says what it was made of.
"""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from mirage_runtime import __version__
from mirage_runtime.compile.errors import CompileError
from mirage_runtime.config import cache_dir
from mirage_runtime.engines import tensorrt_build
from mirage_runtime.models.diffusion.files import ModelFiles

MANIFEST: Final = "manifest.json"
_CHUNK: Final = 1 << 22
Progress = Callable[[str, float], None]
"""Told a stage and how much of it is done, 0 to 1."""
FORMAT: Final = 2
"""Of the graphs and the manifest: another one, and everything is compiled anew."""


@dataclass(frozen=True)
class Recipe:
    """What is compiled, and for what."""

    weights: str
    """Hash of every file that the networks are made of."""
    engine: str
    """``openvino`` or ``tensorrt``."""
    library: str
    """What builds it, with its version."""
    usual: tuple[int, int]
    """Height and width that it is fastest at."""
    smallest: tuple[int, int]
    largest: tuple[int, int]
    targets: tuple[str, ...] = ()
    batch: int = 1
    """The most frames that the largest network takes at once."""
    format: int = FORMAT

    @property
    def key(self) -> str:
        """A name for it: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Report:
    """A compiled model."""

    folder: Path
    recipe: Recipe
    difference: float | None
    """How far the exported graph is from torch, at most, beside the largest number; None where none was exported."""


def folder_of(name: str, recipe: Recipe) -> Path:
    """Return where a compiled model is, or would be."""
    return cache_dir() / "compiled" / f"{name}-{recipe.engine}-{recipe.key}"


def find(folder: Path, recipe: Recipe) -> dict[str, Any] | None:
    """Return the manifest of a compiled model; None where there is none.

    Raises `CompileError` for one that was made of something else, or whose files are damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    again = f"compile it again, after removing {folder}"
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        own, files = manifest["recipe"], manifest["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise CompileError(f"{path} cannot be read: {again}") from None
    if own != json.loads(json.dumps(asdict(recipe))):
        raise CompileError(f"{folder} is of another model or version: {again}")
    for name, expected in files.items():
        file = folder / name
        if not file.is_file() or [file.stat().st_size, _ends(file)] != expected:
            raise CompileError(f"{file} is damaged or missing: {again}")
    return manifest


def find_any(
    name: str, weights: str, engine: str, *, path_of_model: str | None = None, batch: int = 1
) -> tuple[Path, Recipe]:
    """Return the newest folder that a model was compiled into for an engine, whatever its sizes.

    ``weights`` is the hash of its weights. One for ``batch`` frames at once or more goes before others. Raises
    `CompileError` where there is none that this version of the engine's library can use.
    """
    library = library_of(engine)
    problem = (
        f"{name} is not compiled for {engine}, or with other files: run mirage compile {path_of_model or name} "
        f"--engine {engine}, with the same --vae and --lora"
    )
    folders = (cache_dir() / "compiled").glob(f"{glob.escape(name)}-{engine}-*/{MANIFEST}")
    usable: list[tuple[Path, Recipe]] = []
    for path in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            recipe = recipe_in(path)
            if (recipe.weights, recipe.format) != (weights, FORMAT):
                continue
            if recipe.library != library:
                problem = f"{path.parent} was compiled by {recipe.library}, and this is {library}: compile it again"
                continue
            find(path.parent, recipe)
            usable.append((path.parent, recipe))
        except CompileError as error:
            problem = str(error)
    if not usable:
        raise CompileError(problem)
    return next((each for each in usable if each[1].batch >= batch), usable[0])


def recipe_in(path: Path) -> Recipe:
    """Return the recipe of a manifest. Raises `CompileError`."""
    try:
        fields = json.loads(path.read_text())["recipe"]
        for name in ("usual", "smallest", "largest", "targets"):
            fields[name] = tuple(fields[name])
        return Recipe(**fields)
    except (OSError, ValueError, KeyError, TypeError):
        raise CompileError(f"{path} cannot be read: compile it again, after removing {path.parent}") from None


def library_of(engine: str) -> str:
    """Return what an engine's library is called, with its version. Raises `MirageRuntimeError` where it is missing."""
    if engine == "tensorrt":
        return tensorrt_build.version(tensorrt_build.package())
    if engine == "openvino":
        return f"openvino {metadata.version('openvino')}"
    raise CompileError(f"nothing is compiled for '{engine}': there are tensorrt, openvino")


@contextmanager
def written(folder: Path, recipe: Recipe) -> Iterator[Path]:
    """Give a folder to write into, which becomes ``folder`` at the end; where that fails nothing is left."""
    partial = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        files = {file.name: [file.stat().st_size, _ends(file)] for file in sorted(partial.iterdir())}
        manifest = {"recipe": asdict(recipe), "files": files, "mirage": __version__}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    except OSError as error:
        raise CompileError(f"{folder} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def hash_of(files: ModelFiles) -> str:
    """Return the hash of everything that a model's networks are made of, text encoders apart.

    Files of gigabytes are read once: what was found is kept, with size and time of change.
    """
    known_path = cache_dir() / "compiled" / "hashes.json"
    try:
        known = json.loads(known_path.read_text())
    except (OSError, ValueError):
        known = {}
    whole = hashlib.sha256(repr((files.family, files.schedule, [strength for _, strength in files.loras])).encode())
    for path in files.network_files():
        stat = path.stat()
        mark = [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
        entry = known.get(mark[0])
        digest = entry[1] if entry and entry[0] == mark[1:] else _digest(path)
        known[mark[0]] = [mark[1:], digest]
        whole.update(digest.encode())
    known_path.parent.mkdir(parents=True, exist_ok=True)
    partial = known_path.with_suffix(".part")
    partial.write_text(json.dumps(known))
    partial.replace(known_path)
    return whole.hexdigest()


def around(size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the smallest and largest (height, width) that a model for a size is compiled for."""
    smallest = tuple(max(64, side // 2 // 64 * 64) for side in size)
    largest = tuple(min(2048, -(-side * 3 // 2 // 64) * 64) for side in size)
    return (smallest[0], smallest[1]), (largest[0], largest[1])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ends(path: Path) -> str:
    """Return a hash of a file's ends: enough to see that it was cut short or written over, at no cost."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        found.update(file.read(_CHUNK))
        file.seek(max(0, path.stat().st_size - _CHUNK))
        found.update(file.read(_CHUNK))
    return found.hexdigest()
