"""The desk: what OSC, OSCQuery, MIDI, sound and cues stand on. By it they set parameters and hear of changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from mirage_protocol import PARAMETERS, ParameterValue, ProtocolError, Status
from mirage_runtime.changes import Change
from mirage_runtime.controls import Fade
from mirage_runtime.show.values import OscValue, at_fraction, understood
from mirage_runtime.streams import Stream

_log = logging.getLogger("mirage.show")

_FOLLOW = 0.04


class Watcher(Protocol):
    """Whoever wants to know what happens on the desk."""

    def changed(self, stream: Stream, changes: Mapping[str, Change]) -> None:
        """Parameters of a stream have new values."""

    def said(self, stream: Stream, status: Status) -> None:
        """A stream has a new status."""

    def published(self, stream: Stream, frame_id: int) -> None:
        """A result of a stream was sent."""

    def told(self, path: str, value: str) -> None:
        """An address that is no parameter has a new value."""

    def streams_changed(self) -> None:
        """There are more streams, or fewer, or other addresses."""

    def reported(self, problem: str) -> None:
        """Something went wrong that nobody's own message was the cause of: one line for a person."""


class Desk:
    """Every stream's parameters by name, and who watches them."""

    def __init__(
        self,
        streams: Mapping[str, Stream],
        make: Callable[[str], Stream],
        status: Callable[[Stream], Status] = lambda stream: Status("waiting"),
    ) -> None:
        self.streams = streams
        self.status = status
        self._make = make
        self._watchers: list[Watcher] = []

    def stream(self, name: str) -> Stream:
        """Return a stream that there is; raises `ProtocolError` for another.

        A message of OSC makes no streams: a wrong name would, and push out one that is needed.
        """
        if name not in self.streams:
            problem = f"there is no stream {name!r}: there are {', '.join(sorted(self.streams))}"
            raise ProtocolError("unsupported", problem)
        return self.streams[name]

    def need(self, names: Iterable[str]) -> None:
        """Make the streams of these names where they are new."""
        for name in names:
            self._make(name)

    def set(self, stream: str, parameter: str, arguments: list[OscValue], by: object) -> ParameterValue:
        """Set one parameter as a controller sends it, and return the value that it has now; raises `ProtocolError`."""
        value = understood(PARAMETERS[parameter], arguments)
        self.stream(stream).set({parameter: value}, by)
        return value

    def set_fraction(self, stream: str, parameter: str, arguments: list[OscValue], by: object) -> ParameterValue:
        """Set one parameter to a fraction, 0 to 1, of its range; raises `ProtocolError`."""
        value = at_fraction(PARAMETERS[parameter], arguments)
        self.stream(stream).set({parameter: value}, by)
        return value

    def apply(
        self, values: Mapping[str, Mapping[str, ParameterValue]], by: object = None, fade: Fade | None = None
    ) -> None:
        """Set parameters of several streams, which were checked; streams that are not there are made."""
        for name, parameters in values.items():
            self._make(name).set(parameters, by, fade)

    def watch(self, watcher: Watcher) -> None:
        """Tell somebody of what happens."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Tell somebody nothing any more."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def changed(self, stream: Stream, changes: Mapping[str, Change]) -> None:
        """Hand on what a stream tells. Of a number that fades is told where it is, and `run` tells how it goes on."""
        if self.streams.get(stream.name) is not stream:
            return
        now_at = stream.controls.moving(time.monotonic())
        told = {name: (now_at.get(name, value), by) for name, (value, by) in changes.items()}
        for watcher in list(self._watchers):
            watcher.changed(stream, told)

    async def run(self) -> None:
        """Tell of numbers on their way, 25 times a second, until cancelled: motor faders follow them."""
        moved: set[tuple[str, str]] = set()
        while True:
            await asyncio.sleep(_FOLLOW)
            moving = {}
            for stream in list(self.streams.values()) if self._watchers else ():
                now_at = stream.controls.moving(time.monotonic())
                arrived = {name for of, name in moved if of == stream.name} - now_at.keys()
                changes = {name: (stream.controls.values[name], None) for name in arrived}
                changes |= {name: (value, None) for name, value in now_at.items()}
                moving[stream.name] = now_at
                for watcher in list(self._watchers) if changes else ():
                    watcher.changed(stream, changes)
            moved = {(stream, name) for stream, names in moving.items() for name in names}

    def said(self, stream: Stream, status: Status) -> None:
        """Hand on what a stream says of itself."""
        for watcher in list(self._watchers):
            watcher.said(stream, status)

    def published(self, stream: Stream, frame_id: int) -> None:
        """Hand on that a frame is done."""
        for watcher in list(self._watchers):
            watcher.published(stream, frame_id)

    def paused(self, stream: Stream) -> None:
        """Tell everybody on a stream that it was paused, or goes on."""
        stream.post(self.status(stream))

    def streams_changed(self) -> None:
        """Hand on that the addresses are others."""
        for watcher in list(self._watchers):
            watcher.streams_changed()

    def tell(self, path: str, value: str) -> None:
        """Tell everybody of a new value that is no parameter's."""
        for watcher in list(self._watchers):
            watcher.told(path, value)

    def report(self, problem: str) -> None:
        """Log what went wrong, and tell everybody."""
        _log.warning("%s", problem)
        for watcher in list(self._watchers):
            watcher.reported(problem)
