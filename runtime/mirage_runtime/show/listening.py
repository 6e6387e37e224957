"""Where sound comes from: an audio file that plays for ever, or an input of this machine.

Each input listens in a thread of its own and gives blocks of mono f32 to whoever started it, from that thread.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.show.document import Sound

_log = logging.getLogger("mirage.sound")

Samples = NDArray[np.float32]

OnBlock = Callable[[Samples, int], None]
"""Called with samples f32 ``(any,)``, full scale 1, and their rate in hertz."""

AUDIO_SUFFIXES = (".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma", ".mka")
"""What a name ends with that is a file's, even where there is no such file."""

FILE_RATE = 48_000
"""Hertz that files are brought to."""

_BLOCK = 512 / 48_000  # seconds
_LATEST = 1.0  # seconds that are caught up with; what was missed before is not
_AGAIN = 2.0  # seconds between tries, and without a block from a device until it is taken for gone
_PATIENCE = 5.0  # seconds that a thread is given to end
_GLANCE = 0.1  # seconds from one look at whether to stop to the next
_WAITING = 64  # blocks of a device, about 0.7 seconds


class Input(ABC):
    """Something that is listened to. ``problem`` is what is wrong with it now, in one line, None where nothing is."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self._on_block: OnBlock = _unheard
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._complained = False

    def start(self, on_block: OnBlock) -> None:
        """Begin to listen, from anew where it listens already."""
        self.stop()
        self.problem = None
        self._on_block, self._complained = on_block, False
        # A thread that did not end in time keeps its own event, and ends when it can.
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._ended,), name="listening", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more; returns when the thread has ended, or after 5 seconds with one that does not."""
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return
        thread.join(_PATIENCE)
        if thread.is_alive():
            _log.warning("listening to %s has not ended after %.0f seconds", self, _PATIENCE)

    def _run(self, ended: threading.Event) -> None:
        """Listen until the event is set; whatever fails is tried again, for a show goes on."""
        while not ended.is_set():
            try:
                self._listen(ended)
            except Exception as error:  # a decoder's or a driver's, of any kind
                self._failed(str(error) or type(error).__name__)
                ended.wait(_AGAIN)

    @abstractmethod
    def _listen(self, ended: threading.Event) -> None:
        """Give blocks until the event is set, or raise what went wrong."""

    def _give(self, samples: Samples, rate: int) -> None:
        """Hand over a block. What the listener does wrong is said once, and is not the input's end."""
        try:
            self._on_block(samples, rate)
        except Exception:
            if not self._complained:
                _log.exception("what listens to %s fails", self)
            self._complained = True

    def _failed(self, problem: str) -> None:
        if self.problem is None:
            _log.warning("%s (tried again every %.0f seconds)", problem, _AGAIN)
        self.problem = problem

    def _works(self) -> None:
        if self.problem is not None:
            _log.info("%s is heard again", self)
        self.problem = None


def _unheard(samples: Samples, rate: int) -> None:
    """Do nothing with a block."""


class FileInput(Input):
    """An audio file, or a video's sound, as if it were played: in real time, mono, from its beginning after its end."""

    def __init__(self, path: Path) -> None:
        """Raises `MirageRuntimeError` for a file that is missing, cannot be read, or has no sound in it."""
        super().__init__()
        self.path = path
        with _clear(path), contextlib.closing(_decoded(path)) as parts:
            next(parts)

    def __str__(self) -> str:
        """Name it for a log."""
        return str(self.path)

    def _listen(self, ended: threading.Event) -> None:
        pace = _Pace(FILE_RATE)
        size = round(FILE_RATE * _BLOCK)
        rest = np.zeros(0, np.float32)
        while True:
            with _clear(self.path), contextlib.closing(_decoded(self.path)) as parts:
                for part in parts:
                    # What is left at the file's end goes before its beginning: there is no gap.
                    rest = np.concatenate((rest, part))
                    while len(rest) >= size:
                        if not pace.wait(size, ended):
                            return
                        self._works()
                        self._give(rest[:size], FILE_RATE)
                        rest = rest[size:]


class _Pace:
    """Lets samples go when they would have been heard: by the clock, so that no error adds up."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._began = clock()
        self._gone = 0

    def wait(self, samples: int, ended: threading.Event) -> bool:
        """Wait until as many more have had the time to sound; False as soon as the event is set."""
        self._gone += samples
        early = self._began + self._gone / self._rate - self._clock()
        if early < -_LATEST:
            self._began -= early + _LATEST
        return not ended.wait(max(early, 0.0))


@contextlib.contextmanager
def _clear(path: Path) -> Iterator[None]:
    """Turn what reading a file raises into one line."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise MirageRuntimeError(f"{path} cannot be read as sound: {error.strerror or error}") from None
    except ValueError as error:
        raise MirageRuntimeError(f"{path} cannot be read as sound: {error}") from None


def _decoded(path: Path) -> Generator[Samples, None, None]:
    """Give a file's sound from its beginning to its end, in parts of any length but 0."""
    if not path.is_file():  # a pipe's opening might wait for ever
        raise MirageRuntimeError(f"there is no sound file {path}")
    some = False
    with av.open(str(path)) as container:
        if container.streams.audio:
            resampler = av.AudioResampler(format="fltp", rate=FILE_RATE)
            for frame in _frames(container):
                for resampled in resampler.resample(frame):
                    # The mean, as of a device: FFmpeg's own mono is 3 dB louder than two channels that are alike.
                    part = np.asarray(resampled.to_ndarray().mean(axis=0), np.float32)
                    if part.size:
                        some = True
                        yield part
    if not some:
        raise MirageRuntimeError(f"{path} has no sound in it")


