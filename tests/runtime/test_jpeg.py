"""Pictures as JPEG, both ways, through a real daemon: agreed on, encoded once, and refused where they lie."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import urllib.request
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg

import mirage
import mirage_protocol as protocol
from mirage._session import Session
from mirage_runtime import jpeg
from mirage_runtime.metrics import Metrics
from mirage_runtime.streams import Stream, Waiting
from mirage_runtime.worker.handle import Transformed

HEIGHT, WIDTH = 144, 256
CLOSE = 6.0  # mean difference of 255 that two generations of JPEG at quality 85 may make of a smooth picture


@pytest.fixture
def smooth() -> np.ndarray:
    """A picture as a camera takes it: RGBA, with alpha of its own."""
    noise = np.random.default_rng(3).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 4), np.uint8)
    return np.asarray(cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def difference(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.abs(one[..., :3].astype(int) - two[..., :3]).mean())


def test_frames_and_results_travel_as_jpeg(echo_daemon: Any, smooth: np.ndarray) -> None:
    with mirage.connect(echo_daemon.url, compression="jpeg", take_over=True, timeout=60) as stream:
        result = stream.transform(smooth)
        assert result.image.shape == smooth.shape
        assert 0 < difference(result.image, smooth) < CLOSE
        assert (result.image[..., 3] == smooth[..., 3]).all()  # alpha is put back
        assert {"decode", "encode"} <= result.timings.keys()
        assert difference(stream.transform(smooth[..., :3]).image, smooth) < CLOSE
    with mirage.connect(echo_daemon.url, compression="raw", take_over=True, timeout=60) as stream:
        assert (stream.transform(smooth).image == smooth).all()


def test_quality_decides_how_close_it_is(echo_daemon: Any, smooth: np.ndarray) -> None:
    differences = []
    for quality in (20, 60, 95):
        with mirage.connect(echo_daemon.url, compression="jpeg", quality=quality, take_over=True, timeout=60) as stream:
            differences.append(difference(stream.transform(smooth).image, smooth))
    assert differences[0] > differences[1] > differences[2] > 0


def test_a_result_is_encoded_once_for_all_who_want_it(echo_daemon: Any, smooth: np.ndarray) -> None:
    """Raw for the source, one JPEG for four viewers, another for one that wants it coarser."""
    qualities = [85, 85, 85, 85, 30]
    viewers = [
        mirage.connect(echo_daemon.url, role="viewer", compression="jpeg", quality=quality, timeout=60)
        for quality in qualities
    ]
    try:
        with mirage.connect(echo_daemon.url, take_over=True, timeout=60) as source:
            before = encodings(echo_daemon)
            for _ in range(5):
                assert (source.transform(smooth).image == smooth).all()
                pictures = [viewer.receive().image for viewer in viewers]
            assert encodings(echo_daemon) - before == 5
            assert all((picture == pictures[0]).all() for picture in pictures[:4])
            assert difference(pictures[0], smooth) < difference(pictures[4], smooth)
    finally:
        for viewer in viewers:
            viewer.close()


def encodings(daemon: Any) -> float:
    """How often results were encoded, as the daemon's metrics have it."""
    with urllib.request.urlopen(f"{daemon.http}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    counts = [line for line in lines if line.startswith("mirage_stage_seconds_count") and 'stage="encode"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in counts)


@pytest.mark.parametrize("what", ["no JPEG", "another size", "cut off"])
def test_a_jpeg_that_lies_costs_its_own_frame(echo_daemon: Any, peer: Any, smooth: np.ndarray, what: str) -> None:
    good = simplejpeg.encode_jpeg(smooth[..., :3].copy(), 85)
    data = {"no JPEG": b"\xff\xd8 a picture, honestly", "another size": good, "cut off": good[: len(good) // 2]}[what]
    source = peer(echo_daemon, take_over=True)
    width = WIDTH if what != "another size" else WIDTH * 2
    frame_id, pieces = source.protocol.frame({"color": protocol.Plane.of("jpeg", width, HEIGHT, data)})
    source.socket.send(b"".join(pieces))
    status = source.next(protocol.Status)
    while not status.message.startswith(f"frame {frame_id} could not be transformed"):
        status = source.next(protocol.Status)
    assert "\n" not in status.message
    assert source.next(protocol.Dropped).ids == (frame_id,)
    assert (source.transform(smooth) == smooth).all()


def test_a_jpeg_gives_its_result_raw_to_who_wants_that(echo_daemon: Any, peer: Any, smooth: np.ndarray) -> None:
    source = peer(echo_daemon, take_over=True)
    data = simplejpeg.encode_jpeg(smooth[..., :3].copy(), 85)
    _, pieces = source.protocol.frame({"color": protocol.Plane.of("jpeg", WIDTH, HEIGHT, data)})
    source.socket.send(b"".join(pieces))
    color = source.next(protocol.Result).planes["color"]
    assert (color.format, color.width, color.height) == ("rgb8", WIDTH, HEIGHT)
    expected = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=True)
    assert bytes(color.data) == expected.tobytes()


def test_what_was_granted_is_said(echo_daemon: Any, peer: Any) -> None:
    viewer = peer(echo_daemon, "viewer", ready=False, result_format="jpeg", quality=70)
    ready = viewer.next(protocol.Ready)
    assert (ready.result_format, ready.quality) == ("jpeg", 70)


def test_jpeg_is_for_networks() -> None:
    def quality(url: str, **options: Any) -> int | None:
        return Session.of(url, "auto", "source", token=None, take_over=False, window=2, timeout=1.0, **options).quality

    assert quality("ws://127.0.0.1:8765") is None
    assert quality("ws://192.0.2.1:8765") == 85
    assert quality("ws://192.0.2.1:8765", compression="raw") is None
    assert quality("ws://localhost:8765", compression="jpeg", quality=40) == 40
    for wrong in ({"compression": "zip"}, {"quality": 0}, {"quality": 101}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            quality("ws://127.0.0.1", **wrong)


def test_a_slow_encoder_keeps_the_newest(monkeypatch: Any) -> None:
    """While one result is encoded one waits; what it replaces is told."""
    gate, done, lost = threading.Event(), [], []
    monkeypatch.setattr(jpeg, "encoded", lambda picture, quality: gate.wait(30) and b"x")

    async def main() -> None:
        encoder = jpeg.Encoder(
            lambda job, files, took: done.append(job.result.id), lambda job: lost.append(job.result.id)
        )
        first = protocol.Result(0, {"color": protocol.Plane.of("rgb8", 1, 1, bytes(3))})
        for number in range(5):
            picture = np.zeros((1, 1, 3), np.uint8)
            encoder.offer(jpeg.Job(dataclasses.replace(first, id=number), picture, {85}))
        gate.set()
        while len(done) < 2:
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert (done, lost) == ([0, 4], [1, 2, 3])


def test_a_result_that_cannot_be_encoded_is_lost_and_nothing_else(monkeypatch: Any) -> None:
    done, lost = [], []

    def faulty(picture: np.ndarray, quality: int) -> bytes:
        if quality == 1:
            raise ValueError("a fault of ours")
        return b"x"

    monkeypatch.setattr(jpeg, "encoded", faulty)

    async def main() -> None:
        encoder = jpeg.Encoder(
            lambda job, files, took: done.append(job.result.id), lambda job: lost.append(job.result.id)
        )
        plane = protocol.Plane.of("rgb8", 1, 1, bytes(3))
        for number, quality in enumerate((1, 85)):
            encoder.offer(jpeg.Job(protocol.Result(number, {"color": plane}), np.zeros((1, 1, 3), np.uint8), {quality}))
        while not done:
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert (done, lost) == ([1], [0])


def test_a_new_source_gets_nothing_of_the_last_ones() -> None:
    """A result that is being encoded while its source is replaced goes nowhere: its number means another frame now."""
    posted: list[int] = []

    class Connection:
        role, quality = "source", 85

        def post(self, message: Any) -> None:
            posted.append(message)

        def post_result(self, frame_id: int, result: Any) -> None:
            posted.append(frame_id)

        def evict(self) -> None:
            pass

    async def main() -> None:
        stream = Stream("main", metrics=Metrics(), on_frame=lambda: None)
        one, two = Connection(), Connection()
        stream.join(one)
        plane = protocol.Plane.of("rgb8", 1, 1, bytes(3))
        frame = protocol.Frame(0, {"color": plane})
        for _ in range(3):  # one is encoded, one waits, one is replaced
            stream.publish(Waiting(frame, one), {}, Transformed(plane.data, {}))
        before = len(posted)
        stream.join(two, take_over=True)
        for _ in range(50):
            await asyncio.sleep(0.005)
        assert posted[before:] == []

    asyncio.run(main())
