"""A stream's parameters over time: what is set, and what that means for the frame that starts now."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from mirage_protocol import PARAMETERS, ParameterValue, defaults, weighted_prompts
from mirage_runtime.models import Settings

_MOST_PROMPTS = 8
_FAINTEST = 1 / 256

_MOST_SEEDS = 3

Prompts = tuple[tuple[str, float], ...]
Seeds = tuple[tuple[int, float], ...]
T = TypeVar("T")

CurveName = Literal["linear", "smooth", "ease-in", "ease-out"]

CURVES: Mapping[CurveName, Callable[[float], float]] = {
    "linear": lambda phase: phase,
    "smooth": lambda phase: phase * phase * (3.0 - 2.0 * phase),
    "ease-in": lambda phase: phase * phase,
    "ease-out": lambda phase: phase * (2.0 - phase),
}
"""How a fade goes about its time: each maps 0 to 1 to 0 to 1 and never turns back."""


@dataclass(frozen=True)
class Fade:
    """How long a change takes, in seconds, and its course."""

    seconds: float = 0.0
    curve: CurveName = "linear"


class _Travel(Generic[T]):
    """One value on its way to where it was last sent."""

    def __init__(self, target: T, between: Callable[[T, T, float], T]) -> None:
        self._from = self._target = target
        self._between = between
        self._began = 0.0
        self._fade = Fade()

    def send(self, target: T, now: float, fade: Fade) -> None:
        """Set out for another value from wherever it has come to."""
        self._from, self._target = self.at(now), target
        self._began, self._fade = now, fade

    def at(self, now: float) -> T:
        """Where it is."""
        if not self.travels(now):
            return self._target
        phase = max(0.0, (now - self._began) / self._fade.seconds)
        return self._between(self._from, self._target, CURVES[self._fade.curve](phase))

    def travels(self, now: float) -> bool:
        """Whether it has not arrived yet."""
        return now - self._began < self._fade.seconds


class Controls:
    """Parameters over time: a change travels to its new value, each parameter on its own and in its own way.

    Prompts blend, seeds go along the arc between two noises, numbers run. What can only be one thing or another changes
    at once. Times are seconds of any monotonic clock. Values were checked against the table before they come here.
    """

    def __init__(self) -> None:
        self.values: dict[str, ParameterValue] = defaults()
        self._prompts = _Travel(weighted_prompts(self.values), _blend)
        self._seeds = _Travel(self._seed(), _travelled)
        self._numbers = {
            name: _Travel(float(self._number(name)), lambda one, two, phase: one + (two - one) * phase)
            for name in ("strength", "coherence", "steps", "guidance")
        }

    def set(self, values: Mapping[str, ParameterValue], now: float, fade: Fade | None = None) -> None:
        """Change parameters; each sets out from wherever it has come to.

        Without a ``fade``, prompts, strength and seed take as long as the parameter ``transition`` says, and the others
        no time.
        """
        self.values |= values
        usual = Fade(float(self._number("transition")))
        if {"prompt", "prompts"} & values.keys():
            self._prompts.send(weighted_prompts(self.values), now, fade or usual)
        if "seed" in values:
            self._seeds.send(self._seed(), now, fade or usual)
        for name in self._numbers.keys() & values.keys():
            at_once = usual if name == "strength" else Fade()
            self._numbers[name].send(float(self._number(name)), now, fade or at_once)

    def resolve(self, now: float) -> Settings:
        """Return the settings for a frame that starts now."""
        return Settings(
            self._prompts.at(now),
            self._numbers["strength"].at(now),
            coherence=self._numbers["coherence"].at(now),
            steps=round(self._numbers["steps"].at(now)),
            seeds=self._seeds.at(now),
            guidance=self._numbers["guidance"].at(now),
            negative=str(self.values["negative_prompt"]),
            mask_ids=self._mask(),
        )

    def moving(self, now: float) -> dict[str, ParameterValue]:
        """Return the numbers that have not arrived yet, where they are now: what a motor fader follows."""
        return {
            name: round(travel.at(now)) if PARAMETERS[name].type == "integer" else travel.at(now)
            for name, travel in self._numbers.items()
            if travel.travels(now)
        }

    def _number(self, name: str) -> float:
        value = self.values[name]
        assert isinstance(value, int | float)
        return value

    def _mask(self) -> tuple[int, ...]:
        return tuple(cast("list[int]", self.values["mask_ids"]))

    def _seed(self) -> Seeds:
        return ((int(self._number("seed")), 1.0),)


def _blend(before: Prompts, after: Prompts, phase: float) -> Prompts:
    """Return the prompts part of the way from one blend to another.

    Transitions that are interrupted again and again would pile up prompts that nobody can see any more: the faint ones
    go, and a few are enough.
    """
    weights: dict[str, float] = {}
    for prompts, share in ((before, 1.0 - phase), (after, phase)):
        for text, weight in prompts:
            weights[text] = weights.get(text, 0.0) + weight * share
    kept = sorted(weights.items(), key=lambda entry: -entry[1])[:_MOST_PROMPTS]
    kept = [(text, weight) for text, weight in kept if weight >= _FAINTEST]
    total = sum(weight for _, weight in kept)
    return tuple((text, weight / total) for text, weight in kept)


def _travelled(before: Seeds, after: Seeds, phase: float) -> Seeds:
    """Return the seeds part of the way: along the arc between two noises, which are as good as orthogonal."""
    amplitudes: dict[int, float] = {}
    angle = math.pi / 2 * phase
    for seeds, share in ((before, math.cos(angle)), (after, math.sin(angle))):
        for seed, amplitude in seeds:
            amplitudes[seed] = amplitudes.get(seed, 0.0) + amplitude * share
    kept = sorted(amplitudes.items(), key=lambda entry: -entry[1])[:_MOST_SEEDS]
    kept = [(seed, amplitude) for seed, amplitude in kept if amplitude >= _FAINTEST]
    length = math.sqrt(sum(amplitude * amplitude for _, amplitude in kept))
    return tuple((seed, amplitude / length) for seed, amplitude in kept)


def describe(settings: Settings, values: Mapping[str, ParameterValue]) -> dict[str, Any]:
    """Return the record that makes a frame repeatable, as a result carries it (SPEC.md section 4.5)."""
    return {
        "prompt": values["prompt"],
        "prompts": [{"text": text, "weight": weight} for text, weight in settings.prompts],
        "negative_prompt": settings.negative,
        "guidance": settings.guidance,
        "strength": settings.strength,
        "coherence": settings.coherence,
        "steps": settings.steps,
        "seed": values["seed"],
        "seeds": [{"seed": seed, "weight": weight} for seed, weight in settings.seeds],
        "mask_ids": list(settings.mask_ids),
    }
