"""The client for ordinary, blocking code."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_websocket

from mirage import _frames
from mirage._errors import Closed, ConnectionLost, FrameDropped, MirageError, NotAllowed, Refused, Timeout, Unsupported
from mirage._session import Acknowledgement, Conversation, Result, Session
from mirage._shared import WAKE, Outbox, Rings
from mirage._stats import Stats
from mirage._wire import OPTIONS, check_subprotocol, unopened
from mirage_protocol import DEFAULT_QUALITY, DEFAULT_WINDOW, Camera, Plane, ShowState, WakeUp, encode

_Outcome = TypeVar("_Outcome")
_PONG_TIMEOUT = 0.25


def connect(
    url: str = "ws://127.0.0.1:8765",
    *,
    transport: Literal["auto", "websocket", "shared-memory"] = "auto",
    role: Literal["source", "viewer", "controller"] = "source",
    token: str | None = None,
    take_over: bool = False,
    window: int = DEFAULT_WINDOW,
    compression: Literal["auto", "raw", "jpeg"] = "auto",
    quality: int = DEFAULT_QUALITY,
    timeout: float = 10.0,
) -> Stream:
    """Connect to a Mirage server and return the stream that the path of ``url`` names (none: ``main``).

    A ``source`` sends frames, a ``viewer`` receives results, a ``controller`` sets parameters. ``take_over`` replaces
    a source that is already there. ``window`` is how many frames may be in flight, 1 to 64. ``timeout`` is the
    patience of every call, in seconds, unless the call says otherwise. The transport ``auto`` is shared memory where
    the server runs on this machine and lets this user have it, else WebSocket. The compression ``auto`` leaves frames
    and results as they are on one machine, and across a network makes them JPEGs of ``quality`` 1 to 100 (alpha is put
    back here).

    Raises `ConnectionRefused` when there is no server, `Refused` when it will not have us, `Timeout`, `Unsupported`.
    """
    return Stream(
        Session.of(
            url,
            transport,
            role,
            compression=compression,
            quality=quality,
            token=token,
            take_over=take_over,
            window=window,
            timeout=timeout,
        )
    )


class Stream:
    """A stream of a Mirage server, as `connect` returns it; a context manager that closes itself.

    Threads may share one: each call gets its own outcome. A lost connection raises `ConnectionLost` once; the next
    call connects again, in the same role and with the parameters that this client had set.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._reading = False
        self._rings: Rings | None = None
        self._outbox = Outbox()
        self._owed = 0  # messages that were announced and not read yet
        self._sharing: int | None = None  # the thread that agrees on shared memory: no other may read meanwhile
        self._closed = False
        self._resources = contextlib.ExitStack()
        self._open()

    def transform(
        self,
        frame: Any,
        *,
        planes: Mapping[str, Any] | None = None,
        motion_from: int | None = None,
        camera: Camera | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Send a frame and return its own result.

        ``frame`` is uint8 (height, width, 3 or 4), RGB or RGBA. ``planes`` maps the names of what else the renderer
        knows of it to arrays (H, W, …) of the frame's size or a whole fraction of it: ``depth`` float32, metres along
        the viewing axis, infinity for sky; ``motion`` float16 or float32 (H, W, 2), to where each pixel's surface was,
        in the frame's pixels, x right and y down, NaN where that is not known; ``normal`` uint8 (H, W, 3 or 4), view
        space; ``ids`` uint32, 0 for none. Planes that the server does not announce are left out, so that a caller
        need not ask. ``motion`` points back to the frame that this stream sent before, or to the one whose id is
        ``motion_from``; that of a connection's first frame is left out. Raises `FrameDropped` when the frame has no
        result, `InvalidFrame`, `Timeout`, `ConnectionLost`.
        """
        deadline = self._deadline(timeout)
        talk, frame_id = self._send(frame, planes, motion_from, camera, deadline, awaited=True)
        try:
            return self._until(talk, lambda: talk.result_of(frame_id), deadline, "the result")
        finally:
            talk.forget_frame(frame_id)

    @overload
    def send(
        self,
        frame: Any,
        *,
        planes: Mapping[str, Any] | None = None,
        motion_from: int | None = None,
        camera: Camera | None = None,
        block: Literal[True] = True,
        timeout: float | None = None,
    ) -> int: ...

    @overload
    def send(
        self,
        frame: Any,
        *,
        planes: Mapping[str, Any] | None = None,
        motion_from: int | None = None,
        camera: Camera | None = None,
        block: bool,
        timeout: float | None = None,
    ) -> int | None: ...

    def send(
        self,
        frame: Any,
        *,
        planes: Mapping[str, Any] | None = None,
        motion_from: int | None = None,
        camera: Camera | None = None,
        block: bool = True,
        timeout: float | None = None,
    ) -> int | None:
        """Send a frame and return its id; `receive` gives its result. Arguments and errors are those of `transform`.

        Waits while the window is full, so that a fast caller does not send pictures that will be old before they are
        looked at. With ``block=False`` a full window returns None instead, and the frame is not sent.
        """
        deadline = self._deadline(timeout if block else 0.0)
        try:
            return self._send(frame, planes, motion_from, camera, deadline)[1]
        except Timeout:
            if block:
                raise
            return None

    def receive(self, timeout: float | None = None) -> Result:
        """Return the next result, in the order of the frames' ids.

        A source gets the results of what it `send`; frames that were dropped in between are named in ``dropped_ids``.
        When nothing is in flight any more and only drops are left it raises `FrameDropped`. A viewer gets the stream's
        results; one that is slow skips some. Results that nobody receives are kept up to 64, and 4 for a viewer.
        Raises `Timeout`, `ConnectionLost`, `NotAllowed` for a controller.
        """
        if self._session.role == "controller":
            raise NotAllowed("a controller receives no results: connect with role='viewer'")
        talk, deadline = self._talk(), self._deadline(timeout)
        if self._session.role == "viewer":
            with self._sending:
                self._share(talk, {})
                self._ask_for_the_time(talk)
        return self._until(talk, talk.next_result, deadline, "a result")

    def __iter__(self) -> Iterator[Result]:
        """Yield results: a viewer's until the stream is closed, a source's until nothing is in flight."""
        with contextlib.suppress(Closed):
            while not self._talk().is_idle:
                with contextlib.suppress(FrameDropped):
                    yield self.receive(timeout=math.inf)

    def set(self, *, timeout: float | None = None, **parameters: Any) -> Acknowledgement:
        """Change parameters, all or none, from the next frame on; returns when the server has acknowledged it.

        ``prompts`` takes a list of pairs, ``[("lava", 0.7), ("ice", 0.3)]``, or of maps with ``text`` and ``weight``:
        up to 8 texts, and weights 0 to 1,000 that count beside each other. Setting ``prompt`` ends such a blend.
        Raises `InvalidParameter` for a name or a value that the server does not take, `NotAllowed` for a viewer.
        """
        talk = self._talk()
        with self._changed:
            request, message = talk.change(parameters)
        try:
            self._write(talk, message)
            return self._until(talk, lambda: talk.answer_to(request), self._deadline(timeout), "the acknowledgement")
        finally:
            talk.forget_request(request)

    def play(self, action: str, *, timeout: float | None = None, **fields: Any) -> None:
        """Play the server's show; returns when the server has done it.

        ``play("go")``, ``play("back")``, ``play("goto", cue="3")``, ``play("recall", preset="storm", fade=2.0)``,
        ``play("pause")``, ``play("play")`` and the others of SPEC.md section 4.11. Raises `NotAllowed` or `Unsupported`
        for what the show does not have, `InvalidParameter` for an action or a field that there is not.
        """
        talk = self._talk()
        with self._changed:
            request, message = talk.play(action, fields)
        try:
            self._write(talk, message)
            self._until(talk, lambda: talk.answer_to(request), self._deadline(timeout), "the acknowledgement")
        finally:
            talk.forget_request(request)

    def show(self, *, timeout: float | None = None) -> ShowState:
        """Return the server's show as it is now: its presets and cues, and at which of them it is.

        See SPEC.md section 4.11.
        """
        talk = self._talk()
        if talk.show is None:
            self.play("watch", timeout=timeout)
        self._drain()
        return self._until(talk, talk.show_now, self._deadline(timeout), "the show")

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter's value now, as far as this client has heard."""
        self._drain()
        return self._conversation.parameters

    @property
    def state(self) -> str:
        """What the stream is doing: ``waiting``, ``streaming``, ``paused`` or ``recovering``."""
        self._drain()
        return self._conversation.state

    @property
    def model(self) -> dict[str, Any]:
        """The server's model: ``name``, ``description``, ``looks``, and ``unused``: parameters it does not follow."""
        return dict(self._conversation.server.model)

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the server can do: ``planes``, ``max_width``, ``max_height`` …."""
        return dict(self._conversation.server.capabilities)

    @property
    def stats(self) -> Stats:
        """Latency, rate and drops of the last ten seconds."""
        self._drain()
        return self._conversation.stats

    @property
    def in_flight(self) -> int:
        """How many frames were sent that have no outcome yet."""
        self._drain()
        return self._conversation.in_flight

    @property
    def transport(self) -> str:
        """What carries frames and results: ``shared-memory``, from the first frame on where it can be had, or
        ``websocket``; `transport_reason` says why not.
        """
        return "websocket" if self._rings is None else "shared-memory"

    @property
    def transport_reason(self) -> str | None:
        """Why there is no shared memory; None where there is, or might be yet."""
        return self._conversation.unshared

    def close(self) -> None:
        """Close the connection; a source's place is free at once. Closing twice is fine."""
        self._closed = True
        self._conversation.end(Closed("this stream is closed"))
        self._resources.close()
        self._unshare()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        """Connect and shake hands; on failure nothing is left open."""
        session = self._session
        deadline = self._deadline(None)
        self._resources.close()
        self._unshare()
        self._conversation = Conversation(session)
        try:
            self._socket: ClientConnection = self._resources.enter_context(
                open_websocket(
                    session.url, open_timeout=session.timeout, max_queue=None if self._is_bounded else 4, **OPTIONS
                )
            )
            check_subprotocol(self._socket.subprotocol, session.url)
            _limit_sends(self._socket.socket, session.timeout)
            self._until(self._conversation, self._conversation.is_ready, deadline, "the handshake")
        except BaseException as error:
            self._conversation.end(ConnectionLost(f"there is no connection to {session.url}"))
            self._conversation.told = True
            self._resources.close()
            problem = unopened(error, session.url, session.timeout)
            raise problem from (None if problem is error else error)

    @property
    def _is_bounded(self) -> bool:
        """Whether what the server sends unasked is little: it is for all who do not view."""
        return self._session.role != "viewer"

    def _talk(self) -> Conversation:
        """Return the conversation that goes on, a new one where the last one's end has been told."""
        with self._changed:
            if self._closed:
                raise Closed("this stream is closed")
            if self._conversation.told:
                self._open()
            return self._conversation

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self._session.timeout if timeout is None else timeout)

    def _send(
        self,
        frame: Any,
        extra: Mapping[str, Any] | None,
        motion_from: int | None,
        camera: Camera | None,
        deadline: float,
        *,
        awaited: bool = False,
    ) -> tuple[Conversation, int]:
        talk = self._talk()
        prepared = talk.prepare(frame, extra)
        camera = _frames.to_camera(camera)
        with self._sending:  # ids must reach the server in their order
            self._until(talk, talk.may_send, deadline, "room in the window")
            self._share(talk, prepared.planes)
            with self._changed:
                frame_id, pieces = talk.frame(prepared, motion_from, camera, awaited=awaited)
            rings = self._rings
            if rings is None or sum(map(len, pieces)) > rings.frames.place.capacity:
                self._write(talk, self._outbox(pieces))
            else:
                rings.write(pieces, again=talk.in_flight == 1)
                if not rings.piped:
                    self._write(talk, encode(WakeUp()))
        return talk, frame_id

    def _ask_for_the_time(self, talk: Conversation) -> None:
        """Ask for the server's clock, as a viewer that has no other way to know how old a result is."""
        if (ping := talk.ping()) is not None:
            self._write(talk, ping)
            with contextlib.suppress(Timeout):  # an answer that is read late says little
                self._until(talk, talk.knows_the_time, self._deadline(_PONG_TIMEOUT), "its clock")

    def _share(self, talk: Conversation, planes: Mapping[str, Plane]) -> None:
        """Agree on shared memory for what is sent and received, where there is none that is large enough.

        Where that cannot be done the WebSocket carries frames, unless the caller would not have it so. It takes a
        millisecond, once a size, which a caller that would rather not wait for the window has to spare.
        """
        deadline = self._deadline(None)
        sizes = talk.wants_memory(planes, self._rings)
        if sizes is None:
            return
        with self._changed:
            request, message = talk.share(sizes, WAKE)
            self._sharing = threading.get_ident()
        try:
            self._write(talk, message)
            memory = self._until(talk, lambda: talk.memory_of(request), deadline, "shared memory")
            rings = Rings(memory)
            with self._changed:
                message = talk.shared(request, rings.nonce)
            self._write(talk, message)
            self._until(talk, lambda: talk.answer_to(request), deadline, "shared memory")
        except (Unsupported, Refused) as error:
            self._write(talk, talk.unshare(request, str(error)))
            if self._session.transport == "shared-memory":
                raise Unsupported(f"there is no shared memory: {error}") from None
        else:
            with self._changed:
                self._take_results(talk)  # what came before the new memory was in force
                self._unshare()
                self._rings = rings
        finally:
            talk.forget_request(request)
            with self._changed:
                self._sharing = None
                self._changed.notify_all()

    def _unshare(self) -> None:
        rings, self._rings, self._owed = self._rings, None, 0
        if rings is not None:
            rings.close()

    def _write(self, talk: Conversation, message: bytes | memoryview) -> None:
        try:
            self._socket.send(message)
        except ConnectionClosed as error:
            self._read_what_is_left(talk)
            talk.lose(str(error))
            talk.check()

    def _read_what_is_left(self, talk: Conversation) -> None:
        """Take in what the server said before it went: it may say why."""
        with contextlib.suppress(MirageError):
            self._until(talk, lambda: talk.problem, self._deadline(0.0), "")

    def _drain(self) -> None:
        """Take in what has arrived, without waiting."""
        talk = self._conversation
        with contextlib.suppress(Timeout):
            self._until(talk, lambda: talk.problem, self._deadline(0.0), "")

    def _until(
        self, talk: Conversation, outcome: Callable[[], _Outcome | None], deadline: float, what: str
    ) -> _Outcome:
        """Return an outcome when there is one: one of the threads that wait reads, and each message wakes them all."""
        with self._changed:
            while (value := outcome()) is None:
                left = deadline - time.monotonic()
                if not self._reading and self._sharing in (None, threading.get_ident()):
                    self._read_one(talk, left, what)
                elif left <= 0 or not self._changed.wait(None if math.isinf(left) else left):
                    raise Timeout(f"{self._session.url} did not send {what} in time")
            return value

    def _read_one(self, talk: Conversation, left: float, what: str) -> None:
        self._reading = True
        self._changed.release()
        rings, data = self._rings, None
        seconds = None if math.isinf(left) else max(left, 0.0)
        try:
            if rings is None or not rings.piped:
                data = self._socket.recv(seconds, decode=False)
            else:
                data = self._wait(rings, seconds)
        except TimeoutError:
            raise Timeout(f"{self._session.url} did not send {what} in time") from None
        except ConnectionClosed as error:
            talk.lose(str(error))
            return
        finally:
            self._changed.acquire()
            self._reading = False
            self._changed.notify_all()
        self._take_results(talk)
        if data is not None and (answer := talk.receive(data)):
            self._answer(answer)

    def _wait(self, rings: Rings, seconds: float | None) -> bytes | None:
        """Wait for the server to wake us, and return the message that it announced, if it did."""
        try:
            if not self._owed:
                woken = rings.wait(seconds)
                if woken is None:
                    raise TimeoutError
                self._owed = woken
            if not self._owed:
                return None
            data: bytes = self._socket.recv(seconds, decode=False)
        except EOFError:  # the server has let go: why, it says by WebSocket
            return self._socket.recv(self._session.timeout, decode=False)
        self._owed -= 1
        return data

    def _take_results(self, talk: Conversation) -> None:
        """Take in the results that are in shared memory."""
        if self._rings is not None:
            while (found := self._rings.results.next()) is not None:
                answer = talk.receive(found[1])
                self._rings.results.took()
                if answer:
                    self._answer(answer)

    def _answer(self, message: bytes) -> None:
        with contextlib.suppress(ConnectionClosed):  # whoever reads next finds out, and says so
            self._socket.send(message)


def _limit_sends(connection: socket.socket, seconds: float) -> None:
    """Let a send fail that the other side does not take, rather than wait for ever."""
    # Milliseconds on Windows, a struct timeval elsewhere.
    limit = (
        struct.pack("@L", int(seconds * 1000))
        if sys.platform == "win32"
        else struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
    )
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
