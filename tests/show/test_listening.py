"""Inputs that sound comes from: files that play in real time for ever, and devices, here made of Python."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
import types
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.show import listening
from mirage_runtime.show.document import Sound
from mirage_runtime.show.listening import FILE_RATE, DeviceInput, FileInput, Input, open_input

pytestmark = pytest.mark.timeout(60)

PATIENCE = 30.0


def write_wav(path: Path, samples: np.ndarray, rate: int = FILE_RATE) -> Path:
    """Samples ``(any,)`` or ``(any, channels)`` as 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return path


def ramp(seconds: float, rate: int = FILE_RATE) -> np.ndarray:
    """From 0 to 1: each sample says where in the file it is."""
    return np.arange(round(seconds * rate)) / (seconds * rate)


def sine(hertz: float, seconds: float, rate: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


class Ear:
    """Keeps what it hears, and when."""

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []
        self.times: list[float] = []
        self.rates: set[int] = set()
        self.threads: set[str] = set()
        self.began = time.monotonic()

    def __call__(self, samples: np.ndarray, rate: int) -> None:
        self.blocks.append(samples)
        self.times.append(time.monotonic() - self.began)
        self.rates.add(rate)
        self.threads.add(threading.current_thread().name)

    @property
    def heard(self) -> np.ndarray:
        return np.concatenate(self.blocks) if self.blocks else np.zeros(0, np.float32)

    @property
    def seconds(self) -> float:
        return sum(len(block) for block in list(self.blocks)) / FILE_RATE

    def ahead(self) -> float:
        """By how much what was given is longer than the time that had gone by, at most; seconds."""
        ends = np.cumsum([len(block) for block in self.blocks]) / FILE_RATE
        return float((ends - self.times).max())


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.005)


@pytest.fixture
def playing() -> Iterator[Callable[..., Ear]]:
    """Start inputs, and stop them at the test's end."""
    inputs: list[Input] = []

    def start(source: Input) -> Ear:
        inputs.append(source)
        ear = Ear()
        source.start(ear)
        return ear

    yield start
    for source in inputs:
        source.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_AGAIN", 0.25)


