"""MIDI devices that come and go: real bytes over a socket, through mido's own parser."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.show import controllers
from mirage_runtime.show.controllers import Controllers
from mirage_runtime.show.document import Binding
from mirage_runtime.show.midi import feedback

mido = pytest.importorskip("mido")
tool = pytest.importorskip("midi_backend")

SOON = 0.05


class Listening:
    """Controllers, and what they have heard."""

    def __init__(self, wanted: Any = None, backend: str | None = "midi_backend") -> None:
        self.heard: list[tuple[str, Any]] = []
        self.controllers = Controllers(wanted, lambda *message: self.heard.append(message), backend, every=SOON)

    @property
    def texts(self) -> list[str]:
        return [str(message) for _, message in self.heard]


@pytest.fixture
def listen() -> Iterator[Callable[..., Listening]]:
    """`listen(wanted, backend)` starts controllers that stop with the test, all threads gone."""
    before = threading.active_count()
    started: list[Listening] = []

    def start(*options: Any) -> Listening:
        started.append(Listening(*options))
        started[-1].controllers.start()
        return started[-1]

    yield start
    for each in started:
        each.controllers.stop()
        assert each.controllers.names == []
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= before


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with tool.FakeController() as device:
        monkeypatch.setenv(tool.VARIABLE, str(device.port))
        yield device


def test_messages_arrive_with_the_inputs_name(device: Any, listen: Callable[..., Listening], wait_for: Any):
    listening = listen()
    wait_for(lambda: device.connected, "the device is open")
    wait_for(lambda: listening.controllers.names == [device.name], "its name is known")
    device.send(0xB0, 7, 64, 8, 65, 0x90, 36, 100)  # without a status, the second controller is no message to mido
    device.send(0xE0, 0)
    device.send(64)
    wait_for(lambda: len(listening.heard) == 3, "all has arrived")
    assert [port for port, _ in listening.heard] == [device.name] * 3
    assert listening.texts == [
        "control_change channel=0 control=7 value=64 time=0",
        "note_on channel=0 note=36 velocity=100 time=0",
        "pitchwheel channel=0 pitch=0 time=0",
    ]
    assert listening.controllers.problem is None


def test_bytes_that_make_no_sense_change_nothing(device: Any, listen: Callable[..., Listening], wait_for: Any):
    listening = listen()
    wait_for(lambda: device.connected, "the device is open")
    device.send(*range(256), *reversed(range(256)), 0xF0, 1, 2, 0xF4, 0xF9, 0xFD, 0xF5, 0xF7, 0x90, 0xB0)
    device.send(*[0xF0, *[1] * 100_000])
    device.send(0xB0, 7, 64)
    wait_for(lambda: "control_change channel=0 control=7 value=64 time=0" in listening.texts, "sense has arrived")


def test_what_the_listener_raises_ends_nothing(
    device: Any, wait_for: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    heard = []

    def fail(port: str, message: Any) -> None:
        heard.append(message)
        raise RuntimeError("the event loop\nis closed")

    subject = Controllers(None, fail, "midi_backend", every=SOON)
    subject.start()
    try:
        wait_for(lambda: device.connected and subject.names, "the device is open")
        device.send(0xB0, 7, 64, 0xB0, 7, 65)
        wait_for(lambda: len(heard) == 2, "both have arrived")
    finally:
        subject.stop()
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"MIDI: a message from {device.name} cannot be used: the event loop is closed"
    ]


def test_feedback_arrives_as_bytes(device: Any, listen: Callable[..., Listening], wait_for: Any):
    listening = listen()
    wait_for(lambda: device.connected and listening.controllers.names, "the device is open")
    knob = feedback(Binding("control", 7, parameter="strength"), 1.0)
    wheel = feedback(Binding("pitchwheel", None, 16, parameter="strength"), 0.0)
    assert knob
    assert wheel
    listening.controllers.send(device.name, knob)
    listening.controllers.send(device.name, wheel)
    wait_for(lambda: len(device.received) == 2, "both have arrived")
    assert [message.hex() for message in device.received] == ["B0 07 7F", "EF 00 00"]


def test_what_cannot_be_sent_is_logged_once(
    device: Any, listen: Callable[..., Listening], wait_for: Any, caplog: pytest.LogCaptureFixture
):
    listening = listen()
    wait_for(lambda: device.connected and listening.controllers.names, "the device is open")
    for value in (128, 1000, -1):
        listening.controllers.send(device.name, {"type": "control_change", "value": value})
    listening.controllers.send("no such device", {"type": "control_change", "value": 1})
    listening.controllers.send(device.name, {"type": "control_change", "value": 1})
    wait_for(lambda: len(device.received) == 1, "the good one has arrived")
    problems = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(problems) == 1
    assert device.name in problems[0]


def test_a_device_that_comes_back_is_found(
    device: Any, listen: Callable[..., Listening], wait_for: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "mirage.midi")
    device.unplug()
    listening = listen()
    for value in (1, 2, 3):
        device.plug()
        wait_for(lambda: device.connected and listening.controllers.names, "the device is open")
        device.send(0xB0, 7, value)
        wait_for(lambda v=value: len(listening.heard) == v, "its message has arrived")
        device.unplug()
        wait_for(lambda: not listening.controllers.names, "it is seen to be gone")
        time.sleep(4 * SOON)  # several looks, each of which might log
        listening.controllers.send(device.name, {"type": "control_change"})
    assert [record.message for record in caplog.records] == [
        f"MIDI: {device.name} is connected",
        f"MIDI: {device.name} is closed",
    ] * 3
    assert listening.controllers.problem is None


def test_a_device_that_comes_back_between_two_looks_is_found(device: Any, wait_for: Any):
    heard: list[Any] = []
    subject = Controllers(None, lambda *message: heard.append(message), "midi_backend", every=0.5)
    subject.start()
    try:
        wait_for(lambda: device.connected, "the device is open")
        device.unplug()
        device.plug()
        wait_for(lambda: device.connected, "the device is open again")
        device.send(0xB0, 7, 1)
        wait_for(lambda: heard, "its message has arrived")
    finally:
        subject.stop()


def test_everything_is_opened_anew_when_linux_has_seen_a_device_come_or_go(
    device: Any,
    listen: Callable[..., Listening],
    wait_for: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: Any,
):
    caplog.set_level(logging.INFO, "mirage.midi")
    monkeypatch.setattr(controllers, "_SOUND", tmp_path)
    listening = listen()
    wait_for(lambda: listening.controllers.names, "the device is open")
    os.utime(tmp_path, (1, 1))
    wait_for(lambda: len(caplog.records) == 3, "it is opened again")
    assert [record.message.split()[-1] for record in caplog.records] == ["connected", "closed", "connected"]
    wait_for(lambda: device.connected, "the device is open")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, ["Launch Control 20:0", "nanoKONTROL2 24:0"]),
        ("all", ["Launch Control 20:0", "nanoKONTROL2 24:0"]),
        (["all"], ["Launch Control 20:0", "nanoKONTROL2 24:0"]),
        (["NANO"], ["nanoKONTROL2 24:0"]),
        ("launch", ["Launch Control 20:0"]),
        (["nano", "control 20:0"], ["Launch Control 20:0", "nanoKONTROL2 24:0"]),
        ([], []),
        (["other"], []),
    ],
)
def test_only_what_is_wanted_is_opened(
    wanted: Any, expected: list[str], listen: Callable[..., Listening], wait_for: Any, monkeypatch: pytest.MonkeyPatch
):
    with tool.FakeController("Launch Control 20:0") as one, tool.FakeController("nanoKONTROL2 24:0") as two:
        monkeypatch.setenv(tool.VARIABLE, f"{one.port},{two.port}")
        listening = listen(wanted)
        looked = len(one.asked)
        wait_for(lambda: len(one.asked) > looked + 2, "it was looked twice")
        wait_for(lambda: listening.controllers.names == expected, "what is wanted is open")


def test_the_ends_of_rtmidi_itself_are_no_devices(
    listen: Callable[..., Listening], wait_for: Any, monkeypatch: pytest.MonkeyPatch
):
    with tool.FakeController("RtMidiOut Client:RtMidi output 129:0") as own, tool.FakeController("Pads 20:0") as pads:
        monkeypatch.setenv(tool.VARIABLE, f"{own.port},{pads.port}")
        listening = listen()
        wait_for(lambda: listening.controllers.names, "something is open")
        assert listening.controllers.names == ["Pads 20:0"]


def test_nothing_is_sent_to_what_gives_it_back(
    listen: Callable[..., Listening], wait_for: Any, monkeypatch: pytest.MonkeyPatch
):
    with tool.FakeController("Midi Through:Midi Through Port-0 14:0") as through:
        monkeypatch.setenv(tool.VARIABLE, str(through.port))
        listening = listen()
        wait_for(lambda: listening.controllers.names == [through.name], "it is open")
        through.send(0xB0, 7, 1)
        wait_for(lambda: listening.heard, "its message has arrived")
        listening.controllers.send(through.name, {"type": "control_change"})
        assert "o" not in through.asked


def test_windows_numbers_the_two_sides_of_a_device_differently(monkeypatch: pytest.MonkeyPatch):
    outputs = ["Microsoft GS Wavetable Synth 0", "nanoKONTROL2 1"]
    monkeypatch.setattr(sys, "platform", "win32")
    assert controllers._output_of("nanoKONTROL2 0", outputs) == "nanoKONTROL2 1"
    assert controllers._output_of("Launchpad 2", outputs) is None
    monkeypatch.setattr(sys, "platform", "linux")
    assert controllers._output_of("nanoKONTROL2 0", outputs) is None


def test_an_input_that_cannot_be_opened_is_a_problem_until_it_can(
    device: Any, listen: Callable[..., Listening], wait_for: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
):
    whole = tool.Input

    def busy(*_: Any, **__: Any) -> None:
        raise OSError("Device or\nresource busy")

    monkeypatch.setattr(tool, "Input", busy)
    listening = listen()
    wait_for(lambda: listening.controllers.problem, "the problem is seen")
    assert listening.controllers.problem == f"{device.name} cannot be opened: Device or resource busy"
    time.sleep(4 * SOON)
    assert [record.message for record in caplog.records] == [f"MIDI: {listening.controllers.problem}"]
    monkeypatch.setattr(tool, "Input", whole)
    wait_for(lambda: listening.controllers.problem is None, "the problem is gone")
    wait_for(lambda: device.connected, "the device is open")


def test_an_input_works_without_its_output(
    device: Any, listen: Callable[..., Listening], wait_for: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
):
    def busy(*_: Any, **__: Any) -> None:
        raise OSError("busy")

    monkeypatch.setattr(tool, "Output", busy)
    listening = listen()
    wait_for(lambda: listening.controllers.names, "the input is open")
    device.send(0xB0, 7, 1)
    wait_for(lambda: listening.heard, "its message has arrived")
    listening.controllers.send(device.name, {"type": "control_change"})
    wait_for(lambda: caplog.records, "it is logged")
    assert [record.message for record in caplog.records] == [f"MIDI: {device.name} cannot be sent to: busy"]


def test_stopping_hangs_at_nothing(device: Any, wait_for: Any):
    subject = Controllers(None, lambda *_: None, "midi_backend", every=3600.0)
    subject.stop()  # before it was started
    for _ in range(2):
        subject.start()
        wait_for(lambda: device.connected, "the device is open")
        subject.stop()
        assert subject.names == []
        wait_for(lambda: not device.connected, "the device is closed")
    subject.stop()


def test_stopping_does_not_wait_for_a_driver_that_never_answers(
    device: Any, wait_for: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    asked, answer = threading.Event(), threading.Event()

    def never(**_: Any) -> list[Any]:
        asked.set()
        answer.wait(60)
        return []

    monkeypatch.setattr(tool, "get_devices", never)
    monkeypatch.setattr(controllers, "_PATIENCE", 0.1)
    subject = Controllers(None, lambda *_: None, "midi_backend", every=SOON)
    subject.start()
    assert asked.wait(30)
    subject.stop()
    assert "a driver does not answer" in caplog.text
    answer.set()
    wait_for(lambda: all(thread.name != "midi" for thread in threading.enumerate()), "the thread has ended")


def test_without_mido_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mido", None)
    subject = Controllers(None, lambda *_: None)
    with pytest.raises(MirageRuntimeError, match=r"^MIDI needs more packages: pip install 'mirage-lsd\[midi\]'$"):
        subject.start()
    subject.stop()


def test_without_rtmidi_the_problem_says_what_to_install(
    listen: Callable[..., Listening], wait_for: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
):
    monkeypatch.delitem(sys.modules, "mido.backends.rtmidi", raising=False)
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    listening = listen(None, "mido.backends.rtmidi")
    wait_for(lambda: listening.controllers.problem, "the problem is seen")
    assert listening.controllers.problem == (
        "MIDI needs more packages: pip install 'mirage-lsd[midi]' (there is no python-rtmidi)"
    )
    time.sleep(4 * SOON)
    assert len(caplog.records) == 1
    assert listening.controllers.names == []


def test_another_backend_that_is_missing_is_named(listen: Callable[..., Listening], wait_for: Any):
    listening = listen(None, "no_such_backend")
    wait_for(lambda: listening.controllers.problem, "the problem is seen")
    assert listening.controllers.problem == (
        "the MIDI backend no_such_backend cannot be loaded: No module named 'no_such_backend'"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA is Linux's")
def test_without_a_sequencer_the_problem_says_so(
    listen: Callable[..., Listening], wait_for: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    pytest.importorskip("rtmidi")
    monkeypatch.setattr(controllers, "_SEQUENCER", tmp_path / "seq")
    listening = listen(None, "mido.backends.rtmidi")
    wait_for(lambda: listening.controllers.problem, "the problem is seen")
    assert "no ALSA sequencer" in (listening.controllers.problem or "")
    assert listening.controllers.names == []


@pytest.mark.skipif(sys.platform != "linux" or Path("/dev/snd/seq").exists(), reason="there is an ALSA sequencer")
def test_what_rtmidi_raises_is_a_problem(
    listen: Callable[..., Listening], wait_for: Any, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("rtmidi")
    monkeypatch.setattr(controllers, "_check_sequencer", lambda: None)
    listening = listen(None, "mido.backends.rtmidi")
    wait_for(lambda: listening.controllers.problem, "the problem is seen")
    assert "ALSA" in (listening.controllers.problem or "")


def test_rtmidis_callbacks_end_before_its_port_does():
    done = []
    rt = SimpleNamespace(
        cancel_callback=lambda: done.append("cancel"),
        close_port=lambda: done.append("close"),
        delete=lambda: done.append("delete"),
    )
    port = type("Input", (), {"__module__": "mido.backends.rtmidi", "_rt": rt, "closed": False})()
    controllers._close_input(port)
    assert done == ["cancel", "close", "delete"]
    assert port.closed is True


PROGRAM = """
import sys, time
from mirage_runtime.show.controllers import Controllers

heard = []
controllers = Controllers(None, lambda port, message: heard.append(message), every=0.05)
controllers.start()
deadline = time.monotonic() + 30
while not heard and time.monotonic() < deadline:
    time.sleep(0.02)
controllers.send(controllers.names[0], {"type": "note_on", "note": heard[0].value})
controllers.stop()
"""


def test_another_process_hears_the_device_too(device: Any, wait_for: Any):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=os.environ | device.environment)
    try:
        wait_for(lambda: device.connected, "the device is open")
        device.send(0xB0, 7, 99)
        wait_for(lambda: device.received, "the answer has come")
        assert device.received[0].note == 99
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
