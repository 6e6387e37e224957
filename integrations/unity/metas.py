"""Give every file and folder of the Unity package its `.meta`, without which Unity ignores it in a package.

`python integrations/unity/metas.py` creates the missing ones, `--check` says what is wrong and exits with 1. A new
one's guid is made of its path, so that it is the same wherever this runs; a file that is moved takes its `.meta` along
and so keeps its guid, by which scenes know it.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent / "com.mirage.lsd"

_REST: Final = "  externalObjects: {}\n  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
_SCRIPT: Final = (
    "  externalObjects: {}\n  serializedVersion: 2\n  defaultReferences: []\n  executionOrder: 0\n"
    "  icon: {instanceID: 0}\n  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
)
_IMPORTERS: Final = {
    ".asmdef": "AssemblyDefinitionImporter",
    ".asmref": "AssemblyDefinitionReferenceImporter",
    ".cginc": "ShaderIncludeImporter",
    ".compute": "ComputeShaderImporter",
    ".hlsl": "ShaderIncludeImporter",
    ".mat": "NativeFormatImporter",
    ".md": "TextScriptImporter",
    ".prefab": "PrefabImporter",
    ".shader": "ShaderImporter",
    ".txt": "TextScriptImporter",
}


def main() -> int:
    """Create what is missing, or only look; return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; exit with 1 if anything is wrong")
    if not arguments.parse_args().check:
        for path in _assets():
            if not _meta(path).exists():
                _meta(path).write_text(text_of(path), encoding="utf-8", newline="\n")
                print(f"{_meta(path).relative_to(PACKAGE)} written")
    found = list(problems())
    for problem in found:
        print(problem)
    return 1 if found else 0


def problems() -> Iterator[str]:
    """Say what is wrong with the package's files, a line each."""
    guids: dict[str, Path] = {}
    for path in _assets():
        if not _meta(path).exists():
            yield f"{path.relative_to(PACKAGE)} has no .meta: run python integrations/unity/metas.py"
            continue
        guid = re.search(r"^guid: ([0-9a-f]{32})$", _meta(path).read_text(encoding="utf-8"), re.MULTILINE)
        if guid is None:
            yield f"{_meta(path).relative_to(PACKAGE)} has no guid"
        elif (other := guids.setdefault(guid[1], path)) != path:
            yield f"{path.relative_to(PACKAGE)} has the guid of {other.relative_to(PACKAGE)}"
    for meta in sorted(PACKAGE.rglob("*.meta")):
        if not meta.with_suffix("").exists():
            yield f"{meta.relative_to(PACKAGE)} belongs to nothing"


def text_of(path: Path) -> str:
    """Return a new `.meta` of a file or folder."""
    name = path.relative_to(PACKAGE.parent).as_posix()
    start = f"fileFormatVersion: 2\nguid: {hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()}\n"
    if path.is_dir():
        return f"{start}folderAsset: yes\nDefaultImporter:\n{_REST}"
    if path.suffix == ".cs":
        return f"{start}MonoImporter:\n{_SCRIPT}"
    importer = (
        "PackageManifestImporter" if path.name == "package.json" else _IMPORTERS.get(path.suffix, "DefaultImporter")
    )
    return f"{start}{importer}:\n{_REST}"


def _assets() -> Iterator[Path]:
    """Find what Unity imports: all but what is hidden, and folders whose names end with a tilde."""
    for path in sorted(PACKAGE.rglob("*")):
        parts = path.relative_to(PACKAGE).parts
        if path.suffix != ".meta" and not any(part.startswith(".") or part.endswith("~") for part in parts):
            yield path


def _meta(path: Path) -> Path:
    return path.with_name(f"{path.name}.meta")


if __name__ == "__main__":
    sys.exit(main())
