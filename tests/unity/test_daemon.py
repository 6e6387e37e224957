"""The C# client against real daemons, over both transports."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import pytest

import mirage

TRANSPORTS = ["WebSocket", "SharedMemory"]
SIZES = [(64, 64, 40), (512, 288, 20), (1920, 1080, 6)]
FRAMES = 10_000
NURSERY = 65_536
"""Bytes, the least that Mono can: so the whole process's allocations show, as often as it was full."""


def url_of(daemon: Any, stream: str) -> str:
    return f"ws://127.0.0.1:{daemon.port}/{stream}"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_echo_gives_every_bit_back(csharp: Any, echo_daemon: Any, size: Any, transport: str) -> None:
    width, height, frames = size
    csharp.run("echo", url_of(echo_daemon, f"unity-{transport.lower()}"), width, height, frames, transport)


@pytest.mark.parametrize("transport", ["Auto", *TRANSPORTS])
def test_frames_may_change_their_size_at_any_time(csharp: Any, echo_daemon: Any, transport: str) -> None:
    csharp.run("resize", url_of(echo_daemon, f"unity-resize-{transport.lower()}"), transport, 250)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_picture_follows_the_prompt(csharp: Any, lsd_daemon: Any, transport: str) -> None:
    csharp.run("follow", url_of(lsd_daemon, f"unity-{transport.lower()}"), transport)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_daemon_that_is_killed_and_comes_back(csharp: Any, daemon_factory: Any, transport: str) -> None:
    daemon = daemon_factory("--model", "echo")
    with csharp.start("reconnect", daemon.url, transport) as process:
        assert read_until(process, "ready")
        daemon.stop(signal.SIGKILL)
        daemon.restart()
        output = process.communicate(timeout=90)[0]
    assert process.returncode == 0, output


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_clients_leave_nothing_behind(csharp: Any, echo_daemon: Any, transport: str) -> None:
    csharp.run("leave", url_of(echo_daemon, f"unity-leave-{transport.lower()}"), transport, 50)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_frames_allocate_nothing(csharp: Any, echo_daemon: Any, transport: str) -> None:
    url = url_of(echo_daemon, f"unity-gc-{transport.lower()}")
    # Over WebSocket 1 KB a frame would do; fewer than 64 KB in all is none a frame.
    options = {"MONO_GC_PARAMS": f"nursery-size={NURSERY}"}
    csharp.run("allocations", url, transport, FRAMES, NURSERY, NURSERY // FRAMES, **options)


def test_a_second_source_is_refused_and_one_that_takes_over_is_not(csharp: Any, echo_daemon: Any) -> None:
    url = url_of(echo_daemon, "unity-two")
    with csharp.start("probe", url, "seconds=60") as first:
        assert read_until(first, "result 1")
        second = csharp.run("probe", url, "seconds=30")
        assert "end Refused source-taken" in second
        assert "state Connected" not in second
        third = csharp.run("probe", url, "seconds=30", "take=over", "results=3")
        assert "end Connected" in third
        output = first.communicate(timeout=60)[0]
    assert "end Refused source-taken" in output


def test_a_viewer_sees_what_a_source_sends(csharp: Any, echo_daemon: Any) -> None:
    url = url_of(echo_daemon, "unity-viewer")
    with csharp.start("probe", url, "seconds=60", "send=no", "role=Viewer", "results=300") as viewer:
        assert read_until(viewer, "state Connected")
        with csharp.start("probe", url, "seconds=60", "results=100000") as source:
            output = viewer.communicate(timeout=60)[0]
            source.kill()
    assert "Rgba8 32x16 2048" in output
    assert "end Connected - shared=True" in output


def test_a_controller_watches_the_show(csharp: Any, daemon_factory: Any) -> None:
    daemon = daemon_factory("--model", "echo")
    output = csharp.run("probe", daemon.url, "seconds=2", "role=Controller", "watch=yes")
    assert "watched well" in output or "watched unsupported" in output


def test_others_parameters_are_heard_of(csharp: Any, echo_daemon: Any) -> None:
    url = url_of(echo_daemon, "unity-heard")
    with csharp.start("probe", url, "seconds=4") as process:
        assert read_until(process, "result 1")
        with mirage.connect(url, role="controller") as stream:
            stream.set(strength=0.125)
        output = process.communicate(timeout=60)[0]
    assert "parameters strength=0.125" in output


def test_a_token(csharp: Any, daemon_factory: Any) -> None:
    daemon = daemon_factory("--model", "echo", "--token", "secret", token="secret")
    assert "end Refused unauthorized" in csharp.run("probe", daemon.url, "seconds=30")
    assert "end Refused unauthorized" in csharp.run("probe", daemon.url, "seconds=30", "token=wrong")
    assert "end Connected" in csharp.run("probe", daemon.url, "seconds=30", "token=secret", "results=3")


def test_jpegs_are_handed_on(csharp: Any, echo_daemon: Any) -> None:
    output = csharp.run("probe", url_of(echo_daemon, "unity-jpeg"), "seconds=30", "jpeg=yes", "results=2")
    assert " Jpeg 32x16 " in output


def test_a_stream_whose_name_is_taken_by_something_else(csharp: Any, echo_daemon: Any) -> None:
    output = csharp.run("probe", url_of(echo_daemon, "no/such/stream"), "seconds=30")
    assert "HTTP 404" in output
    assert "end Refused unreachable" in output


def read_until(process: subprocess.Popen[str], beginning: str) -> bool:
    """Read the program's lines until one that begins so."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(beginning):
            return True
    raise AssertionError("".join(lines))
