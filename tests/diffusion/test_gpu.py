"""What only an NVIDIA card can show: run with `make test-gpu` on a machine that has one. None has run it yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mirage_runtime.compile import compiling
from mirage_runtime.config import DiffusionConfig, ModelConfig
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import Context, Settings, Transform, load
from mirage_runtime.models.diffusion.files import look_at
from mirage_runtime.models.diffusion.opened import open_with_torch
from mirage_runtime.pipeline import Pipeline

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU and a torch with CUDA"),
    pytest.mark.timeout(600),
]

SIZE = (128, 192)
PROMPTS = (("ice", 1.0),)


def picture(seed: int = 1, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def made(transform: Transform, frame: np.ndarray, **asked: object) -> np.ndarray:
    return transform(frame, Settings(PROMPTS, **asked)).picture.astype(int)  # type: ignore[arg-type]


def on_the_processor(model: Path) -> Pipeline:
    return Pipeline(open_with_torch(look_at(ModelConfig(str(model))), DiffusionConfig(), device="cpu", half=False))


@pytest.mark.parametrize("name", ["sd", "sdxl", "lcm", "kl"])
@pytest.mark.parametrize("graphs", [True, False])
def test_torch_paints_on_the_card_what_it_does_on_the_processor(
    models: dict[str, Path], name: str, graphs: bool
) -> None:
    files = look_at(ModelConfig(str(models[name])))
    exact = on_the_processor(models[name])
    for half, off in ((False, 0.1), (True, 2.0)):
        card = Pipeline(open_with_torch(files, DiffusionConfig(), device="cuda", half=half, graphs=graphs))
        for steps, guidance in ((1, 1.0), (4, 3.0)):
            expected = made(exact, picture(), steps=steps, guidance=guidance)
            assert np.abs(made(card, picture(), steps=steps, guidance=guidance) - expected).mean() < off


def test_sizes_come_and_go(models: dict[str, Path]) -> None:
    transform = load(ModelConfig(str(models["sd"]), "torch", pixels=None))
    first = made(transform, picture())
    for side in range(64, 64 * 14, 64):
        made(transform, picture(size=(64, side)))
    assert np.array_equal(made(transform, picture()), first)


def test_frames_side_by_side_are_those_one_by_one(models: dict[str, Path]) -> None:
    transform = load(ModelConfig(str(models["sd"]), "torch", diffusion=DiffusionConfig(stream_batch=True, still=0.0)))
    alone = load(ModelConfig(str(models["sd"]), "torch", diffusion=DiffusionConfig(still=0.0)))
    settings = Settings(PROMPTS, steps=3, coherence=0.0)
    for number in range(6):
        outcome = transform(picture(number), settings, context=Context("stream", number))
        expected = alone(picture(number - outcome.lag), settings).picture.astype(int)
        assert outcome.lag == min(number, 2)
        assert np.abs(outcome.picture.astype(int) - expected).mean() < 1.0


@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_tensorrt_paints_what_torch_does_or_says_why_it_cannot(
    models: dict[str, Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("MIRAGE_CACHE", str(tmp_path))
    config = ModelConfig(str(models[name]), "tensorrt", pixels=None)
    files = look_at(config)
    compiling.compile_model(files, compiling.recipe_of(files, "tensorrt", SIZE, batch=4), lambda stage, done: None)
    try:
        card = load(config)
    except MirageRuntimeError as error:
        if torch.cuda.get_device_capability() == (9, 0):  # no engine for RTX is for Hopper
            pytest.skip(str(error))
        raise
    exact = on_the_processor(models[name])
    for steps in (1, 4):
        assert np.abs(made(card, picture(), steps=steps) - made(exact, picture(), steps=steps)).mean() < 2.0
    wide = made(card, picture(size=(512, 1024)))  # beyond what it was compiled for: resized, no error
    assert wide.shape == (512, 1024, 3)


def test_the_embedded_model_is_the_same_on_the_card() -> None:
    frame = picture(size=(432, 768))
    torch_on_card, exact = load(ModelConfig(engine="torch")), load(ModelConfig(engine="openvino"))
    settings = Settings((("molten lava", 1.0),))
    off = np.abs(torch_on_card(frame, settings).picture.astype(int) - exact(frame, settings).picture)
    assert off.mean() < 1.0


def test_the_report_has_every_engine(models: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "report.md"
    command = [sys.executable, "-m", "mirage_runtime", "bench", "engines", str(models["sd"]), "--size", "192x128",
               "--frames", "5", "--report", str(page)]  # fmt: skip
    done = subprocess.run(
        command, env=os.environ | {"MIRAGE_CACHE": str(tmp_path)}, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    assert "torch is" in page.read_text()
    assert "TFLOP/s" in page.read_text()
