"""`mirage bench engines`: the same picture from every engine, in one run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mirage_runtime.compile import compiled

SIZE = "192x128"


def run(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage_runtime", *arguments]
    environment = os.environ | {"MIRAGE_CACHE": str(cache)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)


def test_engines_are_measured_beside_each_other(
    models: dict[str, Path], for_openvino: compiled.Report, tmp_path: Path
) -> None:
    model = str(models["sd"])
    shutil.copytree(for_openvino.folder, tmp_path / "compiled" / for_openvino.folder.name)
    page = tmp_path / "report.md"
    done = run(
        "bench", "engines", model, "--size", SIZE, "--frames", "3", "--json", "--report", str(page), cache=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)
    found = {each["engine"]: each for each in report["engines"]}
    assert found["torch"]["mean_difference"] == 0.0
    assert 0.0 < found["torch"]["p50"] <= found["torch"]["p95"]
    assert found["openvino"]["problem"] is None
    assert found["openvino"]["mean_difference"] < 1.0
    assert set(found["openvino"]["stages"]) == {"preprocess", "temporal", "diffusion", "render"}
    assert "mirage compile" in found["tensorrt"]["problem"] or "GPU" in found["tensorrt"]["problem"]
    assert found["torch eager"]["problem"] == "the same as torch here"
    for engine in ("torch", "openvino"):
        networks = found[engine]["networks"]
        assert set(networks) == {"encode", "predict", "decode"}
        assert all(took > 0.0 for took in networks.values())
    assert "| tensorrt |" in page.read_text()


@pytest.mark.parametrize(("model", "problem"), [("nowhere/at/all", "no model at"), ("lsd-mimi", "did you mean")])
def test_a_model_that_is_not_there_is_told(tmp_path: Path, model: str, problem: str) -> None:
    done = run("bench", "engines", model, cache=tmp_path)
    assert done.returncode == 1
    assert problem in done.stderr
