"""The tree of addresses: what each means, what is sent to it, and what it says."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mirage_protocol import PARAMETERS, ParameterValue, ProtocolError, Status, defaults
from mirage_runtime.changes import Change
from mirage_runtime.metrics import Metrics
from mirage_runtime.show.cues import Player
from mirage_runtime.show.desk import Desk
from mirage_runtime.show.feedback import encoded, of_all, of_changes, of_figures
from mirage_runtime.show.nodes import Node
from mirage_runtime.show.reading import read
from mirage_runtime.show.tree import Tree, number, preset
from mirage_runtime.show.values import sent
from mirage_runtime.streams import Stream

SHOW = """
[presets.calm]
strength = 0.25

[presets.storm.wall]
seed = 7

[[cues]]
number = 2
preset = "calm"

[[cues]]
number = 2.5
name = "Storm"
preset = "storm"
osc = "/show/storm"

[[cues]]
number = "4"
preset = "calm"
osc = "/mirage/main/seed"
"""

OTHERS: dict[str, ParameterValue] = {
    "prompt": "ink",
    "prompts": [{"text": "lava", "weight": 3.0}],
    "negative_prompt": "fog",
    "guidance": 7.5,
    "strength": 0.5,
    "coherence": 0.25,
    "steps": 3,
    "seed": 12,
    "mask_ids": [4, 5],
    "transition": 30.0,
}
"""A value of each parameter that is not its default."""


class House:
    """A desk with two streams, a player and a tree."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.desk = Desk(self.streams, self.make, lambda stream: Status("paused" if stream.paused else "streaming"))
        self.desk.need(["main", "wall"])
        self.desk.watch(self)
        self.player = Player(self.desk)
        self.player.load(read(SHOW, "show.toml"))
        self.tree = Tree(self.desk, self.player)
        self.problems: list[str] = []
        self.news: list[tuple[str, str]] = []
        self.states: list[tuple[str, str]] = []

    def make(self, name: str) -> Stream:
        if name not in self.streams:
            self.streams[name] = Stream(name, metrics=Metrics(), on_frame=lambda: None, observer=self.desk)
        return self.streams[name]

    def node(self, address: str) -> Node:
        (node,) = self.tree.find(address)
        return node

    def send(self, address: str, *arguments: Any) -> object:
        write = self.node(address).write
        assert write is not None
        return write(list(arguments), self)

    def says(self, address: str) -> Any:
        read = self.node(address).read
        assert read is not None
        (value,) = read()
        return value

    def value(self, parameter: str, stream: str = "main") -> Any:
        return self.streams[stream].controls.values[parameter]

    def changed(self, stream: Stream, changes: Mapping[str, Change]) -> None:
        pass

    def said(self, stream: Stream, status: Status) -> None:
        self.states.append((stream.name, status.state))

    def published(self, stream: Stream, frame_id: int) -> None:
        pass

    def told(self, path: str, value: str) -> None:
        self.news.append((path, value))

    def streams_changed(self) -> None:
        pass

    def reported(self, problem: str) -> None:
        self.problems.append(problem)


@pytest.fixture
def house() -> House:
    return House()


def refused(act: Callable[..., object], *arguments: Any) -> str:
    with pytest.raises(ProtocolError) as caught:
        act(*arguments)
    return caught.value.message


EVERY = pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=PARAMETERS)
STREAMS = pytest.mark.parametrize("stream", ["main", "wall"])


@STREAMS
@EVERY
def test_every_parameter_of_every_stream_has_its_address(house: House, parameter: Any, stream: str) -> None:
    address, name = f"/mirage/{stream}/{parameter.name}", parameter.name
    node = house.node(address)
    assert (node.path, node.access, node.description, node.clip) == (address, 3, parameter.help, parameter.clip)
    assert house.says(address) == sent(parameter, parameter.default)

    async def act() -> None:
        assert house.send(address, sent(parameter, OTHERS[name])) == OTHERS[name]

    asyncio.run(act())
    assert house.value(name, stream) == OTHERS[name]
    assert house.says(address) == sent(parameter, OTHERS[name])
    other = "wall" if stream == "main" else "main"
    assert house.streams[other].controls.values == defaults()


