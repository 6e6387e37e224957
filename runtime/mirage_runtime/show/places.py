"""Where a show is, kept for a daemon that is started again, whatever ended the last one."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from mirage_runtime.files import replace

_log = logging.getLogger("mirage.show")


@dataclass(frozen=True)
class Place:
    """The cue that a show is at, and when its fade began, in seconds since 1970."""

    cue: str
    began: float


def state_dir() -> Path:
    """Return the folder for what outlives the daemon: ``MIRAGE_STATE``, else the user's folder for such things."""
    if chosen := os.environ.get("MIRAGE_STATE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "mirage" / "state"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "mirage"
    return Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / "mirage"


class Places:
    """One small file a show, replaced whole at every cue, in a thread: a disk may take its time."""

    def __init__(self, show_file: Path) -> None:
        name = hashlib.sha256(str(show_file.resolve()).encode()).hexdigest()[:16]
        self.path = state_dir() / f"show-{name}.json"
        self._thread = ThreadPoolExecutor(1, "mirage-places")
        self._closed = False

    def read(self) -> Place | None:
        """Return where the show was, None where that is not known."""
        try:
            kept = json.loads(self.path.read_bytes())
            return Place(str(kept["cue"]), float(kept["began"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            _log.warning("%s does not say where the show was: %s", self.path, error)
            return None

    def keep(self, place: Place | None) -> None:
        """Note where the show is."""
        if place is not None and not self._closed:
            self._thread.submit(self._write, json.dumps(asdict(place)))

    def close(self) -> None:
        """Wait until the last place is written."""
        self._closed = True
        self._thread.shutdown()

    def _write(self, text: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace(self.path, text.encode())
        except OSError as error:
            _log.warning("where the show is cannot be written to %s: %s", self.path, error.strerror or error)
