"""Godot as the tests run it: a copy of the project, imported once, headless or in a window that nobody sees."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import find
import pytest

PROJECT = Path(__file__).parents[2] / "integrations/godot"

# Generous: they guard hangs, on a noisy machine that draws without a graphics card, and measure nothing.
PATIENCE = 120.0
IMPORT_PATIENCE = 300.0

_ERROR = re.compile(r"^(?:SCRIPT |USER |SHADER )?ERROR:.*|.*Parse Error:.*", re.MULTILINE)
_UNREAD = re.compile(r".*(?:Parse Error|Compile Error|Failed to load script).*")
_SHOWN = 6000  # characters of the output's end


class Godot:
    """Runs scripts of the project's folder `tests`, each in a process of its own."""

    def __init__(self, program: Path, project: Path, folder: Path, display: Callable[[], str]) -> None:
        self.program = program
        self.project = project
        self._display = display
        caches = find.cache() / "godot-data"
        self._environment = os.environ | {
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "MESA_SHADER_CACHE_DIR": str(caches / "mesa"),
        }
        # What Godot has compiled is kept: a first window takes ten times as long to open as a later one.
        for name in ("shader_cache", "vulkan"):
            (caches / name).mkdir(parents=True, exist_ok=True)
            link = folder / "data/godot/app_userdata/Mirage" / name
            if not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(caches / name)

    def headless(self, script: str, *, timeout: float = PATIENCE, **arguments: object) -> str:
        """Run `tests/SCRIPT` without pixels and return its output; it must end with 0.

        ``arguments`` are what the script finds in its `arguments`.
        """
        return self._script(script, arguments, timeout, "--headless")

    def windowed(
        self,
        script: str,
        *,
        renderer: str = "gl_compatibility",
        size: str = "512x288",
        timeout: float = PATIENCE,
        **arguments: object,
    ) -> str:
        """Run `tests/SCRIPT` in a window of ``size`` and return its output; it must end with 0.

        ``renderer`` is `gl_compatibility`, `mobile` or `forward_plus`; all of them draw in software here.
        """
        options = ("--rendering-method", renderer, "--resolution", size, "--audio-driver", "Dummy")
        return self._script(script, arguments, timeout, *options, display=self._display())

    def play(self, *, renderer: str = "gl_compatibility", frames: int = 300, timeout: float = PATIENCE) -> str:
        """Play the project's main scene for so many frames, and return its output; there must be no error."""
        options = ("--rendering-method", renderer, "--audio-driver", "Dummy", "--quit-after", str(frames))
        output = self._run([*options], timeout, self._display())
        assert not (errors := _ERROR.findall(output)), "\n".join(errors)
        return output

    def editor(self, *, timeout: float = PATIENCE, **arguments: object) -> str:
        """Run the editor, without a window, until a plugin of the project ends it; return its output."""
        given = [f"--{name}={value}" for name, value in arguments.items()]
        return self._run(["--headless", "--editor", "--", *given], timeout)

    def import_project(self) -> None:
        """Import the project, which finds its classes and its native library; there must be no error."""
        output = self._run(["--headless", "--import"], IMPORT_PATIENCE)
        assert not (errors := _ERROR.findall(output)), "\n".join(errors)

    def copy(self, folder: Path) -> Godot:
        """Return a Godot with a copy of this project in ``folder``, to be changed and imported again."""
        shutil.copytree(self.project, folder / "project")
        return self.other(folder)

    def other(self, folder: Path) -> Godot:
        """Return a Godot with the project that is in ``folder`` / project."""
        return Godot(self.program, folder / "project", folder, self._display)

    def _script(
        self, script: str, arguments: dict[str, object], timeout: float, *options: str, display: str | None = None
    ) -> str:
        given = [f"--{name}={value}" for name, value in arguments.items()]
        output = self._run([*options, "--script", f"res://tests/{script}", "--", *given], timeout, display)
        assert not (errors := _UNREAD.findall(output)), "\n".join(errors)  # they come before the script can count them
        return output

    def _run(self, options: list[str], timeout: float, display: str | None = None) -> str:
        environment = self._environment | ({"DISPLAY": display} if display else {})
        command = [str(self.program), "--path", str(self.project), *options]
        try:
            done = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as late:
            output = (late.stdout or b"").decode(errors="replace")
            raise AssertionError(f"Godot did not end within {timeout:g} s:\n{output[-_SHOWN:]}") from None
        output = done.stdout.decode(errors="replace")
        assert done.returncode == 0, f"Godot ended with {done.returncode}:\n{output[-_SHOWN:]}"
        return output


@pytest.fixture(scope="session")
def godot_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of integrations/godot; it is imported once a `godot` uses it."""
    project = tmp_path_factory.mktemp("godot") / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".godot", "bin", "*.gdextension"))
    return project


@pytest.fixture(scope="session")
def godot(godot_project: Path, request: pytest.FixtureRequest) -> Godot:
    """Godot with the imported `godot_project`: `.headless("test_x.gd", key=value)`, `.windowed("test_x.gd")`."""
    program = find.find("godot") or _absent("there is no Godot 4.4 or newer: run make tools")
    godot = Godot(program, godot_project, godot_project.parent, lambda: str(request.getfixturevalue("display")))
    godot.import_project()
    return godot


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """The name of an X display that exists in memory alone."""
    program = find.find("xvfb") or _absent("there is no Xvfb: run make tools")
    reading, writing = os.pipe()
    command = [str(program), "-displayfd", str(writing), "-screen", "0", "1920x1080x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb did not start"
        try:
            yield f":{number}"
        finally:
            server.terminate()


def _absent(reason: str) -> Path:
    """Skip, but fail where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
