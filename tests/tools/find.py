"""Where the programs are that some tests need and pip does not bring: on PATH, or linked in the user's cache."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

COMMANDS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"),
}
"""Each tool's names, the first one first; the cache knows a tool by the name on the left."""


def cache() -> Path:
    """Return the folder that `make tools` keeps its links in."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mirage-tools"


def find(tool: str) -> Path | None:
    """Return the program of ``tool``, or None where there is none."""
    for command in COMMANDS[tool]:
        if found := shutil.which(command):
            return Path(found)
    linked = cache() / tool
    return linked if os.access(linked, os.X_OK) else None
