"""What a show file says, checked: nothing here reads a file or plays anything (docs: runtime/SHOW.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mirage_protocol import DEFAULT_STREAM, ParameterValue
from mirage_runtime.controls import CurveName

Values = Mapping[str, ParameterValue]
"""Parameters of one stream, checked against the table."""

Action = Literal["go", "back", "pause", "play"]
ACTIONS: tuple[Action, ...] = ("go", "back", "pause", "play")

MidiKind = Literal["control", "note", "program", "pitchwheel"]
MIDI_KINDS: tuple[MidiKind, ...] = ("control", "note", "program", "pitchwheel")

Feature = Literal["level", "low", "mid", "high", "onset", "beat", "tempo"]
FEATURES: tuple[Feature, ...] = ("level", "low", "mid", "high", "onset", "beat", "tempo")


@dataclass(frozen=True)
class Preset:
    """Values of parameters by stream. What it does not name it leaves alone."""

    name: str
    streams: Mapping[str, Values]


@dataclass(frozen=True)
class Cue:
    """A step of the show: a preset that is faded to.

    ``fade`` seconds with ``curve``; ``follow``: seconds from the fade's end until the next cue goes by itself, None
    where it waits for somebody; ``osc``: an address that goes to this cue.
    """

    number: str
    preset: str
    name: str = ""
    fade: float = 0.0
    curve: CurveName = "linear"
    follow: float | None = None
    osc: str | None = None


@dataclass(frozen=True)
class Binding:
    """A control of a MIDI device, and what it moves (``parameter``) or does (``action``, ``cue`` or ``preset``).

    ``number`` is that of the controller, note or program (0 to 127), None for the pitch wheel; ``channel`` 1 to 16 or
    None for any; ``port`` a part of the device's name or None for any. ``low`` and ``high`` are the parameter's values
    at the control's two ends, in the parameter's own unit; low may be the greater. ``fade`` is the preset's, in
    seconds.
    """

    kind: MidiKind
    number: int | None
    channel: int | None = None
    port: str | None = None
    stream: str = DEFAULT_STREAM
    parameter: str | None = None
    low: float = 0.0
    high: float = 1.0
    action: Action | None = None
    cue: str | None = None
    preset: str | None = None
    fade: float = 0.0


@dataclass(frozen=True)
class Route:
    """A feature of the sound, and the parameter that it drives.

    The feature, 0 to 1, is smoothed: ``attack`` and ``release`` are the seconds in which it comes within 1/e of where
    it rises and falls to. Then 0 to 1 becomes ``low`` to ``high``, in the parameter's own unit; low may be the greater.
    With ``values`` (of a parameter that is no number, or of one that is) the feature chooses among them instead: an
    onset goes to the next, any other feature picks the one at its height.
    """

    feature: Feature
    parameter: str
    stream: str = DEFAULT_STREAM
    low: float = 0.0
    high: float = 1.0
    attack: float = 0.01
    release: float = 0.2
    values: tuple[ParameterValue, ...] = ()


@dataclass(frozen=True)
class Sound:
    """What is listened to: ``input`` is ``default``, a part of an input device's name, or an audio file's path.

    ``gain`` multiplies the signal; 0 finds one by itself.
    """

    input: str
    routes: tuple[Route, ...] = ()
    gain: float = 0.0


@dataclass(frozen=True)
class Show:
    """A whole show. ``loop``: behind the last cue comes the first; ``autostart``: the first cue goes by itself."""

    name: str = ""
    loop: bool = False
    autostart: bool = False
    presets: Mapping[str, Preset] = field(default_factory=dict)
    cues: tuple[Cue, ...] = ()
    midi: tuple[Binding, ...] = ()
    sound: Sound | None = None

    def index(self, number: str) -> int | None:
        """Return where the cue of that number stands, if there is one."""
        return next((place for place, cue in enumerate(self.cues) if cue.number == number), None)
