"""Measure the C# client under Mono: `python tests/unity/bench.py [URL [SECONDS]]`, against a daemon of the model echo.

Prints round trips, one frame at a time, over both transports and in turns, beside a bare copy of the picture.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import unity
from conftest import CSharp

if __name__ == "__main__":
    compiler, mono = unity.compiler(), unity.mono()
    if compiler is None or mono is None:
        sys.exit("there is no Mono and no C# compiler: run make tools")
    url, seconds = [*sys.argv[1:], *("ws://127.0.0.1:8765/main", "5")[len(sys.argv) - 1 :]]
    with tempfile.TemporaryDirectory() as folder:
        built = CSharp(compiler, mono, Path(folder))
        built.compile_core()
        with built.start("bench", url, seconds) as process:
            for line in process.stdout or ():
                print(line, end="")
