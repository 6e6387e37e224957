"""Values of the component's parameters as the protocol has them, and back.

Most are the same in both. A blend is pairs of parameters here, text and weight, of which those with a text count;
integers are text, ``7, 12``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mirage_protocol import PARAMETERS, ProtocolError

Row = Mapping[str, Any]


def to_protocol(rows: Iterable[Row], values: Mapping[str, Any]) -> Any:
    """Return the value of one parameter of the stream.

    ``rows`` are the entries of `parameters.py` that it has, ``values`` what those parameters are now. Raises ValueError
    for text that is no list of numbers.
    """
    rows = list(rows)
    if rows[0]["type"] == "blend":
        texts, weights = ([values[row["name"]] for row in rows if row["part"] == part] for part in ("text", "weight"))
        return [{"text": text, "weight": weight} for text, weight in zip(texts, weights, strict=True) if text]
    value = values[rows[0]["name"]]
    if rows[0]["type"] != "integers":
        return value
    try:
        return [int(number) for number in re.split(r"[,\s]+", str(value).strip()) if number]
    except ValueError:
        raise ValueError(f"{rows[0]['label']} is a list of whole numbers, such as 7, 12; not '{value}'") from None


def from_protocol(rows: Iterable[Row], value: Any) -> dict[str, Any]:
    """Return what the parameters in ``rows`` are where the stream's has this value."""
    rows = list(rows)
    if rows[0]["type"] == "integers":
        return {rows[0]["name"]: ", ".join(map(str, value))}
    if rows[0]["type"] != "blend":
        return {rows[0]["name"]: value}
    values = {}
    for row in rows:
        item = value[row["index"]] if row["index"] < len(value) else {"text": "", "weight": 1.0}
        values[row["name"]] = item[row["part"]]
    return values


def checked(name: str, value: Any) -> tuple[Any, str | None]:
    """Return a parameter's value as the stream takes it, None where it takes none like it, and what is wrong."""
    parameter = PARAMETERS[name]
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            near = parameter.clipped(value)
            if near != value:
                return parameter.check(near), f"{name} {value:g} is beyond its range: {near:g} is used"
        return parameter.check(value), None
    except ProtocolError as error:
        return None, f"{error.message}; it stays as it was"
