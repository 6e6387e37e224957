"""Engines: the same picture from either library, clear errors, and few sizes kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mirage_runtime.engines import EngineError
from mirage_runtime.engines.onnxruntime import OnnxRuntimeEngine
from mirage_runtime.engines.openvino import OpenVinoEngine
from mirage_runtime.models.lsd import LsdMini
from mirage_runtime.models.lsd.model import WEIGHTS, condition

ENGINES = [OpenVinoEngine, OnnxRuntimeEngine]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_missing_model_is_named(engine: type[OpenVinoEngine], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no model at .*absent\.onnx"):
        engine(tmp_path / "absent.onnx")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("content", [b"", b"not a model", WEIGHTS.read_bytes()[:5000]])
def test_a_corrupt_model_is_named(engine: type[OpenVinoEngine], content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "corrupt.onnx"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=r"corrupt\.onnx"):
        engine(path)


def test_a_wrong_input_is_named() -> None:
    engine = OpenVinoEngine(WEIGHTS, threads=1)
    with pytest.raises(EngineError, match="source"):
        engine.run((32, 32), {"source": np.zeros((1, 32, 48, 3), np.uint8)})


def test_sizes_come_and_go() -> None:
    engine = OpenVinoEngine(WEIGHTS, threads=1)
    for width in (32, 48, 64, 80, 32):
        assert engine.run((32, width), {}).shape == (1, 32, width, 3)


def test_the_second_start_reads_the_cache(tmp_path: Path) -> None:
    OpenVinoEngine(WEIGHTS, threads=1, cache_dir=tmp_path).prepare((32, 48))
    stored = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert stored
    OpenVinoEngine(WEIGHTS, threads=1, cache_dir=tmp_path).prepare((32, 48))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stored


@pytest.mark.parametrize("other", ["openvino", "torch"])
def test_every_library_paints_the_same(other: str) -> None:
    source = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    memory, validity = np.roll(source, 8, 1), np.full((16, 24), 0.7, np.float32)
    chosen = condition({"ice": 1}, {"temperature": 0.5})
    pictures = [
        LsdMini(threads=1, engine=engine)
        .denoise(source, condition=chosen, seed=3, steps=2, memory=memory, validity=validity)
        .astype(int)
        for engine in (other, "onnxruntime")
    ]
    # OpenVINO computes in bfloat16 where the processor can, torch as precisely as the reference.
    assert np.abs(pictures[0] - pictures[1]).mean() < (3 if other == "openvino" else 0.05)


def test_the_description_says_what_runs() -> None:
    mini = LsdMini(threads=2)
    assert mini.description.startswith("OpenVINO 20")
    assert mini.description.endswith("2 threads")
    assert "bf16" in mini.description or "f32" in mini.description


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="abacus"):
        LsdMini(engine="abacus")
