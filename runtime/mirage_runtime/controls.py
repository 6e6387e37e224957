"""A stream's parameters over time: what is set, and what that means for the frame that starts now."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast

from mirage_protocol import ParameterValue, defaults, weighted_prompts
from mirage_runtime.models import Settings

_MOST_PROMPTS = 8
_FAINTEST = 1 / 256

_MOST_SEEDS = 3

Prompts = tuple[tuple[str, float], ...]
Seeds = tuple[tuple[int, float], ...]
T = TypeVar("T")


class _Travel(Generic[T]):
    """One value on its way to where it was last sent."""

    def __init__(self, target: T, between: Callable[[T, T, float], T]) -> None:
        self._from = self._target = target
        self._between = between
        self._began = self._seconds = 0.0

    def send(self, target: T, now: float, seconds: float) -> None:
        """Set out for another value from wherever it has come to."""
        self._from, self._target = self.at(now), target
        self._began, self._seconds = now, seconds

    def at(self, now: float) -> T:
        """Where it is."""
        phase = (now - self._began) / self._seconds if self._seconds > 0.0 else 1.0
        return self._target if phase >= 1.0 else self._between(self._from, self._target, phase)


class Controls:
    """Parameters with transitions: a change of prompts, strength or seed takes ``transition`` seconds.

    Each of the three travels on its own. Times are seconds of any monotonic clock. Values were checked against the
    table before they come here.
    """

    def __init__(self) -> None:
        self.values: dict[str, ParameterValue] = defaults()
        self._prompts = _Travel(weighted_prompts(self.values), _blend)
        self._strength = _Travel(self._number("strength"), lambda one, two, phase: one + (two - one) * phase)
        self._seeds = _Travel(self._seed(), _travelled)

    def set(self, values: Mapping[str, ParameterValue], now: float) -> None:
        """Change parameters; a transition starts from wherever the last one has come to."""
        self.values |= values
        seconds = self._number("transition")
        if {"prompt", "prompts"} & values.keys():
            self._prompts.send(weighted_prompts(self.values), now, seconds)
        if "strength" in values:
            self._strength.send(self._number("strength"), now, seconds)
        if "seed" in values:
            self._seeds.send(self._seed(), now, seconds)

    def resolve(self, now: float) -> Settings:
        """Return the settings for a frame that starts now."""
        return Settings(
            self._prompts.at(now),
            self._strength.at(now),
            coherence=self._number("coherence"),
            steps=int(self._number("steps")),
            seeds=self._seeds.at(now),
            mask_ids=self._mask(),
        )

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
        "strength": settings.strength,
        "coherence": settings.coherence,
        "steps": settings.steps,
        "seed": values["seed"],
        "seeds": [{"seed": seed, "weight": weight} for seed, weight in settings.seeds],
        "mask_ids": list(settings.mask_ids),
    }
