"""A stream's parameters over time: what is set, and what that means for the frame that starts now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mirage_protocol import ParameterValue, defaults
from mirage_runtime.models import Settings

_MOST_PROMPTS = 4
_FAINTEST = 1 / 256

Prompts = tuple[tuple[str, float], ...]


class Controls:
    """Parameters with transitions: a change of prompt or strength takes ``transition`` seconds.

    Times are seconds of any monotonic clock. Values were checked against the table before they come here.
    """

    def __init__(self) -> None:
        self.values: dict[str, ParameterValue] = defaults()
        self._from: tuple[Prompts, float] = self._target()
        self._began = 0.0
        self._seconds = 0.0

    def set(self, values: Mapping[str, ParameterValue], now: float) -> None:
        """Change parameters; a transition starts from wherever the last one has come to."""
        travels = {"prompt", "strength"} & values.keys()
        here = self._at(now)
        self.values |= values
        if travels:
            self._from, self._began = here, now
            self._seconds = float(self.values["transition"])

    def resolve(self, now: float) -> Settings:
        """Return the settings for a frame that starts now."""
        prompts, strength = self._at(now)
        return Settings(prompts, strength, int(self.values["steps"]), int(self.values["seed"]))

    def _target(self) -> tuple[Prompts, float]:
        return ((str(self.values["prompt"]), 1.0),), float(self.values["strength"])

    def _at(self, now: float) -> tuple[Prompts, float]:
        phase = (now - self._began) / self._seconds if self._seconds > 0.0 else 1.0
        target_prompts, target_strength = self._target()
        if phase >= 1.0:
            return target_prompts, target_strength
        prompts, strength = self._from
        return _blend(prompts, target_prompts, phase), strength + (target_strength - strength) * phase


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


def describe(settings: Settings, values: Mapping[str, ParameterValue]) -> dict[str, Any]:
    """Return the record that makes a frame repeatable, as a result carries it (SPEC.md section 4.5)."""
    prompts = [{"text": text, "weight": weight} for text, weight in settings.prompts]
    return {
        "prompt": values["prompt"],
        "prompts": prompts,
        "strength": settings.strength,
        "steps": settings.steps,
        "seed": settings.seed,
    }
