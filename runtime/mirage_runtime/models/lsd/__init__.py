"""The embedded model: ``understand`` a prompt, then let ``LsdMini`` transform frames.

Understanding needs no engine: the process that talks to clients can call it. ``LsdMini`` is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mirage_runtime.models.lsd.prompts import DESCRIPTIONS, LOOKS, Understanding, understand

if TYPE_CHECKING:
    from mirage_runtime.models.lsd.model import LsdMini

__all__ = ["DESCRIPTIONS", "LOOKS", "LsdMini", "Understanding", "understand"]


def __getattr__(name: str) -> Any:
    if name == "LsdMini":
        from mirage_runtime.models.lsd.model import LsdMini

        return LsdMini
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
