"""The Unity package is whole: its manifest, a `.meta` for each file, sources that Unity's rules and ours fit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import unity

ROOT = Path(__file__).parents[2]
INTEGRATION = ROOT / "integrations/unity"
PACKAGE = INTEGRATION / "com.mirage.lsd"
LONGEST = 250


def test_the_manifest_is_whole() -> None:
    manifest = json.loads((PACKAGE / "package.json").read_text())
    wanted = ("name", "version", "displayName", "description", "unity", "author", "license", "keywords", "samples")
    assert not [key for key in wanted if key not in manifest]
    assert manifest["name"] == PACKAGE.name
    assert manifest["unity"] == "2021.3"
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert f"[{manifest['version']}]" in (PACKAGE / "CHANGELOG.md").read_text()
    assert (PACKAGE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert not [sample for sample in manifest["samples"] if not (PACKAGE / sample["path"]).is_dir()]


def test_every_file_has_its_meta() -> None:
    command = [sys.executable, str(INTEGRATION / "metas.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_a_missing_or_double_meta_is_found(tmp_path: Path) -> None:
    shutil.copytree(INTEGRATION, tmp_path / "unity")
    metas = sorted((tmp_path / "unity/com.mirage.lsd").rglob("*.meta"))
    metas[0].unlink()
    metas[1].write_text(metas[2].read_text())
    metas[3].with_suffix("").rename(metas[3].with_suffix(".moved"))
    command = [sys.executable, str(tmp_path / "unity/metas.py")]
    done = subprocess.run([*command, "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "has no .meta" in done.stdout
    assert "has the guid of" in done.stdout
    assert "belongs to nothing" in done.stdout
    subprocess.run(command, capture_output=True, timeout=60)
    again = sorted(path.name for path in (tmp_path / "unity/com.mirage.lsd").rglob("*.meta"))
    assert metas[0].name in again


def test_assembly_definitions_are_in_order() -> None:
    definitions = {path.stem: json.loads(path.read_text()) for path in PACKAGE.rglob("*.asmdef")}
    assert all(name == definition["name"] for name, definition in definitions.items())
    core = definitions["Mirage.Core"]
    assert core["noEngineReferences"]
    assert core["allowUnsafeCode"]
    assert not core["references"]
    assert "Mirage.Core" in definitions["Mirage"]["references"]
    defines = {each["define"] for each in definitions["Mirage"]["versionDefines"]}
    used = set(re.findall(r"MIRAGE_(?:URP|HDRP)\w*", "".join(path.read_text() for path in PACKAGE.rglob("*.cs"))))
    assert used == defines
    assert definitions["Mirage.Editor"]["includePlatforms"] == ["Editor"]
    for tests in ("Mirage.Tests", "Mirage.Components.Tests"):
        assert definitions[tests]["defineConstraints"] == ["UNITY_INCLUDE_TESTS"]


def test_sources_are_short_and_quiet() -> None:
    for path in (*PACKAGE.rglob("*.cs"), *(INTEGRATION / "tests").rglob("*.cs")):
        text = path.read_text()
        if not path.name.endswith(".g.cs"):
            assert text.count("\n") <= LONGEST, path
        assert "\t" not in text, path
        assert "\r" not in text, path
    for path in (PACKAGE / "Runtime/Core").rglob("*.cs"):
        assert not re.search(r"\bConsole\.|\bDebug\.|UnityEngine", path.read_text()), path


def test_the_packages_own_tests_pass(csharp: Any) -> None:
    references = unity.nunit()
    if not references:
        pytest.skip("there is no NUnit: run make tools")
    assembly = csharp.folder / "Mirage.Tests.dll"
    shutil.copy(references[0], csharp.folder)
    sources = sorted(map(str, (PACKAGE / "Tests/Runtime").glob("*.cs")))
    options = [f"-r:{reference}" for reference in (csharp.core, *references)]
    csharp.compile(["-target:library", f"-out:{assembly}", *options, *sources])
    assert "5 passed, 0 failed" in csharp.run("nunit", assembly)


def test_what_is_generated_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "integrations/generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "unity" not in done.stdout, done.stdout
