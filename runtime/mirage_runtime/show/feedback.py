"""What the daemon says in OSC: addresses and arguments, and their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pythonosc.osc_message_builder import OscMessageBuilder

from mirage_protocol import PARAMETERS
from mirage_runtime.changes import Change
from mirage_runtime.show.values import sent
from mirage_runtime.streams import Stream

Argument = str | int | float


def encoded(address: str, arguments: Sequence[Argument]) -> bytes:
    """Return the bytes of one message. Texts end at their first NUL, as OSC's do; whole numbers have 32 or 64 bits."""
    builder = OscMessageBuilder(address)
    for argument in arguments:
        if isinstance(argument, str):
            builder.add_arg(argument.partition("\0")[0].encode(errors="replace").decode(), "s")
        elif isinstance(argument, float):
            builder.add_arg(argument, "f")
        else:
            builder.add_arg(argument, "i" if -(2**31) <= argument < 2**31 else "h")
    return builder.build().dgram


def of_changes(stream: Stream, changes: Mapping[str, Change]) -> Iterator[tuple[str, Argument, object]]:
    """Yield address, value and who set it, for each change, and again as a fraction of its range where it has one."""
    for name, (value, by) in changes.items():
        parameter, path = PARAMETERS[name], f"/mirage/{stream.name}/{name}"
        yield path, sent(parameter, value), by
        if parameter.type in ("float", "integer") and isinstance(value, int | float):
            yield f"{path}/normalized", parameter.fraction(value), by


def of_all(stream: Stream) -> Iterator[tuple[str, Argument]]:
    """Yield address and value of everything that a stream has, for somebody who has just come."""
    every: dict[str, Change] = {name: (value, None) for name, value in stream.controls.values.items()}
    for path, value, _ in of_changes(stream, every):
        yield path, value
    yield from of_figures(stream)


def of_figures(stream: Stream) -> Iterator[tuple[str, Argument]]:
    """Yield address and value of what a stream measures."""
    rate, latency = stream.recent.figures()
    yield f"/mirage/{stream.name}/rate", rate
    yield f"/mirage/{stream.name}/latency", latency
    yield f"/mirage/{stream.name}/frames", stream.recent.count % 2**31
