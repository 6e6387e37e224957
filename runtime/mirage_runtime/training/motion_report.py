"""What was measured of a model in motion, as data, as tables, and against the goals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mirage_runtime.models.lsd import layout
from mirage_runtime.training.endless import Drift
from mirage_runtime.training.motion_measures import Change, Run

RATIO = 0.2
"""Goal for generating looks: warp error with memory over that without, at most."""

KEPT = 0.97
"""Goal: gradient energy and SSIM to the teacher with memory over those without, at least."""

SHOWN, UNSEEN = 0.95, 1.0
"""A change of the source shows in full when this share of it does, or less is missing than one step of 255.

The second is an allowance for changes that are small themselves, chosen when light that falls by 5 % missed the first.
"""

DRIFTED = 3.0
"""Goal: percent that the last round may differ from the second."""

_NOTHING_WORSE = 0.1  # of 255: differences of warp error below this are not seen


def shown(change: Change) -> bool:
    """Whether a change of the source shows in full after two frames."""
    return change.shares[1] >= SHOWN or change.missing[1] <= UNSEEN


@dataclass(frozen=True)
class Weights:
    """One set of weights beside others: means over the generating looks."""

    name: str
    warp: float
    """Warp error with memory, of 255."""
    none: float
    """The same without."""
    teacher: float
    """The teacher's own, given the noise with memory."""
    gradient: float
    """Gradient energy with memory, over the teacher's."""
    similarity: float
    """SSIM to the teacher with memory."""
    drift: Drift
    """Of a moving photograph."""
    quality: tuple[tuple[int, float], ...]
    """Steps, and the quality of a still in so many (see ``evaluate.StepReport.quality``)."""


@dataclass(frozen=True)
class Goal:
    """A goal, and what was reached at worst."""

    goal: str
    reached: str
    met: bool


