"""That the measuring of motion measures: pictures that move as they should or not, made up for the purpose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import Image
from mirage_runtime.models.lsd import LsdMini, layout
from mirage_runtime.training import animate, clips, endless, evaluate, measure, sheets
from mirage_runtime.training.motion_measures import CHANGES, Change, Run, cuts_seen, follow, respond
from mirage_runtime.training.motion_report import MotionReport

SIZE = (96, 160)


class Mirror:
    """A model that gives the source back."""

    multiple, smallest, description = 16, 32, "mirror"

    def prepare(self, height: int, width: int) -> None: ...

    def condition(self, prompt: str) -> npt.NDArray[np.float32]:
        return np.zeros(layout.TIME, np.float32)

    def denoise(self, source: Image, *, memory: Image | None = None, **_: Any) -> Image:
        return source


class Trembling(Mirror):
    """Every second picture is a pixel further right."""

    count = 0

    def denoise(self, source: Image, *, memory: Image | None = None, **_: Any) -> Image:
        self.count += 1
        return np.roll(source, self.count % 2, 1)


class Perfect(Mirror):
    """The teacher of one look."""

    def __init__(self, look: str) -> None:
        self.look = look

    def denoise(self, source: Image, *, memory: Image | None = None, **given: Any) -> Image:
        return evaluate.painted(source, self.look, given["noise"])


class Slow(Mirror):
    """Half of each picture is the one before."""

    def denoise(self, source: Image, *, memory: Image | None = None, **_: Any) -> Image:
        return source if memory is None else cv2.addWeighted(source, 0.5, memory, 0.5, 0)


class Tinting(Mirror):
    """Every picture is a little redder than the memory of the last."""

    red = 0

    def denoise(self, source: Image, *, memory: Image | None = None, **_: Any) -> Image:
        self.red += memory is not None
        tinted = source.copy()
        tinted[..., 0] = np.minimum(source[..., 0].astype(int) + self.red // 4, 255)
        return tinted


@pytest.fixture(scope="module")
def pan() -> clips.Take:
    return clips.pan("astronaut", (3, 0), 7, SIZE)


@pytest.mark.parametrize("mode", ["memory", "engine", "none"])
def test_the_source_itself_has_its_own_warp_error(pan: clips.Take, mode: str) -> None:
    run = follow(Mirror(), "photo", pan, mode)
    assert run.warp == run.source == run.teacher < 0.5
    assert run.similarity == run.gradient == 1
    assert run.resets == 0
    assert (run.remembered > 0.9) == (mode != "none")


def test_trembling_is_punished(pan: clips.Take) -> None:
    assert follow(Trembling(), "photo", pan).warp > 3


def test_the_teacher_is_at_its_own_goal(pan: clips.Take) -> None:
    run = follow(Perfect("lava"), "lava", pan, "engine")
    assert run.similarity == run.gradient == 1
    assert run.warp == run.teacher < 1


def test_texture_that_stays_on_the_screen_is_punished(pan: clips.Take) -> None:
    moved, fixed = (follow(Perfect("lava"), "lava", pan, mode).warp for mode in ("engine", "memory, screen noise"))
    assert fixed > 5 * moved


def test_only_whole_runs_have_a_memory(pan: clips.Take) -> None:
    given: list[bool] = []

    class Watching(Mirror):
        def denoise(self, source: Image, *, memory: Image | None = None, **_: Any) -> Image:
            given.append(memory is not None)
            return source

    for mode in ("memory", "moved noise alone", "memory, screen noise", "none"):
        given.clear()
        follow(Watching(), "photo", pan, mode, teacher=False)
        assert any(given) == mode.startswith("memory")


def test_motion_is_exact() -> None:
    for take in (
        clips.pan("coffee", (7.5, -2), 4, SIZE),
        clips.zoom("coffee", 2, 4, SIZE),
        clips.roll("coffee", 1.5, 4, SIZE),
        clips.dropped(clips.zoom("coffee", -1, 7, SIZE)),
        clips.Take("loop", "procedural", clips.loop("procedural", 60, SIZE).frames(4)),
    ):
        assert len(take.frames) == 4
        assert not take.frames[0].visible.any()
        for before, now in zip(take.frames[:-1], take.frames[1:], strict=True):
            assert now.visible.mean() > 0.85
            assert clips.warp_error(before.picture, now.picture, now) < 1.2
            assert clips.warp_error(before.picture, now.picture, replace(now, motion=now.motion + 1)) > 1.5


def test_a_pan_moves_as_it_says() -> None:
    frame = clips.pan("coffee", (7.5, -2), 2, SIZE).frames[1]
    assert np.allclose(frame.motion, (7.5, -2))
    assert not frame.visible[:, -7:].any()
    assert not frame.visible[:1].any()
    assert frame.visible[2:, :-8].all()


def test_dropped_frames_keep_the_planes_of_an_engine() -> None:
    frame = clips.dropped(clips.pan("coffee", (3, 0), 5, SIZE)).frames[1]
    assert np.allclose(frame.motion[:, :-6], (6, 0))
    assert [plane[0, 0].tolist() for plane in frame.planes] == [[3, 0], [3, 0]]


def test_loops_close() -> None:
    for kind in ("photograph", "procedural"):
        scene = clips.loop(kind, 40, SIZE)
        assert np.array_equal(scene.render(0).picture, scene.render(40).picture)
        assert not np.array_equal(scene.render(0).picture, scene.render(20).picture)


def test_procedural_clips_move_in_steady_light() -> None:
    takes = list(clips.procedural(2, 5, 96))
    assert len({take.name for take in takes}) == 2
    for take in takes:
        assert np.hypot(*np.moveaxis(take.frames[-1].motion, -1, 0)).mean() > 0.3


def test_cuts_are_counted() -> None:
    pictures = [evaluate.load_photograph(name, *SIZE) for name in ("astronaut", "coffee", "rocket")]
    assert cuts_seen(Mirror(), pictures) == 2


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_shows_in_full_or_not(what: str) -> None:
    assert respond(Mirror(), "photo", what, size=SIZE).shares == pytest.approx((1, 1, 1))
    slow = respond(Slow(), "photo", what, size=SIZE)
    assert slow.reset or slow.shares[0] < 0.8
    assert "light" in what or not slow.reset


def test_drift_is_found() -> None:
    steady = endless.endless(Mirror(), "photo", "moving photograph", 120, period=40, size=SIZE)
    assert steady.colour == steady.contrast == steady.fidelity == steady.resets == 0
    tinted = endless.endless(Tinting(), "photo", "static photograph", 160, period=40, size=SIZE)
    assert tinted.colour_relative > tinted.colour > 5
    assert tinted.colour_at_worst > 5
    assert tinted.error > 1
    with pytest.raises(ValueError, match="three rounds"):
        endless.endless(Mirror(), "photo", "static photograph", 100, period=50)
    with pytest.raises(ValueError, match="no scene"):
        endless.endless(Mirror(), "photo", "still life", 150, period=50)


def test_similarity_is_scikit_images() -> None:
    from skimage.metrics import structural_similarity

    one = evaluate.load_photograph("coffee", *SIZE)
    two = np.clip(one + np.random.default_rng(1).normal(0, 20, one.shape), 0, 255).astype(np.uint8)
    theirs = structural_similarity(one, two, channel_axis=2)  # type: ignore[no-untyped-call]
    assert evaluate.similarity(one, two) == pytest.approx(theirs, abs=1e-6)


def test_quality_is_one_for_the_teacher_and_less_for_a_blur() -> None:
    source = evaluate.load_photograph("coffee", *SIZE)

    def quality(sigma: float) -> float:
        class Blurred(Perfect):
            def denoise(self, source: Image, *, memory: Image | None = None, **given: Any) -> Image:
                picture = evaluate.teach(source, self.look, given["seed"])
                return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma else picture

        (report,) = evaluate.measure_steps(Blurred("lava"), source, "lava", (1,))  # type: ignore[arg-type]
        return report.quality

    assert quality(0) == pytest.approx(1)
    assert 1 > quality(0.5) > quality(1.5) > quality(4) > 0


def run(look: str, mode: str, warp: float, **figures: Any) -> Run:
    common: dict[str, Any] = {"take": "coffee: pan 3 px", "kind": "photograph", "steps": 1, "source": 0.2}
    common |= {"teacher": 0.5, "gradient": 0.9, "similarity": 0.8, "remembered": 1.0, "resets": 0}
    return Run(look=look, mode=mode, warp=warp, **(common | figures))


def report(runs: tuple[Run, ...], **parts: Any) -> MotionReport:
    empty: dict[str, Any] = dict.fromkeys(("speeds", "dropped", "parts", "steps", "changes", "drifts"), ())
    return MotionReport("made up", SIZE, runs, **(empty | {"cuts": (3, 3)} | parts))


def test_goals_are_met_or_not() -> None:
    good = report((run("lava", "memory", 1.0), run("lava", "none", 10.0), run("lava", "engine", 0.9)))
    assert [goal.goal for goal in good.goals() if not goal.met] == []
    bad = report(
        (
            run("lava", "memory", 11.0, gradient=0.8, similarity=0.7, resets=1),
            run("lava", "none", 10.0),
            run("ink", "memory", 1.0),
            run("ink", "none", 1.0),
        ),
        changes=(Change("lava", CHANGES[0], (0.5, 0.8, 0.9), (50.0, 20.0, 10.0), False),),
        cuts=(3, 2),
    )
    assert [goal.goal for goal in bad.goals() if goal.met] == []
    assert len(bad.goals()) == 7
    assert "| lava | 10.00 | 11.00 |" in bad.as_markdown()
    assert json.loads(json.dumps(bad.as_json()))["looks"][0]["warp"] == 11.0


def test_animations_fit_and_filmstrips_line_up(tmp_path: Path) -> None:
    path = tmp_path / "made" / "photo.webp"
    assert animate.animate(Mirror(), "photo", path) == path.stat().st_size <= animate.LIMIT
    shown = cv2.imreadanimation(str(path))[1]
    assert len(shown.frames) == animate.FRAMES
    strip = animate.filmstrip(Mirror(), "photo", velocity=(4, 0), frames=3, crop=64)
    assert strip.shape == (3 * 64, 3 * 64, 3)
    assert np.abs(strip[30:64, :64].astype(int) - strip[30:64, 128:]).mean() < 3


def test_sheets_are_of_a_size_to_show(mini: LsdMini) -> None:
    for sheet in (sheets.looks_sheet(mini), sheets.contact_sheet(mini, ("coffee",))):
        assert sheet.shape[0] <= 1400
        assert sheet.shape[1] <= 1600


def test_bad_work_is_refused(tmp_path: Path) -> None:
    for work, message in (
        (measure.Work(looks=("plaid",)), "plaid"),
        (measure.Work(endless=100), "three rounds"),
        (measure.Work(against=("nameless.onnx",)), "NAME=FILE"),
        (measure.Work(tmp_path / "absent.onnx"), "no model"),
    ):
        with pytest.raises(MirageRuntimeError, match=message):
            measure.measure(work)
