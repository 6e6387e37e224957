"""Tiny models of every kind, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "sd": tiny_models.make(folder / "sd"),
        "sdxl": tiny_models.make(folder / "sdxl", xl=True),
        "lcm": tiny_models.make(folder / "lcm", kind="lcm", time_cond_proj_dim=16),
        "kl": tiny_models.make(folder / "kl", kind="ddim", tiny_vae=False),
    }
