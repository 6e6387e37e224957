"""What build_tox.py makes, what the release holds, and that it runs in a bare Python with NumPy alone."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import build_tox
import numpy as np
import pytest
import release
from hypothesis import given
from hypothesis import strategies as st

from mirage_protocol import PARAMETERS

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "integrations/touchdesigner"


def test_the_component_that_is_built(td: Any, released: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(released, tmp_path / "copy")
    component = build_tox.build(folder=folder)
    names = {child.name: type(child).__name__ for child in component.children}
    assert names == {
        "MirageExt": "textDAT",
        "callbacks": "textDAT",
        "parameters": "textDAT",
        "pages": "textDAT",
        "in1": "inTOP",
        "result": "scriptTOP",
        "out1": "outTOP",
        "statistics": "tableDAT",
        "out2": "outDAT",
        "every_frame": "executeDAT",
        "parameters_changed": "parameterexecuteDAT",
    }
    assert component.op("result").inputs == [component.op("in1")]
    assert component.op("out1").inputs == [component.op("result")]
    assert td.saved == [folder / "mirage.tox"]
    assert [page.name for page in component.customPages] == ["Mirage", "Show", "Stream", "Prompts"]


def test_building_again_replaces_it(td: Any, released: Path) -> None:
    first = build_tox.build(folder=released, save=False)
    second = build_tox.build(folder=released, save=False)
    assert not first.valid
    assert second.valid
    assert td.project.children == [second]


def test_parameters_are_the_protocols(td: Any, released: Path) -> None:
    component = build_tox.build(folder=released, save=False)
    for parameter in PARAMETERS.values():
        name = parameter.name.replace("_", "").capitalize()
        if parameter.type == "blend":
            pars = [component.par[f"{name}{number}weight"] for number in range(1, 9)]
            assert all((par.min, par.max, par.clampMax, par.normMax) == (0.0, 1000.0, True, 1.0) for par in pars)
            assert component.par[f"{name}9text"] is None
            continue
        par = component.par[name]
        assert par.help == parameter.help
        if parameter.type in ("float", "integer"):
            assert (par.min, par.max, par.default) == (parameter.minimum, parameter.maximum, parameter.default)
            assert (par.clampMin, par.clampMax) == (True, True)
    assert component.par.Transport.menuNames == ["auto", "shared-memory", "websocket"]
    assert component.par.State.readOnly
    assert component.par.Token.password


def test_a_folder_without_the_client_is_told(td: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"build_vendor\.py"):
        build_tox.build(folder=tmp_path)
    assert td.project.children == []


def test_nothing_compiled_is_released(released: Path) -> None:
    suffixes = {path.suffix for path in released.rglob("*") if path.is_file()}
    assert suffixes <= {".py", ".md", "", ".typed"}
    assert (released / "python/websockets/LICENSE").read_text().startswith("Copyright (c)")
    assert "Apache License" in (released / "python/msgpack/LICENSE").read_text()
    assert "Apache License" in (released / "LICENSE").read_text()


def test_the_same_sources_give_the_same_release(released: Path, tmp_path: Path) -> None:
    again = release.release(tmp_path)
    with zipfile.ZipFile(again) as archive:
        for entry in archive.infolist():
            assert (released.parent / entry.filename).read_bytes() == archive.read(entry), entry.filename


def test_nothing_of_touchdesigner_is_imported_with_the_modules() -> None:
    for path in [*SOURCES.glob("mirage/*.py"), *SOURCES.glob("mirage_touchdesigner/*.py"), *SOURCES.glob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert not {"td", "tdu"} & {*names, getattr(node, "module", None)}, path


def test_no_paths_of_operators() -> None:
    for path in [*SOURCES.glob("mirage/*.py"), *SOURCES.glob("mirage_touchdesigner/*.py")]:
        assert not re.search(r"op\(['\"]/|project1", path.read_text()), path


BARE = """
import sys
sys.path[:0] = {paths!r}
import numpy, mirage, msgpack, websockets.frames, mirage_touchdesigner, simplejpeg
from websockets import speedups
assert websockets.frames.apply_mask is speedups.apply_mask and speedups.__file__.endswith(".py")
assert msgpack.Packer.__module__ == "msgpack.fallback"
for module in (mirage, msgpack, websockets, mirage_touchdesigner, simplejpeg):
    assert module.__file__.startswith({library!r}), module.__file__
