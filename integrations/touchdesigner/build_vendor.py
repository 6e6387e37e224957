"""Put the Python client and all that it needs into one folder, with nothing compiled: for TouchDesigner's own Python.

    python build_vendor.py [FOLDER]

copies `mirage`, `mirage_protocol` and `mirage_touchdesigner` from this checkout, `msgpack` and `websockets` from the
Python that runs this, without their compiled parts, and `stand_ins`: what takes their place. TouchDesigner has NumPy,
and OpenCV for JPEG.
"""

from __future__ import annotations

import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
OURS: Final = (ROOT / "sdk/mirage", ROOT / "protocol/mirage_protocol", HERE / "mirage_touchdesigner")
OTHERS: Final = ("msgpack", "websockets")
_COMPILED: Final = {".so", ".pyd", ".dll", ".dylib", ".c", ".pyi", ".pyc"}
_UNUSED: Final = {"__pycache__", "legacy", "trio", "cli.py", "__main__.py"}


def build(folder: Path) -> None:
    """Make ``folder`` anew."""
    if folder.exists():
        shutil.rmtree(folder)
    for package in OURS:
        shutil.copytree(package, folder / package.name, ignore=_ignored)
    for name in OTHERS:
        _copy_installed(name, folder)
    shutil.copytree(HERE / "stand_ins", folder, dirs_exist_ok=True, ignore=_ignored)
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")


def _ignored(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if Path(name).suffix in _COMPILED or name in _UNUSED}


def _copy_installed(name: str, folder: Path) -> None:
    """Copy an installed package and its licence; raises FileNotFoundError where the licence is not to be found."""
    distribution = metadata.distribution(name)
    licences = [path for path in distribution.files or () if path.name.upper().startswith(("LICENSE", "COPYING"))]
    if not licences:
        raise FileNotFoundError(f"{name} {distribution.version} came without its licence")
    package = Path(str(distribution.locate_file(name)))
    shutil.copytree(package, folder / name, ignore=_ignored)
    text = Path(str(distribution.locate_file(licences[0]))).read_text(encoding="utf-8")
    (folder / name / "LICENSE").write_text(text, encoding="utf-8")
    (folder / name / "VERSION").write_text(f"{name} {distribution.version}\n", encoding="utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "python"
    build(target)
    print(f"{target} has {', '.join(sorted(path.name for path in target.iterdir()))}")
