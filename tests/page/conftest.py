"""What the page's tests run in: Node, Chromium, and a daemon to talk to."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def node() -> Path:
    """Node: the one on PATH, or the one that comes inside playwright."""
    if found := shutil.which("node"):
        return Path(found)
    playwright = pytest.importorskip("playwright")
    bundled = Path(playwright.__file__).parent / "driver" / "node"
    return bundled if bundled.exists() else _absent("there is no node on PATH, nor in playwright")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Chromium, as `make tools` installs it."""
    found: Path | None = _tools().find("chromium")
    return found or _absent("there is no Chromium: run make tools")


def _absent(reason: str) -> Path:
    """Skip, but fail where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _tools() -> ModuleType:
    spec = importlib.util.spec_from_file_location("find_tools", Path(__file__).parents[1] / "tools/find.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
