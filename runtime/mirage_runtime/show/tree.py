"""The addresses of OSC: one tree, made from the parameter table, that OSC writes to and OSCQuery reads (SHOW.md)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mirage_protocol import PARAMETERS, Parameter, ProtocolError
from mirage_runtime.show.aliases import aliases
from mirage_runtime.show.desk import Desk
from mirage_runtime.show.nodes import Arguments, Node, pressed
from mirage_runtime.show.patterns import SPECIAL, matcher
from mirage_runtime.show.values import sent
from mirage_runtime.streams import Stream

if TYPE_CHECKING:
    from mirage_runtime.show.cues import Player

_LONGEST_PATTERN = 200
_TAGS = {"text": "s", "float": "f", "integer": "i", "integers": "s", "blend": "s"}


class Tree:
    """Every address that there is now. It is made anew when streams come and go, or the show changes."""

    def __init__(self, desk: Desk, player: Player) -> None:
        self._desk = desk
        self._player = player
        self._more: list[Node] = aliases(desk)
        self.nodes: Mapping[str, Node] = {}
        self.refresh()

    def add(self, nodes: Sequence[Node]) -> None:
        """Add addresses that are there whatever streams and show there are."""
        self._more += nodes
        self.refresh()

    def refresh(self) -> None:
        """Make the tree anew."""
        nodes = [node for stream in self._desk.streams.values() for node in self._of_stream(stream)]
        nodes += [*self._of_show(), *self._more]
        self.nodes = {node.path: node for node in nodes}
        # An address that a cue asks for gives way to the daemon's own.
        self.nodes = {node.path: node for node in self._of_cues()} | self.nodes

    def find(self, address: str) -> list[Node]:
        """Return what an address means: one node, those that a pattern matches, or none."""
        if address in self.nodes:
            return [self.nodes[address]]
        if not SPECIAL & set(address) or len(address) > _LONGEST_PATTERN:
            return []
        try:
            matches = matcher(address)
        except ValueError:
            return []
        return [node for path, node in self.nodes.items() if matches(path)]

    def value(self, path: str) -> Sequence[str | int | float]:
        """Return the value of an address that can be read."""
        read = self.nodes[path].read
        return [] if read is None else read()

    def unknown(self, address: str) -> str:
        """Return the line that says that there is no such address, and which one comes nearest."""
        nearest = difflib.get_close_matches(address, self.nodes, n=1, cutoff=0.6)
        if nearest:
            return f"there is no address {address[:80]}: did you mean {nearest[0]}?"
        return f"there is no address {address[:80]}: those that there are begin with /mirage/STREAM/PARAMETER"

    def _of_stream(self, stream: Stream) -> list[Node]:
        base = f"/mirage/{stream.name}"
        nodes = [node for parameter in PARAMETERS.values() for node in self._of_parameter(stream, parameter)]
        return [
            *nodes,
            Node(
                f"{base}/pause", "Transform no frames: who watches holds the last.", write=pressed(stream.pause, True)
            ),
            Node(f"{base}/play", "Go on transforming frames.", write=pressed(stream.pause, False)),
            Node(f"{base}/rate", "Results a second.", "f", read=lambda: [stream.recent.figures()[0]], unit="fps"),
            Node(
                f"{base}/latency",
                "Half of the frames took less from their arrival until their result left.",
                "f",
                read=lambda: [stream.recent.figures()[1]],
                unit="time.millisecond",
            ),
            Node(
                f"{base}/state",
                "What the stream is doing: waiting, streaming, paused or recovering.",
                "s",
                read=lambda: [self._desk.status(stream).state],
            ),
            Node(f"{base}/frames", "Results so far.", "i", read=lambda: [stream.recent.count % 2**31]),
        ]

    def _of_parameter(self, stream: Stream, parameter: Parameter) -> list[Node]:
        path, name = f"/mirage/{stream.name}/{parameter.name}", parameter.name
        extent = None
        if parameter.type in ("float", "integer") and parameter.minimum is not None and parameter.maximum is not None:
            extent = (parameter.minimum, parameter.maximum)
        node = Node(
            path,
            parameter.help,
            _TAGS[parameter.type],
            read=lambda: [sent(parameter, stream.controls.values[name])],
            write=partial(self._desk.set, stream.name, name),
            extent=extent,
            clip=parameter.clip,
            unit={"s": "time.second"}.get(parameter.unit, parameter.unit),
        )
        if extent is None:
            return [node]
        normalized = Node(
            f"{path}/normalized",
            f"{name}, as 0 to 1 of its range.",
            "f",
            read=lambda: [parameter.fraction(float(stream.controls.values[name]))],  # type: ignore[arg-type]
            write=partial(self._desk.set_fraction, stream.name, name),
            extent=(0.0, 1.0),
            clip=True,
        )
        return [node, normalized]

    def _of_show(self) -> list[Node]:
        player = self._player
        return [
            Node("/mirage/cue/go", "The next cue.", write=pressed(player.go)),
            Node("/mirage/cue/back", "The cue before, at once.", write=pressed(player.back)),
            Node(
                "/mirage/cue/goto",
                "To the cue of that number.",
                "s",
                write=lambda args, _: player.goto(number(args)),
                choices=tuple(cue.number for cue in player.show.cues),
            ),
            Node("/mirage/cue/current", "The cue that the show is at.", "s", read=lambda: [player.current or ""]),
            Node("/mirage/cue/next", "The cue that comes next.", "s", read=lambda: [player.next or ""]),
            Node(
                "/mirage/preset",
                "To a preset, in so many seconds.",
                "sf",
                write=lambda args, _: player.recall(*preset(args)),
                choices=tuple(player.show.presets),
            ),
        ]

    def _of_cues(self) -> list[Node]:
        player = self._player
        return [
            Node(cue.osc, f"To cue {cue.number} {cue.name}".strip() + ".", write=pressed(player.goto, cue.number))
            for cue in player.show.cues
            if cue.osc is not None
        ]


def number(arguments: Arguments) -> str:
    """Return a cue's number, which may come as a text or a number; raises `ProtocolError`."""
    if len(arguments) != 1 or isinstance(arguments[0], bool) or not isinstance(arguments[0], str | int | float):
        raise ProtocolError("wrong-type", "goto takes the number of a cue")
    value = arguments[0]
    if isinstance(value, float):  # of 32 bits: 1.1 comes as 1.10000002384
        return f"{value:.0f}" if value.is_integer() else f"{value:.7g}"
    return str(value)


def preset(arguments: Arguments) -> tuple[str, float]:
    """Return a preset's name and the seconds of its fade; raises `ProtocolError`."""
    name, seconds = (*arguments, 0.0)[:2] if arguments else (None, None)
    if (
        len(arguments) > 2
        or not isinstance(name, str)
        or not isinstance(seconds, int | float)
        or not 0 <= seconds < 86_401
    ):
        raise ProtocolError("wrong-type", "preset takes a name, and a fade in seconds if you like")
    return name, float(seconds)
