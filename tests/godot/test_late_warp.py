"""The late warp of the Godot addon against what the camera really sees, in the real engine."""

from __future__ import annotations

from typing import Protocol

import pytest
from fake_server import FakeServer


class Godot(Protocol):
    def windowed(self, script: str, *, renderer: str = ..., timeout: float = ..., **arguments: object) -> str: ...


@pytest.mark.timeout(300)
@pytest.mark.parametrize("renderer", ["gl_compatibility", "forward_plus", "mobile"])
def test_late_warp(godot: Godot, renderer: str) -> None:
    output = godot.windowed("test_late_warp.gd", renderer=renderer, timeout=280)
    assert "leaked" not in output
    assert "ERROR" not in output


@pytest.mark.timeout(300)
@pytest.mark.parametrize("renderer", ["gl_compatibility", "forward_plus"])
def test_the_view_follows_the_camera_between_results(godot: Godot, renderer: str) -> None:
    server = FakeServer()
    server.delay = 1 / 15
    try:
        godot.windowed("test_view_warp.gd", renderer=renderer, url=server.url)
    finally:
        server.close()
