"""What the weights in the repository can do in motion, on sequences that they never saw: goals with a margin.

Short versions of what ``mirage eval lsd`` measures. Warp errors are of 255, mean differences of a frame and the one
before it along the exact motion.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from mirage_runtime.models.lsd import LsdMini, layout
from mirage_runtime.training import clips, endless, evaluate
from mirage_runtime.training.motion_measures import CHANGES, Run, cuts_seen, follow, respond
from mirage_runtime.training.motion_report import shown

RATIO = 0.2
"""Warp error with memory over that without, at most, where textures are seen to move."""

TIMES, MORE = 1.3, 1.5
"""Warp error with memory: at most so many times the teacher's, or so much more."""

KEPT, KEPT_YET = 0.95, {"circuit": 0.83, "marble": 0.83, "neon": 0.9, "photo": 0.9, "watercolour": 0.9}
"""Gradient energy and SSIM to the teacher with memory over those without, at least. The goal is 0.97; some looks lose
fine contrast that these weights have not learned to draw."""

SOFT = {"circuit": 2.6, "glass": 2.6}
"""Looks that these weights draw more softly than their teachers, which is seen to move: ``MORE`` for them."""

DRIFTED = 3.0
"""Percent by which the last round may differ from the second, at most."""

ONE_STEP = 0.95
"""Quality of one step over that of thirty-two, at least."""

SPEEDS = (0.5, 2.5, 4.0, 9.5)
"""Pixels a frame: the worst for the network's grid, and the best."""

SIZE = (144, 256)
FRAMES = 8


@lru_cache(maxsize=128)
def measured(mini: LsdMini, look: str, take: str, mode: str) -> Run:
    takes = {
        "photograph": lambda: clips.pan("chelsea", (5.5, -1.5), FRAMES, SIZE),
        "procedural": lambda: next(clips.procedural(1, FRAMES, SIZE[0])),
    }
    return follow(mini, look, takes[take](), mode, teacher=mode == "memory")


@pytest.mark.parametrize("take", ["photograph", "procedural"])
@pytest.mark.parametrize("look", layout.GENERATING)
def test_texture_moves_with_the_scene(mini: LsdMini, look: str, take: str) -> None:
    memory, none = (measured(mini, look, take, mode) for mode in ("memory", "none"))
    assert memory.warp <= max(TIMES * memory.teacher, memory.teacher + SOFT.get(look, MORE))
    if take == "photograph" and look != "circuit":  # clips move less than texture that stays in place would show
        assert memory.warp <= RATIO * none.warp


@pytest.mark.parametrize("take", ["photograph", "procedural"])
def test_generating_looks_move_better_on_the_whole(mini: LsdMini, take: str) -> None:
    memory, none = (
        np.mean([measured(mini, look, take, mode).warp for look in layout.GENERATING]) for mode in ("memory", "none")
    )
    assert memory <= (RATIO if take == "photograph" else 0.3) * none


@pytest.mark.parametrize("take", ["photograph", "procedural"])
@pytest.mark.parametrize("look", layout.LOOK_NAMES)
def test_memory_costs_no_fidelity(mini: LsdMini, look: str, take: str) -> None:
    memory, none = (measured(mini, look, take, mode) for mode in ("memory", "none"))
    assert memory.gradient >= KEPT_YET.get(look, KEPT) * none.gradient
    assert memory.similarity >= KEPT * none.similarity
    assert memory.warp <= none.warp + 0.2  # no look moves worse


@pytest.mark.parametrize("speed", SPEEDS)
def test_no_shimmer_at_fractions_of_the_grid(mini: LsdMini, speed: float) -> None:
    take = clips.pan("astronaut", (speed, 0), FRAMES, SIZE)
    runs = [follow(mini, look, take) for look in layout.GENERATING]
    warp, teacher = np.mean([run.warp for run in runs]), np.mean([run.teacher for run in runs])
    assert warp <= max(TIMES * teacher, teacher + MORE)


def test_lost_frames_and_an_engines_motion(mini: LsdMini) -> None:
    take = clips.dropped(clips.pan("coffee", (3.5, 1), 2 * FRAMES, SIZE))
    memory, engine, none = (follow(mini, "lava", take, mode).warp for mode in ("memory", "engine", "none"))
    assert engine <= memory + 0.3
    assert memory <= RATIO * none


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_shows_in_full_within_two_frames(mini: LsdMini, what: str) -> None:
    for look in layout.LOOK_NAMES:
        change = respond(mini, look, what, size=SIZE)
        assert shown(change), (look, change)


def test_every_cut_is_seen(mini: LsdMini) -> None:
    pictures = [evaluate.load_photograph(name, *SIZE) for name in evaluate.PHOTOGRAPHS]
    assert cuts_seen(mini, pictures) == len(pictures) - 1


@pytest.mark.parametrize("scene", endless.SCENES)
def test_no_drift_in_a_short_while(mini: LsdMini, scene: str) -> None:
    drift = endless.endless(mini, "lava", scene, 240, period=40)
    assert drift.resets == 0
    assert max(drift.colour, abs(drift.contrast), -drift.fidelity) <= DRIFTED


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("scene", endless.SCENES)
def test_no_drift_in_twenty_thousand_frames(mini: LsdMini, scene: str) -> None:
    drift = endless.endless(mini, "lava", scene, 20_000)
    assert drift.resets == 0
    assert max(drift.colour, abs(drift.contrast), -drift.fidelity) <= DRIFTED


def test_one_step_is_nearly_as_good_as_many(mini: LsdMini) -> None:
    source = evaluate.load_photograph("coffee", *SIZE)
    one, many = np.mean(
        [[step.quality for step in evaluate.measure_steps(mini, source, look, (1, 32))] for look in layout.GENERATING],
        0,
    )
    assert one >= ONE_STEP * many
