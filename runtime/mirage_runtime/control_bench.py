"""`mirage bench control`: what messages of OSC cost the frames, and how soon one is seen.

A stream runs at its full rate while nobody sends, while a process of its own sends messages to a socket that nobody
reads, and while it sends them to the daemon: in turns, so that a noisy machine is noisy for all. What the second and
the third differ by is what the messages cost the daemon.

Run as a module with a port and a rate, it is that sender.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import select
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pythonosc.osc_message_builder import OscMessageBuilder

import mirage
from mirage_runtime.bench import PROMPT, pan
from mirage_runtime.measuring import PATIENCE, START_TIMEOUT, Times, machine, server

RATES = (1000, 5000)
_SIZE = (768, 432)
_STEPS = 128  # of a fader: each is exact as a float of 32 bits


@dataclass
class Load:
    """The frames of one condition: how many came back a second, and how old they were, in milliseconds."""

    rate: float
    p50: float
    p95: float


@dataclass
class RateReport:
    """One rate of messages: the frames with messages that go nowhere, and with messages to the daemon."""

    messages: int
    sink: Load
    daemon: Load
    taken: float
    """The share of the messages sent that the daemon acted on."""

    @property
    def rate_kept(self) -> float:
        """Frames a second with messages to the daemon, in units of those to the sink. Goal at 1,000: at least 0.9."""
        return self.daemon.rate / self.sink.rate

    @property
    def p95_ratio(self) -> float:
        """The 95th percentile of latency likewise. Goal at 1,000: at most 1.1."""
        return self.daemon.p95 / self.sink.p95


@dataclass
class Report:
    """A whole run. ``reaction`` is from sending a message until the first result that has it, in milliseconds.

    ``beyond_two_frames`` is a reaction less the time that its own last two frames took: a message that comes while one
    is at work is in the next, so this is what is lost on the way. Goal: at most 5 at the 95th percentile.
    """

    machine: str
    quiet: Load
    rates: list[RateReport]
    interval: float
    """Milliseconds between two results, the median."""
    reaction_p50: float
    reaction_p95: float
    beyond_two_frames_p95: float

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        rates = [asdict(rate) | {"rate_kept": rate.rate_kept, "p95_ratio": rate.p95_ratio} for rate in self.rates]
        return asdict(self) | {"rates": rates}


def measure(
    *,
    model: str = "lsd-mini",
    seconds: float = 3.0,
    rounds: int = 3,
    reactions: int = 60,
    rates: Sequence[int] = RATES,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Measure each condition for ``seconds`` in each of ``rounds`` rounds, then ``reactions`` single messages.

    Raises `MirageRuntimeError` when the daemon does not start.
    """
    progress("starting the daemon")
    options = ["--port", "0", "--osc-port", "0", "--log-level", "error", "--model", model]
    with (
        server("mirage_runtime", "serve", *options) as port,
        mirage.connect(f"ws://127.0.0.1:{port}", timeout=START_TIMEOUT) as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
    ):
        sink.bind(("127.0.0.1", 0))
        bench = _Bench(stream, port, sink.getsockname()[1])
        bench.run(1.0)  # compiles, and warms every cache
        quiet: list[_Turn] = []
        turns: dict[int, tuple[list[_Turn], list[_Turn]]] = {rate: ([], []) for rate in rates}
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            quiet.append(bench.run(seconds))
            for rate, (to_sink, to_daemon) in turns.items():
                to_sink.append(bench.run(seconds, rate, daemon=False))
                to_daemon.append(bench.run(seconds, rate, daemon=True))
        progress("single messages")
        found = bench.reactions(reactions)
    reports = [
        RateReport(rate, _load(to_sink), _load(to_daemon), _taken(to_daemon))
        for rate, (to_sink, to_daemon) in turns.items()
    ]
    return Report(
        machine(),
        _load(quiet),
        reports,
        interval=found.intervals.percentile(50),
        reaction_p50=found.reactions.percentile(50),
        reaction_p95=found.reactions.percentile(95),
        beyond_two_frames_p95=found.beyond.percentile(95),
    )


@dataclass
class _Turn:
    frames: int
    seconds: float
    latencies: Times
    sent: int = 0
    taken: int = 0


@dataclass
class _Reactions:
    reactions: Times
    intervals: Times
    beyond: Times


