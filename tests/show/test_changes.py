"""Changes on their way to those who want to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise

import pytest

from mirage_runtime.changes import INTERVAL, Change, Changes


class Told:
    """All that was told, and when."""

    def __init__(self) -> None:
        self.changes: list[dict[str, Change]] = []
        self.times: list[float] = []

    def __call__(self, changes: Mapping[str, Change]) -> None:
        self.changes.append(dict(changes))
        self.times.append(time.monotonic())


def heard(act: Callable[[Changes], Awaitable[None]]) -> Told:
    """Let changes happen in a running loop, wait for the last, and return what was told."""
    told = Told()

    async def main() -> None:
        await act(Changes(told))
        await asyncio.sleep(3 * INTERVAL)

    asyncio.run(main())
    return told


def test_the_first_is_told_at_once() -> None:
    told = Told()
    Changes(told).note({"seed": 1, "steps": 2}, "hand")
    assert told.changes == [{"seed": (1, "hand"), "steps": (2, "hand")}]


def test_nothing_is_told_as_nothing() -> None:
    async def act(changes: Changes) -> None:
        changes.note({}, "hand")
        changes.note({"seed": 1}, "hand")
        changes.note({}, "hand")

    assert heard(act).changes == [{"seed": (1, "hand")}]


def test_those_that_come_soon_are_told_together_each_with_its_newest_value() -> None:
    async def act(changes: Changes) -> None:
        for number in range(100):
            changes.note({"seed": number}, number)
        changes.note({"steps": 2, "prompt": "ink"}, "other")

    told = heard(act)
    assert told.changes == [{"seed": (0, 0)}, {"seed": (99, 99), "steps": (2, "other"), "prompt": ("ink", "other")}]
    assert told.times[1] - told.times[0] >= INTERVAL * 0.99


def test_a_value_that_comes_back_is_told() -> None:
    async def act(changes: Changes) -> None:
        for value in (1, 2, 1):
            changes.note({"seed": value}, None)

    assert heard(act).changes == [{"seed": (1, None)}, {"seed": (1, None)}]


def test_a_fader_is_told_of_fifty_times_a_second_and_to_its_end() -> None:
    async def act(changes: Changes) -> None:
        ends = time.monotonic() + 0.3
        number = 0
        while time.monotonic() < ends:
            number += 1
            changes.note({"seed": number, f"p{number % 7}": number}, None)
            await asyncio.sleep(0.001)
        changes.note({"seed": -1}, None)

    told = heard(act)
    assert told.changes[-1]["seed"] == (-1, None)
    assert all(after - before >= INTERVAL * 0.9 for before, after in pairwise(told.times))
    seeds = [changes["seed"][0] for changes in told.changes[:-1] if "seed" in changes]
    assert seeds == sorted(seeds)
    assert {name for changes in told.changes for name in changes} == {"seed", *(f"p{number}" for number in range(7))}
    assert 3 <= len(told.changes) <= 18


def test_after_a_rest_the_next_is_told_at_once_again() -> None:
    async def act(changes: Changes) -> None:
        changes.note({"seed": 1}, None)
        await asyncio.sleep(2 * INTERVAL)
        changes.note({"seed": 2}, None)
        assert changes_told() == 2

    told = Told()

    def changes_told() -> int:
        return len(told.changes)

    asyncio.run(act(Changes(told)))
    assert told.changes == [{"seed": (1, None)}, {"seed": (2, None)}]


def test_a_change_that_the_telling_makes_is_told_next() -> None:
    told = Told()

    def tell(values: Mapping[str, Change]) -> None:
        told(values)
        if len(told.changes) < 3:
            changes.note({"steps": len(told.changes)}, "told")

    changes = Changes(tell)

    async def main() -> None:
        changes.note({"seed": 1}, None)
        assert len(told.changes) == 1
        await asyncio.sleep(5 * INTERVAL)

    asyncio.run(main())
    assert told.changes == [{"seed": (1, None)}, {"steps": (1, "told")}, {"steps": (2, "told")}]


def test_a_telling_that_fails_stops_no_other() -> None:
    told: list[dict[str, Change]] = []

    def tell(values: Mapping[str, Change]) -> None:
        told.append(dict(values))
        if len(told) == 1:
            raise ValueError("a fault of ours")

    async def main() -> None:
        changes = Changes(tell)
        with pytest.raises(ValueError, match="a fault of ours"):
            changes.note({"seed": 1}, None)
        changes.note({"seed": 2}, None)
        await asyncio.sleep(3 * INTERVAL)

    asyncio.run(main())
    assert told == [{"seed": (1, None)}, {"seed": (2, None)}]
