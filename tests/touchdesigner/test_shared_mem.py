"""Frames straight through Shared Mem TOPs' memory: the real daemon, and tops by hand over files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared_mem import TYPES, InTop, OutTop, header

import mirage
from mirage_runtime.transports.touch import segments
from mirage_runtime.transports.touch.inlet import Inlet
from mirage_runtime.transports.touch.slots import Slots

Wait = Callable[..., object]


@pytest.fixture
def start(memory: Path, daemon_factory: Callable[..., Any]) -> Callable[..., Any]:
    """`start()` is a daemon between the tops `a` and `b`."""

    def make(*options: str, model: str = "echo") -> Any:
        options = options or ("--touch-in", "a", "--touch-out", "b")
        return daemon_factory("--model", model, *options, MIRAGE_TOUCH_FOLDER=str(memory))

    return make


def problems(daemon: Any, link: int = 0) -> str:
    return " | ".join(daemon.health()[1]["touch"][link]["problems"])


def shows(top: InTop, picture: Any) -> bool:
    seen = top.picture()
    return seen is not None and np.array_equal(seen, picture)


def test_every_format_and_version_comes_back(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Callable[..., Any]
) -> None:
    start()
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    for seed, code in enumerate(code for code, (_, channels) in TYPES.items() if channels == 4):
        kind, _ = TYPES[code]
        whole = noise(45, 80, seed)
        picture = {"f": whole / 255, "u": whole.astype(np.uint32) * (257 if kind == "<u2" else 1)}[kind[1]].astype(kind)
        for version in (1, 2):
            picture = np.roll(picture, 1, axis=1)
            out.show(picture, code, version=version)
            wait_for(lambda picture=picture: shows(top, picture), f"format {code}, version {version}")
            seen = top.look()
            assert seen is not None
            assert (seen[0]["code"], seen[0]["version"], seen[0]["aspect"]) == (code, version, (16.0, 9.0))
            assert seen[0].get("color") == ((2, 1) if version == 2 else None)


@pytest.mark.parametrize("code", [9, 100])
def test_grey_pictures_get_colour(memory: Path, start: Callable[..., Any], wait_for: Wait, code: int) -> None:
    start()
    grey = np.arange(12 * 16).reshape(12, 16, 1) % 256
    OutTop(memory, "a").show((grey / 255).astype("<f4") if code == 100 else grey.astype("<u1"), code)
    expected = np.dstack((grey, grey, grey, np.full_like(grey, 255)))
    wait_for(lambda: shows(InTop(memory, "b"), expected), "it is grey")


def test_the_offset_is_honoured(memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any) -> None:
    start()
    picture = noise(10, 20)
    OutTop(memory, "a").show(picture, offset=4096)
    wait_for(lambda: shows(InTop(memory, "b"), picture), "it is shown")


def test_a_single_pixel_is_noticed(memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any) -> None:
    start()
    out, top, picture = OutTop(memory, "a"), InTop(memory, "b"), noise(270, 480)
    for row, column in ((0, 0), (100, 7), (269, 479)):
        picture[row, column] ^= 255
        out.show(picture)
        wait_for(lambda: shows(top, picture), "the pixel is seen")


def test_sizes_and_formats_that_change_while_running(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any
) -> None:
    daemon = start()
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    for seed, (height, width) in enumerate([(20, 30), (720, 1280), (1, 1), (33, 700), (1080, 1920), (20, 30)]):
        picture = noise(height, width, seed)
        out.show(picture)
        wait_for(lambda picture=picture: shows(top, picture), f"{width}x{height}")
        floats = (noise(height, width, 100 + seed) / 255).astype("<f4")
        out.show(floats, 109)
        wait_for(lambda floats=floats: shows(top, floats), f"{width}x{height} as floats")
    assert problems(daemon) == ""


def test_lies_are_told_and_the_last_good_picture_stays(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any
) -> None:
    daemon = start()
    out, top, good = OutTop(memory, "a"), InTop(memory, "b"), noise(20, 30)
    out.show(good)
    wait_for(lambda: shows(top, good), "it is shown")
    for data, told in (
        (b"", "too few for a header"),
        (header(20, 30)[:30], "too few"),
        (b"nonsense" * 100, "begins with"),
        (header(30, 20) + bytes(100), "48 to 2448 of 148"),
        (header(30, 20, offset=2**31 - 1) + bytes(2400), "of 2448 bytes"),
        (header(30, 20, data_size=-5) + bytes(2400), "-5 bytes"),
        (header(5000, 1) + bytes(20000), "5000x1"),
        (header(30, 20, 83) + bytes(2400), "pixel format 83"),
        (header(30, 20, version=9) + bytes(2400), "version is 9"),
    ):
        out.write(data)
        wait_for(lambda told=told: told in problems(daemon), told)
        assert shows(top, good)
    out.show(good[::-1])
    wait_for(lambda: shows(top, good[::-1]), "a good one is shown again")
    assert problems(daemon) == ""
    assert "Traceback" not in daemon.output()


def test_memory_that_is_missing_removed_and_made_again(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any
) -> None:
    daemon = start()
    assert "there is no TouchSHMa" in problems(daemon)
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    out.show(noise(20, 30))
    wait_for(lambda: shows(top, noise(20, 30)), "it is shown")
    wait_for(lambda: "is well again" in daemon.output(), "the log says so")
    with pytest.raises(mirage.Refused):
        mirage.connect(daemon.url)
    out.remove()
    wait_for(lambda: "there is no TouchSHMa" in problems(daemon), "that is told")
    assert shows(top, noise(20, 30))
    wait_for(lambda: daemon.health()[1]["touch"][0]["state"] == "waiting", "the stream is left")
    with mirage.connect(daemon.url) as other:
        assert np.array_equal(other.transform(noise(8, 8)).image, noise(8, 8))
        out.show(noise(20, 30, 1))
        wait_for(lambda: "has a source already" in problems(daemon), "the other source is told of")
    wait_for(lambda: shows(top, noise(20, 30, 1)), "it is shown when the other has gone")
    assert problems(daemon) == ""
    assert daemon.output().count("there is no TouchSHMa") == 2


def test_memory_that_is_renamed(memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any) -> None:
    daemon = start()
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    out.show(noise(20, 30))
    wait_for(lambda: shows(top, noise(20, 30)), "it is shown")
    out.path.rename(memory / "TouchSHMother")  # as if the TOP had got another name
    wait_for(lambda: "there is no TouchSHMa" in problems(daemon), "that is told")
    assert shows(top, noise(20, 30))
    (memory / "TouchSHMother").rename(out.path)
    wait_for(lambda: problems(daemon) == "", "it is found again")
    new = OutTop(memory, "new")
    new.show(noise(64, 48, 1))
    new.path.rename(out.path)  # another picture in its place, while the first is still open
    wait_for(lambda: shows(top, noise(64, 48, 1)), "the new one is read")
    out.show(noise(64, 48, 2))
    wait_for(lambda: shows(top, noise(64, 48, 2)), "it goes on")
    assert problems(daemon) == ""


def test_another_source_may_take_the_stream(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any
) -> None:
    daemon = start()
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    out.show(noise(20, 30))
    wait_for(lambda: shows(top, noise(20, 30)), "it is shown")
    with mirage.connect(daemon.url, take_over=True) as other:
        assert other.transform(noise(8, 8)).image.shape == (8, 8, 4)
        wait_for(lambda: "source" in problems(daemon), "that is told")
    out.show(noise(20, 30, 1))
    wait_for(lambda: shows(top, noise(20, 30, 1)), "it is taken back")


def test_two_daemons_on_one_name(memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any) -> None:
    first, second = start(), start()
    told = "another daemon writes"
    wait_for(lambda: told in problems(first) + problems(second), "one of them is told")
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    out.show(noise(20, 30))
    wait_for(lambda: shows(top, noise(20, 30)), "it is shown")
    one, other = (first, second) if told in problems(second) else (second, first)
    one.stop()
    wait_for(lambda: told not in problems(other), "the other one has the name")
    out.show(noise(20, 30, 1))
    wait_for(lambda: shows(top, noise(20, 30, 1)), "it is shown")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_daemon_gone_and_back(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any, how: int
) -> None:
    daemon = start()
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    out.show(noise(20, 30))
    wait_for(lambda: shows(top, noise(20, 30)), "it is shown")
    daemon.stop(how)
    if how == signal.SIGTERM:
        assert sorted(path.name for path in memory.iterdir()) == ["TouchSHMa", "TouchSHMaMutex"]
    daemon.restart()
    wait_for(lambda: shows(top, noise(20, 30)), "it is shown again")


def test_a_writer_that_keeps_the_lock(memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any) -> None:
    daemon = start()
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    out.show(noise(20, 30))
    wait_for(lambda: shows(top, noise(20, 30)), "it is shown")
    with out.locked():
        wait_for(lambda: "stays locked" in problems(daemon), "that is told")
    out.show(noise(20, 30, 1))
    wait_for(lambda: shows(top, noise(20, 30, 1)), "it goes on")
    assert problems(daemon) == ""


def test_a_reader_that_keeps_the_lock(memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any) -> None:
    daemon = start()
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    out.show(noise(20, 30))
    wait_for(lambda: shows(top, noise(20, 30)), "it is shown")
    with top.mutex.open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        out.show(noise(20, 30, 1))
        wait_for(lambda: "stays locked" in problems(daemon), "that is told")
    out.show(noise(20, 30, 2))
    wait_for(lambda: shows(top, noise(20, 30, 2)), "it goes on")


class Unlocked:
    """Memory whose writer has no lock, and is in the middle of a picture for so many reads of it."""

    guarded = False

    def __init__(self, unfinished: int) -> None:
        self.unfinished = unfinished
        self.size = 48 + 8 * 8 * 4
        self.data = bytearray(header(8, 8) + bytes(8 * 8 * 4))

    def locked(self) -> Any:
        return contextlib.nullcontext(True)

    def read(self, offset: int, into: memoryview) -> None:
        into[:] = self.data[offset : offset + len(into)]
        if offset >= 48 and self.unfinished:
            self.unfinished -= 1
            self.data[200 + self.unfinished] += 1

    def view(self, offset: int, size: int) -> None: ...

    def is_current(self) -> bool:
        return True

    def close(self) -> None: ...


@pytest.mark.parametrize("unfinished", [0, 1, 2, 5, 12])
def test_half_a_picture_is_not_taken(monkeypatch: pytest.MonkeyPatch, unfinished: int) -> None:
    memory = Unlocked(unfinished)
    monkeypatch.setattr(segments, "open_reader", lambda name: memory)
    slots = Slots(results=False)
    inlet = Inlet("a", slots, (64, 64))
    picture = inlet.look()
    looks = 1
    while picture is None:
        picture = inlet.look()
        looks += 1
        assert looks < 20
    whole = np.frombuffer(memory.data, np.uint8, offset=48).reshape(8, 8, 4)[::-1]
    assert np.array_equal(np.frombuffer(picture.slot.view, np.uint8, 256).reshape(8, 8, 4), whole)
    assert looks == unfinished // 2 + unfinished % 2 + 1
    assert inlet.look() is None
    inlet.close()
    slots.close()


def test_memory_that_cannot_be_cut_short_is_mapped(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any
) -> None:
    start("--touch-in", "a", "--touch-out", "b", "--touch-in", "b2:left", "--touch-out", "c:left")
    out, last = OutTop(memory, "a"), InTop(memory, "c")
    wait_for(lambda: (memory / "TouchSHMbMutex").exists(), "there is an output")
    (memory / "TouchSHMb2").symlink_to("TouchSHMb")  # one stream's output is the next one's input
    (memory / "TouchSHMb2Mutex").symlink_to("TouchSHMbMutex")
    for seed, (height, width) in enumerate([(20, 30), (270, 480), (33, 47), (720, 1280)]):
        picture = noise(height, width, seed)
        out.show(picture)
        wait_for(lambda picture=picture: shows(last, picture), f"{width}x{height}")
    for name, mapped in (("a", False), ("b2", True)):
        reader = segments.open_reader(name)
        assert reader is not None
        assert (reader.view(0, 48) is not None) is mapped
        reader.close()


def test_memory_that_is_cut_short_again_and_again(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any
) -> None:
    daemon = start()
    out, top, picture = OutTop(memory, "a", locks=False), InTop(memory, "b"), noise(270, 480)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        out.show(picture)
        os.truncate(out.path, np.random.default_rng().integers(0, 500_000))
    assert daemon.process.poll() is None
    out.show(picture[::-1])
    wait_for(lambda: shows(top, picture[::-1]), "a good one is shown")
    assert "Traceback" not in daemon.output()


def test_the_output_cannot_be_cut_short(memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any) -> None:
    start()
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    out.show(noise(20, 30))
    wait_for(lambda: shows(top, noise(20, 30)), "it is shown")
    with pytest.raises(PermissionError):
        os.truncate(top.path, 0)
    top.path.unlink()
    out.show(noise(20, 30, 1))
    out.show(noise(20, 30, 2))
    wait_for(lambda: shows(top, noise(20, 30, 2)), "it is made again")


def test_a_file_that_somebody_else_writes_is_left_alone(
    memory: Path, start: Callable[..., Any], wait_for: Wait
) -> None:
    (memory / "TouchSHMb").write_bytes(b"another's")
    daemon = start()
    wait_for(lambda: "another program writes" in problems(daemon), "that is told")
    assert (memory / "TouchSHMb").read_bytes() == b"another's"


def test_a_still_picture_follows_its_parameters(memory: Path, start: Callable[..., Any], wait_for: Wait) -> None:
    daemon = start(model="lsd-mini")
    rows, columns = np.mgrid[0:144, 0:256]
    picture = np.dstack((rows, columns % 256, rows, np.full_like(rows, 255))).astype(np.uint8)
    top = InTop(memory, "b")
    OutTop(memory, "a").show(picture)
    wait_for(lambda: top.picture() is not None and not shows(top, picture), "it is transformed")
    with mirage.connect(daemon.url, role="controller") as controller:
        controller.set(strength=0.0)
        wait_for(lambda: shows(top, picture), "strength 0 gives the source")
        controller.set(strength=1.0, prompt="lava", transition=1.0)
        wait_for(lambda: np.abs(top.picture().astype(int) - picture).mean() > 20, "it is lava")


def test_an_output_alone_shows_whatever_source_there_is(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any
) -> None:
    daemon = start("--touch-out", "b:left")
    top = InTop(memory, "b")
    with mirage.connect(daemon.url.replace("main", "left")) as source:
        source.transform(noise(20, 30))
        wait_for(lambda: shows(top, noise(20, 30)), "it is shown")
        rgb = noise(20, 30, 1)[..., :3]
        source.transform(rgb)
        expected = np.dstack((rgb, np.full((20, 30, 1), 255, np.uint8)))
        wait_for(lambda: shows(top, expected), "RGB is shown too")


def test_an_input_alone_is_a_source_like_any(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any
) -> None:
    daemon = start("--touch-in", "a", "--touch-in", "c:left", "--touch-out", "d:left")
    OutTop(memory, "a").show(noise(20, 30))
    OutTop(memory, "c").show(noise(30, 20))
    with mirage.connect(daemon.url, role="viewer") as viewer:
        assert np.array_equal(viewer.receive().image, noise(20, 30))
    wait_for(lambda: shows(InTop(memory, "d"), noise(30, 20)), "the other stream has its own")


def test_a_worker_that_is_killed_is_survived(
    memory: Path, start: Callable[..., Any], wait_for: Wait, noise: Any
) -> None:
    daemon = start()
    out, top = OutTop(memory, "a"), InTop(memory, "b")
    for seed in range(3):
        out.show(noise(20, 30, seed))
        wait_for(lambda seed=seed: shows(top, noise(20, 30, seed)), "it is shown")
        os.kill(daemon.worker_pid, signal.SIGKILL)
        wait_for(lambda: daemon.health()[0] != 200, "it is noticed")
        daemon.wait_healthy()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--touch-in", "a/b"], "a name has 1 to 64"),
        (["--touch-in", ""], "a name has 1 to 64"),
        (["--touch-in", "a:Left"], "no stream 'Left'"),
        (["--touch-in", "a", "--touch-out", "a"], "in use already"),
        (["--touch-in", "a", "--touch-in", "b"], "stream main has one already"),
    ],
)
def test_options_that_make_no_sense(options: list[str], told: str) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "mirage_runtime", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
