"""MIDI controllers and sound, brought to the desk. Both run in threads of their own; here all is on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_protocol import PARAMETERS, ParameterValue, ProtocolError
from mirage_runtime.changes import Change
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.show import midi
from mirage_runtime.show.controllers import Controllers
from mirage_runtime.show.cues import Player
from mirage_runtime.show.desk import Desk
from mirage_runtime.show.document import Binding, Route, Show, Sound
from mirage_runtime.show.sound import Analyser, Follower

if TYPE_CHECKING:
    from mirage_runtime.show.listening import Input


class Instruments:
    """What plays a show besides people.

    ``changed`` is called when there is something to tell, ``learned`` with a new binding.
    """

    def __init__(
        self,
        desk: Desk,
        player: Player,
        wanted: Sequence[str],
        *,
        changed: Callable[[], None],
        learned: Callable[[Binding], None],
    ) -> None:
        self._desk = desk
        self._player = player
        self._wanted = wanted
        self._changed = changed
        self._learned = learned
        self._kept: tuple[Binding, ...] = ()
        self._added: tuple[Binding, ...] = ()
        self._map = midi.Map(())
        self._learner = midi.Learner()
        self._controllers: Controllers | None = None
        self._midi_problem = ""
        self._sound: Sound | None = None
        self._tuning: asyncio.Task[None] | None = None
        self._listening: _Listening | None = None
        self._sound_problem = ""

    def take(self, show: Show, folder: Path | None) -> None:
        """Play by what a show says of MIDI and sound; its files are beside it, in ``folder``."""
        self._kept = show.midi
        self._bind()
        if show.midi or self._wanted:
            self._open_controllers()
        if self._sound != show.sound:
            self._sound = show.sound
            self._tuning = asyncio.get_running_loop().create_task(self._listen(show.sound, folder, self._tuning))

    def end(self) -> None:
        """Let go of all devices."""
        if self._tuning is not None:
            self._tuning.cancel()
        if self._listening is not None:
            self._listening.stop()
        if self._controllers is not None:
            self._controllers.stop()

    @property
    def problems(self) -> tuple[str, ...]:
        """One line each for what does not work now; empty ones do."""
        device = self._controllers.problem if self._controllers is not None else None
        heard = self._listening.problem if self._listening is not None else None
        return (self._midi_problem, device or "", self._sound_problem, heard or "")

    @property
    def devices(self) -> list[str]:
        """The MIDI devices that are open."""
        return list(self._controllers.names) if self._controllers is not None else []

    # MIDI.

    @property
    def learning(self) -> str | None:
        """The parameter that waits for a control to be moved, as STREAM/PARAMETER."""
        waiting = self._learner.waiting
        return None if waiting is None else f"{waiting.stream}/{waiting.parameter}"

    def learn(self, stream: str, parameter: str) -> None:
        """Let the control that is moved next move a parameter; raises `ProtocolError`."""
        found = PARAMETERS.get(parameter)
        if found is None or found.type not in ("float", "integer") or found.minimum is None or found.maximum is None:
            raise ProtocolError(
                "unknown-parameter", f"{parameter[:80]!r} is no number that a control could move", "parameter"
            )
        self._open_controllers()
        if self._midi_problem:
            raise ProtocolError("unsupported", self._midi_problem)
        self._learner.start(stream, parameter, found.minimum, found.maximum)
        self._changed()

    def stop_learning(self) -> None:
        """Wait for no control any more."""
        self._learner.cancel()
        self._changed()

    def add(self, binding: Binding) -> None:
        """Keep a binding as long as the daemon runs."""
        target = (binding.stream, binding.parameter)
        self._added = (*(each for each in self._added if (each.stream, each.parameter) != target), binding)
        self._bind()

    def forget(self, stream: str, parameter: str) -> bool:
        """Drop the bindings of a parameter that are in no file; returns whether there were any."""
        kept = tuple(each for each in self._added if (each.stream, each.parameter) != (stream, parameter))
        found, self._added = kept != self._added, kept
        self._bind()
        return found

    def bindings(self) -> Iterator[dict[str, Any]]:
        """Yield what controls move which parameters."""
        for binding in (*self._kept, *self._added):
            if binding.parameter is not None:
                yield {"control": _control(binding), "stream": binding.stream, "parameter": binding.parameter}

    def follow(self, stream: str, changes: Mapping[str, Change]) -> None:
        """Send new values to the controls that move them, so that motor faders and lit knobs follow."""
        if self._controllers is None:
            return
        for binding in (*self._kept, *self._added):
            value, by = changes.get(binding.parameter or "", (None, None))
            if binding.stream != stream or not isinstance(value, int | float):
                continue
            for port in self._controllers.names:
                message = midi.feedback(binding, midi.fraction_of(binding, value))
                if message is not None and by != ("midi", port) and _is_on(binding, port):
                    self._controllers.send(port, message)

    def _open_controllers(self) -> None:
        if self._controllers is not None:
            return
        loop = asyncio.get_running_loop()

        def heard(port: str, message: Any) -> None:
            loop.call_soon_threadsafe(self._heard, port, message)

        wanted = None if not self._wanted or "all" in self._wanted else self._wanted
        try:
            self._controllers = Controllers(wanted, heard)
            self._controllers.start()
            self._midi_problem = ""
        except MirageRuntimeError as error:
            self._controllers = None
            self._midi_problem = str(error)
            self._desk.report(self._midi_problem)

    def _bind(self) -> None:
        self._map = midi.Map((*self._kept, *self._added))
        self._changed()

    def _heard(self, port: str, message: Any) -> None:
        binding = self._learner.hear(port, message)
        if binding is not None:
            self._learned(binding)
            self._changed()
        for event in self._map.events(port, message):
            try:
                self._act(event, port)
            except ProtocolError as error:
                self._desk.report(error.message)

    def _act(self, event: midi.Turned | midi.Pressed, port: str) -> None:
        binding = event.binding
        if isinstance(event, midi.Turned):
            assert binding.parameter is not None
            value = midi.value_of(binding, event.fraction)
            self._desk.set(binding.stream, binding.parameter, [value], ("midi", port))
        elif binding.cue is not None:
            self._player.goto(binding.cue)
        elif binding.preset is not None:
            self._player.recall(binding.preset, binding.fade)
        elif binding.action in ("pause", "play"):
            self._desk.stream(binding.stream).pause(binding.action == "pause")
        elif binding.action == "go":
            self._player.go()
        else:
            self._player.back()

    # Sound.

    async def _listen(self, sound: Sound | None, folder: Path | None, before: asyncio.Task[None] | None) -> None:
        """Listen to another sound, once what came before is done. Devices may take seconds to open and to close."""
        if before is not None:
            await asyncio.wait([before])
        old, self._listening, self._sound_problem = self._listening, None, ""
        if old is not None:
            await asyncio.to_thread(old.stop)
        if sound is not None:
            listening = _Listening(sound, self._driven)
            try:
                await asyncio.to_thread(listening.start, folder or Path())
                self._listening = listening
            except MirageRuntimeError as error:  # the show goes on without sound
                self._sound_problem = str(error)
                self._desk.report(self._sound_problem)
        self._changed()

    def _driven(self, values: list[tuple[Route, ParameterValue]]) -> None:
        """Set what the sound drives."""
        for route, value in values:
            try:
                self._desk.set(route.stream, route.parameter, _arguments(value), "sound")
            except ProtocolError as error:
                self._desk.report(error.message)


class _Listening:
    """One input of sound: analysed in the input's own thread, its values handed to the event loop."""

    def __init__(self, sound: Sound, driven: Callable[[list[tuple[Route, ParameterValue]]], None]) -> None:
        self._sound = sound
        self._driven = driven
        self._loop = asyncio.get_running_loop()
        self._followers = [(route, Follower(route)) for route in sound.routes]
        self._analyser: Analyser | None = None
        self._rate = 0
        self._input: Input | None = None

    def start(self, folder: Path) -> None:
        """Open the input and listen; raises `MirageRuntimeError`."""
        from mirage_runtime.show.listening import open_input  # most daemons need no decoder

        self._input = open_input(self._sound, folder)
        self._input.start(self._heard)

    @property
    def problem(self) -> str | None:
        """What is wrong with the input now."""
        return None if self._input is None else self._input.problem

    def stop(self) -> None:
        """Let go of the input."""
        if self._input is not None:
            self._input.stop()

    def _heard(self, samples: NDArray[np.float32], rate: int) -> None:
        if self._analyser is None or rate != self._rate:
            self._analyser, self._rate = Analyser(rate, self._sound.gain), rate
        newest: dict[int, tuple[Route, ParameterValue]] = {}
        for features in self._analyser.feed(samples):
            for place, (route, follower) in enumerate(self._followers):
                value = follower.step(features, self._analyser.seconds)
                if value is not None:
                    newest[place] = (route, value)
        if newest:
            self._loop.call_soon_threadsafe(self._driven, list(newest.values()))


def _arguments(value: ParameterValue) -> list[Any]:
    """Return a value as a controller would send it."""
    if not isinstance(value, list):
        return [value]
    return [part for item in value for part in (item.values() if isinstance(item, dict) else (item,))]


def _is_on(binding: Binding, port: str) -> bool:
    return binding.port is None or binding.port.lower() in port.lower()


def _control(binding: Binding) -> str:
    """Return a control's name for people: ``control 7, channel 1, nanoKONTROL2``."""
    parts = [binding.kind if binding.number is None else f"{binding.kind} {binding.number}"]
    parts += [] if binding.channel is None else [f"channel {binding.channel}"]
    return ", ".join(parts + ([] if binding.port is None else [binding.port]))
