"""`mirage bench transport`: run for real, tiny; its figures, its words, and the echoes that it must not believe."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import mirage
from mirage_runtime import bench, cli, measuring, transport_bench
from mirage_runtime.errors import MirageRuntimeError

SIZE = (64, 48)
TINY = ["--size", "64x48", "--frames", "2", "--rounds", "1"]
SPREADS = [
    "shared_memory",
    "websocket",
    "copies_hot",
    "copies_through_memory",
    "bare_websocket",
    "bare_websocket_64_bytes",
    "bare_tcp",
]


def measure(frames: int = 1, rounds: int = 1) -> transport_bench.Report:
    return transport_bench.measure(sizes=[SIZE], frames=frames, rounds=rounds)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage_runtime", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110)


@pytest.fixture(scope="module")
def report() -> transport_bench.Report:
    return measure(frames=3, rounds=2)


def test_every_figure_is_a_time(report: transport_bench.Report) -> None:
    (size,) = report.sizes
    assert size.size == "64x48"
    for name in SPREADS:
        spread = getattr(size, name)
        assert spread.samples == 6, name
        assert 0 < spread.p50 <= spread.p95 < math.inf, name


def test_ratios_are_what_the_figures_give(report: transport_bench.Report) -> None:
    (size,) = report.as_json()["sizes"]
    p50 = {name: size[name]["p50"] for name in SPREADS}
    assert size["shared_to_copies_hot"] == p50["shared_memory"] / p50["copies_hot"]
    assert size["shared_to_copies_through_memory"] == p50["shared_memory"] / p50["copies_through_memory"]
    beyond = p50["shared_memory"] - p50["copies_hot"]
    assert size["shared_beyond_copies_to_64_bytes"] == beyond / p50["bare_websocket_64_bytes"]
    assert size["websocket_to_bare"] == p50["websocket"] / p50["bare_websocket"]


def test_json_keeps_everything(report: transport_bench.Report) -> None:
    plain = report.as_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["machine"] == measuring.machine()
    fields = {field.name for field in dataclasses.fields(transport_bench.SizeReport)}
    assert fields == {"size", *SPREADS} < set(plain["sizes"][0])


def test_a_turn_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(transport_bench, "_TURN", 0.0)
    (size,) = measure(frames=1000, rounds=2).sizes
    assert size.shared_memory.samples == 2


def test_the_command_prints_a_table(monkeypatch: Any) -> None:
    monkeypatch.setenv("MIRAGE_TOKEN", "the user's own daemon's")
    done = run("transport", *TINY)
    assert done.returncode == 0, done.stderr
    for words in ("shared memory p50", "WebSocket p50", "64x48", "WebSocket / bare", measuring.machine()):
        assert words in done.stdout


def test_the_command_prints_json() -> None:
    done = run("transport", *TINY, "--size", "32x16", "--json")
    assert done.returncode == 0, done.stderr
    assert [size["size"] for size in json.loads(done.stdout)["sizes"]] == ["64x48", "32x16"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["transport", "--size", "big"], "WIDTHxHEIGHT"),
        (["transport", "--size", "64x48", "--size", "0x48"], "'0x48' is no size"),
        (["transport", "--size", "5000x48"], "at most 4096x4096"),
        (["--json", "transport"], "mirage bench transport [OPTIONS]"),
    ],
)
def test_a_bad_command_line_is_one_line(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


def test_bench_alone_takes_its_own_options(monkeypatch: Any) -> None:
    asked: list[dict[str, Any]] = []

    def stand_in(**options: Any) -> bench.Report:
        options.pop("progress")("measuring")
        asked.append(options)
        return bench.Report("a machine", "an engine", 1.0, [])

    monkeypatch.setattr(bench, "measure", stand_in)
    options = ["--json", "--frames", "7", "--seconds", "0.5", "--size", "64x48", "--size", "32x16", "--threads", "1"]
    with_all = CliRunner().invoke(cli.app, ["bench", *options])
    with_none = CliRunner().invoke(cli.app, ["bench"])
    assert asked == [
        {"frames": 7, "seconds": 0.5, "threads": 1, "sizes": [(64, 48), (32, 16)]},
        {"frames": 60, "seconds": 5.0, "threads": None, "sizes": bench.SIZES},
    ]
    assert json.loads(with_all.stdout)["engine"] == "an engine"
    assert "an engine" in with_none.stdout
    assert with_all.exit_code == with_none.exit_code == 0


def flipped(back: Any) -> np.ndarray:
    """What came back, with one wrong bit at its end."""
    wrong = np.frombuffer(bytes(back), np.uint8).copy()
    wrong[-1] ^= 1
    return wrong


def break_daemon(monkeypatch: Any, transport: str) -> None:
    transform = mirage.Stream.transform

    def wrong(self: mirage.Stream, frame: Any, **options: Any) -> Any:
        result = transform(self, frame, **options)
        return SimpleNamespace(image=flipped(result.image)) if self.transport == transport else result

    monkeypatch.setattr(mirage.Stream, "transform", wrong)


def break_bare_websocket(monkeypatch: Any) -> None:
    echo = transport_bench.websocket_round_trip
    monkeypatch.setattr(transport_bench, "websocket_round_trip", lambda *sent: flipped(echo(*sent)))


def break_bare_tcp(monkeypatch: Any) -> None:
    echo = measuring.TcpClient.round_trip
    monkeypatch.setattr(measuring.TcpClient, "round_trip", lambda *sent: flipped(echo(*sent)))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda patch: break_daemon(patch, "shared-memory"), "shared memory: the bytes"),
        (lambda patch: break_daemon(patch, "websocket"), "websocket: the bytes"),
        (break_bare_websocket, "bare websocket: the bytes"),
        (break_bare_tcp, "bare tcp: the bytes"),
    ],
)
def test_a_wrong_echo_is_found(monkeypatch: Any, break_it: Callable[[Any], None], words: str) -> None:
    break_it(monkeypatch)
    with pytest.raises(MirageRuntimeError, match=f"^{words} that came back are not those sent"):
        measure()


def test_an_old_echo_is_found(monkeypatch: Any) -> None:
    transform, results = mirage.Stream.transform, []

    def stuck(self: mirage.Stream, frame: Any, **options: Any) -> Any:
        results.append(transform(self, frame, **options))
        return results[0]

    monkeypatch.setattr(mirage.Stream, "transform", stuck)
    with pytest.raises(MirageRuntimeError, match="shared memory: the bytes that came back are not those sent"):
        measure()


def test_another_transport_than_asked_for_is_found(monkeypatch: Any) -> None:
    monkeypatch.setattr(mirage.Stream, "transport", "websocket")
    with pytest.raises(MirageRuntimeError, match="shared-memory was asked for, and websocket is in use"):
        measure()


def test_no_shared_memory_is_said(monkeypatch: Any) -> None:
    def closed(_: Any) -> Any:
        raise mirage.Unsupported("it cannot be opened")

    monkeypatch.setattr("mirage._sync.Rings", closed)
    with pytest.raises(MirageRuntimeError, match=r"^the measurement broke off: .*it cannot be opened$"):
        measure()


def test_a_server_that_does_not_start_is_said() -> None:
    with (
        pytest.raises(MirageRuntimeError, match="did not start"),
        measuring.server("mirage_runtime", "serve", "--port", "0", "--model", "nothing"),
    ):
        pass


def test_the_bare_tcp_echo_takes_more_than_sockets_hold() -> None:
    with measuring.tcp_echo() as port:
        for _ in range(2):  # one client after the other
            with measuring.TcpClient(port) as client:
                for size in (1, 1 << 26, 0, 1000):
                    sent = np.random.default_rng(size).bytes(size)
                    assert client.round_trip(memoryview(sent)) == sent