@STREAMS
@EVERY
def test_every_number_has_its_fraction_and_nothing_else_has(house: House, parameter: Any, stream: str) -> None:
    address = f"/mirage/{stream}/{parameter.name}/normalized"
    if parameter.type not in ("float", "integer"):
        assert house.tree.find(address) == []
        return
    node = house.node(address)
    assert (node.access, node.types, node.extent, node.clip) == (3, "f", (0.0, 1.0), True)
    assert house.node(f"/mirage/{stream}/{parameter.name}").extent == (parameter.minimum, parameter.maximum)

    async def act() -> None:
        for fraction, value in ((0, parameter.minimum), (1.0, parameter.maximum), (7, parameter.maximum)):
            assert house.send(address, fraction) == value
            assert house.value(parameter.name, stream) == value
            assert house.says(address) == pytest.approx(min(fraction, 1))

    asyncio.run(act())


def test_the_types_are_those_of_what_is_read(house: House) -> None:
    kinds = {"s": str, "f": float, "i": int}
    for node in house.tree.nodes.values():
        if node.read is not None:
            assert [type(value) for value in node.read()] == [kinds[tag] for tag in node.types], node.path


def test_every_address_says_what_it_is_and_does_something(house: House) -> None:
    for path, node in house.tree.nodes.items():
        assert node.path == path
        assert path.startswith("/")
        assert node.access in (1, 2, 3)
        assert node.description.endswith(".")


@STREAMS
def test_figures_can_only_be_read(house: House, stream: str) -> None:
    for name in ("rate", "latency", "frames"):
        assert house.node(f"/mirage/{stream}/{name}").access == 1
        assert house.says(f"/mirage/{stream}/{name}") == 0


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/mirage/main/strength", {"/mirage/main/strength"}),
        ("/mirage/*/strength", {"/mirage/main/strength", "/mirage/wall/strength"}),
        ("/mirage/{main,floor}/s[et]*d", {"/mirage/main/seed"}),
        ("/mirage/wall/[!a-oq-z]*[!e]", {"/mirage/wall/prompt", "/mirage/wall/prompts", "/mirage/wall/play"}),
        ("/mirage/?all/s*/normalized", {f"/mirage/wall/{name}/normalized" for name in ("strength", "steps", "seed")}),
        ("/p???e", {"/pause"}),
        ("/mirage/main/strenght", set()),
        ("/mirage/main", set()),
        ("/mirage/main/", set()),
        ("/mirage/[main/strength", set()),
        ("/mirage/main}/strength", set()),
        ("/nothing/*", set()),
        ("", set()),
    ],
)
def test_what_an_address_finds(house: House, pattern: str, found: set[str]) -> None:
    assert {node.path for node in house.tree.find(pattern)} == found


def test_a_star_finds_all_that_lies_as_deep(house: House) -> None:
    assert {node.path for node in house.tree.find("/*/*/*")} == {
        path for path in house.tree.nodes if path.count("/") == 3
    }


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/mirage/main/strenght", "there is no address /mirage/main/strenght: did you mean /mirage/main/strength?"),
        ("/mirage/wal/seed", "did you mean /mirage/wall/seed?"),
        ("/mirage/cue/nxt", "did you mean /mirage/cue/next?"),
        ("/composition/layers/1", "those that there are begin with /mirage/STREAM/PARAMETER"),
        ("", "there is no address : those that there are"),
    ],
)
def test_an_address_that_is_not_there_gets_the_nearest(house: House, address: str, words: str) -> None:
    assert words in house.tree.unknown(address)


def test_a_long_address_makes_no_long_answer(house: House) -> None:
    assert len(house.tree.unknown("/mirage/" + "x" * 60_000)) < 250


def test_streams_come_and_go(house: House) -> None:
    house.make("floor")
    assert house.tree.find("/mirage/floor/seed") == []
    house.tree.refresh()
    assert house.says("/mirage/floor/seed") == 0
    del house.streams["floor"]
    house.tree.refresh()
    assert house.tree.find("/mirage/floor/seed") == []


def test_what_is_added_stays(house: House) -> None:
    house.tree.add([Node("/mirage/subscribe", "Values.", write=lambda arguments, by: None)])
    house.tree.refresh()
    assert house.node("/mirage/subscribe").access == 2


def test_a_stream_that_went_meanwhile_is_an_error(house: House) -> None:
    node = house.node("/mirage/wall/seed")
    del house.streams["wall"]
    assert node.write is not None
    assert refused(node.write, [1], None) == "there is no stream 'wall': there are main"


LET_GO: list[list[Any]] = [[0], [0.0], [False], [0, 1], [""], [None]]
PRESSED: list[list[Any]] = [[], [1], [0.5], [True], ["x"], [-1]]


