"""A component in a stand-in for TouchDesigner, and memory of Shared Mem TOPs in a folder of the test's own."""

from __future__ import annotations

import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path += [str(HERE), str(ROOT / "integrations/touchdesigner")]

import build_tox  # noqa: E402
import msgpack  # noqa: E402, F401
import release  # noqa: E402
import simplejpeg  # noqa: E402, F401
import td_operators  # noqa: E402
import websockets  # noqa: E402, F401
from td_stand_in import Guarded, TouchDesigner  # noqa: E402

# Imported here so that the library that the component carries never takes their place in this process.
import mirage  # noqa: E402, F401

PATIENCE = 90.0


@pytest.fixture(scope="session", autouse=True)
def _sources_stay_as_they_are() -> Iterator[None]:
    """Nothing here writes into the source tree."""
    folder = ROOT / "integrations/touchdesigner"

    def files() -> set[Path]:
        return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}

    before = files()
    yield
    assert files() == before


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a user has after unpacking the release."""
    folder = tmp_path_factory.mktemp("release")
    with zipfile.ZipFile(release.release(folder)) as archive:
        archive.extractall(folder)
    return folder / release.NAME


class Stage:
    """A component with a picture before it; frames are counted by hand."""

    def __init__(self, program: TouchDesigner, folder: Path, **parameters: Any) -> None:
        self.program = program
        self.component = build_tox.build(folder=folder, save=False)
        self.source = program.project.create(td_operators.constantTOP, "source")
        self.component.inputConnectors[0].connect(self.source)
        program.frame()
        for name, value in parameters.items():
            self.component.par[name].val = value
        program.frame()

    @property
    def state(self) -> str:
        return str(self.component.par.State.eval())

    @property
    def message(self) -> str:
        return str(self.component.par.Message.eval())

    @property
    def shown(self) -> Any:
        return self.component.op("out1").texture()

    def statistic(self, name: str) -> str | None:
        return self.component.op("statistics").value(name)  # type: ignore[no-any-return]

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Count frames until something is so."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.program.frame()
            if condition():
                return
            assert time.monotonic() < deadline, f"waited in vain until {what}: {self.state}, {self.message}"
            time.sleep(0.005)

    def until_shown(self, picture: Any, what: str = "the picture is shown", through: bool = False) -> None:
        """Count frames until the output is this picture: as a result, or ``through``, with nobody asked."""
        self.source.picture = picture
        self.until(lambda: self.component.HasResult is not through and np.array_equal(self.shown, picture), what)


@pytest.fixture
def td(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TouchDesigner]:
    """A TouchDesigner; afterwards nothing of it was touched in another thread, and no thread of ours is left."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    program = TouchDesigner(tmp_path)
    yield program
    program.close()
    for name in [name for name in sys.modules if name.partition(".")[0] == "mirage_touchdesigner"]:
        del sys.modules[name]
    assert Guarded.touched_elsewhere == []
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("mirage ")] == []


@pytest.fixture
def stage(td: TouchDesigner, released: Path) -> Callable[..., Stage]:
    """`stage(daemon.url, Transport="websocket")` is a component that runs."""

    def make(url: str, **parameters: Any) -> Stage:
        return Stage(td, released, Address=url, **parameters)

    return make


def noise(height: int, width: int, seed: int = 0) -> Any:
    """RGBA of which every byte differs."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)


@pytest.fixture(name="noise")
def noise_fixture() -> Callable[..., Any]:
    """`noise(height, width, seed)`."""
    return noise


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where Shared Mem TOPs' memory lies, for this process and for daemons that are started now."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setenv("MIRAGE_TOUCH_FOLDER", str(folder))
    return folder
