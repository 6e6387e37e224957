"""Bad daemons and bad sources, in the real engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer, echo

import mirage_protocol as protocol

pytestmark = pytest.mark.timeout(200)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.close()


def test_no_daemon(godot: Any, server: FakeServer) -> None:
    server.stop()
    godot.windowed("test_faults.gd", case="absent", url=server.url)


def test_no_address(godot: Any) -> None:
    godot.windowed("test_faults.gd", case="no_address")


def test_another_version(godot: Any, server: FakeServer) -> None:
    server.version = 2
    godot.windowed("test_faults.gd", case="other_version", url=server.url)


def test_a_wrong_token(godot: Any, daemon_factory: Callable[..., Any]) -> None:
    daemon = daemon_factory("--model", "echo", "--token", "right", token="right")
    godot.windowed("test_faults.gd", case="wrong_token", url=daemon.url)


def test_a_source_that_is_taken(godot: Any, echo_daemon: Any) -> None:
    godot.windowed("test_faults.gd", case="source_taken", url=f"ws://127.0.0.1:{echo_daemon.port}/godot-taken")


def test_malformed_messages(godot: Any, server: FakeServer) -> None:
    broken = [b"", b"\xff\xff\xff\xff", protocol.encode(protocol.Status("streaming"))[:9]]
    server.on_frame = lambda frame: [*echo(frame), *broken] if frame.id < 3 else echo(frame)
    godot.windowed("test_faults.gd", case="malformed", url=server.url)


@pytest.mark.parametrize("transport", ["shared-memory", "websocket"])
def test_a_daemon_that_is_killed_and_comes_back(
    godot: Any, daemon_factory: Callable[..., Any], tmp_path: Path, wait_for: Callable[..., Any], transport: str
) -> None:
    daemon = daemon_factory("--model", "echo")
    marks = tmp_path / "marks"
    marks.mkdir()

    def act() -> None:
        wait_for((marks / "streaming").exists, "the game streams")
        daemon.stop(9)
        wait_for((marks / "away").exists, "the game has noticed")
        daemon.restart()

    actor = threading.Thread(target=act)
    actor.start()
    try:
        godot.windowed("test_faults.gd", case="killed", url=daemon.url, marks=marks, transport=transport)
    finally:
        actor.join()


@pytest.mark.parametrize("transport", ["shared-memory", "websocket"])
@pytest.mark.parametrize("renderer", ["gl_compatibility", "forward_plus"])
def test_a_viewport_of_ever_new_sizes(godot: Any, echo_daemon: Any, transport: str, renderer: str) -> None:
    url = f"ws://127.0.0.1:{echo_daemon.port}/godot-sizes"
    godot.windowed("test_faults.gd", case="resized", url=url, transport=transport, renderer=renderer)


@pytest.mark.parametrize("renderer", ["gl_compatibility", "forward_plus"])
def test_a_viewport_of_no_size(godot: Any, echo_daemon: Any, renderer: str) -> None:
    url = f"ws://127.0.0.1:{echo_daemon.port}/godot-zero"
    godot.windowed("test_faults.gd", case="size_zero", url=url, renderer=renderer)


def test_results_of_a_size_since_changed(godot: Any, server: FakeServer) -> None:
    server.delay = 0.2
    godot.windowed("test_faults.gd", case="late_result", url=server.url)


@pytest.mark.parametrize("renderer", ["gl_compatibility", "forward_plus"])
def test_nodes_that_are_freed_while_frames_are_on_their_way(godot: Any, server: FakeServer, renderer: str) -> None:
    server.delay = 0.05
    server.window = 2
    godot.windowed("test_faults.gd", case="freed", url=server.url, renderer=renderer)


def test_a_frame_that_is_too_large(godot: Any, daemon_factory: Callable[..., Any]) -> None:
    daemon = daemon_factory("--model", "echo", "--max-size", "300x200")
    godot.windowed("test_faults.gd", case="too_large", url=daemon.url)
