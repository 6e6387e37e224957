"""The desk for Open Stage Control has all that a daemon has, and the daemon takes all that the desk sends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.udp_client import SimpleUDPClient

import mirage
from mirage_protocol import PARAMETERS

FOLDER = Path(__file__).parents[2] / "examples" / "desk"
SHOW = """
[presets.calm]
prompt = "ink"

[presets.storm]
strength = 0.25

[presets.storm.wall]
prompt = "lava"

[[cues]]
preset = "calm"
name = "Before the storm"

[[cues]]
number = 2.5
preset = "storm"
"""
STREAMS = ("main", "wall")
KINDS = {"root", "panel", "tab", "button", "fader", "input", "text"}
LISTS = {"prompts": '[["lava", 3.0], ["ice", 1.0]]', "mask_ids": "[7, 4294967295]"}

Widget = dict[str, Any]


def run(address: str, output: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(FOLDER / "make_desk.py"), address, "--output", str(output)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def made(daemon: Any, folder: Path) -> Widget:
    output = folder / "mirage.json"
    ended = run(daemon.http, output)
    assert ended.returncode == 0, ended.stderr
    session: Widget = json.loads(output.read_text(encoding="utf-8"))
    return session


def widgets(of: Widget) -> Iterator[Widget]:
    yield of
    for child in [*of.get("widgets", []), *of.get("tabs", [])]:
        yield from widgets(child)


def tree(daemon: Any, address: str) -> Any:
    with urllib.request.urlopen(daemon.http + address, timeout=10) as answer:
        return json.load(answer)


def value(daemon: Any, address: str) -> Any:
    return tree(daemon, f"{address}?VALUE")["VALUE"][0]


def addresses(node: Widget) -> Iterator[str]:
    if "TYPE" in node:
        yield node["FULL_PATH"]
    for child in node.get("CONTENTS", {}).values():
        yield from addresses(child)


class Desk:
    """Sends what Open Stage Control sends for a widget: its address, its preArgs and its value, by its typeTags."""

    def __init__(self, session: Widget, port: int) -> None:
        self.session = session
        self.all = list(widgets(session["content"]))
        self.client = SimpleUDPClient("127.0.0.1", port)

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.client._sock.close()  # python-osc has a method for it only since 1.10

    def find(self, kind: str, address: str) -> Widget:
        (found,) = [each for each in self.all if each["type"] == kind and each.get("address") == address]
        return found

    def buttons(self, address: str) -> list[Widget]:
        return [each for each in self.all if each["type"] == "button" and each["address"] == address]

    def sent(self, widget: Widget, *values: Any) -> list[Any]:
        """Return the arguments of what a widget sends; those of a button that is pressed where no values are given."""
        if not values and widget.get("mode") == "tap":
            values = (self._on(widget["on"]),)
        arguments, tags = [*widget.get("preArgs", []), *values], widget.get("typeTags", "")
        kinds = {"s": str, "i": int, "f": float}
        return [kinds[tags[min(place, len(tags) - 1)]](argument) for place, argument in enumerate(arguments)]

    def send(self, widget: Widget, *values: Any) -> None:
        self.client.send_message(widget["address"], self.sent(widget, *values))

    def _on(self, on: Any) -> Any:
        """Return what a button sends; ``@{id}`` is the value of another widget."""
        if not str(on).startswith("@{"):
            return on
        (named,) = [each for each in self.all if each["id"] == on[2:-1]]
        return named["default"]

    def heard(self, wanted: set[str]) -> dict[str, list[Any]]:
        """Return the last arguments that came to each address, once something has come to all that are wanted."""
        last: dict[str, list[Any]] = {}
        end = time.monotonic() + 30
        while not wanted <= last.keys():
            left = end - time.monotonic()
            assert left > 0, f"nothing came to {sorted(wanted - last.keys())}"
            if data := self.client.receive(left):
                message = OscMessage(data)
                last[message.address] = list(message.params)
        return last


@pytest.fixture
def daemon(daemon_factory: Callable[..., Any], tmp_path: Path) -> Any:
    show = tmp_path / "show.toml"
    show.write_text(SHOW, encoding="utf-8")
    return daemon_factory("--model", "echo", "--show", str(show))


@pytest.fixture
def desk(daemon: Any, tmp_path: Path) -> Iterator[Desk]:
    with Desk(made(daemon, tmp_path), daemon.osc_port) as desk:
        yield desk


@pytest.mark.parametrize("stream", STREAMS)
def test_every_parameter_has_its_widget(desk: Desk, stream: str) -> None:
    for parameter in PARAMETERS.values():
        address = f"/mirage/{stream}/{parameter.name}"
        entry = desk.find("input", address)
        assert entry["default"] == (
            json.dumps(parameter.default) if isinstance(parameter.default, list) else parameter.default
        )
        if parameter.type not in ("float", "integer"):
            assert entry["html"] == parameter.name
            continue
        fader = desk.find("fader", address)
        assert fader["id"] == entry["id"]  # so that they follow each other
        assert fader["html"].split(", ") == [parameter.name, *([parameter.unit] if parameter.unit else [])]
        assert fader["range"] == {"min": parameter.minimum, "max": parameter.maximum}
        assert fader["default"] == entry["default"] == parameter.default
        assert fader["typeTags"] == entry["typeTags"] == ("i" if parameter.type == "integer" else "f")
    assert desk.find("fader", f"/mirage/{stream}/steps")["steps"] == 4
    assert desk.find("fader", f"/mirage/{stream}/steps")["decimals"] == 0
    assert desk.find("fader", f"/mirage/{stream}/strength")["steps"] == ""


def test_every_address_is_there_and_nothing_is_missing(desk: Desk, daemon: Any) -> None:
    there = set(addresses(tree(daemon, "/mirage")))
    has = {each["address"] for each in desk.all if "address" in each}
    assert has - there == {"/mirage/error"}
    missing = {path for path in there - has if not path.endswith("/normalized")}
    assert missing == {"/mirage/unsubscribe"}


def test_the_session_is_one(desk: Desk) -> None:
    assert desk.session["type"] == "session"
    assert desk.session["content"]["type"] == "root"
    assert "/mirage/subscribe" in desk.session["content"]["onCreate"]
    assert [each["label"] for each in desk.all if each["type"] == "tab"] == ["show", *STREAMS]
    assert {each["type"] for each in desk.all} == KINDS
    ids = [each["id"] for each in desk.all if each["type"] != "input"]
    assert len(ids) == len(set(ids))
    for each in desk.all:
        if {"widgets", "tabs"} & each.keys():
            assert each["bypass"], "a frame that sends which page is open"
        assert {"target", "port"}.isdisjoint(each), "the desk is for any daemon"


@pytest.mark.parametrize("stream", STREAMS)
def test_faders_and_entries_are_taken(desk: Desk, daemon: Any, stream: str, wait_for: Any) -> None:
    for parameter in PARAMETERS.values():
        address = f"/mirage/{stream}/{parameter.name}"
        if parameter.type in ("float", "integer"):
            target = parameter.at(0.75)
            desk.send(desk.find("fader", address), round(target, desk.find("fader", address)["decimals"]))
            wait_for(lambda a=address, t=target: value(daemon, a) == pytest.approx(t, abs=1e-6), address)
            target = parameter.at(1.0)
        else:
            target = LISTS.get(parameter.name, "stained glass")
        desk.send(desk.find("input", address), target)
        wait_for(lambda a=address, t=target: value(daemon, a) == t, address)


def test_lists_are_sent_as_one_text(desk: Desk) -> None:
    for name in LISTS:
        entry = desk.find("input", f"/mirage/main/{name}")
        assert entry["bypass"], "it would send a list's items as arguments"
        assert "JSON.stringify(value)" in entry["onValue"]


def test_the_shows_buttons_are_taken(desk: Desk, daemon: Any, wait_for: Any) -> None:
    def at(cue: str) -> None:
        wait_for(lambda: value(daemon, "/mirage/cue/current") == cue, f"the show is at {cue}")

    first, second = desk.buttons("/mirage/cue/goto")
    assert [first["label"], second["label"]] == ["1 Before the storm", "2.5 storm"]
    desk.send(second)
    at("2.5")
    wait_for(lambda: value(daemon, "/mirage/wall/prompt") == "lava", "the cue has set the wall")
    desk.send(first)
    at("1")
    desk.send(*desk.buttons("/mirage/cue/go"))
    at("2.5")
    desk.send(*desk.buttons("/mirage/cue/back"))
    at("1")
    calm, storm = desk.buttons("/mirage/preset")
    assert [calm["label"], storm["label"]] == ["calm", "storm"]
    wait_for(lambda: value(daemon, "/mirage/wall/prompt") == "oil painting", "the wall is as before the second cue")
    desk.send(desk.find("input", "/mirage/wall/prompt"), "ice")
    desk.send(desk.find("fader", "/mirage/main/strength"), 1.0)
    desk.send(storm)
    wait_for(lambda: value(daemon, "/mirage/wall/prompt") == "lava", "the preset has set the wall")
    assert value(daemon, "/mirage/main/strength") == 0.25
    assert desk.sent(storm) == ["storm", 2.0], "the name, and the seconds of the fade"


def test_pause_and_play_are_taken(desk: Desk, daemon: Any, wait_for: Any) -> None:
    with mirage.connect(daemon.url) as stream:  # a stream without a source is waiting, paused or not
        desk.send(*desk.buttons("/mirage/main/pause"))
        wait_for(lambda: stream.state == "paused", "it is paused")
        desk.send(*desk.buttons("/mirage/main/play"))
        wait_for(lambda: stream.state != "paused", "it plays")


def test_feedback_comes_to_the_displays(desk: Desk) -> None:
    desk.send(*desk.buttons("/mirage/subscribe"))
    desk.client.send_message("/mirage/nonsense", 1)
    shown = {each["address"] for each in desk.all if each["type"] in ("text", "fader", "input") and "address" in each}
    desk.heard(shown)
    # What a script sends after an entry was changed brings all of it again.
    desk.send(desk.find("fader", "/mirage/main/strength"), 0.5)
    desk.client.send_message("/mirage/unsubscribe", [])
    desk.client.send_message("/mirage/subscribe", [])
    assert desk.heard({"/mirage/main/strength"})["/mirage/main/strength"] == [0.5]


def test_the_file_in_the_repository_is_what_a_daemon_without_a_show_gives(
    daemon_factory: Any, tmp_path: Path, wait_for: Any
) -> None:
    kept = (FOLDER / "mirage.json").read_text(encoding="utf-8")
    daemon = daemon_factory(healthy=False)
    made(daemon, tmp_path)
    assert (tmp_path / "mirage.json").read_text(encoding="utf-8") == kept, "run make_desk.py again"
    with mirage.connect(daemon.url, role="controller") as stream:
        looks = [look["name"] for look in stream.model["looks"]]
    assert len(looks) >= 18
    with Desk(json.loads(kept), daemon.osc_port) as desk:
        buttons = desk.buttons("/mirage/main/prompt")
        assert [button["on"] for button in buttons] == looks
        for button in buttons:
            desk.send(button)
            wait_for(lambda b=button: value(daemon, "/mirage/main/prompt") == b["label"], button["label"])


def test_without_a_daemon_it_says_so(tmp_path: Path) -> None:
    ended = run("http://127.0.0.1:1", tmp_path / "mirage.json")
    assert ended.returncode == 1
    assert "start one with `mirage serve`" in ended.stderr
    assert not (tmp_path / "mirage.json").exists()
