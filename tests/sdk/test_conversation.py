"""Windows, drops, parameters and roles, by both clients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mirage
import mirage_protocol as protocol
from mirage_protocol import Dropped, Frame

ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


def dropped(frame: Frame) -> list[Any]:
    return [Dropped((frame.id,), "newer")]


def result_of(frame: Frame, **fields: Any) -> protocol.Result:
    return protocol.Result(frame.id, {"color": frame.planes["color"]}, frame.time, **fields)


def test_frames_may_be_pipelined(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url)
    frames = [picture(seed=seed) for seed in range(9)]
    sent = [stream.send(frame) for frame in frames]
    results = [stream.receive() for _ in frames]
    assert sent == [result.frame_id for result in results] == list(range(9))
    assert all(np.array_equal(result.image, frame) for result, frame in zip(results, frames, strict=True))


def test_transform_gets_its_own_result_among_others(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url, window=3)
    first = stream.send(picture(seed=1))
    assert stream.transform(picture(seed=2)).frame_id == first + 1
    assert stream.receive().frame_id == first


@pytest.mark.parametrize("window", [1, 3])
def test_no_more_frames_are_in_flight_than_the_window(connect: Any, server: Any, picture: Any, window: int) -> None:
    waiting: list[Frame] = []
    server.on_frame = lambda frame: waiting.append(frame) or []
    stream = connect(server.url, window=window)
    assert server.hellos[0].window == window
    for _ in range(window):
        stream.send(picture())
    assert stream.in_flight == window
    assert stream.send(picture(), block=False) is None
    with pytest.raises(mirage.Timeout, match="room in the window"):
        stream.send(picture(), timeout=0.1)
    assert len(waiting) == window
    server.say(result_of(waiting[0]))
    assert stream.send(picture(), timeout=10) == window
    assert stream.in_flight == window


def test_the_window_is_what_the_server_grants(connect: Any, server: Any, picture: Any) -> None:
    server.window = 1
    server.on_frame = lambda _: []
    stream = connect(server.url, window=5)
    stream.send(picture())
    assert stream.send(picture(), block=False) is None


@pytest.mark.parametrize("reason", ["newer", "failed"])
def test_a_dropped_frame(connect: Any, server: Any, picture: Any, reason: Any) -> None:
    server.on_frame = lambda frame: [Dropped((frame.id,), reason)]
    stream = connect(server.url)
    with pytest.raises(mirage.FrameDropped) as caught:
        stream.transform(picture())
    assert (caught.value.frame_ids, caught.value.reason) == ((0,), reason)
    stream.send(picture())
    with pytest.raises(mirage.FrameDropped) as caught:
        stream.receive()
    assert (caught.value.frame_ids, caught.value.reason) == ((1,), reason)


def test_a_frame_that_only_a_result_names_as_dropped(connect: Any, server: Any, picture: Any) -> None:
    server.on_frame = lambda frame: [result_of(frame, dropped=1, dropped_ids=(0,))] if frame.id == 1 else []
    stream = connect(server.url)
    stream.send(picture())
    stream.send(picture())
    result = stream.receive()
    assert (result.frame_id, result.dropped, result.dropped_ids) == (1, 1, (0,))
    assert stream.in_flight == 0
    with pytest.raises(mirage.Timeout):
        stream.receive(timeout=0.05)


def test_drops_between_results_are_passed_over_and_the_last_is_told(connect: Any, server: Any, picture: Any) -> None:
    server.on_frame = lambda frame: dropped(frame) if frame.id in (1, 3) else [result_of(frame)]
    stream = connect(server.url, window=8)
    for _ in range(4):
        stream.send(picture())
    assert [stream.receive().frame_id for _ in range(2)] == [0, 2]
    with pytest.raises(mirage.FrameDropped) as caught:
        stream.receive()
    assert caught.value.frame_ids == (3,)


def test_a_source_iterates_until_nothing_is_in_flight(connect: Any, server: Any, picture: Any) -> None:
    server.on_frame = lambda frame: dropped(frame) if frame.id == 2 else [result_of(frame)]
    stream = connect(server.url)
    for _ in range(3):
        stream.send(picture())
    assert [result.frame_id for result in stream] == [0, 1]
    assert list(stream) == []


def test_results_that_nobody_receives_do_not_pile_up(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url)
    for _ in range(80):
        stream.transform(picture(1, 1))
    for _ in range(80):
        stream.send(picture(1, 1))
    left = [result.frame_id for result in stream]
    assert 64 <= len(left) <= 66  # those in flight have not come yet
    assert left == [*range(160 - len(left), 160)]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("too-large", mirage.InvalidFrame),
        ("plane-size", mirage.InvalidFrame),
        ("unsupported", mirage.Unsupported),
        ("not-allowed", mirage.NotAllowed),
        ("internal", mirage.ServerError),
        ("of-a-later-version", mirage.ServerError),
    ],
)
def test_a_frame_that_the_server_refuses(
    connect: Any, server: Any, picture: Any, code: Any, kind: type[Exception]
) -> None:
    server.on_frame = lambda frame: [protocol.Error(code, "so it is", "planes.color", id=frame.id)]
    stream = connect(server.url)
    stream.send(picture())
    for call in (stream.receive, lambda: stream.transform(picture())):
        with pytest.raises(kind, match="so it is") as caught:
            call()
        assert isinstance(caught.value, mirage.MirageError)
        assert (caught.value.code, caught.value.field) == (code, "planes.color")
    assert stream.in_flight == 0


def test_set_returns_what_the_server_acknowledged(connect: Any, server: Any) -> None:
    understood = {"looks": {"ink": 1.0}, "modifiers": {"heavy": 0.5}, "unknown_words": ["banana"]}
    understood |= {"confidence": 0.25, "nearest": ["sketch"]}
    server.on_set = lambda change: [protocol.Acknowledged(change.request, change.parameters, understood)]
    stream = connect(server.url)
    answer = stream.set(prompt="heavy ink banana", strength=1)
    assert answer.parameters == {"prompt": "heavy ink banana", "strength": 1.0}
    assert (answer.looks, answer.modifiers, answer.unknown_words) == ({"ink": 1.0}, {"heavy": 0.5}, ("banana",))
    assert (answer.confidence, answer.nearest) == (0.25, ("sketch",))
    assert stream.parameters == protocol.defaults() | answer.parameters


def test_set_without_a_prompt(connect: Any, server: Any) -> None:
    assert connect(server.url).set(seed=3) == mirage.Acknowledgement({"seed": 3})


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.array(0.5), np.array([0.5])])
def test_numbers_of_numpy(connect: Any, server: Any, value: Any) -> None:
    assert connect(server.url).set(strength=value).parameters == {"strength": 0.5}


@pytest.mark.parametrize(
    ("parameters", "code", "name", "message"),
    [
        ({"strenght": 0.5}, "unknown-parameter", "strenght", "did you mean 'strength'"),
        ({"strength": 1.5}, "out-of-range", "strength", "0 to 1"),
        ({"strength": "full"}, "wrong-type", "strength", "must be a number"),
        ({"seed": 1.5}, "wrong-type", "seed", "must be an integer"),
        ({"prompt": "x" * 1001}, "out-of-range", "prompt", "1000 characters"),
        ({"strength": float("nan")}, "out-of-range", "strength", "finite"),
        ({"strength": np.zeros(3)}, None, None, "text, a number or a list"),
        ({"strength": object()}, None, None, "text, a number or a list"),
        ({"prompt": "\ud800"}, None, None, "text, a number or a list"),
        ({"prompts": [("ink", object())]}, None, None, "text, a number or a list"),
        ({"prompts": ENDLESS}, None, None, "text, a number or a list"),
        ({"prompts": [("ink", 1.0), ("lava", -1.0)]}, "out-of-range", "prompts", "prompts.1.weight must be 0 to 1000"),
        ({"prompts": [("ink", 0.0)]}, "out-of-range", "prompts", "a weight over 0"),
        ({"prompts": [("ink", 1.0)] * 9}, "out-of-range", "prompts", "at most 8 items"),
        ({"prompts": ("ink", 1.0)}, "wrong-type", "prompts", "must be an array, not a map"),
        ({"prompts": ["ink"]}, "wrong-type", "prompts", "prompts.0 must be a map"),
        ({"prompts": [{"text": "ink"}]}, "missing-field", "prompts", "prompts.0.weight is missing"),
        ({"coherence": 1.5}, "out-of-range", "coherence", "0 to 1"),
        ({"a.b": 1}, "unknown-parameter", "a.b", "there is no parameter"),
        ({"strength": 10**400}, None, None, "text, a number or a list"),
    ],
)
def test_parameters_that_are_refused(
    connect: Any, server: Any, parameters: Any, code: str | None, name: str | None, message: str
) -> None:
    stream = connect(server.url)
    with pytest.raises(mirage.InvalidParameter, match=message) as caught:
        stream.set(**parameters)
    assert (caught.value.code, caught.value.parameter) == (code, name)
    assert stream.parameters == protocol.defaults()
    stream.set(seed=1)


def test_parameters_of_a_later_server_pass(connect: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grain = protocol.Parameter("grain", "float", default=1.0, minimum=0.0, maximum=1.0)
    monkeypatch.setattr("mirage_protocol.parameters.PARAMETERS", dict(protocol.PARAMETERS) | {"grain": grain})
    assert connect(server.url).set(grain=0.5).parameters == {"grain": 0.5}


@pytest.mark.parametrize(
    "prompts",
    [
        [("lava", 0.75), ("ice", 0.25)],
        (("lava", 0.75), ("ice", np.float32(0.25))),
        [{"text": "lava", "weight": 0.75}, ("ice", np.array([0.25]))],
        [{"text": "lava", "weight": 0.75}, {"text": "ice", "weight": 0.25}],
    ],
)
def test_prompts_are_pairs_or_maps(connect: Any, server: Any, prompts: Any) -> None:
    stream = connect(server.url)
    expected = [{"text": "lava", "weight": 0.75}, {"text": "ice", "weight": 0.25}]
    assert stream.set(prompts=prompts).parameters == {"prompts": expected}
    assert stream.parameters["prompts"] == expected
    assert stream.set(prompts=[]).parameters == {"prompts": []}


def test_a_prompt_that_ends_a_blend(connect: Any, server: Any) -> None:
    values: dict[str, Any] = protocol.defaults()

    def change(message: protocol.Set) -> list[Any]:
        settled = protocol.implied(message.parameters, values)
        values.update(settled)
        return [protocol.Acknowledged(message.request, settled)]

    server.on_set = change
    stream = connect(server.url)
    assert stream.set(prompt="moss").parameters == {"prompt": "moss"}
    stream.set(prompts=[("lava", 1), ("ice", 2)])
    assert stream.parameters["prompt"] == "moss"
    assert stream.set(prompt="ink").parameters == {"prompt": "ink", "prompts": []}
    assert stream.parameters["prompts"] == []


def test_parameters_that_others_change(connect: Any, server: Any, wait_for: Any) -> None:
    stream = connect(server.url, role="controller")
    server.say(protocol.ParametersChanged({"prompt": "moss"}))
    wait_for(lambda: stream.parameters["prompt"] == "moss", "the change arrives")


def test_the_state_of_the_stream(connect: Any, server: Any, wait_for: Any) -> None:
    stream = connect(server.url)
    wait_for(lambda: stream.state == "streaming", "it streams")
    server.say(protocol.Status("recovering", "one moment"))
    wait_for(lambda: stream.state == "recovering", "it recovers")


def test_what_the_server_is(connect: Any, server: Any) -> None:
    stream = connect(server.url)
    assert stream.model == {"name": "fake", "looks": []}
    assert stream.capabilities.keys() == {"planes"}


def test_a_viewer_receives_and_iterates(connect: Any, server: Any) -> None:
    stream = connect(server.url, role="viewer")
    pixels = protocol.Plane.of("rgb8", 1, 1, b"abc")
    server.say(*(protocol.Result(number, {"color": pixels}, dropped_ids=(77,)) for number in range(4)))
    results = iter(stream)
    ids = [stream.receive().frame_id, next(results).frame_id, stream.receive().frame_id, next(results).frame_id]
    assert ids == [0, 1, 2, 3]
    with pytest.raises(mirage.Timeout):
        stream.receive(timeout=0.05)
    server.say(protocol.Result(9, {"color": pixels}))
    last = stream.receive(timeout=math.inf)
    assert (last.frame_id, last.round_trip) == (9, None)


def test_what_a_viewer_may_not(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url, role="viewer")
    for call in (lambda: stream.send(picture()), lambda: stream.transform(picture()), lambda: stream.set(seed=1)):
        with pytest.raises(mirage.NotAllowed, match="a viewer may not"):
            call()


def test_what_a_controller_may_not(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url, role="controller")
    for call in (lambda: stream.send(picture()), lambda: stream.transform(picture()), stream.receive):
        with pytest.raises(mirage.NotAllowed, match="a controller"):
            call()
    assert stream.set(seed=2).parameters == {"seed": 2}


def test_messages_of_a_later_version_are_ignored(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url)
    server.say(b"\x0c\0\0\0\x81\xa4type\xa5later")
    stream.transform(picture())
