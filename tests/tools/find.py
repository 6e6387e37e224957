"""Where the programs are that some tests need and pip does not bring: on PATH, or in the user's cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

COMMANDS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"),
    "xvfb": ("Xvfb",),
    "godot": ("godot", "godot4"),
}
"""Each tool's names, the first one first; the cache knows a tool by the name on the left."""

PLACES = {"godot": "godot/bin/godot"}
"""Where in the cache a tool is, if that is not simply its name."""

OLDEST_GODOT = (4, 4)


def cache() -> Path:
    """Return the folder that `make tools` keeps what it installs in, or links to it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mirage-tools"


def place(tool: str) -> Path:
    """Return where in the cache ``tool`` is, or would be."""
    return cache() / PLACES.get(tool, tool)


def find(tool: str) -> Path | None:
    """Return the program of ``tool``, or None where there is none."""
    for command in COMMANDS[tool]:
        found = shutil.which(command)
        if found and (tool != "godot" or _is_recent_godot(found)):
            return Path(found)
    linked = place(tool)
    return linked if os.access(linked, os.X_OK) else None


def _is_recent_godot(program: str) -> bool:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.match(r"(\d+)\.(\d+)", done.stdout.strip())
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_GODOT
