"""The wheel, in an empty environment, as a stranger gets it."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import re, subprocess, sys, urllib.request
import numpy as np
import mirage
daemon = subprocess.Popen([sys.argv[1], "serve", "--port", "0"], stderr=subprocess.PIPE, text=True)
try:
    for line in daemon.stderr:
        found = re.search(r"http://\\S+?:(\\d+)/", line)
        if found:
            break
    frame = np.random.default_rng(0).integers(0, 256, (72, 128, 4), np.uint8)
    with mirage.connect(f"ws://127.0.0.1:{found[1]}") as stream:
        stream.set(prompt="ink")
        result = stream.transform(frame, timeout=90)
    assert result.image.shape == frame.shape and not np.array_equal(result.image, frame)
    for path in ("/", "/mirage.js", "/page.js"):
        request = urllib.request.Request(f"http://127.0.0.1:{found[1]}{path}", headers={"Accept": "text/html"})
        assert len(urllib.request.urlopen(request, timeout=60).read()) > 500, path
finally:
    daemon.terminate()
    daemon.wait(60)
import importlib.util
assert importlib.util.find_spec("torch") is None
print("transformed a frame with", mirage.__file__)
"""


@pytest.mark.timeout(600)
def test_the_wheel_runs_the_daemon_in_an_empty_environment(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 12 * 2**20
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [str(binaries / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", str(wheel)]
    subprocess.run(pip, check=True, timeout=400)
    done = subprocess.run(
        [str(binaries / "python"), "-c", PROGRAM, str(binaries / "mirage")],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "venv" in done.stdout