@pytest.mark.parametrize(("arguments", "acts"), [(each, False) for each in LET_GO] + [(each, True) for each in PRESSED])
def test_a_button_that_is_let_go_does_nothing(house: House, arguments: list[Any], acts: bool) -> None:
    async def act() -> None:
        main, wall = house.streams["main"], house.streams["wall"]
        house.send("/mirage/wall/pause", *arguments)
        house.send("/pause", *arguments)
        assert (wall.paused, main.paused) == (acts, acts)
        wall.paused = main.paused = True
        house.send("/mirage/wall/play", *arguments)
        house.send("/mirage/main/play", *arguments)
        assert (wall.paused, main.paused) == (not acts, not acts)
        house.send("/mirage/cue/go", *arguments)
        assert house.player.current == ("2" if acts else None)
        house.send("/show/storm", *arguments)
        assert house.player.current == ("2.5" if acts else None)
        if acts:
            house.send("/mirage/cue/back", *arguments)
            assert house.player.current == "2"

    asyncio.run(act())


def test_the_show_is_run_by_its_addresses(house: House) -> None:
    async def act() -> None:
        assert (house.says("/mirage/cue/current"), house.says("/mirage/cue/next")) == ("", "2")
        house.send("/mirage/cue/goto", "2.5")
        assert (house.says("/mirage/cue/current"), house.says("/mirage/cue/next")) == ("2.5", "4")
        house.send("/mirage/cue/goto", 4)
        assert (house.says("/mirage/cue/current"), house.says("/mirage/cue/next")) == ("4", "")
        assert refused(house.send, "/mirage/cue/go") == "that was the last cue"
        assert refused(house.send, "/mirage/cue/goto", "9").startswith("there is no cue '9'")
        house.send("/mirage/preset", "storm", 2)
        assert house.value("seed", "wall") == 7
        assert 1 < house.player.fading <= 2
        assert refused(house.send, "/mirage/preset", "strom") == "there is no preset 'strom': did you mean 'storm'?"

    asyncio.run(act())


def test_a_cues_own_address_gives_way_to_the_daemons(house: House) -> None:
    assert house.node("/show/storm").description == "To cue 2.5 Storm."
    assert house.node("/mirage/main/seed").access == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["2"], "2"), ([2], "2"), ([2.0], "2"), ([2.5], "2.5"), ([0.10000000149011612], "0.1"), ([""], ""), ([-1], "-1")],
)
def test_the_number_of_a_cue(arguments: list[Any], text: str) -> None:
    assert number(arguments) == text


@pytest.mark.parametrize("given", [1_000_000, 1_234_567.0, 16_777_216])
def test_a_large_number_of_a_cue_is_that_of_the_show_file(given: float) -> None:
    show = read(f"presets.a = {{}}\n[[cues]]\npreset = 'a'\nnumber = {given}", "")
    assert number([given]) == show.cues[0].number


@pytest.mark.parametrize("arguments", [[], [1, 2], [True], [None], [b"2"], [[2]]])
def test_no_number_of_a_cue(arguments: list[Any]) -> None:
    assert refused(number, arguments) == "goto takes the number of a cue"


@pytest.mark.parametrize(
    ("arguments", "name", "seconds"), [(["a"], "a", 0.0), (["a", 2], "a", 2.0), (["", 86_400.0], "", 86_400.0)]
)
def test_the_arguments_of_a_preset(arguments: list[Any], name: str, seconds: float) -> None:
    assert preset(arguments) == (name, seconds)


@pytest.mark.parametrize(
    "arguments",
    [[], [1], [None], [b"a"], ["a", "2"], ["a", -1], ["a", math.nan], ["a", math.inf], ["a", 90_000], ["a", 1, 2]],
)
def test_no_arguments_of_a_preset(arguments: list[Any]) -> None:
    assert refused(preset, arguments) == "preset takes a name, and a fade in seconds if you like"


ALIASES: list[tuple[str, list[Any], str, Any]] = [
    ("/prompt", ["ink"], "prompt", "ink"),
    (
        "/prompt_list",
        ['[["ink", 1], ["", 0.5]]'],
        "prompts",
        [{"text": "ink", "weight": 1}, {"text": "", "weight": 0.5}],
    ),
    ("/prompt_list", ["ink", 1.0], "prompts", [{"text": "ink", "weight": 1.0}]),
    ("/seed", [9], "seed", 9),
    ("/seed_list", ["[[7, 0.5], [9, 1.0]]"], "seed", 9),
    ("/seed_list", ["[[7, 1], [9, 1]]"], "seed", 7),
    ("/seed_list", ["[[7, 1e-9]]"], "seed", 7),
    ("/seed_list", ["[[7.0, 1]]"], "seed", 7),
]


