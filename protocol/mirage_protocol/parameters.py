"""The parameter table: every control of a stream, declared once.

Validation, WebSocket ``set``, OSC addresses, the page's sliders and the reference in the docs all come from here.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict, cast

from mirage_protocol.checks import Blend, Check, Integer, Integers, Number, Text
from mirage_protocol.errors import ProtocolError, shown


class WeightedText(TypedDict):
    """One part of a blend: a text, and how much of it there is beside the others (0 to 1,000, relative)."""

    text: str
    weight: float


ParameterValue = str | int | float | list[WeightedText] | list[int]


@dataclass(frozen=True)
class Parameter:
    """One control of a stream: its name, type, range (both ends included), default, unit and help.

    A ``blend`` is a list of `WeightedText`: its ``minimum`` and ``maximum`` are those of a weight, its ``max_length``
    (characters) that of a text, and it has up to ``max_items``. ``integers`` are a list of up to ``max_items``, each
    from ``minimum`` to ``maximum``. ``clip``: a controller that knows no range (a fader, a message of OSC) and sends a
    number beyond it means the nearest end; without it, and in a client's ``set`` always, such a number is refused.
    """

    name: str
    type: Literal["text", "float", "integer", "integers", "blend"]
    default: ParameterValue
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    max_items: int | None = None
    unit: str = ""
    clip: bool = False
    help: str = ""

    def check(self, value: Any, field: str | None = None) -> ParameterValue:
        """Return ``value`` as this parameter keeps it; raises `ProtocolError` naming the field and the range."""
        checked: ParameterValue = self._check(value, field or self.name)
        return checked

    def clipped(self, value: float) -> float:
        """Return a number brought into the range where this parameter clips, and as it is where it does not."""
        if not self.clip or self.minimum is None or self.maximum is None:
            return value
        return min(max(value, self.minimum), self.maximum)

    def at(self, fraction: float) -> float:
        """Return the number at ``fraction`` (0 to 1, clipped) of the range, a whole one where it has to be.

        Raises `ProtocolError` (``wrong-type``) for a parameter that is no number.
        """
        low, high = self._range()
        value = low + (high - low) * min(max(fraction, 0.0), 1.0)
        return round(value) if self.type == "integer" else value

    def fraction(self, value: float) -> float:
        """Return where in the range a number lies, 0 to 1; raises `ProtocolError` like `at`."""
        low, high = self._range()
        return (value - low) / (high - low)

    def _range(self) -> tuple[float, float]:
        if self.type not in ("float", "integer") or self.minimum is None or self.maximum is None:
            raise ProtocolError("wrong-type", f"{self.name} is no number and has no range", self.name)
        return self.minimum, self.maximum

    @property
    def _check(self) -> Check:
        if self.type == "text":
            return Text(self.max_length or 0)
        assert self.minimum is not None
        assert self.maximum is not None
        if self.type == "integer":
            return Integer(int(self.minimum), int(self.maximum))
        if self.type == "integers":
            return Integers(self.max_items or 0, int(self.minimum), int(self.maximum))
        if self.type == "blend":
            return Blend(self.max_items or 0, self.max_length or 0, self.minimum, self.maximum)
        return Number(self.minimum, self.maximum)

    def describe(self) -> dict[str, Any]:
        """Return the parameter as the server's ``hello`` tells it (SPEC.md section 6)."""
        described = {"name": self.name, "type": self.type, "default": copy.copy(self.default), "unit": self.unit}
        described |= {"clip": True} if self.clip else {}
        bounds = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "max_length": self.max_length,
            "max_items": self.max_items,
        }
        return described | {name: bound for name, bound in bounds.items() if bound is not None} | {"help": self.help}


PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "prompt",
            "text",
            default="oil painting",
            max_length=1000,
            help="What the picture should become, in words: a look and how it feels.",
        ),
        Parameter(
            "prompts",
            "blend",
            default=[],
            minimum=0.0,
            maximum=1000.0,
            max_length=1000,
            max_items=8,
            help="Several prompts at once, each with its weight beside the others; with none, the prompt alone.",
        ),
        Parameter(
            "negative_prompt",
            "text",
            default="",
            max_length=1000,
            help="What the picture should not become, where guidance is above 1. For Stable Diffusion.",
        ),
        Parameter(
            "guidance",
            "float",
            default=1.0,
            minimum=1.0,
            maximum=10.0,
            clip=True,
            help="How far the picture is led from the negative prompt: 1 is the prompt alone. For Stable Diffusion.",
        ),
        Parameter(
            "strength",
            "float",
            default=1.0,
            minimum=0.0,
            maximum=1.0,
            clip=True,
            help="How much of the look is applied: 0 gives the source back, 1 the full look.",
        ),
        Parameter(
            "coherence",
            "float",
            default=1.0,
            minimum=0.0,
            maximum=1.0,
            clip=True,
            help="How much of the last frame is remembered: 0 transforms each frame alone, with texture fixed to the "
            "screen.",
        ),
        Parameter(
            "steps",
            "integer",
            default=1,
            minimum=1,
            maximum=4,
            clip=True,
            help="Denoising steps a frame: more cost more time and refine the picture.",
        ),
        Parameter(
            "seed",
            "integer",
            default=0,
            minimum=0,
            maximum=2**31 - 1,
            help="Which texture is generated: the same seed and frames give the same pictures.",
        ),
        Parameter(
            "mask_ids",
            "integers",
            default=[],
            minimum=0,
            maximum=2**32 - 1,
            max_items=64,
            help="Objects that stay as they were rendered, such as an interface: their numbers in the frame's plane "
            "`ids`.",
        ),
        Parameter(
            "transition",
            "float",
            default=0.0,
            minimum=0.0,
            maximum=60.0,
            unit="s",
            clip=True,
            help="How long a change of prompts, strength or seed takes; 0 changes with the next frame.",
        ),
    )
}


def defaults() -> dict[str, ParameterValue]:
    """Return every parameter's default, the caller's own to change."""
    return {name: copy.copy(parameter.default) for name, parameter in PARAMETERS.items()}


def check_parameters(values: Any, field: str = "parameters") -> dict[str, ParameterValue]:
    """Return ``values`` checked against the table, all or nothing.

    Raises `ProtocolError`: ``unknown-parameter`` with the nearest name, ``wrong-type``, ``out-of-range``, or
    ``missing-field`` inside a blend.
    """
    if not isinstance(values, Mapping):
        raise ProtocolError("wrong-type", f"{field} must be a map", field)
    checked: dict[str, ParameterValue] = {}
    for name, value in values.items():
        if name not in PARAMETERS:
            path = f"{field}.{name}"[:200] if name.isprintable() else field
            raise ProtocolError("unknown-parameter", _unknown(name), path)
        checked[name] = PARAMETERS[name].check(value, f"{field}.{name}")
    return checked


def implied(values: Mapping[str, ParameterValue], current: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
    """Return ``values``, which were checked, and what they change besides where ``current`` is in force.

    A `prompt` that is set without `prompts` ends the blend: ``prompts`` is [] then, if it is not already.
    """
    ends_blend = "prompt" in values and "prompts" not in values and current.get("prompts")
    return {**values, "prompts": []} if ends_blend else dict(values)


def weighted_prompts(values: Mapping[str, ParameterValue]) -> tuple[tuple[str, float], ...]:
    """Return the prompts in force and their shares, each over 0 and together 1, of every parameter's checked value.

    They are those of ``prompts``, or ``prompt`` alone where there are none. A text that stands twice has the sum of
    its weights, in the place where it stood first.
    """
    blend = values["prompts"]
    if not isinstance(blend, list) or not blend:
        return ((str(values["prompt"]), 1.0),)
    weights: dict[str, float] = {}
    for item in cast("list[WeightedText]", blend):
        weights[item["text"]] = weights.get(item["text"], 0.0) + item["weight"]
    total = sum(weights.values())
    return tuple((text, weight / total) for text, weight in weights.items() if weight / total > 0.0)


def _unknown(name: str) -> str:
    nearest = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.5)
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"there are {', '.join(PARAMETERS)}"
    return f"there is no parameter {shown(name)}: {hint}"
