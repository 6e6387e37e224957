"""The booth: where a show is run from. It keeps the show file, plays it, and tells those who watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mirage_protocol import Message, Play, ProtocolError, ShowState, Status, encode
from mirage_runtime.changes import Change
from mirage_runtime.show.cues import Player, streams_of
from mirage_runtime.show.desk import Desk
from mirage_runtime.show.document import Binding, Cue, Show
from mirage_runtime.show.file import ShowFile
from mirage_runtime.show.instruments import Instruments
from mirage_runtime.show.places import Places
from mirage_runtime.show.reading import ShowFileError
from mirage_runtime.show.tree import Tree
from mirage_runtime.show.writing import (
    with_binding,
    with_cue,
    with_preset,
    without_bindings,
    without_cue,
    without_preset,
)
from mirage_runtime.streams import Stream

_log = logging.getLogger("mirage.show")

_LOOK_EVERY = 1.0
# Half of what a daemon has: clients need theirs.
_MOST_STREAMS = 32


class Audience(Protocol):
    """A connection that watches the show."""

    def post(self, message: Message) -> None:
        """Queue a message; never waits."""


class Booth:
    """One show, its file, its player, and what plays it besides people.

    Raises `MirageRuntimeError` where the show file is wrong: a show that begins has to be whole. One that is changed
    while it runs is taken when it is whole again.
    """

    def __init__(self, desk: Desk, show: Path | None, midi: Sequence[str]) -> None:
        self._desk = desk
        self._file = None if show is None else ShowFile(show)
        self._places = None if self._file is None else Places(self._file.path)
        self._mistake = ""
        self._audience: list[Audience] = []
        self._told: asyncio.Handle | None = None
        self._cues: dict[str, str] = {}
        self.player = Player(
            desk, keep=self._places.keep if self._places else lambda place: None, changed=self._show_changed
        )
        self.tree = Tree(desk, self.player)
        self.instruments = Instruments(desk, self.player, midi, changed=self._show_changed, learned=self._learned)
        desk.watch(self)
        if self._file is not None:
            self._first = _told_whole(self._file.load())

    # Life.

    def begin(self) -> None:
        """Begin the show, or go on where it was when the daemon ended."""
        if self._file is None or self._places is None:
            self.instruments.take(Show(), None)
            return
        self._take(self._first)
        self.player.resume(self._places.read())
        _log.info("%s: %d cues, %d presets", self._file.path.name, len(self._first.cues), len(self._first.presets))
        if self._file.changed():
            _log.info("%s is not there yet: what is saved first makes it", self._file.path)

    async def run(self) -> None:
        """Look every second, until cancelled, whether the show file was changed, and which devices there are."""
        there: object = None
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if self._file is not None and self._file.changed():
                self._read_again(self._file)
            now = (self.instruments.devices, self.instruments.problems)
            if now != there:
                there = now
                self._show_changed()

    def end(self) -> None:
        """Let go of devices, and have the place on the disk."""
        self.player.stop()
        self.instruments.end()
        if self._places is not None:
            self._places.close()

    def _read_again(self, file: ShowFile) -> None:
        try:
            show = _told_whole(file.load())
            self._take(show)
        except (ShowFileError, ProtocolError) as error:
            self._mistake = str(error)
            self._desk.report(f"the show goes on as it was: {error}")
            self._show_changed()
            return
        self._mistake = ""
        self._show_changed()
        _log.info("%s was changed: %d cues", file.path.name, len(show.cues))

    def _take(self, show: Show) -> None:
        self.player.load(show)
        self.tree.refresh()
        self.instruments.take(show, None if self._file is None else self._file.path.parent)
        self._desk.streams_changed()

    # What people do.

    def play(self, message: Play, stream: Stream) -> None:
        """Do what somebody on a stream asks for; raises `ProtocolError`."""
        actions: Mapping[str, Callable[[], object]] = {
            "go": self.player.go,
            "back": self.player.back,
            "goto": lambda: self.player.goto(_named(message.cue, "cue")),
            "recall": lambda: self.player.recall(
                _named(message.preset, "preset"), message.fade or 0.0, message.curve or "linear"
            ),
            "pause": lambda: stream.pause(True),
            "play": lambda: stream.pause(False),
            "save-preset": lambda: self._save_preset(_named(message.preset, "preset"), stream),
            "delete-preset": lambda: self._change(lambda text: without_preset(text, self._unused(message.preset))),
            "save-cue": lambda: self._save_cue(message),
            "delete-cue": lambda: self._change(lambda text: without_cue(text, self._known(message.cue))),
            "learn": lambda: self.instruments.learn(stream.name, _named(message.parameter, "parameter")),
            "stop-learning": self.instruments.stop_learning,
            "forget": lambda: self._forget(stream.name, _named(message.parameter, "parameter")),
        }
        actions[message.action]()
        if self._told is not None:  # whoever asked hears how it is now before it hears that it is done
            self._told.cancel()
            self._tell()

    def watch(self, audience: Audience) -> None:
        """Tell somebody of the show, now and whenever it changes."""
        if audience not in self._audience:
            self._audience.append(audience)
        audience.post(self.state())

    def unwatch(self, audience: Audience) -> None:
        """Tell somebody nothing any more."""
        if audience in self._audience:
            self._audience.remove(audience)

    def state(self) -> ShowState:
        """Return the show as it is now."""
        problems = (self._mistake, *self.instruments.problems)
        return _state(
            self.player.show,
            file="" if self._file is None else str(self._file.path),
            current=self.player.current,
            next=self.player.next,
            fading=self.player.fading,
            following=self.player.following,
            bindings=tuple(self.instruments.bindings()),
            learning=self.instruments.learning,
            devices=tuple(self.instruments.devices),
            problems=tuple(problem for problem in problems if problem),
        )

    def _change(self, edit: Callable[[str], str]) -> None:
        if self._file is None:
            raise ProtocolError("not-allowed", "there is no show file to save to: start the daemon with --show FILE")
        self._take(self._file.change(edit, _told_whole))

    def _save_preset(self, name: str, stream: Stream) -> None:
        values = dict(stream.controls.values)
        self._change(lambda text: with_preset(text, name, stream.name, values))

    def _save_cue(self, message: Play) -> None:
        show = self.player.show
        number = message.cue or _free(show)
        index = show.index(number)
        osc = None if index is None else show.cues[index].osc
        cue = Cue(
            number,
            _named(message.preset, "preset"),
            name=message.name or "",
            fade=message.fade or 0.0,
            curve=message.curve or "linear",
            follow=message.follow,
            osc=osc,
        )
        self._change(lambda text: with_cue(text, cue))

    def _known(self, number: str | None) -> str:
        if self.player.show.index(_named(number, "cue")) is None:
            raise ProtocolError("unsupported", f"there is no cue {number!r}", "cue")
        return str(number)

    def _unused(self, name: str | None) -> str:
        name = _named(name, "preset")
        if name not in self.player.show.presets:
            raise ProtocolError("unsupported", f"there is no preset {name!r}", "preset")
        users = [cue.number for cue in self.player.show.cues if cue.preset == name]
        if users:
            raise ProtocolError("not-allowed", f"cue {', '.join(users)} needs the preset {name!r}", "preset")
        return name

    def _learned(self, binding: Binding) -> None:
        """Keep a binding that was learnt, where there is a file to keep it in."""
        if self._file is not None:
            try:
                self._change(lambda text: with_binding(text, binding))
                return
            except ProtocolError as error:
                self._desk.report(error.message)
        self.instruments.add(binding)

    def _forget(self, stream: str, parameter: str) -> None:
        if not self.instruments.forget(stream, parameter):
            self._change(lambda text: without_bindings(text, stream, parameter))

    # What the desk calls, and what there is to tell.

    def changed(self, stream: Stream, changes: Mapping[str, Change]) -> None:
        """Let controllers with motors follow."""
        self.instruments.follow(stream.name, changes)

    def said(self, stream: Stream, status: Status) -> None:
        """Nothing to do."""

    def published(self, stream: Stream, frame_id: int) -> None:
        """Nothing to do."""

    def told(self, path: str, value: str) -> None:
        """Nothing to do."""

    def streams_changed(self) -> None:
        """Make the tree anew, before anybody is told that it is another."""
        self.tree.refresh()

    def reported(self, problem: str) -> None:
        """Nothing to do: the show's own problems are in its state."""

    def _show_changed(self) -> None:
        """Tell the audience, once for all that changes at one moment."""
        for name, cue in (("current", self.player.current), ("next", self.player.next)):
            if self._cues.get(name, "") != (cue or ""):
                self._cues[name] = cue or ""
                self._desk.tell(f"/mirage/cue/{name}", cue or "")
        if self._told is None and self._audience:
            self._told = asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._told = None
        state = self.state()
        for audience in list(self._audience):
            audience.post(state)


