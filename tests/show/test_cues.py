"""The player on real streams: where a show is, and how it goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest

from mirage_protocol import ProtocolError, Status
from mirage_runtime.changes import Change
from mirage_runtime.metrics import Metrics
from mirage_runtime.show.cues import Player
from mirage_runtime.show.desk import Desk
from mirage_runtime.show.places import Place
from mirage_runtime.show.reading import read
from mirage_runtime.streams import Stream

PATIENCE = 20.0

LOOKS = """
[presets.calm]
prompt = "calm"
strength = 0.25

[presets.storm]
prompt = "storm"

[presets.storm.wall]
seed = 7

[presets.mixed]
prompts = [{ text = "lava", weight = 1 }, { text = "ice", weight = 1 }]

[presets.steps]
steps = 4
"""
CUES = """
[[cues]]
preset = "calm"

[[cues]]
number = 2.5
preset = "storm"

[[cues]]
number = "3"
preset = "mixed"

[[cues]]
number = "4"
preset = "steps"
"""
SHOW = LOOKS + CUES


class Stage:
    """A desk with real streams that nobody sends to, a player, and all that is heard of them."""

    def __init__(self, text: str) -> None:
        self.streams: dict[str, Stream] = {}
        self.kept: list[Place | None] = []
        self.cues: list[str | None] = []
        self.problems: list[str] = []
        self.changes: list[tuple[str, dict[str, Change]]] = []
        self.desk = Desk(self.streams, self.make)
        self.desk.need(["main"])
        self.desk.watch(self)
        self.player = Player(self.desk, keep=self.kept.append, changed=lambda: self.cues.append(self.player.current))
        self.load(text)

    def make(self, name: str) -> Stream:
        if name not in self.streams:
            self.streams[name] = Stream(name, metrics=Metrics(), on_frame=lambda: None, observer=self.desk)
        return self.streams[name]

    def load(self, text: str) -> None:
        self.player.load(read(text, "show.toml"))

    def value(self, parameter: str, stream: str = "main") -> Any:
        return self.streams[stream].controls.values[parameter]

    def looks(self, seconds: float = 0.0, stream: str = "main") -> Any:
        """The settings of a frame that starts so many seconds from now."""
        return self.streams[stream].controls.resolve(time.monotonic() + seconds)

    def changed(self, stream: Stream, changes: Mapping[str, Change]) -> None:
        self.changes.append((stream.name, dict(changes)))

    def said(self, stream: Stream, status: Status) -> None:
        pass

    def published(self, stream: Stream, frame_id: int) -> None:
        pass

    def told(self, path: str, value: str) -> None:
        pass

    def streams_changed(self) -> None:
        pass

    def reported(self, problem: str) -> None:
        self.problems.append(problem)


def played(act: Callable[[Stage], Awaitable[None]], text: str = SHOW) -> None:
    async def main() -> None:
        stage = Stage(text)
        try:
            await act(stage)
        finally:
            stage.player.stop()

    asyncio.run(main())


async def until(happened: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < ends
        await asyncio.sleep(0.002)


def refused(act: Callable[..., object], *arguments: Any, code: str) -> str:
    with pytest.raises(ProtocolError) as caught:
        act(*arguments)
    assert caught.value.code == code
    return caught.value.message


def follow(seconds: float, text: str = CUES, fade: float = 0.0) -> str:
    """The cues, each followed by the next."""
    return LOOKS + text.replace('preset = "', f'follow = {seconds}\nfade = {fade}\npreset = "')


def test_go_goes_from_cue_to_cue() -> None:
    async def act(stage: Stage) -> None:
        seen = []
        for _ in range(4):
            seen.append((stage.player.current, stage.player.next))
            stage.player.go()
        assert seen == [(None, "1"), ("1", "2.5"), ("2.5", "3"), ("3", "4")]
        assert (stage.player.current, stage.player.next) == ("4", None)
        assert stage.cues[-4:] == ["1", "2.5", "3", "4"]
        assert (stage.value("strength"), stage.value("steps"), stage.value("seed", "wall")) == (0.25, 4, 7)

    played(act)


def test_behind_the_last_cue_is_nothing() -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("4")
        assert refused(stage.player.go, code="not-allowed") == "that was the last cue"
        assert stage.player.current == "4"

    played(act)


def test_a_show_without_cues() -> None:
    async def act(stage: Stage) -> None:
        assert (stage.player.current, stage.player.next) == (None, None)
        assert refused(stage.player.go, code="not-allowed") == "there are no cues"
        assert refused(stage.player.back, code="not-allowed") == "there is no cue before this"
        assert refused(stage.player.goto, "1", code="unsupported") == "there are no cues"
        assert refused(stage.player.recall, "calm", code="unsupported") == "there are no presets"
        stage.player.resume(None)
        stage.player.resume(Place("1", 0.0))
        assert stage.player.current is None
        assert stage.kept == []

    played(act, "autostart = true\nloop = true")


def test_behind_the_last_cue_of_a_loop_is_the_first() -> None:
    async def act(stage: Stage) -> None:
        assert refused(stage.player.back, code="not-allowed") == "there is no cue before this"
        stage.player.goto("4")
        assert stage.player.next == "1"
        stage.player.go()
        assert stage.player.current == "1"
        stage.player.back()
        assert stage.player.current == "4"

    played(act, "loop = true\n" + SHOW)


def test_go_leaves_alone_what_the_cue_does_not_name_and_goto_does_not() -> None:
    async def act(stage: Stage) -> None:
        stage.player.go()
        stage.desk.set("main", "strength", [0.9], "hand")
        stage.desk.set("main", "coherence", [0.3], "hand")
        stage.player.go()
        assert (stage.value("prompt"), stage.value("strength"), stage.value("coherence")) == ("storm", 0.9, 0.3)
        stage.player.goto("2.5")
        assert (stage.value("prompt"), stage.value("strength"), stage.value("coherence")) == ("storm", 0.25, 0.3)

    played(act)


async def come_to_each_cue(stage: Stage) -> None:
    looks: dict[str | None, Any] = {}
    for _ in stage.player.show.cues:
        stage.player.go()
        looks[stage.player.current] = (stage.looks(), stage.looks(stream="wall"))
    for number in ("2.5", "4", "3"):
        stage.player.goto(number)
        assert (stage.looks(), stage.looks(stream="wall")) == looks[number]
    for number in ("2.5", "1"):
        stage.player.back()
        assert stage.player.current == number
        assert (stage.looks(), stage.looks(stream="wall")) == looks[number]
    assert refused(stage.player.back, code="not-allowed") == "there is no cue before this"


def test_a_cue_looks_the_same_however_it_was_come_to() -> None:
    played(come_to_each_cue, SHOW.replace('"calm"\nstrength', '"calm"\nsteps = 1\nwall.seed = 2\nstrength'))


def test_it_does_even_where_only_later_cues_name_a_parameter() -> None:
    played(come_to_each_cue)


def test_what_is_tracked_ends_a_blend_where_a_prompt_follows_it() -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("2")
        assert dict(stage.looks().prompts) == {"storm": 1.0}
        assert (stage.value("prompt"), stage.value("prompts")) == ("storm", [])
        stage.player.goto("1")
        assert dict(stage.looks().prompts) == {"lava": 0.5, "ice": 0.5}

    played(act, LOOKS + '[[cues]]\npreset = "mixed"\n[[cues]]\npreset = "storm"\n')


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("2.4", "there is no cue '2.4': did you mean '2.5'?"),
        ("nine", "there is no cue 'nine': there are 1, 2.5, 3, 4"),
        ("", "there is no cue '': there are 1, 2.5, 3, 4"),
    ],
)
def test_a_cue_that_is_not_there(number: str, words: str) -> None:
    async def act(stage: Stage) -> None:
        stage.player.go()
        assert refused(stage.player.goto, number, code="unsupported") == words
        assert len(refused(stage.player.goto, number + "x" * 10_000, code="unsupported")) < 200
        assert stage.player.current == "1"

    played(act)


def test_a_preset_is_recalled_and_the_show_stays_where_it_is() -> None:
    async def act(stage: Stage) -> None:
        stage.player.go()
        stage.player.recall("storm", 100.0, "ease-in")
        assert 99 < stage.player.fading <= 100
        assert dict(stage.looks(50.0).prompts) == pytest.approx({"calm": 0.75, "storm": 0.25}, abs=0.01)
        assert (stage.player.current, len(stage.kept)) == ("1", 1)
        stage.player.recall("steps")
        assert (stage.value("steps"), stage.player.fading) == (4, 0.0)
        expected = "there is no preset 'stom': did you mean 'storm'?"
        assert refused(stage.player.recall, "stom", code="unsupported") == expected

    played(act)


@pytest.mark.parametrize("curve", ["linear", "smooth", "ease-in", "ease-out"])
def test_a_fade_arrives_and_never_turns_back(curve: str) -> None:
    async def act(stage: Stage) -> None:
        stage.player.go()
        assert 49 < stage.player.fading <= 50
        frames = [stage.looks(second / 2) for second in range(101)]
        strengths = [frame.strength for frame in frames]
        shares = [dict(frame.prompts).get("calm", 0.0) for frame in frames]
        assert strengths[0] == pytest.approx(1.0, abs=0.01)
        assert strengths[-1] == 0.25
        assert all(before >= after for before, after in pairwise(strengths))
        assert all(before <= after for before, after in pairwise(shares))
        assert shares[-1] == 1.0
        assert len(set(strengths)) > 50

    played(act, LOOKS + f'[[cues]]\npreset = "calm"\nfade = 50\ncurve = "{curve}"\n')


def test_a_cue_of_no_fade_is_there_at_once_whatever_the_transition() -> None:
    async def act(stage: Stage) -> None:
        stage.desk.set("main", "transition", [60], None)
        stage.player.go()
        assert stage.looks().strength == 0.25

    played(act)


def test_to_go_back_takes_no_time() -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("2")
        assert stage.player.fading > 9
        stage.player.back()
        assert stage.player.fading == 0.0
        assert stage.looks().strength == 0.25
        assert stage.player.following == pytest.approx(5.0, abs=1.0)
        place = stage.kept[-1]
        assert place is not None
        assert time.time() - place.began == pytest.approx(10.0, abs=1.0)
        stage.player.resume(place)
        assert stage.player.following == pytest.approx(5.0, abs=1.0)

    cues = '[[cues]]\npreset = "calm"\nfade = 10\nfollow = 5\n[[cues]]\npreset = "storm"\nfade = 10\n'
    played(act, LOOKS + cues)


def test_cues_follow_each_other_after_their_fades() -> None:
    async def act(stage: Stage) -> None:
        began = time.monotonic()
        stage.player.go()
        assert stage.player.following is not None
        assert stage.player.following <= 0.06
        await until(lambda: stage.player.current == "4")
        assert time.monotonic() - began >= 3 * 0.06 - 0.01
        assert stage.cues[-4:] == ["1", "2.5", "3", "4"]
        assert stage.player.following is None
        assert [place.cue for place in stage.kept if place] == ["1", "2.5", "3", "4"]
        await asyncio.sleep(0.08)
        assert stage.player.current == "4"
        assert stage.problems == []

    played(act, follow(0.04, fade=0.02))


@pytest.mark.parametrize(
    ("leave", "at"),
    [
        (lambda player: player.goto("4"), "4"),
        (lambda player: player.goto("3"), "3"),
        (lambda player: player.stop(), "2.5"),
        (lambda player: player.load(read(LOOKS, "")), None),
    ],
    ids=["to the last", "to one that waits", "stopped", "another show"],
)
def test_who_leaves_a_cue_is_not_followed(leave: Callable[[Player], None], at: str | None) -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("2.5")
        leave(stage.player)
        await asyncio.sleep(0.06)
        assert stage.player.current == at
        assert stage.player.following is None or at == "2.5"

    played(act, follow(0.03).replace('follow = 0.03\nfade = 0.0\npreset = "mixed"', 'preset = "mixed"'))


def test_a_recall_does_not_keep_the_next_cue_from_following() -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("3")
        stage.player.recall("calm")
        await until(lambda: stage.player.current == "4")

    played(act, follow(0.02))


def test_a_loop_goes_on_by_itself() -> None:
    async def act(stage: Stage) -> None:
        stage.player.go()
        await until(lambda: [place.cue for place in stage.kept if place] == ["1", "2.5", "3", "4", "1", "2.5"])

    played(act, "loop = true\n" + follow(0.005))


def test_a_loop_of_no_time_leaves_time_for_others() -> None:
    async def act(stage: Stage) -> None:
        stage.player.go()
        await asyncio.sleep(0.2)
        assert len(stage.kept) < 100

    played(act, "loop = true\n" + follow(0.0))


def test_a_show_may_begin_by_itself() -> None:
    async def act(stage: Stage) -> None:
        assert stage.player.current is None
        stage.player.resume(None)
        assert stage.player.current == "1"
        assert stage.value("strength") == 0.25
        assert [place.cue for place in stage.kept if place] == ["1"]

    played(act, "autostart = true\n" + SHOW)


def test_a_show_waits_for_somebody() -> None:
    async def act(stage: Stage) -> None:
        stage.player.resume(None)
        assert (stage.player.current, stage.kept, stage.value("strength")) == (None, [], 1.0)

    played(act)


def test_a_daemon_that_comes_back_is_where_it_was_with_the_time_that_is_left() -> None:
    async def act(stage: Stage) -> None:
        stage.player.resume(Place("2.5", time.time() - 3.0))
        assert stage.player.current == "2.5"
        assert (stage.value("prompt"), stage.value("strength"), stage.value("seed", "wall")) == ("storm", 0.25, 7)
        assert stage.player.fading == 0.0
        assert stage.looks().strength == 0.25
        assert stage.player.following == pytest.approx(7.0, abs=1.0)
        assert stage.kept == []

    played(act, "autostart = true\n" + follow(8, fade=2))


@pytest.mark.parametrize("began", [0.0, -1e300, float("-inf")])
def test_a_daemon_that_comes_back_late_goes_on_at_once(began: float) -> None:
    async def act(stage: Stage) -> None:
        stage.player.resume(Place("3", began))
        assert stage.player.current == "3"
        assert (stage.player.following or 0.0) < 1.0
        await until(lambda: stage.player.current == "4")

    played(act, follow(3600))


@pytest.mark.parametrize("began", [2e10, 1e300, float("inf"), float("nan")])
def test_a_clock_that_was_put_back_makes_a_cue_no_longer(began: float) -> None:
    async def act(stage: Stage) -> None:
        stage.player.resume(Place("3", began))
        assert stage.player.following == pytest.approx(9.0, abs=1.0)

    played(act, follow(9))


def test_a_daemon_that_comes_back_to_a_cue_that_waits_waits_too() -> None:
    async def act(stage: Stage) -> None:
        stage.player.resume(Place("3", 0.0))
        assert (stage.player.current, stage.player.following) == ("3", None)

    played(act)


@pytest.mark.parametrize(("begin", "at"), [("", None), ("autostart = true\n", "1")])
def test_a_place_that_the_show_has_no_more_is_where_it_begins(begin: str, at: str | None) -> None:
    async def act(stage: Stage) -> None:
        stage.player.resume(Place("99", time.time()))
        assert stage.player.current == at

    played(act, begin + SHOW)


def test_a_show_that_is_changed_stays_at_its_cue() -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("3")
        stage.desk.set("main", "strength", [0.9], None)
        more = '[[cues]]\nnumber = 0\npreset = "calm"\n'
        stage.load(LOOKS + more + CUES.replace('preset = "calm"', 'number = 1\npreset = "storm"'))
        assert (stage.player.current, stage.player.next) == ("3", "4")
        assert stage.value("strength") == 0.9
        stage.load(LOOKS + more)
        assert (stage.player.current, stage.player.next) == (None, "0")
        assert stage.cues[-1] is None

    played(act)


def test_what_follows_is_what_the_changed_show_says() -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("3")
        stage.load(follow(0.03).replace('number = "4"', 'number = "3.5"\npreset = "calm"\n[[cues]]\nnumber = "4"'))
        await until(lambda: stage.player.current != "3")
        assert stage.player.current == "3.5"

    played(act, follow(0.03))


def test_a_show_that_lost_what_was_to_follow_says_that_it_stands_still() -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("3")
        text = follow(0.02)
        stage.load(text[: text.index('[[cues]]\nnumber = "4"')])
        await until(lambda: stage.problems)
        assert stage.problems == ["the show stands still: that was the last cue"]
        assert stage.player.current == "3"

    played(act, follow(0.02))


def test_a_show_that_stands_still_waits_for_nothing() -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("3")
        text = follow(0.02)
        stage.load(text[: text.index('[[cues]]\nnumber = "4"')])
        await until(lambda: stage.problems)
        assert stage.player.following is None

    played(act, follow(0.02))


def test_a_follow_that_is_taken_out_of_the_file_is_off() -> None:
    async def act(stage: Stage) -> None:
        stage.player.goto("3")
        stage.load(SHOW)
        assert stage.player.following is None
        await asyncio.sleep(0.1)
        assert stage.player.current == "3"

    played(act, follow(0.05))


def test_the_streams_that_a_show_names_are_made() -> None:
    async def act(stage: Stage) -> None:
        assert stage.streams.keys() == {"main", "wall", "floor", "air"}
        stage.load("[presets.a.sky]\nseed = 1")
        assert "sky" in stage.streams

    more = '[[midi]]\nnote = 1\nstream = "floor"\naction = "pause"\n'
    played(act, SHOW + more + '[sound]\ninput = ""\nroutes = [{feature = "low", parameter = "seed", stream = "air"}]')


def test_a_place_is_kept_with_the_time_of_its_cue() -> None:
    async def act(stage: Stage) -> None:
        before = time.time()
        stage.player.go()
        stage.player.goto("3")
        assert [place.cue for place in stage.kept if place] == ["1", "3"]
        assert all(before <= place.began <= time.time() for place in stage.kept if place)

    played(act)


def test_those_who_watch_hear_of_a_cue_and_whose_it_is() -> None:
    async def act(stage: Stage) -> None:
        stage.player.go()
        assert stage.changes == [("main", {"prompt": ("calm", stage.player), "strength": (0.25, stage.player)})]

    played(act)


def test_those_who_watch_hear_of_a_number_on_its_way_until_it_has_arrived() -> None:
    async def act(stage: Stage) -> None:
        running = asyncio.create_task(stage.desk.run())
        stage.player.go()
        assert 0.25 < stage.changes[0][1]["strength"][0] <= 1.0
        await until(lambda: stage.changes[-1][1].get("strength") == (0.25, None))
        told = [changes["strength"][0] for _, changes in stage.changes if "strength" in changes]
        assert told == sorted(told, reverse=True)
        assert len(set(told)) > 2
        count = len(stage.changes)
        await asyncio.sleep(0.1)
        assert len(stage.changes) == count
        running.cancel()

    played(act, LOOKS + '[[cues]]\npreset = "calm"\nfade = 0.3\n')
