"""The embedded model through `mirage compile`: its graph, and a real TensorRT engine of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from mirage_runtime.compile.edges import with_bytes_at_the_edges
from mirage_runtime.config import ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import load
from mirage_runtime.models.lsd.model import WEIGHTS

UNITS = {"16*rows": 64, "16*columns": 96, "4*rows": 16, "4*columns": 24}
KINDS = {"tensor(uint8)": (0, 256, np.uint8), "tensor(int8)": (-90, 90, np.int8)}


def drawn(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    inputs = {}
    for each in session.get_inputs():
        shape = [UNITS.get(length, length) for length in each.shape]
        if each.type in KINDS:
            low, high, kind = KINDS[each.type]
            inputs[each.name] = generator.integers(low, high, shape).astype(kind)
        else:
            inputs[each.name] = generator.random(shape).astype(np.float32)
    return inputs


def test_with_bytes_at_the_edges_alone_it_computes_the_same(tmp_path: Path) -> None:
    graph = with_bytes_at_the_edges(onnx.load(str(WEIGHTS)))
    inside = [node for node in graph.graph.node[3:-1] if node.op_type == "Cast"]
    assert all(attribute.i == onnx.TensorProto.FLOAT for node in inside for attribute in node.attribute)
    onnx.save(graph, str(tmp_path / "edges.onnx"))
    before = onnxruntime.InferenceSession(str(WEIGHTS))
    after = onnxruntime.InferenceSession(str(tmp_path / "edges.onnx"))
    inputs = drawn(before)
    (expected,) = before.run(None, inputs)
    (found,) = after.run(None, inputs | {"epsilon": inputs["epsilon"].astype(np.float32)})
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)
    assert expected.std() > 10


def test_it_is_compiled_by_tensorrt_and_says_so_where_there_is_no_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx")
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("MIRAGE_CACHE", str(tmp_path))
    with pytest.raises(MirageRuntimeError, match="run mirage compile lsd-mini --engine tensorrt"):
        load(ModelConfig(engine="tensorrt"))
    command = [sys.executable, "-m", "mirage_runtime", "compile", "lsd-mini", "--size", "768x432", "--targets", "sm89"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    (engine,) = (tmp_path / "compiled").glob("lsd-mini-tensorrt-*/lsd-mini.engine")
    assert engine.stat().st_size > 1_000_000
    if not torch.cuda.is_available():
        with pytest.raises(MirageRuntimeError, match="needs an NVIDIA GPU"):
            load(ModelConfig(engine="tensorrt"))


@pytest.mark.parametrize("options", [["lsd-mini", "--engine", "openvino"], ["echo"], ["lsd-mimi"]])
def test_what_cannot_be_compiled_is_told(options: list[str]) -> None:
    command = [sys.executable, "-m", "mirage_runtime", "compile", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert "give the path of a model, or lsd-mini" in done.stderr
