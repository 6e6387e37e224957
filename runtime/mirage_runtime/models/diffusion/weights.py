"""What a safetensors file says of itself, read without any library and without its tensors.

The file is a length, a JSON map of names to types, shapes and places, and the tensors' bytes
(https://huggingface.co/docs/safetensors). Nothing in it can run code, which is why no other kind is opened.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mirage_runtime.errors import MirageRuntimeError

_MOST_HEADER: Final = 100_000_000
_BYTES: Final = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
PICKLES: Final = (".bin", ".ckpt", ".pt", ".pth", ".pkl")


@dataclass(frozen=True)
class Tensor:
    """A tensor's type, as safetensors names it, and its shape."""

    type: str
    shape: tuple[int, ...]


def tensors(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a file by name. Raises `MirageRuntimeError` for one that is cut short or no such file."""
    header, room = _header(path)
    header.pop("__metadata__", None)
    return {name: _tensor(path, name, entry, room) for name, entry in header.items()}


def metadata(path: Path) -> dict[str, str]:
    """Return what else a file says of itself. Raises `MirageRuntimeError` for one that is no such file."""
    told = _header(path)[0].get("__metadata__")
    return {str(name): str(value) for name, value in told.items()} if isinstance(told, dict) else {}


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return a file's map, and how many bytes of tensors there are."""
    refuse_pickle(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_MOST_HEADER, size - 8):
                raise MirageRuntimeError(f"{path} is no safetensors file")
            header = json.loads(file.read(length))
    except OSError as error:
        raise MirageRuntimeError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise MirageRuntimeError(f"{path} is no safetensors file: its header cannot be read")
    return header, size - 8 - length


def refuse_pickle(path: Path) -> None:
    """Raise `MirageRuntimeError` for a file of a kind that can run code as it is opened."""
    if path.suffix.lower() in PICKLES:
        raise MirageRuntimeError(
            f"{path} is a pickle, which can run any code as it is opened: get the model as .safetensors"
        )


def _tensor(path: Path, name: str, entry: Any, room: int) -> Tensor:
    try:
        kind, shape = str(entry["dtype"]), tuple(map(int, entry["shape"]))
        begin, end = map(int, entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise MirageRuntimeError(f"{path} is no safetensors file: nobody can tell what {name} is") from None
    if kind not in _BYTES or min(shape, default=1) < 0 or end - begin != math.prod(shape) * _BYTES[kind] or begin < 0:
        raise MirageRuntimeError(f"{path} is damaged: {name} cannot be {kind} of shape {shape}")
    if end > room:
        raise MirageRuntimeError(f"{path} is cut short: {name} lies {end - room} bytes behind its end")
    return Tensor(kind, shape)
