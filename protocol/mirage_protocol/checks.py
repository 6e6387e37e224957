"""Checks that the fields of a message are annotated with.

A check is called with a value that came out of MessagePack and the dotted path of its field; it returns the value as
the message keeps it, or raises `ProtocolError` naming the field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mirage_protocol.errors import ProtocolError, shown
from mirage_protocol.limits import MAX_ENTRIES, MAX_SAFE_INTEGER, MAX_TEXT

Check = Callable[[Any, str], Any]


def _wrong_type(expected: str, value: object, field: str) -> ProtocolError:
    names = {type(None): "nil", bool: "a boolean", int: "an integer", float: "a float", str: "a string"}
    names |= {bytes: "binary", list: "an array", dict: "a map"}
    got = names.get(type(value), type(value).__name__)
    return ProtocolError("wrong-type", f"{field} must be {expected}, not {got}", field)


@dataclass(frozen=True)
class Integer:
    """A whole number between two bounds, both included."""

    minimum: int = 0
    maximum: int = MAX_SAFE_INTEGER

    def __call__(self, value: Any, field: str) -> int:
        """Return ``value``, checked."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type("an integer", value, field)
        if not self.minimum <= value <= self.maximum:
            raise ProtocolError("out-of-range", f"{field} must be {self.minimum} to {self.maximum}, not {value}", field)
        return value


@dataclass(frozen=True)
class Number:
    """A finite number (an integer serves) between two bounds, both included."""

    minimum: float = -math.inf
    maximum: float = math.inf

    def __call__(self, value: Any, field: str) -> float:
        """Return ``value``, checked."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type("a number", value, field)
        if isinstance(value, float) and not math.isfinite(value):
            raise ProtocolError("out-of-range", f"{field} must be finite, not {value}", field)
        if not self.minimum <= value <= self.maximum:
            bounds = f"{self.minimum:g} to {self.maximum:g}"
            raise ProtocolError("out-of-range", f"{field} must be {bounds}, not {value}", field)
        try:
            return float(value)
        except OverflowError:
            raise ProtocolError("out-of-range", f"{field} is too large a number", field) from None


@dataclass(frozen=True)
class Flag:
    """A boolean."""

    def __call__(self, value: Any, field: str) -> bool:
        """Return ``value``, checked."""
        if not isinstance(value, bool):
            raise _wrong_type("a boolean", value, field)
        return value


@dataclass(frozen=True)
class Text:
    """A string of bounded length, in characters."""

    max_length: int = MAX_TEXT

    def __call__(self, value: Any, field: str) -> str:
        """Return ``value``, checked."""
        if not isinstance(value, str):
            raise _wrong_type("a string", value, field)
        if len(value) > self.max_length:
            problem = f"{field} must have at most {self.max_length} characters, not {len(value)}"
            raise ProtocolError("out-of-range", problem, field)
        return value


@dataclass(frozen=True)
class Binary:
    """Bytes of one length."""

    length: int

    def __call__(self, value: Any, field: str) -> bytes:
        """Return ``value``, checked."""
        if not isinstance(value, bytes):
            raise _wrong_type("binary", value, field)
        if len(value) != self.length:
            raise ProtocolError("out-of-range", f"{field} must have {self.length} bytes, not {len(value)}", field)
        return value


@dataclass(frozen=True)
class Choice:
    """One of a few strings."""

    choices: tuple[str, ...]

    def __call__(self, value: Any, field: str) -> str:
        """Return ``value``, checked."""
        if not isinstance(value, str):
            raise _wrong_type("a string", value, field)
        if value not in self.choices:
            expected = ", ".join(self.choices)
            raise ProtocolError("out-of-range", f"{field} must be one of {expected}; not {shown(value)}", field)
        return value


@dataclass(frozen=True)
class ListOf:
    """An array whose every item passes a check; kept as a tuple."""

    item: Check
    length: int | None = None

    def __call__(self, value: Any, field: str) -> tuple[Any, ...]:
        """Return ``value``, checked."""
        if not isinstance(value, list | tuple):
            raise _wrong_type("an array", value, field)
        if self.length is not None and len(value) != self.length:
            raise ProtocolError("out-of-range", f"{field} must have {self.length} items, not {len(value)}", field)
        if len(value) > MAX_ENTRIES:
            problem = f"{field} must have at most {MAX_ENTRIES} items, not {len(value)}"
            raise ProtocolError("out-of-range", problem, field)
        return tuple(self.item(item, f"{field}.{index}") for index, item in enumerate(value))


@dataclass(frozen=True)
class MapOf:
    """A map from strings to values that pass a check."""

    value: Check

    def __call__(self, value: Any, field: str) -> dict[str, Any]:
        """Return ``value``, checked."""
        if not isinstance(value, Mapping):
            raise _wrong_type("a map", value, field)
        if self.value is anything:
            return dict(value)
        return {key: self.value(item, f"{field}.{key}") for key, item in value.items()}


@dataclass(frozen=True)
class Blend:
    """Texts with weights: an array of maps with ``text`` and ``weight``, one weight at least over 0; kept as a list.

    ``minimum`` and ``maximum`` bound each weight, ``max_length`` each text, in characters. What else a map has is
    ignored, as fields that are not known are.
    """

    max_items: int
    max_length: int
    minimum: float
    maximum: float

    def __call__(self, value: Any, field: str) -> list[dict[str, Any]]:
        """Return ``value``, checked."""
        if not isinstance(value, list | tuple):
            raise _wrong_type("an array", value, field)
        if len(value) > self.max_items:
            problem = f"{field} must have at most {self.max_items} items, not {len(value)}"
            raise ProtocolError("out-of-range", problem, field)
        blend = [self._item(item, f"{field}.{index}") for index, item in enumerate(value)]
        if blend and not any(item["weight"] > 0.0 for item in blend):
            raise ProtocolError("out-of-range", f"{field} must have a weight over 0", field)
        return blend

    def _item(self, value: Any, field: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _wrong_type("a map", value, field)
        checks: dict[str, Check] = {"text": Text(self.max_length), "weight": Number(self.minimum, self.maximum)}
        kept: dict[str, Any] = {}
        for name, check in checks.items():
            path = f"{field}.{name}"
            if value.get(name) is None:
                raise ProtocolError("missing-field", f"{path} is missing", path)
            kept[name] = check(value[name], path)
        return kept


@dataclass(frozen=True)
class Integers:
    """An array of whole numbers between two bounds, both included; kept as a list."""

    max_items: int
    minimum: int
    maximum: int

    def __call__(self, value: Any, field: str) -> list[int]:
        """Return ``value``, checked."""
        if not isinstance(value, list | tuple):
            raise _wrong_type("an array", value, field)
        if len(value) > self.max_items:
            problem = f"{field} must have at most {self.max_items} items, not {len(value)}"
            raise ProtocolError("out-of-range", problem, field)
        check = Integer(self.minimum, self.maximum)
        return [check(item, f"{field}.{index}") for index, item in enumerate(value)]


def anything(value: Any, field: str) -> Any:
    """Let every value pass: what it must be is checked where it is used."""
    return value


UNSIGNED = Integer()
FLAG = Flag()
TEXT = Text()
