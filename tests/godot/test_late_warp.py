"""The late warp of the Godot addon against what the camera really sees, in the real engine."""

from __future__ import annotations

from typing import Protocol

import pytest


class Godot(Protocol):
    def windowed(self, script: str, *, renderer: str = ..., timeout: float = ..., **arguments: object) -> str: ...


@pytest.mark.timeout(300)
@pytest.mark.parametrize("renderer", ["gl_compatibility", "forward_plus", "mobile"])
def test_late_warp(godot: Godot, renderer: str) -> None:
    output = godot.windowed("test_late_warp.gd", renderer=renderer, timeout=280)
    assert "leaked" not in output
    assert "ERROR" not in output