class _Bench:
    def __init__(self, stream: mirage.Stream, port: int, sink: int) -> None:
        self._stream = stream
        self._http = f"http://127.0.0.1:{port}"
        self._sink = sink
        self._frames = itertools.cycle(pan(*_SIZE))
        stream.set(prompt=PROMPT, timeout=START_TIMEOUT)
        stream.transform(next(self._frames), timeout=START_TIMEOUT)
        with urllib.request.urlopen(f"{self._http}/health", timeout=PATIENCE) as answer:
            self._osc = int(json.load(answer)["osc_port"])

    def run(self, seconds: float, messages: int = 0, *, daemon: bool = False) -> _Turn:
        """Stream for so long at full rate, with so many messages a second on their way."""
        turn = _Turn(0, 0.0, Times())
        with _sending(self._osc if daemon else self._sink, messages) as sender:
            before = self._taken()
            began = time.perf_counter()
            for _, latency in self._results(seconds):
                turn.frames += 1
                turn.latencies.samples.append(latency)
            turn.seconds = time.perf_counter() - began
            turn.sent = sender()
        turn.taken = self._taken() - before
        return turn

    def _results(self, seconds: float) -> Iterator[tuple[mirage.Result, float]]:
        """Keep the window full for so long; yield each result and the milliseconds since its frame was sent."""
        sent = {self._stream.send(next(self._frames)): time.perf_counter()}
        ends = time.perf_counter() + seconds
        while sent:
            if time.perf_counter() < ends:
                sent[self._stream.send(next(self._frames))] = time.perf_counter()
            result = self._stream.receive(timeout=PATIENCE)
            yield result, (time.perf_counter() - sent.pop(result.frame_id)) * 1000.0
            sent = {frame_id: at for frame_id, at in sent.items() if frame_id > result.frame_id}

    def reactions(self, count: int) -> _Reactions:
        """Send single messages, each at any moment, and note when the first result with it comes back."""
        found = _Reactions(Times(), Times(), Times())
        arrivals: deque[float] = deque(maxlen=3)
        with _Single(self._osc) as single:
            for result, _ in self._results(float("inf")):
                now = time.perf_counter()
                if arrivals:
                    found.intervals.samples.append((now - arrivals[-1]) * 1000.0)
                arrivals.append(now)
                sent = single.answered(result.parameters["strength"])
                if sent is not None and len(arrivals) == 3:
                    found.reactions.samples.append((now - sent) * 1000.0)
                    found.beyond.samples.append((now - sent - (now - arrivals[0])) * 1000.0)
                    if len(found.reactions.samples) >= count:
                        break
        for _ in range(self._stream.in_flight):
            self._stream.receive(timeout=PATIENCE)
        return found

    def _taken(self) -> int:
        with urllib.request.urlopen(f"{self._http}/metrics", timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        found = [line for line in lines if line.startswith('mirage_osc_messages_total{outcome="taken"}')]
        return int(float(found[0].rpartition(" ")[2])) if found else 0


class _Single:
    """Sends a message some time after the last one was seen, from a thread: the frames must not wait for it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._random = random.Random(1)
        self._steps = itertools.cycle(range(1, _STEPS))
        self._waiting: tuple[float, float] | None = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> _Single:
        self._arm()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        self._socket.close()

    def answered(self, strength: object) -> float | None:
        """Return when the message was sent that a result is the first to have, if it is; then the next one is due."""
        if self._waiting is None or strength != self._waiting[0]:
            return None
        sent, self._waiting = self._waiting[1], None
        self._arm()
        return sent

    def _arm(self) -> None:
        self._timer = threading.Timer(0.05 + self._random.random() * 0.1, self._send)
        self._timer.start()

    def _send(self) -> None:
        strength = next(self._steps) / _STEPS
        self._waiting = (strength, time.perf_counter())
        self._socket.send(_message(strength))


def _load(turns: Sequence[_Turn]) -> Load:
    """Return the medians of turns: a slow spell of the machine may spoil one of them."""
    rates, p50s, p95s = Times(), Times(), Times()
    for turn in turns:
        rates.samples.append(turn.frames / turn.seconds)
        p50s.samples.append(turn.latencies.percentile(50))
        p95s.samples.append(turn.latencies.percentile(95))
    return Load(rates.percentile(50), p50s.percentile(50), p95s.percentile(50))


def _taken(turns: Sequence[_Turn]) -> float:
    return sum(turn.taken for turn in turns) / max(1, sum(turn.sent for turn in turns))


def _message(strength: float) -> bytes:
    builder = OscMessageBuilder("/mirage/main/strength")
    builder.add_arg(strength)
    return builder.build().dgram


@contextlib.contextmanager
def _sending(port: int, rate: int) -> Iterator[Callable[[], int]]:
    """Have a process send messages to a port; what is given ends it and returns how many it has sent."""
    if not rate:
        yield lambda: 0
        return
    command = [sys.executable, "-P", "-m", "mirage_runtime.control_bench", str(port), str(rate)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        process.stdout.readline()

        def end() -> int:
            sent, _ = process.communicate("end\n", timeout=PATIENCE)
            return int(sent)

        yield end
    finally:
        process.kill()
        process.wait()


def _send(port: int, rate: int) -> None:
    """Send messages at a rate until a line comes in; say when it begins, and how many it were."""
    messages = itertools.cycle([_message(step / _STEPS) for step in range(1, _STEPS)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        sys.stdout.write("sending\n")
        sys.stdout.flush()
        sent, began = 0, time.monotonic()
        while not select.select([sys.stdin], [], [], 0)[0]:
            while sent < (time.monotonic() - began) * rate:
                with contextlib.suppress(ConnectionError):
                    sender.send(next(messages))
                sent += 1
            time.sleep(0.001)
    sys.stdout.write(f"{sent}\n")


if __name__ == "__main__":
    _send(int(sys.argv[1]), int(sys.argv[2]))
