"""What an address of OSC stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mirage_runtime.show.values import OscValue

Arguments = list[OscValue]
Write = Callable[[Arguments, object], object]
Read = Callable[[], Sequence[str | int | float]]


@dataclass(frozen=True)
class Node:
    """One address: what it means, the tags of its arguments' types, and how it is read and written, where it can be.

    ``write`` takes the arguments and who sent them; what it returns is the value as it is kept, None where that says
    nothing. ``extent`` is (minimum, maximum), ``clip`` whether numbers beyond it are brought to its ends; ``choices``
    are the texts that the first argument may be, where it is one of a few.
    """

    path: str
    description: str
    types: str = ""
    read: Read | None = None
    write: Write | None = None
    extent: tuple[float, float] | None = None
    clip: bool = False
    unit: str = ""
    choices: tuple[str, ...] = ()

    @property
    def access(self) -> int:
        """1 where it can be read, 2 where it can be written, 3 both (OSCQuery's ACCESS)."""
        return (self.read is not None) + 2 * (self.write is not None)


def pressed(action: Callable[..., object], *arguments: object) -> Write:
    """Return what acts when a button goes down: with no argument, or one that is not 0; one that is let go sends 0."""

    def write(sent: Arguments, by: object) -> None:
        if not sent or sent[0]:
            action(*arguments)

    return write