def _state(show: Show, **more: Any) -> ShowState:
    cues = []
    for cue in show.cues:
        told: dict[str, Any] = {"number": cue.number, "name": cue.name, "preset": cue.preset, "fade": cue.fade}
        cues.append(told | {"curve": cue.curve} | ({} if cue.follow is None else {"follow": cue.follow}))
    sound = "" if show.sound is None else show.sound.input
    return ShowState(name=show.name, presets=tuple(show.presets), cues=tuple(cues), sound=sound, **more)


def _told_whole(show: Show) -> Show:
    """Return a show that fits into one message and one daemon; raises `ShowFileError` for one that does not."""
    if len(streams_of(show)) > _MOST_STREAMS:
        raise ShowFileError(f"the show names {len(streams_of(show))} streams: there may be {_MOST_STREAMS}")
    try:
        encode(_state(show, file="x" * 1000))
    except ValueError:
        raise ShowFileError(
            f"the show is too long to be shown: {len(show.cues)} cues and {len(show.presets)} presets; divide it"
        ) from None
    return show


def _named(name: str | None, field: str) -> str:
    if not name:
        raise ProtocolError("missing-field", f"{field} is missing", field)
    return name


def _free(show: Show) -> str:
    """Return the number of a cue behind the last."""
    numbers = [float(cue.number) for cue in show.cues if cue.number.replace(".", "", 1).isdigit()]
    return f"{int(max(numbers, default=0)) + 1}"
