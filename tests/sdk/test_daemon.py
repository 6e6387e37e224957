"""Both clients against the real daemon."""

from __future__ import annotations

import hashlib
import signal
import threading
from typing import Any

import numpy as np
import pytest

import mirage


@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 16, 4), (31, 17, 3), (33, 65, 4), (432, 768, 4)], ids=str)
def test_echo(connect: Any, echo_daemon: Any, picture: Any, shape: tuple[int, int, int]) -> None:
    stream = connect(echo_daemon.url)
    frame = picture(*shape)
    image = stream.transform(frame).image
    assert image.shape == frame.shape
    assert hashlib.sha256(image).digest() == hashlib.sha256(frame).digest()


def test_pipelined(connect: Any, echo_daemon: Any, picture: Any) -> None:
    stream = connect(echo_daemon.url)
    frames = {stream.send(frame): frame for frame in [picture(40, 30, 3, seed) for seed in range(12)]}
    for result in stream:
        assert np.array_equal(result.image, frames.pop(result.frame_id))
        assert result.timings
    assert not frames
    assert stream.in_flight == 0


def test_the_newest_frame_wins(connect: Any, echo_daemon: Any, picture: Any) -> None:
    stream = connect(echo_daemon.url, window=32)
    frames = [picture(432, 768, 4, seed) for seed in range(3)]
    sent = [stream.send(frames[number % 3]) for number in range(30)]
    results = list(stream)
    ids = [result.frame_id for result in results]
    assert ids == sorted(ids)
    assert ids[-1] == sent[-1]
    # The last result may itself have replaced one, after it was made.
    assert 30 - len(results) - results[-1].dropped in (0, 1)
    assert stream.in_flight == 0
    for result in results:
        assert np.array_equal(result.image, frames[result.frame_id % 3])


def test_parameters(connect: Any, echo_daemon: Any) -> None:
    stream = connect(echo_daemon.url)
    before = stream.parameters
    assert stream.set(strength=0.25, seed=7).parameters == {"strength": 0.25, "seed": 7}
    assert stream.parameters["seed"] == 7
    with pytest.raises(mirage.InvalidParameter, match="did you mean 'prompt'"):
        stream.set(promt="ink")
    with pytest.raises(mirage.InvalidParameter, match="0 to 1"):
        stream.set(strength=2, seed=8)
    assert stream.parameters["seed"] == 7
    stream.set(**before)


def test_a_viewer_sees_what_the_source_gets_and_a_controller_changes_it(
    connect: Any, echo_daemon: Any, picture: Any, wait_for: Any
) -> None:
    viewer = connect(echo_daemon.url, role="viewer")
    controller = connect(echo_daemon.url, role="controller")
    frame = picture(20, 30, 3)
    with mirage.connect(echo_daemon.url) as source:
        controller.set(seed=11)
        wait_for(lambda: source.parameters["seed"] == 11, "the source hears of it")
        wait_for(lambda: viewer.parameters["seed"] == 11, "the viewer hears of it")
        result = source.transform(frame)
        seen = viewer.receive()
    assert seen.frame_id == result.frame_id
    assert np.array_equal(seen.image, frame)
    assert result.parameters["seed"] == 11
    controller.set(seed=0)


def test_one_source(connect: Any, echo_daemon: Any, picture: Any) -> None:
    first = mirage.connect(echo_daemon.url)
    with pytest.raises(mirage.Refused) as caught:
        connect(echo_daemon.url)
    assert caught.value.code == "source-taken"
    second = connect(echo_daemon.url, take_over=True)
    with pytest.raises(mirage.ConnectionLost, match="another source"):
        first.transform(picture())
    with pytest.raises(mirage.Refused):
        first.transform(picture())
    second.transform(picture())
    second.close()
    first.transform(picture())
    first.close()


def test_another_stream(connect: Any, echo_daemon: Any, picture: Any) -> None:
    other = connect(echo_daemon.http.replace("http", "ws") + "/other-1")
    here = connect(echo_daemon.url)
    for stream in (other, here):
        stream.transform(picture())


def test_a_token(connect: Any, daemon_factory: Any, picture: Any) -> None:
    daemon = daemon_factory("--model", "echo", MIRAGE_TOKEN="s3cret-s3cret-s3cret", token="s3cret-s3cret-s3cret")
    with pytest.raises(mirage.Refused) as caught:
        connect(daemon.url)
    assert caught.value.code == "unauthorized"
    connect(daemon.url, token="s3cret-s3cret-s3cret").transform(picture())


def test_a_daemon_that_is_killed_and_started_again(connect: Any, daemon_factory: Any, picture: Any) -> None:
    daemon = daemon_factory("--model", "echo")
    stream = connect(daemon.url, timeout=60)
    stream.set(seed=5)
    before = stream.transform(picture()).frame_id
    daemon.stop(signal.SIGKILL)
    with pytest.raises(mirage.ConnectionLost):
        stream.transform(picture())
    with pytest.raises(mirage.ConnectionRefused):
        stream.transform(picture())
    daemon.restart()
    daemon.wait_healthy()
    assert stream.transform(picture()).frame_id > before
    assert stream.parameters["seed"] == 5


def test_a_daemon_that_stops_while_a_viewer_waits(daemon_factory: Any, wait_for: Any) -> None:
    daemon = daemon_factory("--model", "echo")
    ended: list[type] = []

    def watch() -> None:
        try:
            for _ in stream:
                pass
        except mirage.MirageError as error:
            ended.append(type(error))

    with mirage.connect(daemon.url, role="viewer") as stream:
        thread = threading.Thread(target=watch)
        thread.start()
        daemon.stop()
        thread.join(30)
    assert ended == [mirage.ConnectionLost]
