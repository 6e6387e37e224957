"""The parameter table: every control of a stream, declared once.

Validation, WebSocket ``set``, OSC addresses, the page's sliders and the reference in the docs all come from here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from mirage_protocol.checks import Check, Integer, Number, Text
from mirage_protocol.errors import ProtocolError, shown

ParameterValue = str | int | float


@dataclass(frozen=True)
class Parameter:
    """One control of a stream: its name, type, range (both ends included), default, unit and help."""

    name: str
    type: Literal["text", "float", "integer"]
    default: ParameterValue
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    unit: str = ""
    help: str = ""

    def check(self, value: Any, field: str | None = None) -> ParameterValue:
        """Return ``value`` as this parameter keeps it; raises `ProtocolError` naming the field and the range."""
        checked: ParameterValue = self._check(value, field or self.name)
        return checked

    @property
    def _check(self) -> Check:
        if self.type == "text":
            return Text(self.max_length or 0)
        assert self.minimum is not None
        assert self.maximum is not None
        if self.type == "integer":
            return Integer(int(self.minimum), int(self.maximum))
        return Number(self.minimum, self.maximum)

    def describe(self) -> dict[str, Any]:
        """Return the parameter as the server's ``hello`` tells it (SPEC.md section 6)."""
        described = {"name": self.name, "type": self.type, "default": self.default, "unit": self.unit}
        if self.type == "text":
            return described | {"max_length": self.max_length, "help": self.help}
        return described | {"minimum": self.minimum, "maximum": self.maximum, "help": self.help}


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
            "strength",
            "float",
            default=1.0,
            minimum=0.0,
            maximum=1.0,
            help="How much of the look is applied: 0 gives the source back, 1 the full look.",
        ),
        Parameter(
            "steps",
            "integer",
            default=1,
            minimum=1,
            maximum=4,
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
            "transition",
            "float",
            default=0.0,
            minimum=0.0,
            maximum=60.0,
            unit="s",
            help="How long a change of prompt or strength takes; 0 changes with the next frame.",
        ),
    )
}


def defaults() -> dict[str, ParameterValue]:
    """Return every parameter's default."""
    return {name: parameter.default for name, parameter in PARAMETERS.items()}


def check_parameters(values: Any, field: str = "parameters") -> dict[str, ParameterValue]:
    """Return ``values`` checked against the table, all or nothing.

    Raises `ProtocolError`: ``unknown-parameter`` with the nearest name, ``wrong-type`` or ``out-of-range``.
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


def _unknown(name: str) -> str:
    nearest = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.5)
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"there are {', '.join(PARAMETERS)}"
    return f"there is no parameter {shown(name)}: {hint}"
