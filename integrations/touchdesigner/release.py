"""Put everything that TouchDesigner needs into one zip: python release.py [FOLDER]."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import build_vendor

HERE: Final = Path(__file__).resolve().parent
NAME: Final = "mirage-touchdesigner"
FILES: Final = ("README.md", "FROM_STREAMDIFFUSIONTD.md", "build_tox.py")


def release(folder: Path) -> Path:
    """Write the zip into ``folder`` and return it; the same sources give the same bytes."""
    target = folder / f"{NAME}.zip"
    with tempfile.TemporaryDirectory() as work, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        library = Path(work) / "python"
        build_vendor.build(library)
        entries = {Path(name): HERE / name for name in FILES}
        entries |= {Path("mirage", path.name): path for path in (HERE / "mirage").glob("*.py")}
        entries |= {Path("python", path.relative_to(library)): path for path in library.rglob("*") if path.is_file()}
        entries[Path("LICENSE")] = build_vendor.ROOT / "LICENSE"
        for name, path in sorted(entries.items()):
            entry = zipfile.ZipInfo((Path(NAME) / name).as_posix(), (2020, 1, 1, 0, 0, 0))
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dist"
    place.mkdir(parents=True, exist_ok=True)
    print(release(place))