@dataclass(frozen=True)
class MotionReport:
    """All measurements of a model in motion."""

    model: str
    size: tuple[int, int]
    """Height and width of the sequences of photographs, in pixels."""
    looks: tuple[Run, ...]
    """Every look on photographs and procedural clips: with memory, with an engine's motion, without."""
    speeds: tuple[Run, ...]
    """Pans by whole and half pixels."""
    dropped: tuple[Run, ...]
    """With every second frame lost."""
    parts: tuple[Run, ...]
    """With one half of the temporal engine taken away."""
    steps: tuple[Run, ...]
    """With more steps."""
    changes: tuple[Change, ...]
    cuts: tuple[int, int]
    """How many cuts there were and how many were seen."""
    drifts: tuple[Drift, ...]
    weights: tuple[Weights, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data for a JSON file."""
        return asdict(self) | {"goals": [asdict(goal) for goal in self.goals()]}

    def as_markdown(self) -> str:
        """Tables, with a line above each."""
        tables = [
            self._goal_table(),
            *(self._look_table(kind) for kind in ("photograph", "procedural")),
            self._speed_table(),
            self._case_table("Every second frame dropped", self.dropped, lambda run: run.take.rpartition(", ")[0]),
            self._part_table(),
            self._step_table(),
            self._change_table(),
            self._drift_table(),
            self._weights_table(),
        ]
        return "\n\n".join(table for table in tables if table)

    def goals(self) -> list[Goal]:
        """What was aimed at and what was reached, at worst. Only generating looks have a warp error to lose."""
        goals = []
        for kind in ("photograph", "procedural"):
            rows = [row for row in _rows(self.looks, kind) if row.look in layout.GENERATING]
            if rows:
                ratio = float(np.mean([row.memory for row in rows]) / np.mean([row.none for row in rows]))
                own = float(np.mean([row.teacher for row in rows]) / np.mean([row.none for row in rows]))
                worst = max(rows, key=lambda row: row.ratio)
                goals.append(
                    Goal(
                        f"warp error with memory at most {RATIO} of without, {kind}",
                        f"{ratio:.2f} (the teacher {own:.2f}); worst {worst.look} {worst.ratio:.2f}",
                        worst.ratio <= RATIO,
                    )
                )
                over = max(rows, key=lambda row: row.memory - row.allowed)
                reached = f"worst {over.look}: {over.memory:.2f}, allowed {over.allowed:.2f}"
                name = f"warp error at most 1.3 of the teacher's or 1.5 more, {kind}"
                goals.append(Goal(name, reached, over.memory <= over.allowed))
        rows = [row for kind in ("photograph", "procedural") for row in _rows(self.looks, kind)]
        if rows:
            goals += _kept(rows)
        if self.changes:
            late = min(self.changes, key=lambda change: (shown(change), change.shares[1]))
            reached = (
                f"worst {late.look}, {late.what}: {100 * late.shares[0]:.0f} %, {100 * late.shares[1]:.0f} %, "
                f"which is {late.missing[1]:.1f} of 255 short"
            )
            goals.append(Goal("a change shows in full within two frames", reached, shown(late)))
        if self.drifts:
            worst_drift = max(self.drifts, key=_drifted)
            reached = f"worst {worst_drift.look}, {worst_drift.scene}: {_drifted(worst_drift):.1f} %"
            goals.append(Goal(f"no drift beyond {DRIFTED:.0f} %", reached, _drifted(worst_drift) <= DRIFTED))
        false = sum(drift.resets for drift in self.drifts)
        runs = (*self.looks, *self.speeds, *self.dropped)
        false += sum(run.resets for run in runs) + sum(change.reset for change in self.changes)
        there, seen = self.cuts
        reached = f"{seen} of {there} cuts seen, {false} where there was none"
        goals.append(Goal("memory begins anew at cuts alone", reached, seen == there and false == 0))
        return goals

    def _goal_table(self) -> str:
        rows = [[goal.goal, goal.reached, "yes" if goal.met else "**no**"] for goal in self.goals()]
        return _table("Goals", ["goal", "reached", "met"], rows)

    def _look_table(self, kind: str) -> str:
        rows = [
            [
                *(row.look, f"{row.none:.2f}", f"{row.memory:.2f}", f"{row.engine:.2f}", f"{row.teacher:.2f}"),
                *(f"{row.ratio:.2f}", f"{row.gradient_none:.2f} / {row.gradient:.2f}"),
                f"{row.similarity_none:.3f} / {row.similarity:.3f}",
            ]
            for row in _rows(self.looks, kind)
        ]
        takes = ", ".join(dict.fromkeys(run.take for run in self.looks if run.kind == kind))
        columns = [
            *("look", "without memory", "with memory", "with an engine's motion", "teacher's own", "with / without"),
            *("gradient energy to the teacher's, without / with", "SSIM to the teacher, without / with"),
        ]
        return _table(f"Warp error of 255, {kind} ({takes})", columns, rows)

    def _speed_table(self) -> str:
        return self._case_table("Pans by whole and half pixels", self.speeds, lambda run: run.take.split(": ")[1])

    def _case_table(self, title: str, runs: Sequence[Run], case: Callable[[Run], str]) -> str:
        """A line a case, means over looks, and the look that is farthest from its goal."""
        rows = []
        for name in dict.fromkeys(case(run) for run in runs):
            of = _rows([run for run in runs if case(run) == name])
            keys = ("none", "memory", "engine", "teacher", "source")
            none, memory, engine, teacher, source = (float(np.mean([getattr(row, key) for row in of])) for key in keys)
            worst = max(of, key=lambda row: row.memory - row.allowed)
            farthest = f"{worst.look} {worst.memory:.2f} (allowed {worst.allowed:.2f})"
            values = (none, memory, engine, teacher, source, memory / max(none, 1e-6))
            figures = [f"{value:.2f}" for value in values]
            rows.append([name, *(f.replace("nan", "-") for f in figures), farthest])
        columns = [
            *("", "without memory", "with memory", "with an engine's motion", "teacher's own", "source's own"),
            *("with / without", "farthest from its goal"),
        ]
        return _table(f"{title}: warp error of 255, means over generating looks", columns, rows)

    def _part_table(self) -> str:
        rows = []
        for mode in dict.fromkeys(run.mode for run in self.parts):
            of = [run for run in self.parts if run.mode == mode]
            values = [_mean(run.warp for run in of if run.kind == kind) for kind in ("photograph", "procedural")]
            gradient, ssim = _mean(run.gradient for run in of), _mean(run.similarity for run in of)
            rows.append([mode, *(f"{value:.2f}" for value in values), f"{gradient:.3f}", f"{ssim:.3f}"])
        columns = ["", "warp error, photograph", "warp error, procedural", "gradient energy", "SSIM to the teacher"]
        return _table("What each half is good for: means over generating looks", columns, rows)

    def _step_table(self) -> str:
        rows = []
        for steps in dict.fromkeys(run.steps for run in self.steps):
            of = [run for run in self.steps if run.steps == steps]
            warp, gradient = _mean(run.warp for run in of), _mean(run.gradient for run in of)
            rows.append([str(steps), f"{warp:.2f}", f"{gradient:.3f}", f"{_mean(run.similarity for run in of):.3f}"])
        columns = ["steps", "warp error", "gradient energy", "SSIM to the teacher"]
        return _table("More steps, with memory: means over generating looks", columns, rows)

    def _change_table(self) -> str:
        rows = []
        for what in dict.fromkeys(change.what for change in self.changes):
            of = [change for change in self.changes if change.what == what]
            shares = [f"{100 * _mean(change.shares[frame] for change in of):.0f} %" for frame in range(3)]
            worst = min(of, key=lambda change: change.shares[1])
            cuts = sum(change.reset for change in of)
            least = f"{worst.look} {100 * worst.shares[1]:.0f} %, {worst.missing[1]:.1f} of 255 short"
            rows.append([what, *shares, least, f"{cuts} of {len(of)}"])
        columns = ["share that shows after frames", "1", "2", "3", "least after 2", "taken for a cut"]
        return _table("A change of the source: means over looks", columns, rows)

    def _drift_table(self) -> str:
        rows = [
            [
                *(drift.look, drift.scene, f"{drift.frames} / {drift.period}"),
                *(f"{drift.colour:.2f} %", f"{drift.colour_relative:.2f} %", f"{drift.colour_at_worst:.2f} %"),
                *(f"{drift.contrast:+.2f} %", f"{drift.contrast_at_worst:.2f} %"),
                *(f"{drift.fidelity:+.2f} % of {drift.similarity:.3f}", f"{drift.error:+.2f}", str(drift.resets)),
            ]
            for drift in self.drifts
        ]
        columns = [
            *(
                "look",
                "scene",
                "frames / round",
                "colour, of the range",
                "of the brightness",
                "worst phase, of the range",
            ),
            *("contrast", "worst phase"),
            *("SSIM to the teacher", "error of 255", "resets"),
        ]
        return _table("The last round against the second", columns, rows)

    def _weights_table(self) -> str:
        rows = []
        for one in self.weights:
            quality = " / ".join(f"{value:.3f}" for _, value in one.quality)
            rows.append(
                [
                    *(one.name, f"{one.none:.2f}", f"{one.warp:.2f}", f"{one.teacher:.2f}", f"{one.gradient:.3f}"),
                    *(f"{one.similarity:.3f}", f"{one.drift.colour:.2f} %", f"{one.drift.contrast:+.2f} %"),
                    *(f"{one.drift.fidelity:+.2f} %", quality),
                ]
            )
        counts = " / ".join(str(steps) for steps, _ in self.weights[0].quality) if self.weights else ""
        columns = [
            *("weights", "without memory", "with memory", "teacher's own", "gradient energy", "SSIM to the teacher"),
            *("drift of colour", "of contrast", "of SSIM", f"quality in {counts} steps"),
        ]
        return _table("Other weights: warp error of 255, means over generating looks", columns, rows)


@dataclass(frozen=True)
class _Row:
    """One look over several sequences."""

    look: str
    none: float
    memory: float
    engine: float
    teacher: float
    source: float
    gradient_none: float
    gradient: float
    similarity_none: float
    similarity: float

    @property
    def ratio(self) -> float:
        return self.memory / max(self.none, 1e-6)

    @property
    def allowed(self) -> float:
        return max(1.3 * self.teacher, self.teacher + 1.5)


def _rows(runs: Iterable[Run], kind: str | None = None) -> list[_Row]:
    chosen = [run for run in runs if kind in (None, run.kind)]
    rows = []
    for look in dict.fromkeys(run.look for run in chosen):
        memory, none, engine = (
            [run for run in chosen if run.look == look and run.mode == mode] for mode in ("memory", "none", "engine")
        )
        rows.append(
            _Row(
                look,
                none=_mean(run.warp for run in none),
                memory=_mean(run.warp for run in memory),
                engine=_mean(run.warp for run in engine),
                teacher=_mean(run.teacher for run in memory),
                source=_mean(run.source for run in memory),
                gradient_none=_mean(run.gradient for run in none),
                gradient=_mean(run.gradient for run in memory),
                similarity_none=_mean(run.similarity for run in none),
                similarity=_mean(run.similarity for run in memory),
            )
        )
    return rows


def _kept(rows: Sequence[_Row]) -> list[Goal]:
    """That memory costs no fidelity, and makes no look worse."""
    goals = []
    for name, key in (("gradient energy", "gradient"), ("SSIM to the teacher", "similarity")):
        of = [row for row in rows if row.look in layout.GENERATING]
        if of:
            share, look = min((getattr(row, key) / max(getattr(row, f"{key}_none"), 1e-6), row.look) for row in of)
            goal = f"{name} with memory at least {KEPT} of without"
            goals.append(Goal(goal, f"worst {look} {share:.3f}", share >= KEPT))
    worse = max(rows, key=lambda row: row.memory - row.none)
    reached = f"worst {worse.look}: {worse.none:.2f} without, {worse.memory:.2f} with"
    goals.append(Goal("no look moves worse with memory", reached, worse.memory <= worse.none + _NOTHING_WORSE))
    return goals


def _drifted(drift: Drift) -> float:
    """The largest change for the worse, in percent."""
    return max(drift.colour, abs(drift.contrast), -drift.fidelity)


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return float(np.mean(kept)) if kept else float("nan")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, *rows)]
    return "\n".join([f"{title}:", "", lines[0], "|---" * len(columns) + "|", *lines[1:]])