def test_a_file_plays_in_real_time_and_for_ever(tmp_path: Path, playing: Callable[..., Ear]) -> None:
    """Three times through 0.6 s: no faster than it sounds, no sample lost, no gap where it begins again."""
    file = FileInput(write_wav(tmp_path / "ramp.wav", ramp(0.6)))
    ear = playing(file)
    wait_until(lambda: ear.seconds > 2.0, "two seconds of it")
    file.stop()
    assert ear.ahead() < 0.002
    assert ear.rates == {FILE_RATE}
    assert {block.dtype for block in ear.blocks} == {np.dtype(np.float32)}
    assert {len(block) for block in ear.blocks} == {512}
    length = len(ramp(0.6))
    wanted = np.tile(ramp(0.6), 1 + len(ear.heard) // length)[: len(ear.heard)]
    assert len(ear.heard) > 3 * length
    assert np.abs(ear.heard - wanted).max() < 1e-3
    assert file.problem is None


def test_it_is_heard_in_a_thread_of_its_own(tmp_path: Path, playing: Callable[..., Ear]) -> None:
    file = FileInput(write_wav(tmp_path / "ramp.wav", ramp(0.1)))
    ear = playing(file)
    wait_until(lambda: ear.blocks, "a block")
    assert ear.threads == {"listening"}
    assert threading.current_thread().name not in ear.threads


def test_who_was_late_catches_up_with_a_second_and_no_more(tmp_path: Path, playing: Callable[..., Ear]) -> None:
    file = FileInput(write_wav(tmp_path / "ramp.wav", ramp(0.5)))
    ear = Ear()
    pauses = [1.5]

    def slow(samples: np.ndarray, rate: int) -> None:
        ear(samples, rate)
        if pauses:
            time.sleep(pauses.pop())

    file.start(slow)
    try:
        wait_until(lambda: ear.seconds > 1.4, "catching up")
    finally:
        file.stop()
    behind = np.array(ear.times) - np.cumsum([len(block) for block in ear.blocks]) / FILE_RATE
    assert behind[-1] > 0.45  # half of the second and a half was left out
    if behind.max() < 1.55:  # unless this machine made it later still
        assert behind[-1] < 0.9


def test_pace_is_the_clocks_and_errors_do_not_add_up() -> None:
    """Two hours in blocks that are no whole milliseconds, on a clock that the waits alone move, late each time."""
    now = [100.0]

    class Waited(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            now[0] += (timeout or 0.0) + 0.0007
            return False

    pace = listening._Pace(44_100, lambda: now[0])
    blocks = 2 * 3600 * 44_100 // 470
    event = Waited()
    assert all(pace.wait(470, event) for _ in range(blocks))
    assert now[0] - 100.0 == pytest.approx(blocks * 470 / 44_100, abs=0.01)


def test_a_pace_that_fell_far_behind_goes_on_from_a_second_before() -> None:
    now = [0.0]
    waits: list[float] = []

    class Waited(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            now[0] += timeout or 0.0
            return False

    pace = listening._Pace(1_000, lambda: now[0])
    event = Waited()
    pace.wait(100, event)
    now[0] += 3_600.0
    for _ in range(30):
        pace.wait(100, event)
    burst = waits[1:].index(pytest.approx(0.1)) if 0.1 in np.round(waits[1:], 6) else -1
    assert 9 <= burst <= 12  # a second's worth at once, then as it sounds
    assert np.round(waits[13:], 6) == pytest.approx(0.1)


def encode(path: Path, samples: np.ndarray, codec: str, rate: int, layout: str) -> Path:
    """Samples i16 ``(channels, any)``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), format="s16", layout=layout)
        frame.rate = rate
        for each in (frame, None):
            container.mux(stream.encode(each))
    return path


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * FILE_RATE / len(samples))


@pytest.mark.parametrize(("suffix", "codec"), [("flac", "flac"), ("mka", "pcm_s16le")])
def test_other_formats_rates_and_channels_become_mono_at_48_khz(
    tmp_path: Path, playing: Callable[..., Ear], suffix: str, codec: str
) -> None:
    left = sine(440, 1.0, 44_100)
    stereo = (np.stack((left, np.zeros_like(left))) * 32_767).astype(np.int16)
    file = FileInput(encode(tmp_path / f"stereo.{suffix}", stereo, codec, 44_100, "stereo"))
    ear = playing(file)
    wait_until(lambda: ear.seconds > 0.5, "half a second")
    file.stop()
    assert pitch(ear.heard) == pytest.approx(440, abs=3)
    assert np.abs(ear.heard[1000:]).max() == pytest.approx(0.25, abs=0.02)  # the mean of both channels


def test_a_wav_of_another_rate_keeps_its_pitch(tmp_path: Path, playing: Callable[..., Ear]) -> None:
    file = FileInput(write_wav(tmp_path / "low.wav", sine(300, 1.0, 22_050), 22_050))
    ear = playing(file)
    wait_until(lambda: ear.seconds > 0.5, "half a second")
    assert pitch(ear.heard) == pytest.approx(300, abs=3)


def test_stopped_while_it_plays_it_is_quiet_and_can_begin_again(tmp_path: Path, playing: Callable[..., Ear]) -> None:
    file = FileInput(write_wav(tmp_path / "ramp.wav", ramp(30.0)))
    before = threading.active_count()
    ear = playing(file)
    wait_until(lambda: len(ear.blocks) > 3, "some blocks")
    file.stop()
    assert threading.active_count() == before
    blocks = len(ear.blocks)
    time.sleep(0.1)
    assert len(ear.blocks) == blocks
    file.stop()  # once more does nothing
    again = playing(file)
    wait_until(lambda: again.blocks, "a block")
    assert again.blocks[0][0] == pytest.approx(0.0, abs=1e-3)


def test_started_twice_it_plays_once(tmp_path: Path, playing: Callable[..., Ear]) -> None:
    file = FileInput(write_wav(tmp_path / "ramp.wav", ramp(5.0)))
    first = playing(file)
    wait_until(lambda: first.blocks, "a block")
    second = playing(file)
    blocks = len(first.blocks)
    wait_until(lambda: len(second.blocks) > 5, "some blocks")
    assert len(first.blocks) == blocks


def test_a_listener_may_stop_it_from_within(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = FileInput(write_wav(tmp_path / "ramp.wav", ramp(5.0)))
    blocks: list[np.ndarray] = []

    def once(samples: np.ndarray, rate: int) -> None:
        blocks.append(samples)
        file.stop()

    file.start(once)
    wait_until(lambda: blocks, "a block")
    time.sleep(0.1)
    assert len(blocks) == 1
    assert not caplog.records


def test_stop_returns_though_the_listener_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "_PATIENCE", 0.1)
    file = FileInput(write_wav(tmp_path / "ramp.wav", ramp(5.0)))
    release, within = threading.Event(), threading.Event()
    file.start(lambda samples, rate: (within.set(), release.wait(PATIENCE)))  # type: ignore[arg-type, return-value]
    assert within.wait(PATIENCE)
    thread = file._thread
    file.stop()
    assert "has not ended" in caplog.text
    release.set()
    assert thread is not None
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_listener_that_fails_is_said_once_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = FileInput(write_wav(tmp_path / "ramp.wav", ramp(5.0)))
    calls: list[int] = []

    def bad(samples: np.ndarray, rate: int) -> None:
        calls.append(len(samples))
        raise KeyError("mine")

    file.start(bad)
    try:
        wait_until(lambda: len(calls) > 5, "more calls")
    finally:
        file.stop()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def bad_files(folder: Path) -> dict[str, Path]:
    """Files that cannot be listened to, each with a part of what is said of it."""
    garbage, empty, text = folder / "garbage.wav", folder / "empty.mp3", folder / "text.flac"
    garbage.write_bytes(np.random.default_rng(1).bytes(20_000))
    empty.write_bytes(b"")
    text.write_text("no music\n" * 100)
    picture = folder / "silent.mp4"
    with av.open(str(picture), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        for each in (frame, None):
            container.mux(stream.encode(each))
    return {
        "there is no sound file": folder / "missing.wav",
        "there is no sound file ": folder,
        "garbage.wav cannot be read as sound": garbage,
        "empty.mp3 cannot be read as sound": empty,
        "text.flac (cannot be read as sound|has no sound in it)": text,
        "silent.mp4 has no sound in it": picture,
        "none.wav has no sound in it": write_wav(folder / "none.wav", np.zeros(0)),
    }


def test_a_file_that_cannot_be_heard_is_refused_in_one_line(tmp_path: Path) -> None:
    files = bad_files(tmp_path)
    for said, path in files.items():
        with pytest.raises(MirageRuntimeError) as caught:
            FileInput(path)
        assert re.search(said.strip(), str(caught.value))
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs files that may not be read")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "mine.wav", ramp(0.1))
    path.chmod(0)
    with pytest.raises(MirageRuntimeError, match="cannot be read as sound: Permission denied"):
        FileInput(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that are files")
def test_a_pipe_is_no_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(MirageRuntimeError, match="there is no sound file"):
        FileInput(tmp_path / "pipe.wav")


@pytest.mark.usefixtures("impatient")
def test_a_file_that_goes_is_tried_again(
    tmp_path: Path, playing: Callable[..., Ear], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mirage.sound")
    path = write_wav(tmp_path / "short.wav", ramp(0.1))
    file = FileInput(path)
    ear = playing(file)
    wait_until(lambda: ear.blocks, "a block")
    path.rename(tmp_path / "away")
    wait_until(lambda: file.problem, "a problem")
    assert file.problem == f"there is no sound file {path}"
    time.sleep(0.8)  # a few more tries
    blocks = len(ear.blocks)
    (tmp_path / "away").rename(path)
    wait_until(lambda: len(ear.blocks) > blocks, "another block")
    wait_until(lambda: file.problem is None, "no problem")
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_file_that_is_cut_short_plays_as_far_as_it_goes(tmp_path: Path, playing: Callable[..., Ear]) -> None:
    whole = write_wav(tmp_path / "whole.wav", ramp(1.0))
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole.read_bytes()[:30_000])
    ear = playing(FileInput(cut))
    wait_until(lambda: ear.seconds > 0.5, "half a second")
    assert ear.heard.max() < 0.35  # a third of it is there


class FakeDevices(types.ModuleType):
    """What is used of sounddevice: devices that a test can take away, and streams that it feeds."""

    class PortAudioError(Exception):
        """The module's own."""

    def __init__(self, *names: str) -> None:
        super().__init__("sounddevice")
        self.names = list(names)
        self.known = list(names)
        self.streams: list[FakeStream] = []
        self.initialized = 1

    def query_devices(self, kind: str | None = None) -> Any:
        assert self.initialized == 1
        devices = [
            {
                "name": name,
                "index": index,
                "max_input_channels": 0 if "Speakers" in name else 4,
                "default_samplerate": 44_100.0,
            }
            for index, name in enumerate(self.known)
        ]
        if kind is None:
            return devices
        inputs = [device for device in devices if device["max_input_channels"]]
        if not inputs:
            raise self.PortAudioError("Error querying device -1")
        return inputs[-1]

    def InputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        stream = FakeStream(self, self.known[options["device"]], **options)
        self.streams.append(stream)
        return stream

    def _terminate(self) -> None:
        if not self.initialized:
            raise self.PortAudioError("PortAudio not initialized")
        assert all(stream.closed for stream in self.streams), "PortAudio ends under a stream"
        self.initialized -= 1

    def _initialize(self) -> None:
        self.initialized += 1
        self.known = list(self.names)


class FakeStream:
    def __init__(self, devices: FakeDevices, name: str, **options: Any) -> None:
        self.devices, self.name, self.options = devices, name, options
        self.samplerate = options["samplerate"]
        self.started = self.closed = False

    def start(self) -> None:
        if self.name not in self.devices.names:
            raise FakeDevices.PortAudioError("Device unavailable")
        self.started = True

    def close(self) -> None:
        self.closed = True
        if self.name not in self.devices.names:
            raise FakeDevices.PortAudioError("Unanticipated host error")

    def feed(self, *channels: float) -> None:
        """What PortAudio calls with a block; the array is its own, and changes later."""
        data = np.tile(np.array(channels, np.float32), (self.options["blocksize"], 1))
        self.options["callback"](data, len(data), None, None)
        data[:] = np.nan


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> FakeDevices:
    fake = FakeDevices("Speakers", "USB Microphone", "Line In (Scarlett)")
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def streaming(devices: FakeDevices, number: int = 0) -> FakeStream:
    wait_until(lambda: len(devices.streams) > number and devices.streams[number].started, "a stream")
    return devices.streams[number]


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("default", "Line In (Scarlett)"),
        ("scarlett", "Line In (Scarlett)"),
        ("USB", "USB Microphone"),
        ("i", "USB Microphone"),
    ],
)
def test_a_device_is_found_by_a_part_of_its_name(
    devices: FakeDevices, playing: Callable[..., Ear], name: str, opened: str
) -> None:
    ear = playing(DeviceInput(name))
    stream = streaming(devices)
    assert stream.name == opened
    stream.feed(0.2, 0.6)
    wait_until(lambda: ear.blocks, "a block")
    assert ear.rates == {44_100}
    assert ear.blocks[0] == pytest.approx(np.full(470, 0.4))


def test_a_stopped_device_is_closed(devices: FakeDevices, playing: Callable[..., Ear]) -> None:
    device = DeviceInput("usb")
    playing(device)
    stream = streaming(devices)
    stream.feed(0.1)
    device.stop()
    assert stream.closed
    assert not listening._open


def test_what_was_not_taken_in_time_gives_way_to_the_newest(devices: FakeDevices) -> None:
    device, ear, go = DeviceInput(), Ear(), threading.Event()

    def slow(samples: np.ndarray, rate: int) -> None:
        go.wait(PATIENCE)
        ear(samples, rate)

    device.start(slow)
    try:
        stream = streaming(devices)
        for number in range(200):
            stream.feed(float(number))
        go.set()
        wait_until(lambda: ear.blocks and ear.blocks[-1][0] == 199.0, "the newest")
    finally:
        device.stop()
    assert 60 <= len(ear.blocks) <= 70
    firsts = [block[0] for block in ear.blocks]
    assert firsts == sorted(firsts)


@pytest.mark.usefixtures("devices")
def test_an_unknown_name_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(MirageRuntimeError) as caught:
        DeviceInput("guitar")
    assert str(caught.value) == (
        "there is no sound input with 'guitar' in its name; there are 'USB Microphone', 'Line In (Scarlett)'"
    )


def test_a_machine_without_inputs_says_so(devices: FakeDevices) -> None:
    devices.names[:] = ["Speakers"]
    with pytest.raises(MirageRuntimeError, match="no default sound input; there are none"):
        DeviceInput()
    with pytest.raises(MirageRuntimeError, match="with 'speakers' in its name; there are none"):
        DeviceInput("speakers")
    devices.names.append("USB Microphone")  # plugged in since: PortAudio looks again
    DeviceInput("usb")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["silent", "unlisted"])
