"""The embedded model in motion: which sequences, which looks, which parts, and everything measured on them.

Photographs under pans, zooms and rolls, and procedural clips, none of which any training sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirage_runtime.models.lsd import layout
from mirage_runtime.models.lsd.model import WEIGHTS, LsdMini
from mirage_runtime.training import clips
from mirage_runtime.training.clips import Size, Take
from mirage_runtime.training.endless import PERIOD, SCENES, Drift, endless
from mirage_runtime.training.evaluate import load_photograph, measure_steps
from mirage_runtime.training.motion_measures import CHANGES, Change, Run, cuts_seen, follow, respond
from mirage_runtime.training.motion_report import MotionReport, Weights


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    size: Size = (256, 384)
    """Of sequences of photographs."""
    clip: int = 256
    """Side of procedural clips."""
    clips: int = 10
    frames: int = 9
    """In each sequence; four of them before anything is measured."""
    speeds: tuple[float, ...] = tuple(half / 2 for half in range(1, 33))
    """Of pans, in pixels a frame."""
    steps: tuple[int, ...] = (1, 2, 4, 32)
    rounds: int = 6
    """Of a short stream that drift is measured on."""
    period: int = 100
    """Frames to a round of that."""
    drifting: tuple[str, ...] = ("lava", "ice", "oil", "moss")
    """The looks whose drift is measured."""


FULL = Plan()
QUICK = Plan((144, 256), 144, 1, 7, (0.5, 2.5, 4.0, 7.5, 16.0), (1, 4), 3, 50, ("lava",))


def evaluate_motion(
    weights: Path = WEIGHTS,
    *,
    names: Sequence[str] = layout.LOOK_NAMES[1:],
    plan: Plan = FULL,
    endless_frames: int = 0,
    endless_looks: Sequence[str] = ("lava",),
    against: Mapping[str, Path] | None = None,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> MotionReport:
    """Measure ``weights`` in motion on the looks of ``names``.

    ``endless_frames`` runs streams of that many frames of ``endless_looks`` as well, in rounds of 500. ``against``
    names other weights to compare with. ``progress`` is told the share done, 0..1. Raises ``EngineError`` if a model
    cannot be loaded.
    """
    suite = _Suite(LsdMini(threads=threads, weights=weights), names, plan)
    suite.plan_looks()
    suite.plan_cases()
    suite.plan_drifts(endless_frames, endless_looks)
    if against:
        suite.plan_weights({"these": weights, **against}, threads)
    suite.run(progress or (lambda _: None))
    return suite.report()


class _Suite:
    """Jobs that fill a report."""

    def __init__(self, model: LsdMini, names: Sequence[str], plan: Plan) -> None:
        self._model = model
        self._names = names
        self._generating = [name for name in names if name in layout.GENERATING]
        self._plan = plan
        self._jobs: list[tuple[float, Callable[[Callable[[float], None]], None]]] = []
        self._runs: dict[str, list[Run]] = {part: [] for part in ("looks", "speeds", "dropped", "parts", "steps")}
        self._changes: list[Change] = []
        self._cuts = (0, 0)
        self._drifts: list[Drift] = []
        self._weights: list[Weights] = []

    def run(self, progress: Callable[[float], None]) -> None:
        """Do everything that was planned."""
        total = sum(weight for weight, _ in self._jobs)
        done = 0.0
        for weight, job in self._jobs:
            job(lambda part, done=done, weight=weight: progress((done + weight * part) / total))  # type: ignore[misc]
            done += weight
            progress(done / total)

    def report(self) -> MotionReport:
        """What was measured."""
        return MotionReport(
            self._model.description,
            self._plan.size,
            **{part: tuple(runs) for part, runs in self._runs.items()},
            changes=tuple(self._changes),
            cuts=self._cuts,
            drifts=tuple(self._drifts),
            weights=tuple(self._weights),
        )

    def plan_looks(self) -> None:
        """Every look on photographs and clips; generating looks at every speed."""
        plan = self._plan
        for take in (*_filmed(plan), *clips.procedural(plan.clips, plan.frames, plan.clip)):
            for look in self._names:
                self._follow("looks", look, take, ("memory", "engine", "none"))
        for speed in plan.speeds:
            take = clips.pan("astronaut", (speed, 0), plan.frames, plan.size)
            for look in self._generating:
                self._follow("speeds", look, take, ("memory", "none"))

    def plan_cases(self) -> None:
        """Dropped frames, parts taken away, more steps, changes of the source, cuts."""
        plan = self._plan
        clip = next(clips.procedural(1, plan.frames, plan.clip))
        pan = clips.pan("chelsea", (2.5, -0.5), plan.frames, plan.size)
        long = (
            clips.pan("chelsea", (2.5, -0.5), 2 * plan.frames, plan.size),
            next(clips.procedural(1, 2 * plan.frames, plan.clip)),
        )
        for look in self._generating:
            for take in long:
                self._follow("dropped", look, clips.dropped(take), ("memory", "engine", "none"))
            for take in (pan, clip):
                modes = ("memory", "moved noise alone", "memory, screen noise", "none")
                self._follow("parts", look, take, modes, teacher=False)
            for steps in plan.steps:
                self._follow("steps", look, pan, ("memory",), steps=steps, teacher=False)
        for look in self._names:
            for what in CHANGES:
                self._add(0.5, lambda _, look=look, what=what: self._change(look, what))
        self._add(0.5, lambda _: self._cut())

    def plan_drifts(self, frames: int, looks: Sequence[str]) -> None:
        """Short streams of some looks, and streams of ``frames`` frames of others, if any."""
        plan = self._plan
        short = [look for look in plan.drifting if look in self._names]
        cases = [(look, plan.rounds * plan.period, plan.period) for look in short]
        cases += [(look, frames, PERIOD) for look in looks if frames]
        for look, count, period in cases:
            for scene in SCENES:
                self._add(count / 60, lambda told, case=(look, scene, count, period): self._drift(case, told))

    def plan_weights(self, models: Mapping[str, Path], threads: int | None) -> None:
        """The same few measurements of several sets of weights."""
        for name, path in models.items():
            self._add(20, lambda _, name=name, path=path: self._compare(name, LsdMini(threads=threads, weights=path)))

    def _add(self, weight: float, job: Callable[..., None]) -> None:
        self._jobs.append((weight, job))

    def _follow(
        self, part: str, look: str, take: Take, modes: Sequence[str], *, steps: int = 1, teacher: bool = True
    ) -> None:
        def job(_: Callable[[float], None]) -> None:
            for mode in modes:
                run = follow(self._model, look, take, mode, steps=steps, teacher=teacher and mode != "none")
                self._runs[part].append(run)

        self._add(len(modes) * (1 + steps / 8), job)

    def _change(self, look: str, what: str) -> None:
        self._changes.append(respond(self._model, look, what, size=(144, 256)))

    def _cut(self) -> None:
        pictures = [load_photograph(name, *self._plan.size) for name in ("astronaut", "chelsea", "coffee", "rocket")]
        self._cuts = (len(pictures) - 1, cuts_seen(self._model, pictures))

    def _drift(self, case: tuple[str, str, int, int], told: Callable[[float], None]) -> None:
        look, scene, frames, period = case
        self._drifts.append(endless(self._model, look, scene, frames, period=period, progress=told))

    def _compare(self, name: str, model: LsdMini) -> None:
        plan, looks = self._plan, self._generating
        takes = [clips.pan("chelsea", (2.5, -0.5), plan.frames, plan.size)]
        takes += clips.procedural(1, plan.frames, plan.clip)
        memory = [follow(model, look, take) for look in looks for take in takes]
        none = [follow(model, look, take, "none", teacher=False) for look in looks for take in takes]
        still = load_photograph("coffee", *plan.size)
        steps = [measure_steps(model, still, look, plan.steps) for look in looks]
        values = np.mean([[run.warp, run.teacher, run.gradient, run.similarity] for run in memory], 0)
        self._weights.append(
            Weights(
                name,
                warp=float(values[0]),
                none=float(np.mean([run.warp for run in none])),
                teacher=float(values[1]),
                gradient=float(values[2]),
                similarity=float(values[3]),
                drift=endless(model, looks[0], SCENES[0], plan.rounds * plan.period, period=plan.period),
                quality=tuple(
                    (count, float(np.mean([report[index].quality for report in steps])))
                    for index, count in enumerate(plan.steps)
                ),
            )
        )


def _filmed(plan: Plan) -> tuple[Take, ...]:
    """Photographs under every kind of camera movement."""
    return (
        clips.pan("chelsea", (5.5, -1.5), plan.frames, plan.size),
        clips.zoom("coffee", 2.0, plan.frames, plan.size),
        clips.zoom("astronaut", -1.5, plan.frames, plan.size),
        clips.roll("rocket", 1.5, plan.frames, plan.size),
    )


__all__ = ["FULL", "QUICK", "Plan", "evaluate_motion"]
