"""The component in the stand-in for TouchDesigner, against real daemons."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mirage

TRANSPORTS = ["shared-memory", "websocket"]


def url_of(daemon: Any, stream: str) -> str:
    return f"ws://127.0.0.1:{daemon.port}/{stream}"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_echo_gives_every_byte_back(
    stage: Callable[..., Any], echo_daemon: Any, noise: Callable[..., Any], transport: str
) -> None:
    scene = stage(url_of(echo_daemon, f"td-echo-{transport}"), Transport=transport)
    for seed, (height, width) in enumerate([(72, 128), (720, 1280), (33, 47)]):
        scene.until_shown(noise(height, width, seed))
    assert scene.state == "connected"
    assert scene.message == ""
    scene.until(lambda: scene.statistic("transport") == transport, "the table says the transport")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_picture_follows_the_prompt(stage: Callable[..., Any], lsd_daemon: Any, transport: str) -> None:
    rows, columns = np.mgrid[0:144, 0:256]
    ramp = np.dstack((rows, columns % 256, (rows + columns) % 256, np.full_like(rows, 255))).astype(np.uint8)
    scene = stage(url_of(lsd_daemon, f"td-lsd-{transport}"), Transport=transport, Prompt="ink drawing")
    scene.source.picture = ramp
    scene.until(lambda: scene.statistic("frame") is not None, "there is a result")
    scene.until(lambda: scene.shown is not None and not np.array_equal(scene.shown, ramp), "it is another picture")
    ink = scene.shown.copy()
    assert np.array_equal(ink[..., 3], ramp[..., 3])
    scene.component.par.Prompt.val = "lava"
    scene.until(lambda: np.abs(scene.shown.astype(int) - ink).mean() > 10, "the prompt is seen")


def test_floats_are_taken_too(td: Any, stage: Callable[..., Any], echo_daemon: Any, noise: Callable[..., Any]) -> None:
    td.eight_bits = False  # older builds give floats, whatever the texture has
    scene = stage(url_of(echo_daemon, "td-floats"))
    scene.until_shown(noise(90, 160))


def test_a_top_that_changes_size_and_format(stage: Callable[..., Any], echo_daemon: Any) -> None:
    scene = stage(url_of(echo_daemon, "td-formats"))
    red = np.zeros((40, 60, 4), np.float32)
    red[..., 0], red[..., 3] = 2.0, 1.0
    grey = np.full((50, 20, 1), 0.2, np.float32)
    pair = np.full((10, 70, 2), 51, np.uint8)
    wide = np.full((20, 30, 4), 51 * 257, np.uint16)
    broken = np.full((24, 24, 4), np.nan, np.float32)
    for picture, pixel in (
        (red, [255, 0, 0, 255]),
        (grey, [51, 51, 51, 255]),
        (pair, [51, 51, 51, 51]),
        (wide, [51, 51, 51, 51]),
        (broken, [0, 0, 0, 0]),
    ):
        expected = np.broadcast_to(np.array(pixel, np.uint8), (*picture.shape[:2], 4))
        scene.source.picture = picture
        scene.until(lambda expected=expected: np.array_equal(scene.shown, expected), f"{picture.dtype} {pixel}")
    assert scene.message == ""


def test_a_picture_that_is_too_large_is_told(
    stage: Callable[..., Any], daemon_factory: Callable[..., Any], noise: Callable[..., Any]
) -> None:
    scene = stage(daemon_factory("--model", "echo", "--max-size", "100x100").url)
    good = noise(50, 50)
    scene.until_shown(good)
    scene.source.picture = noise(200, 50)
    scene.until(lambda: "100x100" in scene.message, "the problem is told")
    assert scene.state == "connected"
    assert np.array_equal(scene.shown, good)
    scene.until_shown(noise(60, 60, 2))
    scene.until(lambda: scene.message == "", "all is well again")


def test_until_there_is_a_daemon_the_source_passes_through(
    stage: Callable[..., Any], noise: Callable[..., Any]
) -> None:
    scene = stage("ws://127.0.0.1:9/main")
    picture = noise(20, 30)
    scene.until_shown(picture, through=True)
    scene.until(lambda: "there is no server" in scene.message, "the problem is told")
    assert scene.state == "connecting"
    assert "there is no server" in scene.component.op("result").warnings()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_pictures_of_fewer_channels_pass_through(
    stage: Callable[..., Any], noise: Callable[..., Any], channels: int
) -> None:
    scene = stage("ws://127.0.0.1:9/main")
    picture = scene.source.picture = noise(20, 30)[..., :channels]
    expected = picture[..., {1: [0, 0, 0], 2: [0, 0, 0, 1], 3: [0, 1, 2]}[channels]]
    scene.until(lambda: np.array_equal(scene.shown, expected), "the picture is shown")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_daemon_that_hangs_holds_nobody_up(
    stage: Callable[..., Any], daemon_factory: Callable[..., Any], noise: Callable[..., Any], transport: str
) -> None:
    daemon = daemon_factory("--model", "echo")
    scene = stage(daemon.url, Transport=transport)
    good = noise(72, 128)
    scene.until_shown(good)
    processes = (daemon.process.pid, daemon.worker_pid)
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        scene.until(lambda: True, "a picture that was on its way is shown")
        for seed in range(100):  # a cook that waited for the daemon would wait for ever
            scene.source.picture = noise(72, 128, 1 + seed)
            scene.component.par.Strength.val = seed / 100
            scene.program.frame()
        assert scene.component.HasResult
        assert scene.shown.shape == good.shape
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    scene.until_shown(noise(72, 128, 200))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_daemon_that_is_killed_and_comes_back(
    stage: Callable[..., Any], daemon_factory: Callable[..., Any], noise: Callable[..., Any], transport: str
) -> None:
    daemon = daemon_factory("--model", "echo")
    scene = stage(daemon.url, Transport=transport, Strength=0.25)
    good = noise(72, 128)
    scene.until_shown(good)
    daemon.stop(signal.SIGKILL)
    scene.source.picture = noise(72, 128, 1)
    scene.until(lambda: scene.state == "reconnecting", "the loss is told")
    assert scene.message
    assert np.array_equal(scene.shown, good)
    daemon.restart()
    scene.until_shown(noise(72, 128, 2), "the new daemon's result is shown")
    scene.until(lambda: scene.state == "connected" and scene.message == "", "all is well")
    with mirage.connect(daemon.url, role="controller") as controller:
        assert controller.parameters["strength"] == 0.25


def test_a_wrong_token(
    stage: Callable[..., Any], daemon_factory: Callable[..., Any], noise: Callable[..., Any]
) -> None:
    daemon = daemon_factory("--model", "echo", "--token", "secret", token="secret")
    scene = stage(daemon.url, Token="wrong")
    scene.until(lambda: scene.state == "refused", "the refusal is told")
    assert "token" in scene.message
    scene.component.par.Token.val = "secret"
    scene.until_shown(noise(20, 30))
    assert scene.state == "connected"


def test_an_address_that_is_none(stage: Callable[..., Any]) -> None:
    scene = stage("http//nowhere")
    scene.until(lambda: scene.state == "refused", "the address is refused")
    assert "ws://127.0.0.1:8765" in scene.message


def test_a_stream_that_has_a_source(stage: Callable[..., Any], echo_daemon: Any, noise: Callable[..., Any]) -> None:
    url = url_of(echo_daemon, "td-taken")
    with mirage.connect(url):
        scene = stage(url)
        scene.until(lambda: scene.state == "refused", "the refusal is told")
        assert "source" in scene.message
        scene.component.par.Takeover.val = True
        scene.until_shown(noise(20, 30))


def test_somebody_takes_the_stream(stage: Callable[..., Any], echo_daemon: Any, noise: Callable[..., Any]) -> None:
    url = url_of(echo_daemon, "td-lost")
    scene = stage(url)
    good = noise(20, 30)
    scene.until_shown(good)
    with mirage.connect(url, take_over=True) as other:
        scene.until(lambda: scene.state == "refused", "the loss is told")
        assert np.array_equal(scene.shown, good)
        assert other.transform(np.zeros((8, 8, 3), np.uint8)).image.shape == (8, 8, 3)
    scene.component.par.Reconnect.pulse()
    scene.until_shown(noise(20, 30, 1))


def test_an_expression_drives_a_parameter_out_of_range(
    stage: Callable[..., Any], echo_daemon: Any, noise: Callable[..., Any]
) -> None:
    url = url_of(echo_daemon, "td-range")
    scene = stage(url)
    good = noise(20, 30)
    scene.until_shown(good)
    with mirage.connect(url, role="controller") as controller:
        scene.component.par.Strength.expr = "0.5 * 6"
        scene.until(lambda: "strength 3 is beyond" in scene.message, "the problem is told")
        assert scene.state == "connected"
        assert controller.parameters["strength"] == 1.0
        scene.component.par.Strength.expr = "0.5"
        scene.until(lambda: controller.parameters["strength"] == 0.5, "a good value is taken")
        scene.until(lambda: scene.message == "", "all is well again")
        scene.component.par.Seed.expr = "-7"
        scene.until(lambda: "seed" in scene.message, "the problem is told")
        assert controller.parameters["seed"] == 0
        scene.component.par.Seed.val = 7
        scene.until(lambda: controller.parameters["seed"] == 7, "a good value is taken")
        scene.component.par.Coherence.expr = "1 / 0"
        scene.until(lambda: "division" in scene.message, "the broken expression is told")
        scene.component.par.Coherence.expr = "float('nan')"
        scene.until(lambda: "coherence" in scene.message, "NaN is told")
        scene.component.par.Coherence.val = 0.5
        scene.component.par.Maskids.val = "seven"
        scene.until(lambda: "whole numbers" in scene.message, "the text is told")
        scene.component.par.Maskids.val = "7, 12"
        scene.until(lambda: controller.parameters["mask_ids"] == [7, 12], "a good value is taken")
        scene.until(lambda: scene.message == "", "all is well again")
    scene.until_shown(noise(20, 30, 1))


def test_blends_of_prompts(stage: Callable[..., Any], echo_daemon: Any) -> None:
    url = url_of(echo_daemon, "td-blend")
    scene = stage(url, Prompts1text="lava", Prompts1weight=3.0, Prompts3text="ice")
    with mirage.connect(url, role="controller") as controller:
        expected = [{"text": "lava", "weight": 3.0}, {"text": "ice", "weight": 1.0}]
        scene.until(lambda: controller.parameters["prompts"] == expected, "the blend is set")
        controller.set(prompt="ink")  # which ends the blend
        scene.until(lambda: scene.component.par.Prompts1text.eval() == "", "the component follows")
        assert scene.component.par.Prompt.eval() == "ink"
        assert controller.parameters["prompts"] == []


def test_the_component_follows_others_but_not_against_an_expression(
    stage: Callable[..., Any], echo_daemon: Any
) -> None:
    url = url_of(echo_daemon, "td-follow")
    scene = stage(url)
    scene.until(lambda: scene.state == "connected", "it is connected")
    scene.component.par.Steps.expr = "2"
    with mirage.connect(url, role="controller") as controller:
        scene.until(lambda: controller.parameters["steps"] == 2, "the expression is set")
        controller.set(strength=0.5, steps=4, mask_ids=[3, 9])
        scene.until(lambda: scene.component.par.Strength.eval() == 0.5, "the component follows")
        assert scene.component.par.Maskids.eval() == "3, 9"
        assert scene.component.par.Steps.expr == "2"
        for _ in range(20):
            scene.program.frame()
        assert controller.parameters["strength"] == 0.5


def test_buttons_play_the_show(stage: Callable[..., Any], echo_daemon: Any, noise: Callable[..., Any]) -> None:
    scene = stage(url_of(echo_daemon, "td-show"))
    scene.until_shown(noise(20, 30))
    scene.component.par.Pause.pulse()
    scene.until(lambda: scene.statistic("stream") == "paused", "the stream is paused")
    scene.component.par.Play.pulse()
    scene.until(lambda: scene.statistic("stream") == "streaming", "the stream goes on")
    scene.component.par.Go.pulse()
    scene.until(lambda: "cue" in scene.message, "there is no cue")
    assert scene.state == "connected"


def test_statistics(stage: Callable[..., Any], echo_daemon: Any, noise: Callable[..., Any]) -> None:
    scene = stage(url_of(echo_daemon, "td-statistics"))
    scene.source.picture = noise(72, 128)
    scene.until(lambda: scene.statistic("frame") is not None, "results are counted")
    names = [row[0] for row in scene.component.op("statistics").rows]
    assert names[:6] == ["name", "state", "message", "stream", "model", "transport"]
    assert {"rate", "p50", "p95", "p99", "jitter", "results", "drops", "frame", "memory", "ms_queue"} <= set(names)
    assert scene.statistic("model") == "echo"


def test_scripts_may_use_the_extension(stage: Callable[..., Any], echo_daemon: Any) -> None:
    url = url_of(echo_daemon, "td-script")
    scene = stage(url)
    scene.until(lambda: scene.component.State == "connected", "it is connected")
    scene.component.Set(prompt="ink", strength=0.5, prompts=[{"text": "ice", "weight": 2.0}])
    with mirage.connect(url, role="controller") as controller:
        scene.until(lambda: controller.parameters["strength"] == 0.5, "it is set")
        assert controller.parameters["prompts"] == [{"text": "ice", "weight": 2.0}]
    with pytest.raises(ValueError, match="no parameter speed"):
        scene.component.Set(speed=1)


def test_off_and_on(stage: Callable[..., Any], echo_daemon: Any, noise: Callable[..., Any]) -> None:
    url = url_of(echo_daemon, "td-off")
    scene = stage(url)
    scene.until_shown(noise(20, 30))
    scene.component.par.Active.val = False
    scene.until(lambda: scene.state == "off", "it is off")
    with mirage.connect(url) as other:
        assert other.parameters
    scene.until_shown(noise(20, 30, 1), "the source passes through", through=True)
    scene.component.par.Active.val = True
    scene.until(lambda: scene.state == "connected", "it is on")
    scene.until_shown(noise(20, 30, 2))


def test_an_extension_that_is_made_anew_leaves_no_threads(
    stage: Callable[..., Any], echo_daemon: Any, noise: Callable[..., Any]
) -> None:
    scene = stage(url_of(echo_daemon, "td-anew"))
    for seed in range(3):
        scene.component.par.reinitextensions.pulse()
        scene.until_shown(noise(20, 30, seed))
    assert sum(thread.name.startswith("mirage ") for thread in threading.enumerate()) == 2


def test_a_library_that_is_not_there(stage: Callable[..., Any]) -> None:
    scene = stage("ws://127.0.0.1:9/main", Library="/nowhere/python.zip")
    scene.component.Reconnect()
    scene.component.Start()
    scene.until(lambda: "cannot be loaded" in scene.message, "the problem is told")
    assert scene.state == "refused"


def test_two_components_side_by_side(
    td: Any, stage: Callable[..., Any], released: Any, echo_daemon: Any, noise: Callable[..., Any]
) -> None:
    one = stage(url_of(echo_daemon, "td-one"))
    one.component.name = "other"
    td.project._children["other"] = td.project._children.pop("mirage")
    one.source.name = "first"
    td.project._children["first"] = td.project._children.pop("source")
    two = stage(url_of(echo_daemon, "td-two"))
    one.source.picture = noise(20, 30, 1)
    two.until_shown(noise(30, 20, 2))
    one.until_shown(noise(20, 30, 3))