def test_a_device_that_goes_is_tried_again(
    devices: FakeDevices, playing: Callable[..., Ear], caplog: pytest.LogCaptureFixture, how: str
) -> None:
    caplog.set_level(logging.INFO, "mirage.sound")
    device = DeviceInput("scarlett")
    ear = playing(device)
    streaming(devices).feed(0.5)
    wait_until(lambda: ear.blocks, "a block")
    if how == "unlisted":
        devices.names.remove("Line In (Scarlett)")
    wait_until(lambda: device.problem, "a problem")
    if how == "unlisted":
        wait_until(lambda: devices.known == devices.names, "another look")
        devices.names.append("Line In (Scarlett)")
    wait_until(lambda: len(devices.streams) > 1 and devices.streams[-1].started, "another stream")

    def fed() -> bool:
        devices.streams[-1].feed(0.25)
        return device.problem is None

    wait_until(fed, "no problem")
    wait_until(lambda: ear.blocks[-1][0] == 0.25, "a block")
    device.stop()
    levels = [record.levelname for record in caplog.records]
    assert levels[:2] == ["WARNING", "INFO"]
    assert "gives no sound any more" in caplog.messages[0]


@pytest.mark.usefixtures("impatient")
def test_a_device_stays_away_and_is_said_once(
    devices: FakeDevices, playing: Callable[..., Ear], caplog: pytest.LogCaptureFixture
) -> None:
    device = DeviceInput("usb")
    playing(device)
    streaming(devices)
    devices.names.remove("USB Microphone")
    wait_until(lambda: "there is no sound input with 'usb'" in (device.problem or ""), "a problem")
    time.sleep(0.8)
    device.stop()
    assert len(caplog.records) == 1
    assert all(stream.closed for stream in devices.streams)
    assert not listening._open


