"""The MIDI devices of this machine, opened as they come and closed as they go (docs: runtime/SHOW.md)."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.show.midi import Message

_log = logging.getLogger("mirage.midi")

_NEEDS = "MIDI needs more packages: pip install 'mirage-lsd[midi]'"

_RTMIDI = "mido.backends.rtmidi"
_RTMIDI_OWN = ("RtMidi input", "RtMidi output")  # the ends of its own that ALSA lists among the devices
_ECHO = "midi through"  # ALSA's, which gives back whatever is sent to it
_SOUND = Path("/dev/snd")
_SEQUENCER = _SOUND / "seq"

_CALLBACKS_END = 0.05  # seconds: one that was on its way has long come back
_PATIENCE = 5.0  # seconds that a driver is waited for


@dataclass
class _Device:
    """An input of mido's and, while it is open, the output that belongs to it."""

    input: Any
    output: Any = None
    faulty: bool = False
    sending: threading.Lock = field(default_factory=threading.Lock)
    """Nothing may be sent while the output is closed: rtmidi would use freed memory."""


class Controllers:
    """Opens every MIDI input that is wanted, for as long as it is there, and the output of the same name.

    ``wanted`` are parts of names, in whatever case; None, ``"all"`` or a part that is "all" means every input.
    ``backend`` is a module of mido's, by default what the environment variable MIDO_BACKEND names, else rtmidi.
    Devices are looked for every ``every`` seconds in a thread of its own.

    ``on_message`` is called with the input's name and the ``mido.Message``, in a thread that is mido's: it has to hand
    the message on and return. What it raises is logged, once a device.
    """

    def __init__(
        self,
        wanted: Sequence[str] | None,
        on_message: Callable[[str, Message], None],
        backend: str | None = None,
        *,
        every: float = 2.0,
    ) -> None:
        self.problem: str | None = None
        """Why a device, or any, cannot be opened, in one line; None where nothing is wrong."""
        self._parts = _parts(wanted)
        self._on_message = on_message
        self._backend_name = backend
        self._every = every
        self._devices: dict[str, _Device] = {}  # changed by the thread alone
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def names(self) -> list[str]:
        """The inputs that are open now, as the system calls them."""
        return sorted(self._devices)

    def start(self) -> None:
        """Begin to look for devices, and go on until `stop`; returns at once.

        Raises `MirageRuntimeError` without mido. Whatever else is missing is a `problem` for as long as it is.
        """
        try:
            import mido
        except ImportError:
            raise MirageRuntimeError(_NEEDS) from None
        self._message = mido.Message
        self._backend = mido.Backend(self._backend_name)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._ended,), name="midi", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close everything; returns in any case, be it that a driver never answers."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._ended.set()
        thread.join(_PATIENCE)
        if thread.is_alive():
            _log.warning("MIDI: a driver does not answer, its devices stay open")

    def send(self, port: str, message: Mapping[str, Any]) -> None:
        """Send a message, as `feedback` makes it, to the output that belongs to the input of that name.

        Nothing happens where there is none; an error is logged, once a device.
        """
        device = self._devices.get(port)
        if device is None:
            return
        try:
            with device.sending:
                if device.output is not None:
                    device.output.send(self._message(**message))
        except Exception as problem:  # a driver's may be anything
            _complain(device, f"{port} cannot be sent to: {_line(problem)}")

    def _run(self, ended: threading.Event) -> None:
        plugged = _plugged()
        try:
            while True:
                self._scan()
                if ended.wait(self._every):
                    return
                # A device that came back between two looks has its old name, but nothing comes from it any more.
                before, plugged = plugged, _plugged()
                if plugged != before:
                    self._close(list(self._devices))
        finally:
            self._close(list(self._devices))

    def _scan(self) -> None:
        """Close what is gone and open what is new."""
        try:
            found = [name for name in dict.fromkeys(self._inputs()) if self._is_wanted(name)]
            self._close([name for name, device in self._devices.items() if name not in found or device.input.closed])
            new = [name for name in found if name not in self._devices]
            outputs = self._backend.get_output_names() if new else []
        except Exception as problem:  # a backend's may be anything
            self._report(_line(problem))
            return
        self._report(next(filter(None, [self._open(name, outputs) for name in new]), None))

    def _inputs(self) -> list[str]:
        """Return the names of all inputs; raises with a line that says what is wrong."""
        try:
            module: str = self._backend.module.__name__
        except ImportError as problem:
            lacking = f"{_NEEDS} (there is no python-rtmidi)" if problem.name == "rtmidi" else None
            raise OSError(lacking or f"the MIDI backend {self._backend.name} cannot be loaded: {problem}") from None
        if module == _RTMIDI and sys.platform == "linux" and self._backend.api in (None, "LINUX_ALSA"):
            _check_sequencer()
        names: list[str] = self._backend.get_input_names()
        return names

    def _is_wanted(self, name: str) -> bool:
        if any(own in name for own in _RTMIDI_OWN):
            return False
        return self._parts is None or any(part in name.casefold() for part in self._parts)

    def _open(self, name: str, outputs: list[str]) -> str | None:
        """Open an input and its output; returns what was wrong with the input."""
        try:
            device = _Device(self._backend.open_input(name, callback=partial(self._heard, name)))
        except Exception as problem:
            return f"{name} cannot be opened: {_line(problem)}"
        self._devices[name] = device
        _log.info("MIDI: %s is connected", name)
        output = _output_of(name, outputs)
        if output is not None:
            try:
                device.output = self._backend.open_output(output)
            except Exception as problem:
                _complain(device, f"{output} cannot be sent to: {_line(problem)}")
        return None

    def _heard(self, name: str, message: Message) -> None:
        try:
            self._on_message(name, message)
        except Exception as problem:  # it must not end the thread that listens
            device = self._devices.get(name)
            if device is not None:
                _complain(device, f"a message from {name} cannot be used: {_line(problem)}")

    def _close(self, names: Iterable[str]) -> None:
        for name in names:
            device = self._devices.pop(name)
            try:
                with device.sending:
                    output, device.output = device.output, None
                    if output is not None:
                        output.close()
                _close_input(device.input)
            except Exception as problem:
                _complain(device, f"{name} cannot be closed: {_line(problem)}")
            _log.info("MIDI: %s is closed", name)

    def _report(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            _log.warning("MIDI: %s", problem)
        self.problem = problem


def _parts(wanted: Sequence[str] | None) -> list[str] | None:
    """Return the parts of names to look for; None for all."""
    parts = [wanted] if isinstance(wanted, str) else wanted
    return None if parts is None or "all" in parts else [part.casefold() for part in parts]


def _output_of(name: str, outputs: list[str]) -> str | None:
    """Return the output that belongs to an input: the one of the same name, but none that would come back as input.

    Windows puts a number behind each name that differs between a device's two sides.
    """
    if _ECHO in name.casefold():
        return None
    if sys.platform == "win32" and name not in outputs:
        return next((output for output in outputs if output.rpartition(" ")[0] == name.rpartition(" ")[0]), None)
    return name if name in outputs else None


def _close_input(port: Any) -> None:
    """Close an input of mido's.

    rtmidi waits for its thread to end while it holds Python's lock, and that thread may be waiting for this lock to
    call back: all would stand still for good. So rtmidi's callbacks end first, with what they use kept until then.
    """
    if type(port).__module__ != _RTMIDI:
        port.close()
        return
    kept = gc.get_referents(port._rt)
    port._rt.cancel_callback()
    time.sleep(_CALLBACKS_END)
    del kept
    port._rt.close_port()
    port._rt.delete()
    port.closed = True


def _plugged() -> int:
    """Return what changes whenever a sound device comes or goes, on Linux."""
    try:
        return _SOUND.stat().st_mtime_ns
    except OSError:
        return 0


def _check_sequencer() -> None:
    """Raise where ALSA would, but without the line that its library prints each time."""
    if not _SEQUENCER.exists():
        raise OSError(f"there is no ALSA sequencer ({_SEQUENCER}): load the kernel module snd-seq")
    if not os.access(_SEQUENCER, os.R_OK | os.W_OK):
        raise OSError(f"{_SEQUENCER} may not be used by this user: add them to the group audio")


def _complain(device: _Device, text: str) -> None:
    if not device.faulty:
        device.faulty = True
        _log.warning("MIDI: %s", text)


def _line(problem: Exception) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__
