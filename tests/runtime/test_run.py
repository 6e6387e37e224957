"""`mirage run` on real files: pictures and videos, whole or not at all."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest


def run(*arguments, model="echo"):
    """Run the command and return (exit code, what it said on standard error)."""
    command = [sys.executable, "-m", "mirage_runtime", "run", *map(str, arguments), "--model", model]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def make_video(path: Path, *, frames=25, size=(64, 48), rate=Fraction(30000, 1001), sound=True, options=None):
    """A video whose every frame has its own brightness, with a tone."""
    with av.open(str(path), "w", options=options or {}) as out:
        video = out.add_stream("libx264", rate=rate, options={"crf": "12", "bf": "2"})
        video.width, video.height = size
        video.pix_fmt = "yuv420p" if not (size[0] % 2 or size[1] % 2) else "yuv444p"
        audio = out.add_stream("aac", rate=44100, layout="mono") if sound else None
        for number in range(frames):
            picture = np.full((size[1], size[0], 3), number * 8 % 256, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
        if audio is not None:
            for number in range(int(frames / rate * 44100 / 1024)):
                wave = (np.sin(np.arange(1024) * 0.06) * 8000).astype(np.int16)[None]
                sample = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
                sample.sample_rate, sample.pts = 44100, number * 1024
                out.mux(audio.encode(sample))
            out.mux(audio.encode(None))
    return path


def facts(path: Path):
    """(times of the frames, mean brightness of each, size, rate, the sound's packets)."""
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        decoded = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in video.decode(stream)]
        rate = stream.average_rate
    with av.open(str(path)) as video:
        sound = [bytes(p) for p in video.demux(video.streams.audio[0])] if video.streams.audio else []
    times, pictures = zip(*decoded, strict=True)
    return list(times), [picture.mean() for picture in pictures], pictures[0].shape[1::-1], rate, sound


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_every_frame_in_order_with_its_time_and_the_sound(tmp_path, suffix):
    source = make_video(tmp_path / f"in{suffix}")
    code, said = run(source, tmp_path / f"out{suffix}")
    assert code == 0, said
    assert "25 frames" in said
    assert "p50" in said
    before, after = facts(source), facts(tmp_path / f"out{suffix}")
    assert after[0] == pytest.approx(before[0], abs=1e-3)
    assert after[1] == pytest.approx(before[1], abs=3)
    assert after[2:4] == before[2:4]
    assert after[4] == before[4]
    assert len(after[4]) > 10