def test_a_portaudio_that_could_not_begin_is_begun_again(devices: FakeDevices) -> None:
    devices.initialized = 0
    DeviceInput("usb")
    assert devices.initialized == 1


def test_two_devices_at_once_do_not_end_each_other(devices: FakeDevices, playing: Callable[..., Ear]) -> None:
    first = playing(DeviceInput("usb"))
    stream = streaming(devices)
    second = playing(DeviceInput("line"))
    streaming(devices, 1).feed(0.2)
    stream.feed(0.1)
    wait_until(lambda: first.blocks and second.blocks, "both")


def test_a_driver_that_hangs_is_said(devices: FakeDevices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_PATIENCE", 0.05)
    with listening._portaudio, pytest.raises(MirageRuntimeError, match="driver does not answer"):
        DeviceInput("usb")
    assert not devices.streams


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MirageRuntimeError) as caught:
        DeviceInput()
    assert str(caught.value) == "sound from a device needs more packages: pip install 'mirage-lsd[audio]'"


def test_a_missing_library_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MirageRuntimeError, match=r"needs the PortAudio library.*\(PortAudio library not found\)"):
        DeviceInput()


def test_open_input_knows_files_from_devices(tmp_path: Path, devices: FakeDevices) -> None:
    write_wav(tmp_path / "song.wav", ramp(0.1))
    (tmp_path / "song.wav").rename(tmp_path / "usb")  # a file's name comes first
    (tmp_path / "line").mkdir()
    beside = write_wav(tmp_path / "line" / "Song.WAV", ramp(0.1))
    opened = open_input(Sound("usb"), tmp_path)
    assert isinstance(opened, FileInput)
    assert opened.path == tmp_path / "usb"
    assert isinstance(open_input(Sound("line/Song.WAV"), tmp_path), FileInput)
    assert isinstance(open_input(Sound(str(beside)), Path("/nowhere")), FileInput)
    for name in ("line", "default", "scarlett"):
        device = open_input(Sound(name), tmp_path)
        assert isinstance(device, DeviceInput)
        assert device.name == name
    with pytest.raises(MirageRuntimeError, match="there is no sound file"):
        open_input(Sound("forgotten.mp3"), tmp_path)
    with pytest.raises(MirageRuntimeError, match="there is no sound input"):
        open_input(Sound("x" * 5_000), tmp_path)
