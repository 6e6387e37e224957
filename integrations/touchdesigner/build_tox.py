"""Make the component out of the text beside this file, inside TouchDesigner. In its Textport:

    import sys; sys.path.insert(0, r"C:/path/to/touchdesigner"); import build_tox; build_tox.build()

leaves a component `mirage` in `/project1`, and `mirage.tox` beside this file.
"""

from __future__ import annotations

import importlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
LIBRARY = "python"
ARCHIVE = "python.zip"
TEXTS = ("MirageExt", "callbacks", "parameters", "pages")
EXTENSION = "op('./MirageExt').module.MirageExt(me)"


def build(parent: Any = None, folder: Path = HERE, save: bool = True) -> Any:
    """Return the component, made in ``parent`` (none: ``/project1``), and save it as ``mirage.tox`` in ``folder``.

    ``folder`` has the texts in ``mirage`` and the client in ``python``, as `build_vendor.py` puts it together. Raises
    FileNotFoundError where it has not.
    """
    td = importlib.import_module("td")
    archive = packed(folder / LIBRARY)
    texts = {name: (folder / "mirage" / f"{name}.py").read_text(encoding="utf-8") for name in TEXTS}
    parent = parent if parent is not None else td.op("/project1")
    existing = parent.op("mirage")
    if existing is not None:
        existing.destroy()
    component = parent.create(td.baseCOMP, "mirage")
    component.comment = "Live-stream diffusion: what comes in goes to a Mirage daemon and comes back transformed."
    component.vfs.addByteArray(bytearray(archive), ARCHIVE)
    for name, text in texts.items():
        component.create(td.textDAT, name).text = text
    add_parameters(component, [*_rows(texts["pages"], "PAGES"), *_rows(texts["parameters"], "PARAMETERS")])
    _add_pictures(component, td)
    _add_callbacks(component, td, texts["callbacks"])
    _add_extension(component)
    if save:
        component.save(str(folder / "mirage.tox"))
    return component


def packed(folder: Path) -> bytes:
    """Return a folder of Python packages as a zip that Python imports from; raises FileNotFoundError."""
    if not (folder / "mirage" / "__init__.py").is_file():
        raise FileNotFoundError(f"there is no client in {folder}: take a release, or run build_vendor.py")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (2020, 1, 1, 0, 0, 0))
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return data.getvalue()


def _rows(text: str, name: str) -> Iterable[Mapping[str, Any]]:
    """Return a table out of a text: nothing that is open in TouchDesigner can stand in its way."""
    module = ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    rows: Iterable[Mapping[str, Any]] = getattr(module, name)
    return rows


def add_parameters(component: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    """Give a component the custom parameters that a table lists (see `mirage/pages.py`)."""
    pages: dict[str, Any] = {}
    for row in rows:
        if row["page"] not in pages:
            pages[row["page"]] = component.appendCustomPage(row["page"])
        page = pages[row["page"]]
        par = getattr(page, f"append{row['style']}")(row["name"], label=row["label"])[0]
        par.help = row["help"]
        if "menu" in row:
            par.menuNames, par.menuLabels = list(row["menu"]), list(row["menu"].values())
        for side in ("Min", "Max"):
            bound = row.get(f"{side.lower()}imum")
            if bound is not None:
                setattr(par, side.lower(), bound)
                setattr(par, f"clamp{side}", True)
                setattr(par, f"norm{side}", row.get(f"slider_{side.lower()}", bound))
        par.readOnly = row.get("read_only", False)
        if row.get("password"):
            par.password = True
        if "default" in row:
            par.default = row["default"]
            par.val = row["default"]


def _add_pictures(component: Any, td: Any) -> None:
    """Input, Script TOP and output."""
    source = component.create(td.inTOP, "in1")
    result = component.create(td.scriptTOP, "result")
    output = component.create(td.outTOP, "out1")
    for docked in list(result.docked):  # the callbacks that TouchDesigner makes by itself
        docked.destroy()
    result.par.callbacks = "callbacks"
    result.inputConnectors[0].connect(source)
    output.inputConnectors[0].connect(result)
    for number, node in enumerate((source, result, output)):
        node.nodeX, node.nodeY = 250 * number, 0


def _add_callbacks(component: Any, td: Any, text: str) -> None:
    """Statistics, and the two DATs that hear of frames and of parameters."""
    statistics = component.create(td.tableDAT, "statistics")
    output = component.create(td.outDAT, "out2")
    output.inputConnectors[0].connect(statistics)
    frames = component.create(td.executeDAT, "every_frame")
    frames.text = text
    frames.par.framestart = True
    changes = component.create(td.parameterexecuteDAT, "parameters_changed")
    changes.text = text
    changes.par.op = ".."
    changes.par.pars = "*"
    changes.par.custom, changes.par.builtin = True, False
    changes.par.valuechange, changes.par.onpulse = True, True
    for number, node in enumerate((statistics, output, frames, changes)):
        node.nodeX, node.nodeY = 250 * number, -200


def _add_extension(component: Any) -> None:
    """Set the extension. Its parameters have other names before TouchDesigner 2023."""
    for names, value in (
        (("ext0object", "extension1"), EXTENSION),
        (("ext0promote", "promoteextension1"), True),
        (("initextonstart",), True),
    ):
        for name in names:
            if component.par[name] is not None:
                component.par[name].val = value
                break
    component.par.reinitextensions.pulse()
