"""SD-Turbo in its own size, with random weights: `mirage compile` to engines (minutes; 16 GB of memory)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import tiny_models


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_full_model_is_compiled(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    if psutil.virtual_memory().available < 16 * 2**30:
        pytest.skip("there is too little memory")
    model = tiny_models.make_full(tmp_path / "sd-turbo")
    command = [sys.executable, "-m", "mirage_runtime", "compile", str(model), "--size", "512x512"]
    environment = os.environ | {"MIRAGE_CACHE": str(tmp_path)}
    began, most, builder = time.monotonic(), 0, 0
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        running = psutil.Process(process.pid)
        while process.poll() is None:
            most = max(most, _resident(running))
            builder = max([builder, *map(_resident, _children(running))])
            time.sleep(0.5)
        said = process.stderr.read() if process.stderr else ""
    took = time.monotonic() - began
    print(f"{took:.0f} s; {most / 2**30:.1f} GiB, the builder {builder / 2**30:.1f} GiB; {said[-400:]}")
    assert process.returncode == 0, said
    (engine,) = (tmp_path / "compiled").glob("*/predict.engine")
    assert 1.6e9 < engine.stat().st_size < 2.2e9
    assert builder < 7 * 2**30
    assert re.search(r"differs from torch by", said)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []
