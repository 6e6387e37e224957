"""What MIDI messages mean to a show's bindings, what is sent back, and how a control is learnt.

Pure: nothing here opens a port or imports mido. Messages are mido's, or anything with their attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from mirage_runtime.show.document import Binding, MidiKind

Message = Any
"""A ``mido.Message``, or what has its attributes: ``type``, ``channel`` (0 to 15), ``control``, ``value`` and so on."""

_SEVEN_BITS = 127
_FOURTEEN_BITS = 16383
_WHEEL_CENTRE = 8192  # mido counts the pitch wheel from its centre

# Of 128: where a control that is no button counts as pressed. The wheel rests in the middle and must not get there.
_PRESSED_FROM: dict[MidiKind, int] = {"control": 64, "pitchwheel": 96}

_LEARNT_AFTER = 4.0
_ALSA_NUMBER = re.compile(r" \d+:\d+$")


@dataclass(frozen=True)
class Turned:
    """A binding's control stands at ``fraction`` of its way, 0 to 1 (see `value_of`)."""

    binding: Binding
    fraction: float


@dataclass(frozen=True)
class Pressed:
    """A binding's action, cue or preset is asked for."""

    binding: Binding


@dataclass(frozen=True)
class Target:
    """What is to be bound: a stream's parameter, and its values at the control's two ends."""

    stream: str
    parameter: str
    low: float
    high: float


@dataclass(frozen=True)
class _Heard:
    """A message about one control: ``channel`` 1 to 16, ``value`` 0 to ``most``."""

    kind: MidiKind
    channel: int
    number: int | None
    value: int
    most: int = _SEVEN_BITS

    @property
    def fraction(self) -> float:
        return self.value / self.most

    @property
    def steps(self) -> float:
        """Where it is in steps of seven bits, 0 to 127; exact for what has seven bits."""
        return self.value * _SEVEN_BITS / self.most

    @property
    def coarse(self) -> int:
        """Its upper seven bits, 0 to 127."""
        return self.value * (_SEVEN_BITS + 1) // (self.most + 1)


def _understood(message: Message) -> _Heard | None:
    """Return what a message says about a control; None for clock, aftertouch, system exclusive and the like."""
    match message.type:
        case "control_change":
            return _Heard("control", message.channel + 1, message.control, message.value)
        case "note_on":
            return _Heard("note", message.channel + 1, message.note, message.velocity)
        case "note_off":
            return _Heard("note", message.channel + 1, message.note, 0)
        case "program_change":
            return _Heard("program", message.channel + 1, message.program, _SEVEN_BITS)
        case "pitchwheel":
            return _Heard("pitchwheel", message.channel + 1, None, message.pitch + _WHEEL_CENTRE, _FOURTEEN_BITS)
    return None


_Place = tuple[str, int, int]
"""A port, a channel and a controller from 0 to 31."""


class _Pairs:
    """Joins what comes in two halves: controller n (0 to 31), then n + 32 with seven bits more.

    Many devices have plain knobs and buttons on the numbers 32 to 63. So one of these is a lower half only if it comes
    directly behind its upper half, and from then on until an upper half comes that none follows. An upper half that
    another one may follow already acts, with lower bits that lie on the side where it comes from: that way nothing
    moves to and fro. (MIDI 1.0 Detailed Specification, "Controller numbers": a lower half may also come alone.)
    """

    def __init__(self) -> None:
        self._pairs: dict[_Place, tuple[int, int | None]] = {}  # the upper half, and the lower once it has come
        self._last: dict[str, _Place | None] = {}

    def joined(self, port: str, heard: _Heard) -> _Heard:
        """Return the control with its 14 bits where it has them, anything else as it is."""
        before, self._last[port] = self._last.get(port), None
        if heard.kind != "control" or heard.number is None or heard.number >= 64:
            return heard
        place = port, heard.channel, heard.number % 32
        if heard.number >= 32:
            return self._lower(place, heard, follows=before == place)
        self._last[port] = place
        return self._upper(place, heard)

    def _upper(self, place: _Place, heard: _Heard) -> _Heard:
        before, lower = self._pairs.get(place, (0, None))
        self._pairs[place] = heard.value, None
        return heard if lower is None else _fine(heard, heard.value, _expected(heard.value, before, lower))

    def _lower(self, place: _Place, heard: _Heard, *, follows: bool) -> _Heard:
        upper, lower = self._pairs.get(place, (0, None))
        if lower is None and not follows:
            return heard
        self._pairs[place] = upper, heard.value
        return _fine(replace(heard, number=place[2]), upper, heard.value)


def _fine(heard: _Heard, upper: int, lower: int) -> _Heard:
    return replace(heard, value=upper << 7 | lower, most=_FOURTEEN_BITS)


def _expected(upper: int, before: int, lower: int) -> int:
    """Return the lower bits that go with new upper ones for now. Either end must be reached, whatever comes after."""
    if upper == before:
        return lower
    if upper in (0, _SEVEN_BITS):
        return upper
    return 0 if upper > before else _SEVEN_BITS