@pytest.mark.parametrize(("address", "arguments", "parameter", "value"), ALIASES)
def test_an_address_of_streamdiffusiontd(
    house: House, address: str, arguments: list[Any], parameter: str, value: Any
) -> None:
    async def act() -> None:
        assert house.send(address, *arguments) == value

    asyncio.run(act())
    assert house.value(parameter) == value
    assert house.streams["wall"].controls.values == defaults()


@pytest.mark.parametrize(
    ("address", "paused"), [("/stop_streaming", True), ("/pause", True), ("/start_streaming", False), ("/play", False)]
)
def test_a_button_of_streamdiffusiontd(house: House, address: str, paused: bool) -> None:
    house.streams["main"].paused = not paused
    house.send(address)
    assert house.streams["main"].paused == paused


def test_what_leads_away_from_a_prompt_has_the_names_of_streamdiffusiontd(house: House) -> None:
    async def act() -> None:
        house.send("/negative_prompt", "fog")
        house.send("/guidance_scale", 7.5)
        values = house.streams["main"].controls.values
        assert (values["negative_prompt"], values["guidance"]) == ("fog", 7.5)
        house.send("/guidance_scale", 75.0)
        assert values["guidance"] == 10.0

    asyncio.run(act())


WITHOUT_MEANING = ["delta", "num_inference_steps", "t_list", "stop"]


def test_what_has_no_meaning_here_is_reported_once(house: House) -> None:
    for _ in range(3):
        for name in WITHOUT_MEANING:
            assert house.send(f"/{name}", 1.0) is None
            house.tree.refresh()
    assert [problem.split(" has no effect: ")[0] for problem in house.problems] == [
        f"/{name}" for name in WITHOUT_MEANING
    ]
    assert all(house.node(f"/{name}").description.startswith("Without effect: ") for name in WITHOUT_MEANING)
    assert all(stream.controls.values == defaults() for stream in house.streams.values())


NO_SEEDS = [
    "",
    "x",
    "7",
    "[]",
    "[7]",
    "[[7]]",
    "[[7, 1, 2]]",
    '[[7, "x"]]',
    "{}",
    '{"a": 1}',
    "[[7, null]]",
    "[" * 100_000,
]


@pytest.mark.parametrize("arguments", [[], [1], [None], ["[[7, 1]]", 2], *([text] for text in NO_SEEDS)])
def test_no_list_of_seeds(house: House, arguments: list[Any]) -> None:
    assert refused(house.send, "/seed_list", *arguments).startswith("seed_list takes JSON like [[7, 0.5], [9, 1.0]]")


@pytest.mark.parametrize("seed", ['"7"', "true", "null", "[7]"])
def test_no_seed_in_a_list(house: House, seed: str) -> None:
    assert refused(house.send, "/seed_list", f"[[{seed}, 1]]") == "a seed is a number"


def test_too_heavy_a_seed(house: House) -> None:
    refused(house.send, "/seed_list", "[[7, 1" + "0" * 400 + "]]")


@pytest.mark.parametrize(
    ("address", "arguments", "data"),
    [
        ("/a", [], b"/a\0\0,\0\0\0"),
        ("/abc", [1], b"/abc\0\0\0\0,i\0\0\0\0\0\1"),
        ("/a", [-1], b"/a\0\0,i\0\0\xff\xff\xff\xff"),
        ("/a", [2**31 - 1], b"/a\0\0,i\0\0\x7f\xff\xff\xff"),
        ("/a", [-(2**31)], b"/a\0\0,i\0\0\x80\0\0\0"),
        ("/a", [2**31], b"/a\0\0,h\0\0\0\0\0\0\x80\0\0\0"),
        ("/a", [-(2**31) - 1], b"/a\0\0,h\0\0\xff\xff\xff\xff\x7f\xff\xff\xff"),
        ("/a", [2**63 - 1], b"/a\0\0,h\0\0\x7f" + b"\xff" * 7),
        ("/a", [0.5], b"/a\0\0,f\0\0" + struct.pack(">f", 0.5)),
        ("/a", [1.0], b"/a\0\0,f\0\0" + struct.pack(">f", 1.0)),
        ("/a", [math.inf], b"/a\0\0,f\0\0\x7f\x80\0\0"),
        ("/a", [""], b"/a\0\0,s\0\0\0\0\0\0"),
        ("/a", ["abcd"], b"/a\0\0,s\0\0abcd\0\0\0\0"),
        ("/a", ["\u00e4"], b"/a\0\0,s\0\0\xc3\xa4\0\0"),
        ("/a", ["ab\0cd"], b"/a\0\0,s\0\0ab\0\0"),
        ("/a", ["\0"], b"/a\0\0,s\0\0\0\0\0\0"),
        ("/a", ["a\ud800b"], b"/a\0\0,s\0\0a?b\0"),
        ("/a", ["x", 1, 0.5], b"/a\0\0,sif\0\0\0\0x\0\0\0\0\0\0\1" + struct.pack(">f", 0.5)),
    ],
)
def test_the_bytes_of_a_message(address: str, arguments: list[Any], data: bytes) -> None:
    assert encoded(address, arguments) == data


