"""What the Godot addon captures: scenes of known geometry, drawn by the real engine in each of its renderers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from mirage_runtime.temporal.fields import Floats, Matrices, from_camera

RENDERERS = ["gl_compatibility", "forward_plus", "mobile"]
HEIGHT, WIDTH = 144, 256


class Godot(Protocol):
    def headless(self, script: str, *, timeout: float = ..., **arguments: object) -> str: ...

    def windowed(self, script: str, *, renderer: str = ..., timeout: float = ..., **arguments: object) -> str: ...


@pytest.mark.timeout(300)
@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("script", ["test_planes.gd", "test_capture.gd"])
def test_planes(godot: Godot, script: str, renderer: str) -> None:
    output = godot.windowed(script, renderer=renderer, timeout=280)
    assert_nothing_leaked(output)


@pytest.mark.timeout(300)
def test_motion(godot: Godot) -> None:
    output = godot.windowed("test_motion.gd", renderer="forward_plus", timeout=280)
    assert_nothing_leaked(output)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("renderer", ["forward_plus", "mobile"])
def test_depth_by_a_second_pass_where_there_is_a_compositor(godot: Godot, renderer: str) -> None:
    output = godot.windowed("test_planes.gd", renderer=renderer, timeout=280, only="depth", apart="true")
    assert_nothing_leaked(output)


def test_without_pixels(godot: Godot) -> None:
    output = godot.headless("test_capture.gd", only="without_pixels")
    assert_nothing_leaked(output)


@pytest.mark.parametrize(("steps", "typical", "largest"), [(1, 0.005, 0.05), (5, 0.02, 0.5)])
def test_motion_is_what_depth_and_the_cameras_say(
    godot: Godot, tmp_path: Path, steps: int, typical: float, largest: float
) -> None:
    godot.windowed("test_motion.gd", renderer="forward_plus", only="frames_of_a_moving", save=tmp_path)
    cameras = json.loads((tmp_path / f"camera-{steps}.json").read_text())
    depth = np.fromfile(tmp_path / f"camera-{steps}.depth", "<f4").reshape(HEIGHT, WIDTH)
    motion = np.fromfile(tmp_path / f"camera-{steps}.motion", "<f2").reshape(HEIGHT, WIDTH, 2).astype(np.float32)
    known = np.isfinite(motion).all(-1)
    assert known.mean() > 0.7
    assert (known & np.isinf(depth)).any(), "the sky's motion is known too"
    expected = from_camera(depth, matrices(cameras["now"]), matrices(cameras["before"]), (HEIGHT, WIDTH))
    error = away(motion, expected)[known]
    assert np.median(error) < typical
    assert np.max(error) < largest
    assert np.median(np.abs(motion[known])) > 1, "the camera moved"


def assert_nothing_leaked(output: str) -> None:
    assert "leaked" not in output
    assert "still in use" not in output
    assert "ERROR" not in output


def matrices(camera: dict[str, Any]) -> Matrices:
    view, projection = (np.array(camera[name], np.float64).reshape(4, 4) for name in ("view", "projection"))
    return view, projection


def away(motion: Floats, expected: Floats) -> Floats:
    return np.asarray(np.abs(motion - expected).max(-1), np.float32)