class Map:
    """Says what a message means to each of a show's bindings. It remembers what buttons and 14-bit controls need."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self._bindings = tuple(bindings)
        self._pairs = _Pairs()
        self._down: set[tuple[int, str, int]] = set()

    def events(self, port: str, message: Message) -> list[Turned | Pressed]:
        """Return what a message from the port of that name asks for, in the bindings' order; most often nothing.

        A parameter is turned by a control, the wheel, or a note's velocity (0 when it is let go); a program takes it
        to its end. Anything else is pressed: by a note, by a program, or by a control that comes to its upper half.
        """
        heard = _understood(message)
        if heard is None:
            return []
        found = self._found(port, heard)
        if not (found and _may_be_lower(heard)):  # what is bound itself is nobody's lower half
            heard = self._pairs.joined(port, heard)
            found = self._found(port, heard)
        return [event for index in found if (event := self._event(index, port, heard)) is not None]

    def _found(self, port: str, heard: _Heard) -> list[int]:
        return [index for index, binding in enumerate(self._bindings) if _matches(binding, port, heard)]

    def _event(self, index: int, port: str, heard: _Heard) -> Turned | Pressed | None:
        binding = self._bindings[index]
        if binding.parameter is not None:
            return Turned(binding, heard.fraction)
        return Pressed(binding) if self._pressed((index, port, heard.channel), heard) else None

    def _pressed(self, place: tuple[int, str, int], heard: _Heard) -> bool:
        if heard.kind not in _PRESSED_FROM:
            return heard.value > 0
        was_down = place in self._down
        if heard.coarse < _PRESSED_FROM[heard.kind]:
            self._down.discard(place)
            return False
        self._down.add(place)
        return not was_down


def _may_be_lower(heard: _Heard) -> bool:
    return heard.kind == "control" and heard.number is not None and 32 <= heard.number < 64


def _matches(binding: Binding, port: str, heard: _Heard) -> bool:
    return (
        binding.kind == heard.kind
        and binding.number == heard.number
        and binding.channel in (None, heard.channel)
        and (binding.port is None or binding.port.casefold() in port.casefold())
    )


def value_of(binding: Binding, fraction: float) -> float:
    """Return the parameter's value for a fraction of the control's way, exactly ``low`` at 0 and ``high`` at 1.

    What is outside 0 to 1 is taken for the nearer end. The result is no integer, whatever the parameter is.
    """
    fraction = _limited(fraction)
    value = binding.low * (1.0 - fraction) + binding.high * fraction
    return min(max(value, min(binding.low, binding.high)), max(binding.low, binding.high))


def fraction_of(binding: Binding, value: float) -> float:
    """Return where the control has to stand for the parameter's value, 0 to 1; 0 where low is high."""
    span = binding.high - binding.low
    return _limited((value - binding.low) / span) if span else 0.0


def feedback(binding: Binding, fraction: float) -> dict[str, Any] | None:
    """Return the message that takes a motor fader, a knob's lights or a pad's light to a fraction, 0 to 1.

    It is what ``mido.Message`` takes by name. None for a program, and for what moves no parameter. It goes to the
    binding's channel, the first where that is any.
    """
    if binding.parameter is None or binding.kind == "program":
        return None
    channel, fraction = (binding.channel or 1) - 1, _limited(fraction)
    if binding.kind == "pitchwheel":
        return {"type": "pitchwheel", "channel": channel, "pitch": round(_FOURTEEN_BITS * fraction) - _WHEEL_CENTRE}
    value = round(_SEVEN_BITS * fraction)
    if binding.kind == "note":
        return {"type": "note_on", "channel": channel, "note": binding.number, "velocity": value}
    return {"type": "control_change", "channel": channel, "control": binding.number, "value": value}


def _limited(fraction: float) -> float:
    return min(1.0, max(0.0, fraction))  # in this order what is not a number becomes 0


def lasting_name(port: str) -> str:
    """Return a port's name without the number that ALSA puts behind it (" 20:0"): it may change with every plugging."""
    return _ALSA_NUMBER.sub("", port)


class Learner:
    """Finds the control that somebody touches to bind it.

    A note binds at once. A knob, a fader or the wheel binds when it has moved by 4 steps of 127 from where it was first
    heard: one that jitters or is brushed against does not.
    """

    def __init__(self) -> None:
        self.waiting: Target | None = None
        """What is being learnt, if anything."""
        self._forget()

    def start(self, stream: str, parameter: str, low: float, high: float) -> None:
        """Wait for a control for this parameter, in place of any that was waited for."""
        self.waiting = Target(stream, parameter, low, high)
        self._forget()

    def cancel(self) -> None:
        """Wait no more."""
        self.waiting = None

    def hear(self, port: str, message: Message) -> Binding | None:
        """Return the binding if this message settles it; then nothing is waited for any more."""
        heard = _understood(message)
        if self.waiting is None or heard is None:
            return None
        heard = self._pairs.joined(port, heard)
        if not self._settles(port, heard):
            return None
        target, self.waiting = self.waiting, None
        return Binding(
            heard.kind,
            heard.number,
            heard.channel,
            lasting_name(port),
            target.stream,
            target.parameter,
            target.low,
            target.high,
        )

    def _settles(self, port: str, heard: _Heard) -> bool:
        if heard.kind == "program":
            return False
        if heard.kind == "note":
            return heard.value > 0
        first = self._first.setdefault((port, heard.kind, heard.channel, heard.number), heard.steps)
        return abs(heard.steps - first) >= _LEARNT_AFTER

    def _forget(self) -> None:
        self._first: dict[tuple[str, MidiKind, int, int | None], float] = {}
        self._pairs = _Pairs()
