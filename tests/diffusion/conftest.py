"""Tiny models of every kind, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models

from mirage_runtime.compile import compiled, compiling
from mirage_runtime.config import ModelConfig
from mirage_runtime.models.diffusion.files import look_at

COMPILED_SIZE = (128, 192)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "sd": tiny_models.make(folder / "sd"),
        "sdxl": tiny_models.make(folder / "sdxl", xl=True),
        "lcm": tiny_models.make(folder / "lcm", kind="lcm", time_cond_proj_dim=16),
        "kl": tiny_models.make(folder / "kl", kind="ddim", tiny_vae=False),
    }


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def for_openvino(models: dict[str, Path], cache: Path) -> compiled.Report:
    """The model ``sd``, compiled into `cache` for processors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRAGE_CACHE", str(cache))
        found = look_at(ModelConfig(str(models["sd"])))
        recipe = compiling.recipe_of(found, "openvino", COMPILED_SIZE)
        return compiling.compile_model(found, recipe, lambda stage, done: None)
