"""Models by their names in the Hugging Face hub: found in its cache on this machine, or fetched into it.

What is in the cache is taken as it is, so that a start needs no network and nothing changes by itself.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from mirage_runtime.errors import MirageRuntimeError

_log = logging.getLogger("mirage.hub")

_ID: Final = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9]([\w.-]{0,94}\w)?/[A-Za-z0-9]([\w.-]{0,94}\w)?", re.ASCII)
_FOLDERS: Final = (
    "", "unet", "vae", "scheduler", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "taesd", "taesdxl"
)  # fmt: skip
_WEIGHTS: Final = re.compile(
    r"(?P<stem>diffusion_pytorch_model|model|pytorch_lora_weights)(?P<half>\.fp16)?(?P<shard>-\d+-of-\d+)?\.safetensors"
)
_DESCRIPTIONS: Final = (
    "model_index.json", "config.json", "scheduler_config.json", "vocab.json", "merges.txt", "tokenizer_config.json",
    "special_tokens_map.json", "tokenizer.json", "added_tokens.json", "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors.index.fp16.json",
)  # fmt: skip

_FIRST: Final = ("model_index.json", "config.json", "vocab.json", "pytorch_lora_weights.safetensors")
"""Files by which a repository's folder is found in the cache: each has one of them."""
_PATIENCE: Final = 30.0
_OUR_OWN: Final = ("ENOSPC", "EDQUOT", "EACCES", "EROFS")
"""Errors of this machine's disk, by name: not every system has each."""


def is_id(name: str) -> bool:
    """Whether a name may be one of the hub's, ``owner/name``, and is no path here."""
    return _ID.fullmatch(name) is not None and not name.endswith(".git") and not Path(name).exists()


def cached(name: str) -> Path | None:
    """Return the folder of what was fetched before; None where nothing was. Never reaches for the network."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    for file in _FIRST:
        try:
            place = try_to_load_from_cache(name, file)
        except ValueError:  # the hub's own rules for names are stricter than what is seen here
            return None
        if isinstance(place, str):
            return Path(place).parent
    return None


def name_of(folder: Path) -> str | None:
    """Return what a folder of the cache is called in the hub, without its owner; None for any other folder."""
    if folder.parent.name != "snapshots":  # models--owner--name/snapshots/revision
        return None
    return folder.parent.parent.name.rpartition("--")[2]


def found(name: str, check: Callable[[Path], object], only: Sequence[str] = ()) -> Path:
    """Return the folder of a repository: as it is in the cache where it passes a check, else fetched.

    ``check`` raises `MirageRuntimeError` for a folder that is not whole. ``only``: the files that are fetched, where
    not all of a model is wanted. Raises `MirageRuntimeError` where the hub does not have it or cannot be reached.
    """
    here = cached(name)
    try:
        if here is not None:
            check(here)
            return here
    except MirageRuntimeError as error:
        try:
            return fetched(name, only)
        except MirageRuntimeError as again:
            raise MirageRuntimeError(f"{error}; and it cannot be fetched again: {again}") from None
    return fetched(name, only)


def wanted(names: Iterable[str]) -> list[str]:
    """Return the files of a repository that a model needs: descriptions, and weights of 16 bits where there are any."""
    chosen: list[str] = []
    weights: dict[tuple[str, str], dict[bool, list[str]]] = {}
    for name in names:
        path = PurePosixPath(name)
        folder = "" if str(path.parent) == "." else str(path.parent)
        if folder not in _FOLDERS:
            continue
        if path.name in _DESCRIPTIONS:
            chosen.append(name)
        elif match := _WEIGHTS.fullmatch(path.name):
            weights.setdefault((folder, match["stem"]), {}).setdefault(bool(match["half"]), []).append(name)
    for kinds in weights.values():
        chosen += kinds.get(True) or kinds[False]
    return sorted(chosen)


def fetched(name: str, only: Sequence[str] = ()) -> Path:
    """Fetch what a model needs of a repository into the cache, or ``only`` some files, and return its folder.

    Raises `MirageRuntimeError` where the hub does not have it or cannot be reached.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise MirageRuntimeError(
            f"{name} is no path here; fetching it takes packages ({error.name}): pip install 'mirage-lsd[diffusion]'"
        ) from None
    try:
        told = HfApi().model_info(name, timeout=_PATIENCE)
        files = [name for name in wanted(file.rfilename for file in told.siblings or ()) if not only or name in only]
        if any(file.endswith((".safetensors", "vocab.json")) for file in files):
            _log.info("fetching %s, %d files", name, len(files))
            return Path(snapshot_download(name, allow_patterns=files))
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = "it is not there, or not for everybody" if status in (401, 403, 404) else f"it answers {status}"
        raise MirageRuntimeError(f"{name} is no path here, and the hub does not give it: {reason}") from None
    except OSError as error:
        if errno.errorcode.get(error.errno or 0) in _OUR_OWN:
            raise MirageRuntimeError(f"{name} cannot be kept here: {error.strerror}") from None
        raise _unreachable(name, error) from None
    except Exception as error:  # which kinds there are depends on the hub's version
        raise _unreachable(name, error) from None
    raise MirageRuntimeError(f"{name} has no weights as .safetensors, and no other kind is opened")


def _unreachable(name: str, error: Exception) -> MirageRuntimeError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return MirageRuntimeError(f"{name} is no path here, and the hub cannot be reached: {lines[0]}")
