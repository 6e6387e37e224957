"""What every part's tests share: real daemons, started as a user starts them and ended by process id."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

# Generous: a noisy machine may be ten times slower than a quiet one. These guard hangs and measure nothing.
PATIENCE = 90.0


class RunningDaemon:
    """One `mirage serve` process; its output goes to a file."""

    def __init__(self, log: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.log = log
        self._options = options
        # Where a show was is kept beside the log, not in the user's own folder.
        self._environment = os.environ | {"MIRAGE_STATE": str(log.parent)} | (environment or {})
        self.port = 0
        self.start()

    def start(self, port: int = 0) -> None:
        """Start the process and wait until it says its address (not: until it is healthy)."""
        # A port of its own for OSC too: daemons that run side by side must not take each other's messages.
        osc = [] if any(option.startswith(("--osc-port", "--no-osc")) for option in self._options) else ["--osc-port=0"]
        command = [sys.executable, "-m", "mirage_runtime", "serve", "--port", str(port), *osc, *self._options]
        with self.log.open("ab") as out:
            offset = out.tell()
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=self._environment)
        self.port = int(wait_for(lambda: self._address(offset), "the daemon says its address")[1])

    def restart(self) -> None:
        """Start it again on the same port, after it was stopped or killed."""
        self.start(self.port)

    def _address(self, offset: int) -> re.Match[str] | None:
        text = self.log.read_bytes()[offset:].decode(errors="replace")
        assert self.process.poll() is None, f"the daemon ended:\n{text}"
        return re.search(r"Mirage is at http://\S+?:(\d+)/", text)

    @property
    def url(self) -> str:
        """The WebSocket address of the stream main."""
        return f"ws://127.0.0.1:{self.port}/main"

    @property
    def http(self) -> str:
        """The address of its HTTP side, with no slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def health(self, token: str | None = None) -> tuple[int, dict[str, object]]:
        """Return the status and the body of /health."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"{self.http}/health", headers=headers), timeout=30
            ) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error) if "json" in error.headers["Content-Type"] else {}

    @property
    def osc_port(self) -> int:
        """The UDP port where it takes OSC."""
        port = self.health()[1]["osc_port"]
        assert isinstance(port, int)
        return port

    def wait_healthy(self, token: str | None = None) -> RunningDaemon:
        """Wait until a frame can be transformed."""
        wait_for(lambda: self.health(token)[0] == 200, "the daemon is healthy")
        return self

    @property
    def worker_pid(self) -> int:
        """The process id of its worker."""
        children = psutil.Process(self.process.pid).children()
        return next(child.pid for child in children if "mirage_runtime.worker.process" in child.cmdline())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the process and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def output(self) -> str:
        """Return all that it has printed."""
        return self.log.read_text(errors="replace")


def wait_for(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> object:
    """Return the condition's first true value; fails after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {patience:g} s in vain until {what}")


@pytest.fixture(name="wait_for")
def wait_for_fixture() -> Callable[..., object]:
    """`wait_for(condition, what)`."""
    return wait_for


@pytest.fixture
def midi_controller() -> Iterator[Any]:
    """A MIDI controller that is a socket; a daemon finds it with ``**midi_controller.environment``."""
    with pytest.importorskip("midi_backend").FakeController() as device:
        yield device


@pytest.fixture
def daemon_factory(tmp_path: Path) -> Iterator[Callable[..., RunningDaemon]]:
    """`daemon_factory("--model", "echo", …)` starts a healthy daemon that ends with the test."""
    daemons: list[RunningDaemon] = []

    def start(*options: str, healthy: bool = True, token: str | None = None, **environment: str) -> RunningDaemon:
        log = tmp_path / f"daemon-{len(daemons)}.log"
        daemon = RunningDaemon(log, *options, environment=environment)
        daemons.append(daemon)
        return daemon.wait_healthy(token) if healthy else daemon

    yield start
    for daemon in daemons:
        daemon.stop()


@pytest.fixture(scope="session")
def echo_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon with the model echo for all tests that leave it as they found it."""
    daemon = RunningDaemon(tmp_path_factory.mktemp("echo") / "daemon.log", "--model", "echo").wait_healthy()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def own_echo_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon with the model echo for the tests of one module: no other's streams are there."""
    daemon = RunningDaemon(tmp_path_factory.mktemp("own") / "daemon.log", "--model", "echo").wait_healthy()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def lsd_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon with the embedded model for all tests that leave it as they found it."""
    daemon = RunningDaemon(tmp_path_factory.mktemp("lsd") / "daemon.log").wait_healthy()
    yield daemon
    daemon.stop()
