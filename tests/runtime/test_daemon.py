"""The daemon as its clients meet it: echo by bytes, roles, many people on one stream."""

import asyncio

import numpy as np
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

import mirage_protocol as protocol
from mirage_runtime.daemon import _lasting


@pytest.mark.parametrize("shape", [(432, 768, 4), (1, 1, 3), (37, 53, 4), (288, 512, 3), (1080, 1920, 4)])
def test_echo_gives_back_every_byte(echo_daemon, peer, noise, shape):
    source = peer(echo_daemon, path="bytes")
    frame = noise(*shape)
    assert np.array_equal(source.transform(frame), frame)


def test_a_result_says_what_happened_to_its_frame(echo_daemon, peer, noise):
    source = peer(echo_daemon, path="record")
    _, message = source.protocol.frame({"color": protocol.Plane.of("rgb8", 4, 2, bytes(24))}, time=2**53 - 1)
    source.socket.send(b"".join(message))
    result = source.next(protocol.Result)
    assert (result.id, result.time, result.dropped, result.dropped_ids) == (0, 2**53 - 1, 0, ())
    assert {"queue", "transfer", "render"} <= result.timings.keys()
    assert result.sent >= result.received > 0
    expected = {"prompt": "oil painting", "strength": 1.0, "steps": 1, "seed": 0}
    assert expected.items() <= result.parameters.items()


def test_the_io_process_imports_no_engine(lsd_daemon):
    maps = {mapped.path for mapped in psutil.Process(lsd_daemon.process.pid).memory_maps()}
    assert not [path for path in maps if "openvino" in path or "torch" in path]
    worker = {mapped.path for mapped in psutil.Process(lsd_daemon.worker_pid).memory_maps()}
    assert [path for path in worker if "openvino" in path]


def test_a_second_source_is_refused_and_may_take_over(echo_daemon, peer, noise):
    first = peer(echo_daemon, path="taken")
    second = peer(echo_daemon, path="taken", ready=False)
    refused = second.next(protocol.Error)
    assert refused.code == "source-taken"
    assert "take over" in refused.message
    with pytest.raises(ConnectionClosed) as closed:
        second.next(protocol.Ready)
    assert closed.value.rcvd.code == 4409

    third = peer(echo_daemon, path="taken", take_over=True)
    assert first.next(protocol.Error).code == "source-taken"
    frame = noise(8, 8)
    assert np.array_equal(third.transform(frame), frame)


def test_a_source_that_closes_frees_its_place_and_leaves_its_parameters(echo_daemon, peer):
    first = peer(echo_daemon, path="freed")
    first.set(strength=0.25, prompt="ink")
    watcher = peer(echo_daemon, "viewer", path="freed")
    first.socket.close()
    while watcher.next(protocol.Status).state != "waiting":
        pass
    second = peer(echo_daemon, path="freed", ready=False)
    ready = second.next(protocol.Ready)
    assert (ready.parameters["strength"], ready.parameters["prompt"]) == (0.25, "ink")


def test_everybody_on_a_stream_sees_results_and_changes(echo_daemon, peer, noise):
    source, viewer = peer(echo_daemon, path="many"), peer(echo_daemon, "viewer", path="many")
    controller = peer(echo_daemon, "controller", path="many")
    elsewhere = peer(echo_daemon, "viewer", path="elsewhere")
    frame = noise(16, 24)
    source.send(frame)
    assert bytes(viewer.next(protocol.Result).planes["color"].data) == frame.tobytes()
    assert source.next(protocol.Result).parameters["seed"] == 0
    acknowledged = controller.set(seed=7, prompt="a pencil drawing")
    assert acknowledged.parameters == {"seed": 7, "prompt": "a pencil drawing"}
    assert source.next(protocol.ParametersChanged).parameters["seed"] == 7
    assert viewer.next(protocol.ParametersChanged).parameters["seed"] == 7
    source.send(frame)
    assert source.next(protocol.Result).parameters["seed"] == 7
    controller.socket.send(protocol.encode(protocol.Ping(5)))
    assert controller.next(protocol.Pong).time == 5
    with pytest.raises(TimeoutError):
        elsewhere.next(protocol.Result, patience=0.3)


def test_the_newest_frame_wins_and_every_other_is_named(echo_daemon, peer, noise):
    source = peer(echo_daemon, path="flood")
    sent = [source.send(noise(540, 960, 4, seed)) for seed in range(24)]
    seen, dropped, last = [], set(), None
    while last != sent[-1]:
        message = source.next((protocol.Result, protocol.Dropped))
        if isinstance(message, protocol.Dropped):
            dropped |= set(message.ids)
            assert message.reason == "newer"
        else:
            last = message.id
            seen.append(message.id)
    assert seen == sorted(seen)
    assert set(seen) | dropped == set(sent)
    assert not source.protocol.in_flight


def test_streams_are_limited_and_deserted_ones_make_room(daemon_factory, peer, wait_for):
    daemon = daemon_factory("--model", "echo")
    leaver = peer(daemon, "controller", path="deserted")
    leaver.set(strength=0.5)
    leaver.socket.close()
    wait_for(lambda: "(controller) is gone" in daemon.output(), "the stream is deserted")
    first, *_ = [peer(daemon, "viewer", path=f"stream-{number}") for number in range(63)]
    one_too_many = peer(daemon, "viewer", path="one-too-many", ready=False)
    error = one_too_many.next(protocol.Error)
    assert error.code == "limit"
    assert "64" in error.message
    peer(daemon, "viewer", path="main")
    first.socket.close()
    wait_for(lambda: "(viewer) is gone" in daemon.output(), "one has left")
    peer(daemon, "viewer", path="one-too-many")


def test_no_frame_within_the_window_is_dropped(echo_daemon, peer, noise):
    source = peer(echo_daemon, path="window")
    frame = noise(144, 256)
    source.send(frame)
    for _ in range(300):
        source.send(frame)
        result = source.next((protocol.Result, protocol.Dropped))
        assert isinstance(result, protocol.Result)
        assert result.dropped == 0


def test_results_that_a_slow_source_does_not_read_are_counted(echo_daemon, peer, noise):
    source = peer(echo_daemon, path="slow", window=64)
    sent = [source.send(noise(432, 768, 4, seed)) for seed in range(40)]
    seen, named = [], set()
    while not seen or seen[-1] != sent[-1]:
        message = source.next((protocol.Result, protocol.Dropped))
        if isinstance(message, protocol.Result):
            seen.append(message.id)
            dropped = message.dropped
        else:
            named |= set(message.ids)
    assert set(seen) | named == set(sent)
    assert len(named) - dropped in (0, 1)  # the last result may itself have replaced one, after it was made


def test_a_fault_beside_the_frames_ends_nothing(caplog):
    tries = []

    async def falters():
        tries.append(len(tries))
        if len(tries) < 2:
            raise KeyError("gone")

    asyncio.run(_lasting(falters))
    assert tries == [0, 1]
    assert "they go on" in caplog.text