def _frames(container: Any) -> Iterator[Any]:
    """Give the frames of the first sound track, and None behind the last; what is damaged in between is left out."""
    for packet in container.demux(container.streams.audio[0]):
        with contextlib.suppress(av.error.InvalidDataError):
            yield from packet.decode()
    yield None


class DeviceInput(Input):
    """An input of this machine, such as a microphone or a sound card's line."""

    def __init__(self, name: str = "default") -> None:
        """Listen to ``default`` or to the first input that has ``name`` in its own, whatever the case.

        Raises `MirageRuntimeError`, where there is none with those that there are, and where the package or the
        library for it is missing.
        """
        super().__init__()
        self.name = name
        self._library = _sounddevice()
        with _alone():
            _refresh(self._library)
            _device(self._library, name)

    def __str__(self) -> str:
        """Name it for a log."""
        return f"the sound input {self.name!r}"

    def _listen(self, ended: threading.Event) -> None:
        blocks: queue.Queue[Samples] = queue.Queue(_WAITING)

        def arrived(data: Any, frames: int, when: Any, status: Any) -> None:
            # PortAudio's own thread, which must not wait: the newest pushes out the oldest.
            with contextlib.suppress(queue.Empty):
                if blocks.full():
                    blocks.get_nowait()
            with contextlib.suppress(queue.Full):
                blocks.put_nowait(np.asarray(data, np.float32).mean(axis=1))

        stream = self._opened(arrived)
        try:
            with _alone():
                stream.start()
            rate = round(stream.samplerate)
            while (samples := self._next(blocks, ended)) is not None:
                self._works()
                self._give(samples, rate)
        finally:
            _close(stream)

    def _opened(self, arrived: Callable[..., None]) -> Any:
        with _alone():
            _refresh(self._library)
            device = _device(self._library, self.name)
            rate = float(device["default_samplerate"])
            stream = self._library.InputStream(
                device=device["index"],
                channels=min(int(device["max_input_channels"]), 2),
                samplerate=rate,
                blocksize=round(rate * _BLOCK),
                dtype="float32",
                callback=arrived,
            )
            _open.append(stream)
        return stream

    def _next(self, blocks: queue.Queue[Samples], ended: threading.Event) -> Samples | None:
        """Return the next block, None at the end. When a device goes, some drivers just give no more blocks."""
        gone = time.monotonic() + _AGAIN
        while not ended.is_set():
            with contextlib.suppress(queue.Empty):
                return blocks.get(timeout=_GLANCE)
            if time.monotonic() > gone:
                raise MirageRuntimeError(f"{self} gives no sound any more: is it still connected?")
        return None


_portaudio = threading.Lock()  # PortAudio's functions may not be called from two threads at once
_open: list[Any] = []


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Call PortAudio while nobody else does; raises `MirageRuntimeError` where another call hangs in a driver."""
    if not _portaudio.acquire(timeout=_PATIENCE):
        raise MirageRuntimeError("the sound driver does not answer")
    try:
        yield
    finally:
        _portaudio.release()


def _sounddevice() -> Any:
    """Return the module, or raise a `MirageRuntimeError` that says what is missing."""
    try:
        import sounddevice
    except ImportError:
        raise MirageRuntimeError("sound from a device needs more packages: pip install 'mirage-lsd[audio]'") from None
    except OSError as error:
        raise MirageRuntimeError(
            f"sound from a device needs the PortAudio library, such as the package libportaudio2 ({error})"
        ) from None
    return sounddevice


def _device(library: Any, name: str) -> Any:
    """Return PortAudio's description of an input; raises `MirageRuntimeError` with those that there are."""
    inputs = [device for device in library.query_devices() if device["max_input_channels"] > 0]
    wanted = name.casefold()
    if wanted == "default":
        with contextlib.suppress(library.PortAudioError, ValueError):
            return library.query_devices(kind="input")
        raise MirageRuntimeError(f"this machine has no default sound input; {_listed(inputs)}")
    found = [device for device in inputs if wanted in device["name"].casefold()]
    if not found:
        raise MirageRuntimeError(f"there is no sound input with {name!r} in its name; {_listed(inputs)}")
    return found[0]


def _listed(inputs: list[Any]) -> str:
    names = dict.fromkeys(repr(device["name"]) for device in inputs)
    return f"there are {', '.join(names)}" if names else "there are none"


def _refresh(library: Any) -> None:
    """Look for devices anew. PortAudio does so only when it begins, and its beginning anew ends every stream."""
    if not _open:
        with contextlib.suppress(library.PortAudioError):  # it may not have begun the last time
            library._terminate()
        library._initialize()


def _close(stream: Any) -> None:
    with _alone():
        _open.remove(stream)
        # A device that is gone cannot be closed without complaint.
        with contextlib.suppress(Exception):
            stream.close()


def open_input(sound: Sound, folder: Path) -> FileInput | DeviceInput:
    """Return what a show listens to: a file where ``input`` names one in ``folder`` or ends like one, else a device.

    Raises `MirageRuntimeError` where it cannot be listened to.
    """
    path = folder / sound.input
    if path.suffix.lower() in AUDIO_SUFFIXES or _is_file(path):
        return FileInput(path)
    return DeviceInput(sound.input)


def _is_file(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file()
    return False