def test_a_change_is_told_as_it_is_and_as_a_fraction(house: House) -> None:
    main = house.streams["main"]
    changes: dict[str, Change] = {name: (value, name) for name, value in OTHERS.items()}
    assert list(of_changes(main, changes)) == [
        ("/mirage/main/prompt", "ink", "prompt"),
        ("/mirage/main/prompts", '[["lava", 3.0]]', "prompts"),
        ("/mirage/main/negative_prompt", "fog", "negative_prompt"),
        ("/mirage/main/guidance", 7.5, "guidance"),
        ("/mirage/main/guidance/normalized", pytest.approx(6.5 / 9), "guidance"),
        ("/mirage/main/strength", 0.5, "strength"),
        ("/mirage/main/strength/normalized", 0.5, "strength"),
        ("/mirage/main/coherence", 0.25, "coherence"),
        ("/mirage/main/coherence/normalized", 0.25, "coherence"),
        ("/mirage/main/steps", 3, "steps"),
        ("/mirage/main/steps/normalized", pytest.approx(2 / 3), "steps"),
        ("/mirage/main/seed", 12, "seed"),
        ("/mirage/main/seed/normalized", pytest.approx(12 / (2**31 - 1)), "seed"),
        ("/mirage/main/mask_ids", "[4, 5]", "mask_ids"),
        ("/mirage/main/transition", 30.0, "transition"),
        ("/mirage/main/transition/normalized", 0.5, "transition"),
    ]


@STREAMS
def test_who_has_just_come_is_told_what_the_tree_reads_of_a_stream(house: House, stream: str) -> None:
    told = dict(of_all(house.streams[stream]))
    assert {path: house.says(path) for path in told} == told
    assert {f"/mirage/{stream}/{name}" for name in PARAMETERS} <= told.keys()
    assert dict(of_figures(house.streams[stream])).items() <= told.items()
    for path, value in told.items():
        assert encoded(path, [value]).startswith(path.encode() + b"\0")


def test_frames_are_counted_within_32_bits(house: House) -> None:
    house.streams["main"].recent.count = 2**31 + 5
    assert house.says("/mirage/main/frames") == 5
    assert dict(of_figures(house.streams["main"]))["/mirage/main/frames"] == 5


def test_a_desk_hands_on_to_all_who_watch_until_they_leave(house: House) -> None:
    other = House()
    house.desk.watch(other)
    house.desk.report("first")
    house.desk.unwatch(house)
    house.desk.report("second")
    house.desk.tell("/mirage/cue/current", "2")
    assert (house.problems, other.problems) == (["first"], ["first", "second"])
    assert (house.news, other.news) == ([], [("/mirage/cue/current", "2")])


@STREAMS
def test_a_stream_says_what_it_is_doing(house: House, stream: str) -> None:
    assert house.says(f"/mirage/{stream}/state") == "streaming"
    house.send(f"/mirage/{stream}/pause")
    assert house.says(f"/mirage/{stream}/state") == "paused"
    house.send(f"/mirage/{stream}/pause")
    assert house.states == [(stream, "paused")]


def test_an_address_says_what_may_be_sent_to_it(house: House) -> None:
    assert house.node("/mirage/cue/goto").choices == ("2", "2.5", "4")
    assert house.node("/mirage/preset").choices == ("calm", "storm")
    assert house.node("/mirage/cue/go").choices == ()
    assert house.tree.value("/mirage/cue/next") == ["2"]
    assert house.tree.value("/mirage/cue/go") == []
