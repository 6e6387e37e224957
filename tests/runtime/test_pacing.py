"""The newest frame wins and nobody waits for anybody, whichever way frames travel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mirage
import mirage_protocol as protocol

TRANSPORTS = pytest.mark.parametrize("transport", ["shared-memory", "websocket"])
HEIGHT, WIDTH = 288, 512


def numbered(number: int) -> np.ndarray:
    """A picture that tells its number: it comes back with no strength applied."""
    frame = np.full((HEIGHT, WIDTH, 4), number % 251, np.uint8)
    frame[0, 0] = np.frombuffer(number.to_bytes(4, "little"), np.uint8)
    return frame


def number_of(image: np.ndarray) -> int:
    return int.from_bytes(image[0, 0].tobytes(), "little")


@TRANSPORTS
def test_under_overload_what_is_shown_is_never_older_than_the_window(lsd_daemon: Any, transport: Any) -> None:
    """A source that draws far faster than the model transforms: what comes back is at most its window behind."""
    window = 2
    with mirage.connect(lsd_daemon.url, transport=transport, take_over=True, window=window, timeout=60) as stream:
        stream.set(prompt="ink", strength=1.0, mask_ids=[0])  # everything is masked: each frame comes back as it was
        ids = np.zeros((HEIGHT, WIDTH), np.uint32)
        stream.transform(numbered(0), planes={"ids": ids})  # the worker may be at another source's frame until now
        drawn, sent, ages, shown = 0, {}, [], -1
        while len(ages) < 25:
            frame_id = stream.send(numbered(drawn), planes={"ids": ids}, block=False)
            if frame_id is not None:
                sent[frame_id] = len(sent)
            drawn += 1
            while stream.in_flight < len(sent) - len(ages):
                try:
                    result = stream.receive()
                except mirage.FrameDropped as dropped:
                    raise AssertionError(f"{dropped.frame_ids} were within the window") from None
                assert result.frame_id > shown
                shown = result.frame_id
                ages.append(len(sent) - 1 - sent[shown])
        stream.set(mask_ids=[])
    assert drawn > len(sent)  # it was an overload
    assert max(ages) <= window


@TRANSPORTS
def test_a_flood_ends_with_the_newest_frame(echo_daemon: Any, peer: Any, transport: str) -> None:
    """Frames of a source that minds no window come back or are named as dropped, and the last one comes back."""
    source = peer(echo_daemon, take_over=True)
    count, seen, newest = 60, set(), None
    for number in range(count):
        source.send(numbered(number))
    while len(seen) < count:
        message = source.protocol.receive(source.socket.recv(timeout=60, decode=False))
        if isinstance(message, protocol.Result):
            newest = message
            seen |= {message.id, *message.dropped_ids}
        elif isinstance(message, protocol.Dropped):
            seen |= set(message.ids)
    assert newest is not None
    assert newest.id == max(seen)
    assert number_of(np.frombuffer(newest.planes["color"].data, np.uint8).reshape(HEIGHT, WIDTH, 4)) == count - 1


@TRANSPORTS
def test_a_change_is_in_the_next_frame_that_is_started(lsd_daemon: Any, transport: Any) -> None:
    with (
        mirage.connect(lsd_daemon.url, transport=transport, take_over=True, timeout=60) as stream,
        mirage.connect(lsd_daemon.url, role="controller", timeout=60) as controller,
    ):
        controller.set(strength=1.0, prompt="lava", transition=0.0)
        frame = numbered(1)
        assert (stream.transform(frame).image != frame).any()
        for strength in (0.0, 1.0, 0.0):
            controller.set(strength=strength)
            result = stream.transform(frame)
            assert result.parameters["strength"] == strength
            assert (result.image == frame).all() == (strength == 0.0)
        controller.set(strength=1.0)


@TRANSPORTS
def test_a_viewer_that_reads_now_and_then_delays_nobody_and_sees_the_newest(echo_daemon: Any, transport: Any) -> None:
    with (
        mirage.connect(echo_daemon.url, transport=transport, take_over=True, timeout=60) as source,
        mirage.connect(echo_daemon.url, role="viewer", transport=transport, timeout=60) as idle,
        mirage.connect(echo_daemon.url, role="viewer", transport=transport, timeout=60) as keen,
    ):
        source.transform(numbered(0))
        assert number_of(idle.receive().image) == 0
        assert number_of(keen.receive().image) == 0
        for number in range(1, 41):
            assert number_of(source.transform(numbered(number)).image) == number
            assert number_of(keen.receive().image) == number
        seen = []
        while not seen or seen[-1] < 40:
            seen.append(number_of(idle.receive().image))
        assert len(seen) < 40  # it missed some, which waited for nobody
        assert seen == sorted(seen)
