"""The addon in the real engine against the running daemon, in Compatibility and Forward+."""

from __future__ import annotations

from typing import Any

import pytest

RENDERERS = pytest.mark.parametrize("renderer", ["gl_compatibility", "forward_plus"])
TRANSPORTS = pytest.mark.parametrize("transport", ["shared-memory", "websocket"])


@RENDERERS
@TRANSPORTS
@pytest.mark.timeout(200)
def test_echo(godot: Any, echo_daemon: Any, renderer: str, transport: str) -> None:
    url = f"ws://127.0.0.1:{echo_daemon.port}/godot-{renderer[:2]}-{transport[:2]}"
    godot.windowed("test_loop.gd", renderer=renderer, url=url, transport=transport)


@RENDERERS
@pytest.mark.timeout(200)
def test_the_embedded_model(godot: Any, lsd_daemon: Any, renderer: str) -> None:
    url = f"ws://127.0.0.1:{lsd_daemon.port}/godot-{renderer[:2]}"
    godot.windowed("test_model.gd", renderer=renderer, url=url)


@pytest.mark.timeout(200)
def test_parameters(godot: Any, echo_daemon: Any) -> None:
    godot.windowed("test_parameters.gd", url=f"ws://127.0.0.1:{echo_daemon.port}/godot-parameters")


@TRANSPORTS
@pytest.mark.parametrize("seconds", [10, pytest.param(120, marks=pytest.mark.slow)])
@pytest.mark.timeout(400)
def test_nothing_grows(godot: Any, echo_daemon: Any, transport: str, seconds: int) -> None:
    url = f"ws://127.0.0.1:{echo_daemon.port}/godot-endurance"
    godot.windowed("test_endurance.gd", url=url, transport=transport, seconds=seconds, timeout=300)