frame = numpy.random.default_rng(0).integers(0, 256, (90, 160, 4), numpy.uint8)
for transport in ("shared-memory", "websocket"):
    with mirage.connect({url!r}, transport=transport) as stream:
        assert numpy.array_equal(stream.transform(frame[::-1]).image, frame[::-1])
        assert stream.transport == transport
print("good")
"""


IN_TOUCHDESIGNER = """
import sys, time, pathlib
sys.path[:0] = {paths!r}
import numpy, td_stand_in, build_tox
td = td_stand_in.TouchDesigner(pathlib.Path("."))
component = build_tox.build(folder=pathlib.Path({folder!r}), save=False)
td.frame()
source = component.inputConnectors[0]
import td_operators
top = td.project.create(td_operators.constantTOP, "source")
source.connect(top)
top.picture = numpy.random.default_rng(0).integers(0, 256, (90, 160, 4), numpy.uint8)
component.par.Address.val = {url!r}
began = time.monotonic()
while not (component.HasResult and numpy.array_equal(component.op("out1").texture(), top.picture)):
    td.frame()
    time.sleep(0.005)
    assert time.monotonic() - began < 60, component.Message
import mirage, websockets
assert "python-" in mirage.__file__ and ".zip" in mirage.__file__ and ".zip" in websockets.__file__
td.close()
print("good")
"""


@pytest.fixture
def bare(tmp_path: Path) -> Any:
    """`bare(script, packages=…)` runs a script in a Python that has NumPy and nothing else."""
    packages = tmp_path / "packages"
    packages.mkdir()
    installed = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        if (installed / name).exists():
            (packages / name).symlink_to(installed / name)

    def run(script: str, *paths: Path, **values: str) -> str:
        script = script.format(paths=[str(path) for path in (*paths, packages)], **values)
        command = [sys.executable, "-I", "-S", "-B", "-c", script]
        environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": ""}
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment)
        assert not done.stderr
        return done.stdout

    return run


def test_the_library_runs_in_a_bare_python(bare: Any, released: Path, echo_daemon: Any) -> None:
    library, url = released / "python", f"ws://127.0.0.1:{echo_daemon.port}/td-bare"
    assert bare(BARE, library, library=str(library), url=url) == "good\n"


def test_the_component_runs_with_the_library_that_it_carries(bare: Any, released: Path, echo_daemon: Any) -> None:
    url = f"ws://127.0.0.1:{echo_daemon.port}/td-carried"
    assert bare(IN_TOUCHDESIGNER, Path(__file__).parent, released, folder=str(released), url=url) == "good\n"


@given(st.binary(max_size=200), st.binary(min_size=4, max_size=4))
def test_masking_is_the_librarys_own(data: bytes, mask: bytes) -> None:
    from websockets.utils import apply_mask

    assert bytes(stand_in("websockets/speedups.py").apply_mask(data, mask)) == apply_mask(data, mask)
    assert bytes(stand_in("websockets/speedups.py").apply_mask(memoryview(data), bytearray(mask))) == apply_mask(
        data, mask
    )


def test_masks_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="4 bytes"):
        stand_in("websockets/speedups.py").apply_mask(b"data", b"abc")


def test_jpeg_by_opencv_is_nearly_that_of_the_library() -> None:
    import simplejpeg

    rows, columns = np.mgrid[0:64, 0:96]
    image = np.dstack((rows * 3, columns * 2, rows + columns)).astype(np.uint8)
    ours = stand_in("simplejpeg.py")
    data = ours.encode_jpeg(image, 90, "RGB", "420", fastdct=True)
    assert simplejpeg.decode_jpeg_header(data)[:2] == (64, 96)
    back = simplejpeg.decode_jpeg(data, "RGB")
    assert np.abs(back.astype(int) - image).mean() < 4
    assert np.abs(ours.decode_jpeg(data, "RGB").astype(int) - back).mean() < 2
    assert ours.decode_jpeg(data, "RGBA", fastdct=True)[..., 3].min() == 255
    with pytest.raises(ValueError, match="no JPEG"):
        ours.decode_jpeg(b"nothing of the kind")


def test_jpeg_without_opencv_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match="needs OpenCV"):
        stand_in("simplejpeg.py").decode_jpeg(b"")


def stand_in(path: str) -> Any:
    """Return a module of the folder that takes the place of compiled ones."""
    import runpy
    from types import SimpleNamespace

    return SimpleNamespace(**runpy.run_path(str(SOURCES / "stand_ins" / path)))
