"""Every example runs to its end against a real daemon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

import mirage

FOLDER = Path(__file__).parents[2] / "examples"
NAMES = ["controller_asyncio.py", "moving_scene.py", "ten_lines.py", "viewer.py"]


class Example:
    """One example that runs, in a folder of its own."""

    def __init__(self, folder: Path, url: str, name: str, *options: str) -> None:
        command = [sys.executable, "-W", "error", str(FOLDER / name), "--url", url, *options]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self) -> str:
        """Wait for its end and return what it printed."""
        output = self.process.communicate(timeout=90)[0]
        assert self.process.returncode == 0, output
        return output


@pytest.fixture
def url(daemon_factory: Any) -> str:
    address: str = daemon_factory("--model", "echo").url
    return address


def test_every_example_is_listed_here_and_in_the_readme() -> None:
    found = sorted(path.name for path in FOLDER.glob("*.py"))
    assert found == sorted([*NAMES, "osc_faders.py"])
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in found:
        assert f"[{name}]({name})" in readme


TRANSPORTS = pytest.mark.parametrize("transport", ["shared-memory", "websocket"])


@TRANSPORTS
def test_ten_lines(url: str, tmp_path: Path, transport: str) -> None:
    assert "ms" in Example(tmp_path, url, "ten_lines.py", "--transport", transport).finish()
    assert cv2.imread(str(tmp_path / "transformed.png")).shape == (432, 768, 3)


@pytest.mark.parametrize(
    "bound", [("--frames", "12", "--seconds", "60"), ("--seconds", "1")], ids=["frames", "seconds"]
)
@TRANSPORTS
def test_moving_scene(url: str, tmp_path: Path, bound: tuple[str, ...], transport: str) -> None:
    output = Example(tmp_path, url, "moving_scene.py", *bound, "--transport", transport).finish()
    assert f"by {transport}" in output
    assert "now: glowing lava" in output
    assert "glass to glass" in output
    with mirage.connect(url, role="controller") as stream:
        assert stream.parameters["prompt"] == "glowing lava"


@TRANSPORTS
def test_a_viewer_and_a_controller_beside_a_moving_scene(url: str, tmp_path: Path, transport: str) -> None:
    options = ("--transport", transport)
    viewer = Example(tmp_path, url, "viewer.py", "--seconds", "60", "--frames", "3", *options)
    controller = Example(tmp_path, url, "controller_asyncio.py", "--seconds", "1")
    scene = Example(tmp_path, url, "moving_scene.py", "--seconds", "4", *options)
    assert "glass to glass" in scene.finish()
    assert "3 pictures of the stream" in viewer.finish()
    assert "the stream is as it was" in controller.finish()
    assert cv2.imread(str(tmp_path / "newest.png")).shape == (432, 768, 3)


def test_a_viewer_of_a_silent_stream(url: str, tmp_path: Path) -> None:
    assert "0 pictures" in Example(tmp_path, url, "viewer.py", "--seconds", "0.5").finish()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_without_a_server_says_so(name: str, tmp_path: Path) -> None:
    example = Example(tmp_path, "ws://127.0.0.1:1", name)
    output = example.process.communicate(timeout=90)[0]
    assert example.process.returncode == 1
    assert "start one with `mirage serve`" in output
