"""The player: where the show is, and how it goes on."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Callable, Iterable, Mapping

from mirage_protocol import ParameterValue, ProtocolError, defaults, implied
from mirage_runtime.controls import CurveName, Fade
from mirage_runtime.show.desk import Desk
from mirage_runtime.show.document import Cue, Preset, Show
from mirage_runtime.show.places import Place

# Cues that follow each other in no time would leave none for anything else.
_LEAST = 0.04

Values = Mapping[str, Mapping[str, ParameterValue]]


class Player:
    """Goes from cue to cue of a show.

    GO sets what the next cue's preset names and leaves the rest alone, whatever hands have done to it meanwhile. BACK
    and GOTO set all that the cues up to there have named ("tracking"), so that a cue looks the same however it was come
    to.

    ``keep`` is called with each new place, for a daemon that is started again; ``changed`` whenever there is something
    to tell. Raises `ProtocolError` for what cannot be done.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        keep: Callable[[Place | None], None] = lambda place: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.show = Show()
        self._desk = desk
        self._keep = keep
        self._changed = changed
        self._index: int | None = None
        self._fade_ends = 0.0
        self._follow_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def current(self) -> str | None:
        """The number of the cue that the show is at, None before the first."""
        return None if self._index is None else self.show.cues[self._index].number

    @property
    def next(self) -> str | None:
        """The number of the cue that GO goes to, None behind the last."""
        index = self._next_index()
        return None if index is None else self.show.cues[index].number

    @property
    def fading(self) -> float:
        """The seconds that are left of a fade."""
        return max(0.0, self._fade_ends - time.monotonic())

    @property
    def following(self) -> float | None:
        """The seconds until the next cue goes by itself, None where it waits for somebody."""
        return None if self._follow_at is None else max(0.0, self._follow_at - time.monotonic())

    def load(self, show: Show) -> None:
        """Play another show, or the same as it was changed: it stays at the cue of the same number, if there is one."""
        self._desk.need(streams_of(show))  # which may be refused: then the show is as it was
        before = None if self._index is None else self.show.cues[self._index]
        self.show = show
        self._index = None if before is None else show.index(before.number)
        now = None if self._index is None else show.cues[self._index]
        if before is None or now is None:
            self._wait(None)
        elif now.follow != before.follow:
            self._wait(None if now.follow is None else max(self.fading + now.follow, _LEAST))
        self._changed()

    def resume(self, place: Place | None) -> None:
        """Come back to where the show was when the daemon ended, or begin it where it begins by itself."""
        index = None if place is None else self.show.index(place.cue)
        if place is not None and index is not None:
            cue = self._enter(index, self._tracked(index), Fade())
            gone = max(0.0, time.time() - place.began)
            self._wait(None if cue.follow is None else max(0.0, cue.fade + cue.follow - gone))
        elif self.show.autostart and self.show.cues:
            self.go()

    def go(self) -> None:
        """Go to the next cue."""
        index = self._next_index()
        if index is None:
            raise ProtocolError("not-allowed", "that was the last cue" if self.show.cues else "there are no cues")
        self._begin(index, self._preset(self.show.cues[index].preset).streams)

    def back(self) -> None:
        """Go to the cue before, at once."""
        if self._index is None or (self._index == 0 and not self.show.loop):
            raise ProtocolError("not-allowed", "there is no cue before this")
        index = (self._index - 1) % len(self.show.cues)
        cue = self._enter(index, self._tracked(index), Fade())
        self._hold(cue, 0.0)

    def goto(self, number: str) -> None:
        """Go to the cue of that number, with its fade."""
        index = self.show.index(number)
        if index is None:
            raise ProtocolError("unsupported", _missing("cue", number, (cue.number for cue in self.show.cues)))
        self._begin(index, self._tracked(index))

    def recall(self, name: str, seconds: float = 0.0, curve: CurveName = "linear") -> None:
        """Fade to a preset. The show stays at its cue."""
        preset = self._preset(name)
        self._desk.apply(preset.streams, self, Fade(seconds, curve))
        self._fade_ends = time.monotonic() + seconds
        self._changed()

    def stop(self) -> None:
        """Forget that a cue is to follow; the daemon ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next_index(self) -> int | None:
        index = 0 if self._index is None else self._index + 1
        if index < len(self.show.cues):
            return index
        return 0 if self.show.loop and self.show.cues else None

    def _begin(self, index: int, values: Values) -> None:
        cue = self.show.cues[index]
        self._enter(index, values, Fade(cue.fade, cue.curve))
        self._hold(cue, cue.fade)

    def _enter(self, index: int, values: Values, fade: Fade) -> Cue:
        self._desk.apply(values, self, fade)
        self._index = index
        self._fade_ends = time.monotonic() + fade.seconds
        return self.show.cues[index]

    def _hold(self, cue: Cue, fade: float) -> None:
        """Note the place, and wait for the next cue if this one is followed by it."""
        self._keep(Place(cue.number, time.time() - cue.fade + fade))
        self._wait(None if cue.follow is None else max(fade + cue.follow, _LEAST))

    def _wait(self, seconds: float | None) -> None:
        self.stop()
        self._follow_at = None
        if seconds is not None and self._next_index() is not None:
            self._follow_at = time.monotonic() + seconds
            self._timer = asyncio.get_running_loop().call_later(seconds, self._follow)
        self._changed()

    def _follow(self) -> None:
        self._timer = self._follow_at = None
        try:
            self.go()
        except ProtocolError as error:  # the show was changed meanwhile
            self._desk.report(f"the show stands still: {error.message}")
            self._changed()

    def _preset(self, name: str) -> Preset:
        if name not in self.show.presets:
            raise ProtocolError("unsupported", _missing("preset", name, self.show.presets))
        return self.show.presets[name]

    def _untouched(self) -> dict[str, dict[str, ParameterValue]]:
        """Return the defaults of all that any cue sets."""
        usual = defaults()
        values: dict[str, dict[str, ParameterValue]] = {}
        for cue in self.show.cues:
            for stream, parameters in self._preset(cue.preset).streams.items():
                values.setdefault(stream, {}).update({name: usual[name] for name in parameters})
        return values

    def _tracked(self, index: int) -> Values:
        """Return all that the cues up to this one have set, the last of them last.

        What only later ones set is as it was before any, else a cue would look as the way that led to it.
        """
        values = self._untouched()
        for cue in self.show.cues[: index + 1]:
            for stream, parameters in self._preset(cue.preset).streams.items():
                kept = values.setdefault(stream, {})
                kept |= implied(parameters, kept)
        return values


def streams_of(show: Show) -> set[str]:
    """Return the names of all streams that a show sets anything of."""
    named = {stream for preset in show.presets.values() for stream in preset.streams}
    named |= {binding.stream for binding in show.midi}
    return named | {route.stream for route in (show.sound.routes if show.sound else ())}


def _missing(kind: str, name: str, there: Iterable[str]) -> str:
    names = list(there)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if nearest:
        return f"there is no {kind} {name[:80]!r}: did you mean {nearest[0]!r}?"
    return f"there is no {kind} {name[:80]!r}: there are {', '.join(names[:12])}" if names else f"there are no {kind}s"
