"""What TouchDesigner calls: this text is in the Script TOP's callbacks, the Execute and the Parameter Execute DAT."""

# ruff: noqa: F821
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    parent: Any


def onCook(scriptOp: Any) -> None:  # noqa: N802, N803
    """Script TOP: give the frame away, show the newest result."""
    parent().Cook(scriptOp)


def onFrameStart(frame: int) -> None:  # noqa: N802
    """Execute DAT: once a frame, whether anybody looks at the result or not."""
    parent().Update()


def onValueChange(par: Any, prev: Any) -> None:  # noqa: N802
    """Parameter Execute DAT: by hand, by a script, or by an expression."""
    parent().ParameterChanged(par)


def onPulse(par: Any) -> None:  # noqa: N802
    """Parameter Execute DAT: a button."""
    parent().ParameterPulsed(par)