def test_colours_stay_what_they_are_and_the_video_says_so(tmp_path):
    path = tmp_path / "red.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"crf": "1"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        video.codec_context.colorspace = 1
        picture = np.full((720, 1280, 3), (200, 30, 60), np.uint8)
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            out.mux(video.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        out.mux(video.encode(None))
    assert run(path, tmp_path / "out.mp4")[0] == 0
    with av.open(str(tmp_path / "out.mp4")) as video:
        frame = next(video.decode(video=0))
        assert (int(frame.colorspace), frame.color_primaries, frame.color_trc) == (1, 1, 1)
        y, u, v = (np.asarray(plane)[: 640 * 360].astype(float).mean() for plane in frame.planes)
    # BT.709, limited range, of (200, 30, 60).
    assert (y, u, v) == pytest.approx((75, 124, 201), abs=4)


def test_a_trimmed_video_is_not_cut_short(tmp_path):
    """A trim that copies keeps pictures before its start, which an edit list hides."""
    source = make_video(tmp_path / "in.mp4", frames=50, sound=False)
    with av.open(str(source)) as video, av.open(str(tmp_path / "trim.mp4"), "w") as out:
        stream = out.add_stream_from_template(video.streams.video[0])
        for packet in video.demux(video.streams.video[0]):
            if packet.dts is not None:
                packet.pts -= 10 * packet.duration
                packet.dts -= 10 * packet.duration
                packet.stream = stream
                out.mux(packet)
    assert run(tmp_path / "trim.mp4", tmp_path / "out.mp4")[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_a_run_that_is_told_to_stop_leaves_nothing(tmp_path, wait_for):
    source = make_video(tmp_path / "in.mkv", frames=2000, size=(320, 240), sound=False)
    command = [sys.executable, "-m", "mirage_runtime", "run", str(source), str(tmp_path / "out.mkv"), "--model", "echo"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_for(lambda: list(tmp_path.glob(".out.partial*")), "it has begun to write")
    process.terminate()
    assert process.wait(60) != 0
    assert list(tmp_path.iterdir()) == [source]


def test_odd_sizes_and_a_size_of_ones_own(tmp_path):
    source = make_video(tmp_path / "odd.mkv", size=(65, 49), sound=False)
    assert run(source, tmp_path / "same.mp4")[0] == 0
    assert facts(tmp_path / "same.mp4")[2] == (65, 49)
    assert run(source, tmp_path / "sized.mp4", "--size", "128x72")[0] == 0
    assert facts(tmp_path / "sized.mp4")[2] == (128, 72)


def test_a_picture_keeps_size_and_alpha(tmp_path):
    picture = np.random.default_rng(1).integers(0, 256, (37, 53, 4), np.uint8)
    cv2.imwrite(str(tmp_path / "in.png"), picture)
    assert run(tmp_path / "in.png", tmp_path / "out.png")[0] == 0
    assert np.array_equal(cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED), picture)
    assert run(tmp_path / "in.png", tmp_path / "out.jpg", "--size", "20x10")[0] == 0
    assert cv2.imread(str(tmp_path / "out.jpg")).shape == (10, 20, 3)


def test_the_model_changes_a_picture_and_repeats_itself(tmp_path):
    picture = np.zeros((96, 128, 3), np.uint8)
    cv2.circle(picture, (64, 48), 30, (40, 160, 250), -1)
    cv2.imwrite(str(tmp_path / "in.png"), picture)
    outputs = {}
    for name, options in {
        "first": ("--prompt", "lava"),
        "again": ("--prompt", "lava"),
        "seed": ("--prompt", "lava", "--seed", "5"),
        "none": ("--prompt", "lava", "--strength", "0"),
        "steps": ("--prompt", "lava", "--steps", "3"),
    }.items():
        code, said = run(tmp_path / "in.png", tmp_path / f"{name}.png", *options, model="lsd-mini")
        assert code == 0, said
        outputs[name] = cv2.imread(str(tmp_path / f"{name}.png"))
    assert np.array_equal(outputs["first"], outputs["again"])
    assert not np.array_equal(outputs["first"], outputs["seed"])
    assert not np.array_equal(outputs["first"], outputs["steps"])
    assert np.array_equal(outputs["none"], picture)


def test_words_with_no_effect_are_named(tmp_path):
    cv2.imwrite(str(tmp_path / "in.png"), np.zeros((16, 16, 3), np.uint8))
    arguments = (tmp_path / "in.png", tmp_path / "out.png", "--prompt", "ink of a zyzzyva")
    assert "zyzzyva" in run(*arguments, model="lsd-mini")[1]


def test_bad_files_are_one_clear_line_and_leave_nothing(tmp_path):
    whole = make_video(tmp_path / "whole.mkv", frames=90)
    fast = make_video(tmp_path / "fast.mp4", frames=90, options={"movflags": "faststart"})
    data = whole.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    (tmp_path / "cut.mp4").write_bytes(fast.read_bytes()[: fast.stat().st_size * 2 // 3])
    (tmp_path / "no.png").write_text("no picture")
    (tmp_path / "no.mp4").write_text("no video")
    (tmp_path / "empty.png").touch()
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((10, 5000, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "good.png"), np.zeros((10, 10, 3), np.uint8))
    before = set(tmp_path.iterdir())
    cases = [
        ("cut.mkv", "out.mkv", (), "cut short"),
        ("cut.mp4", "out.mp4", (), "cut short"),
        ("no.png", "out.png", (), "no picture"),
        ("empty.png", "out.png", (), "no picture"),
        ("no.mp4", "out.mp4", (), "cannot be read as a video"),
        ("nothing.mp4", "out.mp4", (), "there is no file"),
        ("good.png", "folder/out.png", (), "there is no folder"),
        ("good.png", "out.mp4", (), "no name for a picture"),
        ("whole.mkv", "out.png", (), "no name for a video"),
        ("whole.mkv", "out.webm", (), ".mkv"),
        ("large.png", "out.png", (), "--size"),
        ("good.png", "good.png", (), "the same file"),
        ("good.png", "out.png", ("--size", "10"), "WIDTHxHEIGHT"),
        ("good.png", "out.png", ("--strength", "2"), "--strength"),
        ("good.png", "out.png", ("--steps", "9"), "1 to 4"),
    ]
    for source, target, options, words in cases:
        code, said = run(tmp_path / source, tmp_path / target, *options)
        assert code == 1, (source, said)
        assert words in said.replace("\n", " ")
        assert set(tmp_path.iterdir()) == before, source


def test_what_a_model_does_not_follow_is_told(tmp_path):
    source = tmp_path / "in.png"
    cv2.imwrite(str(source), np.full((32, 32, 3), 90, np.uint8))
    code, said = run(source, tmp_path / "out.png", "--guidance", "4", "--negative-prompt", "fog", model="lsd-mini")
    assert code == 0
    assert "no effect with lsd-mini: --negative-prompt, --guidance" in said
    code, said = run(source, tmp_path / "out.png", "--guidance", "40")
    assert code == 1
    assert "--guidance must be 1 to 10" in said
