"""The connection to a daemon, in two threads of its own: nothing here touches an object of TouchDesigner's.

The main thread swaps: it leaves a frame (`offer`), takes a result (`take`), and reads `status`. One thread connects,
sends frames and sets parameters; the other receives. Only the newest frame and the newest result are kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import mirage
from mirage_touchdesigner.controls import Controls
from mirage_touchdesigner.pictures import Prepared, Turned
from mirage_touchdesigner.report import Status, rows

_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 5.0
_REPORT_EVERY: Final = 0.5
_LOOK_UP_EVERY: Final = 0.1
"""Seconds after which the receiving thread looks whether it is to let go of the connection."""
_LONGEST_STOP: Final = 1.0
"""Seconds that the main thread waits for the others to end: one that is about to connect ends by itself."""


@dataclass(frozen=True)
class Settings:
    """Where to connect, and how."""

    url: str = "ws://127.0.0.1:8765/main"
    transport: Any = "auto"
    compression: Any = "auto"
    quality: int = 85
    token: str | None = None
    take_over: bool = False


class Worker:
    """One source of one stream. Every method returns at once, but `stop`, which waits for the threads to end."""

    def __init__(self) -> None:
        self.status = Status()
        self._changed = threading.Condition()
        self._controls = Controls(self._changed, self.complain)
        self._settings = Settings()
        self._restart = False
        self._stopped = True
        self._threads: list[threading.Thread] = []
        self._stream: mirage.Stream | None = None
        self._receiving = self._inside = False
        self._lost: mirage.MirageError | None = None
        self._frame: Any = None
        self._full = False
        self._outcomes = 0
        self._result: NDArray[np.uint8] | None = None
        self._fresh = False
        self._taken: NDArray[np.uint8] | None = None
        self._problems: dict[str, str] = {}
        self._last: mirage.Result | None = None
        self._turned = Turned()
        self._prepared = Prepared()

    # For the main thread.

    def start(self, settings: Settings, parameters: Mapping[str, Any]) -> None:
        """Connect and stay connected; ``parameters`` are set on the stream at once."""
        self._settings, self._stopped = settings, False
        self.set(parameters)
        self.status = Status("connecting")
        self._threads = [
            threading.Thread(target=self._send_all, name="mirage sends", daemon=True),
            threading.Thread(target=self._receive_all, name="mirage receives", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Disconnect. What was shown last stays with whoever has it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_LONGEST_STOP)
        self._threads = []
        self.status = Status()

    def connect_again(self, settings: Settings) -> None:
        """Leave this connection and make another."""
        with self._changed:
            self._settings, self._restart = settings, True
            self._changed.notify_all()

    def offer(self, frame: Any) -> None:
        """Leave a frame to be sent, as TouchDesigner has it: (H, W, channels), the bottom row first; not copied."""
        with self._changed:
            self._frame = frame
            if not self._full:
                self._changed.notify_all()

    def take(self) -> NDArray[np.uint8] | None:
        """Return the newest result, the bottom row first, unless it was taken before.

        It is good until the next one is taken.
        """
        with self._changed:
            if not self._fresh:
                return None
            self._fresh = False
            self._taken = self._result
            return self._taken

    def set(self, parameters: Mapping[str, Any]) -> None:
        """Change parameters of the stream; one that is out of its range is told in `status`."""
        self._controls.set(parameters)

    def play(self, action: str) -> None:
        """Play the daemon's show: ``go``, ``back``, ``pause``, ``play``."""
        self._controls.play(action)

    def complain(self, what: str, problem: str | None) -> None:
        """Show a problem, or with None that there is none any more."""
        with self._changed:
            if problem is None:
                self._problems.pop(what, None)
            else:
                self._problems[what] = problem
        self._tell()

    def changes(self) -> dict[str, Any]:
        """Return parameters that somebody else on the stream has changed since this was asked last."""
        return self._controls.changes()

    # The thread that connects and sends.

    def _send_all(self) -> None:
        wait = _FIRST_WAIT
        while not self._stopped:
            began = time.monotonic()
            try:
                self._connect()
                self._send_until_told()
            except (mirage.MirageError, ValueError, OSError) as error:
                if self._stopped:
                    break
                refused = self._failed(error)
                lasted = time.monotonic() - began > _LONGEST_WAIT
                wait = _LONGEST_WAIT if refused else _FIRST_WAIT if lasted else min(wait * 2, _LONGEST_WAIT)
                self._rest(wait)
            if self._restart:
                self._let_go()
                wait = _FIRST_WAIT
        self._let_go()

    def _connect(self) -> None:
        """Open the connection, or after a loss find its successor; raises what `mirage.connect` raises."""
        settings = self._settings
        self._stop_receiving()
        if self._stream is None:
            self._tell(state="connecting")
            self._stream = mirage.connect(
                settings.url,
                transport=settings.transport,
                compression=settings.compression,
                quality=settings.quality,
                token=settings.token or None,
                take_over=settings.take_over,
            )
            self._controls.begin()
        else:
            self._stream.set()
        with self._changed:
            self._lost, self._full, self._receiving = None, False, True
            self._problems.pop("connection", None)
            self._changed.notify_all()
        self._tell(state="connected")

    def _send_until_told(self) -> None:
        """Send what there is to send; returns when it is to stop or to connect elsewhere, raises where that fails."""
        stream, reported = self._stream, 0.0
        assert stream is not None
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, _REPORT_EVERY)
                if self._stopped or self._restart:
                    return
                if self._lost is not None:
                    raise self._lost
                frame = None if self._full else self._frame
                self._frame = self._frame if frame is None else None
            self._controls.send(stream)
            if frame is not None:
                self._send(stream, frame)
            if time.monotonic() - reported > _REPORT_EVERY:
                reported = time.monotonic()
                self._report(stream)

    def _has_work(self) -> bool:
        waits = self._frame is not None and not self._full
        return bool(self._stopped or self._restart or self._lost or self._controls.has_work or waits)

    def _send(self, stream: mirage.Stream, frame: Any) -> None:
        outcomes = self._outcomes
        try:
            picture = self._prepared(frame)
            sent = stream.send(picture[::-1], block=False)
        except (mirage.InvalidFrame, mirage.Unsupported, mirage.ServerError) as error:
            self.complain("frame", str(error))
            return
        if sent is None:
            with self._changed:
                self._full = outcomes == self._outcomes  # else there is room by now
                self._frame = frame if self._frame is None else self._frame
        elif "frame" in self._problems:
            self.complain("frame", None)

    def _failed(self, error: Exception) -> bool:
        """Note why there is no connection; returns whether the daemon is there and will not have us."""
        refused = isinstance(error, mirage.Refused | mirage.Unsupported | ValueError) or (
            isinstance(error, mirage.ConnectionLost) and error.code == "source-taken"
        )
        again = self._stream is not None
        with self._changed:
            self._problems["connection"] = str(error)
        self._tell(state="refused" if refused else "reconnecting" if again else "connecting")
        return refused

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._restart, seconds)

    def _stop_receiving(self) -> None:
        """Have the other thread let go of the connection: nobody may wait in it while it is closed or opened anew."""
        with self._changed:
            self._receiving = False
            self._changed.wait_for(lambda: not self._inside)

    def _let_go(self) -> None:
        self._stop_receiving()
        with self._changed:
            stream, self._stream = self._stream, None
            self._restart = False
        if stream is not None:
            stream.close()

    # The thread that receives.

    def _receive_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._receiving)
                if self._stopped:
                    return
                stream, self._inside = self._stream, True
            try:
                if stream is not None:
                    self._receive(stream)
            finally:
                with self._changed:
                    self._inside = False
                    self._changed.notify_all()

    def _receive(self, stream: mirage.Stream) -> None:
        """Wait for one result, for a while."""
        try:
            result = stream.receive(timeout=_LOOK_UP_EVERY)
        except mirage.Timeout:
            return
        except (mirage.ConnectionLost, mirage.Closed, mirage.ConnectionRefused) as error:
            with self._changed:
                if stream is self._stream and not self._stopped:
                    self._lost, self._receiving = error, False
                    self._changed.notify_all()
            return
        except mirage.FrameDropped:
            pass
        except mirage.MirageError as error:
            self.complain("frame", str(error))
        else:
            self._show(result)
        with self._changed:
            self._full = False
            self._outcomes += 1
            self._changed.notify_all()

    def _show(self, result: mirage.Result) -> None:
        with self._changed:
            used = (self._result, self._taken)
        picture = self._turned(result.image, used)
        with self._changed:
            self._result, self._fresh, self._last = picture, True, result

    # What is told.

    def _tell(self, **changes: Any) -> None:
        """Show another status; the message is the connection's problem, else any."""
        with self._changed:
            problems = self._problems
            message = problems.get("connection") or next(iter(problems.values()), "")
            self.status = replace(self.status, message=message, **changes)

    def _report(self, stream: mirage.Stream) -> None:
        self._controls.compare(stream.parameters)
        self._tell(rows=rows(stream, self.status, self._last))
