"""Unity's C# as the tests run it: the core and its test program, compiled by Roslyn and started under Mono."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import unity

INTEGRATION = Path(__file__).parents[2] / "integrations/unity"
PACKAGE = INTEGRATION / "com.mirage.lsd"

# Generous: they guard hangs and measure nothing.
PATIENCE = 100.0
_SHOWN = 4000  # characters of the output's end


class CSharp:
    """The core, compiled as Unity would compile it but with warnings as errors, and the program that tests it."""

    def __init__(self, compiler: Path, mono: Path, folder: Path) -> None:
        self._compiler = compiler
        self._mono = mono
        self.folder = folder
        self.core = folder / "Mirage.Core.dll"
        self.program = folder / "Mirage.Core.Tests.exe"

    def compile(self, *jobs: list[str]) -> None:
        """Compile one after the other; each is a list of csc's options and files. There may be no warning."""
        common = ["-unsafe", "-warnaserror", "-optimize", "-debug-"]
        arguments = [argument for job in jobs for argument in ("--", *job)]
        done = subprocess.run(
            [str(self._compiler), *common, *arguments], capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout[-_SHOWN:] + done.stderr[-_SHOWN:]

    def compile_core(self) -> None:
        """Compile the core and the program."""
        sources = sorted(map(str, (PACKAGE / "Runtime/Core").rglob("*.cs")))
        tests = sorted(map(str, (INTEGRATION / "tests").glob("*.cs")))
        documentation = f"-doc:{self.folder / 'Mirage.Core.xml'}"  # a public member without a comment is a warning
        self.compile(
            ["-target:library", documentation, f"-out:{self.core}", *sources],
            ["-target:exe", f"-out:{self.program}", f"-r:{self.core}", *tests],
        )

    def start(self, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        """Start the program with one kind of test."""
        command = [str(self._mono), "--debug", str(self.program), *map(str, arguments)]
        return subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments: object, timeout: float = PATIENCE, **environment: str) -> str:
        """Run one kind of test and return its output; it must end well."""
        with self.start(*arguments, **environment) as process:
            return finished(process, timeout)


def finished(process: subprocess.Popen[str], timeout: float = PATIENCE) -> str:
    """Return what a program prints until its end, which must be a good one."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"it did not end within {timeout:g} s:\n{output[-_SHOWN:]}") from None
    assert process.returncode == 0, output[-_SHOWN:]
    return output


@pytest.fixture(scope="session")
def csharp(tmp_path_factory: pytest.TempPathFactory) -> CSharp:
    """`.run("vectors", FOLDER)` and so on: the kinds are in integrations/unity/tests/Program.cs."""
    compiler, mono = unity.compiler(), unity.mono()
    if compiler is None or mono is None:
        reason = "there is no Mono and no C# compiler: run make tools"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    built = CSharp(compiler, mono, tmp_path_factory.mktemp("csharp"))
    built.compile_core()
    return built
