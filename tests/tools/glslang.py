"""Khronos' reference compiler, which reads HLSL too: from the machine's path, or Debian's in the user's cache.

`install.py` unpacks it (2 MB) where it is missing, which needs no root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from find import cache

PACKAGE = "glslang-tools"
PROGRAM = "glslangValidator"


def validator() -> Path | None:
    """Return the program; None where it is not installed."""
    found = shutil.which(PROGRAM) or str(cache() / "glslang/usr/bin" / PROGRAM)
    return Path(found) if os.access(found, os.X_OK) else None


def install() -> str | None:
    """Unpack it where it is missing; return one line that says why it could not be, or None."""
    if validator():
        return None
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        whole = Path(folder) / "glslang"
        for command in (
            ["apt-get", "-qq", "-oAPT::Sandbox::User=root", "download", PACKAGE],
            ["sh", "-c", 'dpkg-deb -x "$0"_*.deb "$1"', PACKAGE, str(whole)],
        ):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                return (done.stderr.strip().splitlines() or [f"{command[0]} failed"])[0]
        shutil.rmtree(cache() / "glslang", ignore_errors=True)
        whole.rename(cache() / "glslang")
    return None
