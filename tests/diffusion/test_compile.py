"""`mirage compile`: exported, compared with torch, really built by TensorRT, kept, and found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mirage
from mirage_runtime.compile import compiled, compiling, preflight
from mirage_runtime.compile.errors import CompileError
from mirage_runtime.config import DiffusionConfig, ModelConfig
from mirage_runtime.engines import EngineError, tensorrt_build
from mirage_runtime.models import Settings, load
from mirage_runtime.models.diffusion.files import ModelFiles, look_at

pytest.importorskip("tensorrt_rtx")

SIZE = (128, 192)


def files(model: Path) -> ModelFiles:
    return look_at(ModelConfig(str(model)))


def quiet(stage: str, done: float) -> None:
    pass


@pytest.fixture(autouse=True)
def _in_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRAGE_CACHE", str(cache))


@pytest.mark.parametrize("name", ["sd", pytest.param("sdxl", marks=pytest.mark.slow)])
def test_tensorrt_builds_every_network(models: dict[str, Path], name: str) -> None:
    found = files(models[name])
    recipe = compiling.recipe_of(found, "tensorrt", SIZE, ["sm89"])
    stages: dict[str, float] = {}
    report = compiling.compile_model(found, recipe, stages.__setitem__)
    assert report.difference is not None
    assert report.difference < 5e-3
    assert stages == {"load": 1.0, "export": 1.0, "compare": 1.0, "build": 1.0}
    kept = sorted(file.name for file in report.folder.iterdir())
    assert kept == ["decode.engine", "encode.engine", "manifest.json", "predict.engine"]
    again = compiling.compile_model(found, recipe, quiet)
    assert (again.folder, again.difference) == (report.folder, None)


def test_openvino_paints_what_torch_does(models: dict[str, Path], for_openvino: compiled.Report) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    settings = Settings((("ice", 1.0),), strength=0.7, steps=2)
    pictures = [
        load(ModelConfig(str(models["sd"]), engine, pixels=None))(frame, settings).picture.astype(int)
        for engine in ("openvino", "torch")
    ]
    # The one computes in bfloat16 where the processor can.
    assert np.abs(pictures[0] - pictures[1]).mean() < 1.0
    assert pictures[1].std() > 5


def test_a_model_that_is_not_compiled_says_what_to_do(models: dict[str, Path]) -> None:
    with pytest.raises(CompileError, match=r"mirage compile .*lcm --engine openvino"):
        load(ModelConfig(str(models["lcm"]), "openvino"))


def test_auto_falls_back_and_says_what_is_lost(models: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    transform = load(ModelConfig(str(models["lcm"]), "auto"))
    assert "torch" in transform.description
    assert "lcm is not compiled" in caplog.text
    assert "torch computes it instead" in caplog.text


def test_a_name_is_no_pattern(models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRAGE_CACHE", str(tmp_path))
    recipe = compiled.Recipe("0" * 64, "openvino", compiled.library_of("openvino"), SIZE, SIZE, SIZE)
    for name in ("dream[v2]", "dream"):
        with compiled.written(compiled.folder_of(name, recipe), recipe):
            pass
        assert compiled.find_any(name, recipe.weights, "openvino")[1] == recipe


def test_other_weights_are_another_model(models: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(models["sd"], tmp_path / "sd")
    one = compiling.recipe_of(files(models["sd"]), "openvino", SIZE)
    assert compiling.recipe_of(files(tmp_path / "sd"), "openvino", SIZE).key == one.key
    path = tmp_path / "sd/unet/diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    keys = {
        one.key,
        compiling.recipe_of(files(tmp_path / "sd"), "openvino", SIZE).key,
        compiling.recipe_of(files(models["sd"]), "openvino", (256, 256)).key,
        compiling.recipe_of(files(models["sd"]), "tensorrt", SIZE).key,
        compiling.recipe_of(files(models["sd"]), "tensorrt", SIZE, ["sm89"]).key,
        compiling.recipe_of(look_at(ModelConfig(str(models["sd"]), diffusion=DiffusionConfig(sampling="lcm"))),
                            "openvino", SIZE).key,
    }  # fmt: skip
    assert len(keys) == 6


def test_damaged_and_foreign_folders_are_named(for_openvino: compiled.Report, tmp_path: Path) -> None:
    folder, recipe = tmp_path / "copy", for_openvino.recipe

    def damaged(change: object) -> str:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(for_openvino.folder, folder)
        change()  # type: ignore[operator]
        with pytest.raises(CompileError) as caught:
            compiled.find(folder, recipe)
        return str(caught.value)

    weights = folder / "predict.onnx.data"
    assert "damaged" in damaged(lambda: weights.write_bytes(weights.read_bytes()[:-1]))
    assert "damaged" in damaged(lambda: weights.write_bytes(bytes([1]) + weights.read_bytes()[1:]))
    assert "damaged or missing" in damaged(weights.unlink)
    manifest = folder / "manifest.json"
    assert "cannot be read" in damaged(lambda: manifest.write_text("{"))
    assert "another model or version" in damaged(
        lambda: manifest.write_text(manifest.read_text().replace(recipe.weights, "0" * 64))
    )


def test_another_version_of_the_library_is_told(
    models: dict[str, Path], for_openvino: compiled.Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "library_of", lambda engine: "openvino 1999.1")
    with pytest.raises(CompileError, match=r"compiled by openvino 20.*this is openvino 1999\.1"):
        compiled.find_any("sd", compiled.hash_of(files(models["sd"])), "openvino")


@pytest.mark.parametrize(
    ("room", "problem"),
    [
        (preflight.Room(2**28, 2**40), r"needs 0\.\d GiB of memory, 0\.2 are free"),
        (preflight.Room(2**40, 1000), r"needs 0\.0 GiB at .*make room"),
    ],
)
def test_too_little_room_is_told_before_anything_is_done(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, cache: Path, room: preflight.Room, problem: str
) -> None:
    monkeypatch.setattr(preflight, "free", lambda folder: room)
    found = files(models["kl"])
    with pytest.raises(CompileError, match=problem):
        compiling.compile_model(found, compiling.recipe_of(found, "openvino", SIZE), quiet)
    assert not list((cache / "compiled").glob("*kl-*"))


def test_the_full_models_needs_are_near_what_was_measured() -> None:
    full = preflight.needed(866_000_000 * 2)
    assert 10.6 * 2**30 < full.memory < 12 * 2**30


def test_free_memory_is_that_of_this_machine() -> None:
    import psutil

    assert 0 < preflight.free_memory() <= psutil.virtual_memory().total


def test_nothing_is_left_where_building_fails(
    models: dict[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(graph: Path, *_: object) -> None:
        raise EngineError(f"TensorRT cannot build {graph.stem}")

    monkeypatch.setattr(tensorrt_build, "build", fails)
    monkeypatch.setattr(compiling, "compare", lambda *_: 0.0)
    monkeypatch.setattr(compiling.export, "export", lambda *_, **__: None)
    found = files(models["sd"])
    with pytest.raises(EngineError):
        compiling.compile_model(found, compiling.recipe_of(found, "tensorrt", (64, 64)), quiet)
    assert not list((cache / "compiled").glob("*.part"))
    assert not list((cache / "compiled").glob(".*"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a disk of its own size")
def test_a_full_disk_leaves_nothing(models: dict[str, Path]) -> None:
    small = Path("/dev/full")
    if not small.exists():
        pytest.skip("there is no /dev/full")
    found = files(models["sd"])
    recipe = compiling.recipe_of(found, "openvino", (64, 128))
    folder = compiled.folder_of("sd", recipe)

    def fill() -> None:
        with compiled.written(folder, recipe) as target:
            (target / "predict.onnx").symlink_to(small)
            (target / "predict.onnx").write_bytes(bytes(10))

    with pytest.raises(CompileError, match="No space left"):
        fill()
    assert not folder.exists()
    assert not list(folder.parent.glob(".*"))


@pytest.mark.parametrize(
    ("graph", "targets", "problem"),
    [
        (b"no graph", (), "cannot build broken"),
        (b"", (), "cannot build broken"),
        (None, ("sm90",), "no target sm90: there are sm75"),
    ],
)
def test_what_cannot_be_built_is_one_line(
    tmp_path: Path, graph: bytes | None, targets: tuple[str, ...], problem: str
) -> None:
    path = tmp_path / "broken.onnx"
    if graph is not None:
        path.write_bytes(graph)
    with pytest.raises(EngineError, match=problem) as caught:
        tensorrt_build.build(path, tmp_path / "broken.engine", {}, targets)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == ([path] if graph is not None else [])


def test_the_command_finds_what_is_compiled(models: dict[str, Path], for_openvino: compiled.Report) -> None:
    command = [sys.executable, "-m", "mirage_runtime", "compile", str(models["sd"]), "--engine", "openvino",
               "--size", f"{SIZE[1]}x{SIZE[0]}"]  # fmt: skip
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0
    assert "differs" not in done.stderr
    assert for_openvino.folder.name in done.stderr.replace("\n", "")
    manifest = json.loads((for_openvino.folder / "manifest.json").read_text())
    assert manifest["recipe"]["engine"] == "openvino"


def test_a_stream_goes_on_where_what_was_compiled_is_damaged_meanwhile(
    models: dict[str, Path],
    for_openvino: compiled.Report,
    daemon_factory: Callable[..., Any],
    tmp_path: Path,
    wait_for: Callable[..., Any],
) -> None:
    shutil.copytree(for_openvino.folder, tmp_path / "compiled" / for_openvino.folder.name)
    daemon = daemon_factory("--model", str(models["sd"]), "--still", "0", MIRAGE_CACHE=str(tmp_path))
    assert "OpenVINO" in str(daemon.health()[1]["engine"])
    frame = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    with mirage.connect(daemon.url) as stream:
        stream.send(frame)
        first = stream.receive(timeout=60).image.copy()
        weights = tmp_path / "compiled" / for_openvino.folder.name / "predict.onnx.data"
        weights.write_bytes(b"not what it was")
        os.kill(daemon.worker_pid, signal.SIGKILL)
        wait_for(lambda: "torch" in str(daemon.health()[1]["engine"]), "torch computes it")
        daemon.wait_healthy()
        stream.send(frame)
        second = stream.receive(timeout=60).image
    assert np.abs(first.astype(int) - second).mean() < 1.0
    assert "predict.onnx.data is damaged" in daemon.log.read_text().replace("\n", "")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--engine", "torch"], "nothing is compiled for 'torch'"),
        (["--size", "0x7"], "no size"),
        (["--targets", "sm90"], "no target sm90"),
    ],
)
def test_the_command_says_what_it_does_not_know(models: dict[str, Path], options: list[str], problem: str) -> None:
    command = [sys.executable, "-m", "mirage_runtime", "compile", str(models["sd"]), *options]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
