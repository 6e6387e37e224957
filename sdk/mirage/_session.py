"""The client without I/O: what was sent, what it came to, and what has to be said again after a lost connection.

Both clients are thin shells around this: they move bytes, and wait until a method here that asks for an outcome
gives one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from mirage import _frames
from mirage._errors import (
    ConnectionLost,
    FrameDropped,
    InvalidParameter,
    MirageError,
    NotAllowed,
    Refused,
    Unsupported,
    from_server,
)
from mirage._frames import Image, Prepared
from mirage._shared import Rings, may_be_shared
from mirage._stats import Clock, Meter, Stats
from mirage_protocol import (
    BYTES_PER_PIXEL,
    DEFAULT_QUALITY,
    ROLES,
    Acknowledged,
    Camera,
    ClientProtocol,
    Dropped,
    Error,
    Memory,
    ParametersChanged,
    ParameterValue,
    Ping,
    Plane,
    Pong,
    ProtocolError,
    Role,
    ServerHello,
    Shared,
    ShowAction,
    ShowState,
    Status,
    Unshared,
    Wake,
    encode,
)
from mirage_protocol import Result as ResultMessage
from mirage_protocol.framing import aligned
from mirage_protocol.limits import MAX_HEADER_SIZE

RESULTS_KEPT: Final = 64
"""Results that nobody has received yet: the oldest go first."""
RESULTS_KEPT_FOR_VIEWERS: Final = 4

_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, eq=False)
class Result:
    """One transformed frame.

    ``image`` has the frame's own size, channels and alpha: uint8 (height, width, 3 or 4). It is a **read-only** view of
    the message that it came in; ``image.copy()`` may be written to. ``round_trip`` is the time in milliseconds from
    sending the frame until this client had read its result, None for a viewer. ``timings`` are the milliseconds of
    each stage, ``parameters`` what was in force for this frame, ``dropped`` how many frames of the source were dropped
    so far and ``dropped_ids`` which since the result before. ``time`` is the source's own clock when it sent the frame,
    ``received`` and ``sent`` the server's when it came and its result left, ``stages`` when each stage began and ended:
    microseconds. ``memory`` is the share of this frame that was remembered from the ones before, 0 to 1; ``resets`` how
    often that memory began anew because of a cut since the source came. The picture is that of the frame
    ``frame_id - lag``: more than 0 where the server batches the steps of frames, and finishes them later.
    """

    image: Image
    frame_id: int
    round_trip: float | None
    timings: Mapping[str, float]
    parameters: Mapping[str, ParameterValue]
    dropped: int
    dropped_ids: tuple[int, ...]
    time: int
    received: int
    sent: int
    resets: int
    memory: float
    stages: Mapping[str, tuple[int, int]]
    lag: int = 0


@dataclass(frozen=True)
class Acknowledgement:
    """What the server made of a change: the values it keeps and, where the prompt changed, what it understood.

    ``looks`` and ``modifiers`` map names to weights; ``unknown_words`` had no effect. ``confidence`` is how likely the
    looks are what was meant, 0..1, None where the server does not say; where it is unsure, ``nearest`` offers looks.
    """

    parameters: Mapping[str, ParameterValue]
    looks: Mapping[str, float] = field(default_factory=dict)
    modifiers: Mapping[str, float] = field(default_factory=dict)
    unknown_words: tuple[str, ...] = ()
    confidence: float | None = None
    nearest: tuple[str, ...] = ()


@dataclass
class Session:
    """What outlives a connection: who we are, and what to ask for again."""

    url: str
    role: Role
    token: str | None
    take_over: bool
    window: int
    timeout: float
    client: str
    transport: str = "auto"
    quality: int | None = None
    """Of the JPEGs that frames and results travel as; None where they travel as they are."""
    next_id: int = 0
    meter: Meter = field(default_factory=Meter)
    parameters: dict[str, ParameterValue] = field(default_factory=dict)
    """The parameters that this client set and nobody has changed since."""

    @classmethod
    def of(
        cls,
        url: str,
        transport: str,
        role: str,
        *,
        compression: str = "auto",
        quality: int = DEFAULT_QUALITY,
        **options: Any,
    ) -> Session:
        """Return a session with checked arguments; raises `Unsupported` or ValueError."""
        if compression not in ("auto", "raw", "jpeg"):
            raise ValueError(f"compression must be auto, raw or jpeg, not '{compression}'")
        if not 1 <= quality <= 100:
            raise ValueError(f"quality must be 1 to 100, not {quality}")
        if transport not in ("auto", "websocket", "shared-memory"):
            raise ValueError(f"transport must be auto, websocket or shared-memory, not '{transport}'")
        if transport == "shared-memory" and not may_be_shared(url):
            raise Unsupported(f"shared memory needs a server on this machine, which {url} does not name")
        if role not in ROLES:
            raise ValueError(f"role must be one of {', '.join(ROLES)}; not '{role}'")
        if not 1 <= options["window"] <= 64:
            raise ValueError(f"window must be 1 to 64 frames, not {options['window']}")
        raw = compression == "raw" or (compression == "auto" and may_be_shared(url))
        kept = None if raw else quality
        return cls(url, role, transport=transport, client="mirage python", quality=kept, **options)  # type: ignore[arg-type]


class Conversation:
    """One connection of a session.

    A method whose name asks for an outcome returns None while there is none, and raises once there is a reason why
    there will be none.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._protocol = ClientProtocol(
            session.role, client=session.client, token=session.token, first_id=session.next_id
        )
        kept = RESULTS_KEPT_FOR_VIEWERS if session.role == "viewer" else RESULTS_KEPT
        self._results: deque[Result | MirageError] = deque(maxlen=kept)
        self._dropped: list[tuple[int, str]] = []
        self._frames: dict[int, Result | MirageError | None] = {}
        self._alphas: dict[int, NDArray[np.uint8]] = {}
        self._forgotten: set[int] = set()
        self.show: ShowState | None = None
        self._requests: dict[int, Acknowledgement | MirageError | None] = {}
        self._memories: dict[int, Memory | MirageError | None] = {}
        self._clock = Clock()
        self._largest_result = 0
        self._last_error = ""
        self._last_frame: int | None = None
        self.problem: MirageError | None = None
        self.told = False
        self.unshared: str | None = None
        """Why this conversation has no shared memory; None where it has, or might have yet."""
        self.state = "waiting"

    # What the shells ask.

    @property
    def parameters(self) -> dict[str, ParameterValue]:
        """Every parameter's value, as far as this client has heard."""
        return dict(self._protocol.parameters)

    @property
    def server(self) -> ServerHello:
        """What the server said of itself."""
        assert self._protocol.server is not None
        return self._protocol.server

    @property
    def in_flight(self) -> int:
        """How many frames have no outcome yet."""
        return len(self._protocol.in_flight)

    @property
    def stats(self) -> Stats:
        """The figures of the last seconds."""
        return self._session.meter.stats(_now(), self._clock)

    def check(self) -> None:
        """Raise what ended this conversation, if it has ended; from then on it counts as told."""
        if self.problem is not None:
            self.told = True
            raise self.problem

    def is_ready(self) -> bool | None:
        """Return True when the server has accepted us."""
        self.check()
        return self._protocol.ready or None

    def may_send(self) -> bool | None:
        """Return True when the window has room for another frame."""
        self.check()
        return self._protocol.may_send or None

    def result_of(self, frame_id: int) -> Result | None:
        """Return an awaited frame's own result."""
        return self._take(self._frames, frame_id)

    def answer_to(self, request: int) -> Acknowledgement | None:
        """Return what a request came to."""
        return self._take(self._requests, request)

    def memory_of(self, request: int) -> Memory | None:
        """Return the shared memory that was asked for."""
        return self._take(self._memories, request)

    def next_result(self) -> Result | None:
        """Return the oldest result that no one has received; raises `FrameDropped` when only drops are left."""
        if self._results:
            outcome = self._results.popleft()
            if isinstance(outcome, MirageError):
                raise outcome
            self._dropped = [(frame_id, why) for frame_id, why in self._dropped if frame_id > outcome.frame_id]
            return outcome
        self.check()
        if self._dropped and not self._unawaited():
            dropped, self._dropped = self._dropped, []
            raise FrameDropped(tuple(frame_id for frame_id, _ in dropped), dropped[-1][1])
        return None

    @property
    def is_idle(self) -> bool:
        """Whether a source has nothing to receive: no result waits and no frame is in flight."""
        return self._session.role == "source" and not (self._results or self._dropped or self._unawaited())

    def _unawaited(self) -> set[int]:
        return self._protocol.in_flight - self._frames.keys() - self._forgotten

    def _take(self, outcomes: dict[int, _Outcome | MirageError | None], key: int) -> _Outcome | None:
        outcome = outcomes[key]
        if outcome is None:
            self.check()
            return None
        del outcomes[key]
        if isinstance(outcome, MirageError):
            raise outcome
        return outcome

    # What the shells send.

    def prepare(self, frame: Any, extra: Mapping[str, Any] | None) -> Prepared:
        """Return a picture and its planes, checked; raises `InvalidFrame` or `NotAllowed`."""
        if self._session.role != "source":
            raise NotAllowed(f"a {self._session.role} may not send frames: connect with role='source'")
        return _frames.prepare(frame, extra, self.server.capabilities, self._session.quality)

    def frame(
        self, prepared: Prepared, motion_from: int | None, camera: Camera | None, *, awaited: bool = False
    ) -> tuple[int, list[memoryview | bytes]]:
        """Return a frame's id and message, in pieces; an ``awaited`` one goes to `result_of`, others to `next_result`.

        Motion without ``motion_from`` points back to the frame before. The first of a connection has none, and what
        came before that connection the server has forgotten: its motion leads nowhere and is left out.
        """
        self.check()
        planes = prepared.planes
        if "motion" in planes and motion_from is None:
            motion_from = self._last_frame
        if motion_from is None:
            planes = {name: plane for name, plane in planes.items() if name != "motion"}
        frame_id, pieces = self._protocol.frame(planes, time=_now(), motion_from=motion_from, camera=camera)
        self._last_frame = frame_id
        self._session.next_id = frame_id + 1
        if prepared.alpha is not None:
            self._alphas[frame_id] = prepared.alpha
        if awaited:
            self._frames[frame_id] = None
        return frame_id, pieces

    def knows_the_time(self) -> bool | None:
        """Return True when the server's clock is known, as a viewer must know it to tell how old a result is."""
        self.check()
        return self._session.role != "viewer" or self._clock.offset is not None or None

    def ping(self) -> bytes | None:
        """Return the message that asks for the server's clock, when it is time for one."""
        now = _now()
        return encode(Ping(now)) if self._protocol.ready and self._clock.asks(now) else None

    def change(self, parameters: Mapping[str, Any]) -> tuple[int, bytes]:
        """Return a request's number and message; raises `InvalidParameter` for what no message can hold."""
        if self._session.role == "viewer":
            raise NotAllowed("a viewer may not set parameters: connect with role='controller'")
        self.check()
        try:
            request, message = self._protocol.set({name: _plain(value) for name, value in parameters.items()})
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidParameter(f"a parameter is text, a number or a list of prompts: {error}") from None
        self._requests[request] = None
        return request, message

    def play(self, action: str, fields: Mapping[str, Any]) -> tuple[int, bytes]:
        """Return a request's number and its message to the show; raises `InvalidParameter` for what makes none."""
        self.check()
        try:
            request, message = self._protocol.play(cast("ShowAction", action), **fields)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidParameter(f"that is nothing to say to a show: {error}") from None
        self._requests[request] = None
        return request, message

    def show_now(self) -> ShowState | None:
        """Return the show as the server last told of it on this connection."""
        self.check()
        return self.show

    def wants_memory(self, planes: Mapping[str, Plane], rings: Rings | None) -> tuple[int, int] | None:
        """Return the sizes of slots to ask for, frames' and results', where larger ones are wanted than there are.

        None where shared memory is not to be had, or what there is will do.
        """
        transports = self.server.capabilities.get("transports")
        allowed = self._session.transport != "websocket" and may_be_shared(self._session.url)
        if not allowed:
            return None
        if self.unshared is None and not (isinstance(transports, list) and "shared-memory" in transports):
            self.unshared = "the server has none"
        if self.unshared is not None:
            if self._session.transport == "shared-memory":
                raise Unsupported(f"there is no shared memory: {self.unshared}")
            return None
        # A JPEG may be as large as the picture itself, and the next one's size is not known.
        frame = sum(aligned(max(len(plane.data), _size(plane))) for plane in planes.values())
        result = aligned(_size(planes["color"])) if planes else self._largest_result
        if frame == result == 0:
            return None
        frame, result = (size + MAX_HEADER_SIZE if size else 0 for size in (frame, result))
        if rings is not None and rings.frames.place.capacity >= frame and rings.results.place.capacity >= result:
            return None
        return frame, result

    def share(self, sizes: tuple[int, int], wake: Wake) -> tuple[int, bytes]:
        """Return the number and message of a request for shared memory."""
        self.check()
        request, message = self._protocol.share(*sizes, wake)
        self._memories[request] = None
        return request, message

    def shared(self, request: int, nonce: bytes) -> bytes:
        """Return the message that proves that the memory was opened; `answer_to` gives what it comes to."""
        self._requests[request] = None
        return encode(Shared(request, nonce))

    def unshare(self, request: int, reason: str) -> bytes:
        """Note why there is no shared memory, and return the message that says so."""
        self.unshared = reason
        return encode(Unshared(request, reason))

    def forget_frame(self, frame_id: int) -> None:
        """Wait no longer for an awaited frame: what it comes to is thrown away."""
        if frame_id in self._frames and self._frames.pop(frame_id) is None:
            self._forgotten.add(frame_id)

    def forget_request(self, request: int) -> None:
        """Wait no longer for a request: its answer is thrown away."""
        self._requests.pop(request, None)
        self._memories.pop(request, None)

    # What the shells receive.

    def receive(self, data: bytes | bytearray | memoryview) -> bytes | None:
        """Take one message in; returns the answer to send, if there is one."""
        before = set(self._protocol.in_flight)
        try:
            message = self._protocol.receive(data)
        except ProtocolError as error:
            if error.code == "handshake":
                self.end(Refused(error.message, code=error.code))
            elif error.code != "unknown-message":
                self.end(ConnectionLost(f"the server sent what is no message: {error.message}", code=error.code))
            return None
        now = _now()
        self._settle(before - self._protocol.in_flight, message, now)
        match message:
            case ServerHello():
                return self._hello()
            case Acknowledged():
                self._acknowledge(message)
            case Memory() if message.request in self._memories:
                self._memories[message.request] = message
            case ParametersChanged():
                self._forget_parameters(message.parameters)
            case Status():
                self.state = message.state
            case ShowState():
                self.show = message
            case Error():
                self._take_error(message)
            case Pong():
                self._clock.heard(message.time, message.server_time, now)
            case ResultMessage() if self._session.role == "viewer":
                offset = self._clock.offset
                latency = None if offset is None else (now + offset - message.received) / 1000
                self._session.meter.came(now, latency)
                self._session.meter.dropped(now, len(message.dropped_ids))
                self._largest_result = max(self._largest_result, len(message.planes["color"].data))
                self._results.append(_result(message, None))
            case ResultMessage():
                return self.ping()
        return None

    def end(self, problem: MirageError) -> None:
        """Note why this conversation is over; the first reason stands."""
        if self.problem is None:
            self.problem = problem

    def lose(self, reason: str = "") -> None:
        """Note that the connection broke."""
        said = self._last_error or reason
        self.end(ConnectionLost(f"the connection to {self._session.url} was lost{f': {said}' if said else ''}"))

    def _hello(self) -> bytes:
        session = self._session
        parameters = {} if session.role == "viewer" else session.parameters
        formats = self.server.capabilities.get("results")
        wants_jpeg = session.quality is not None and isinstance(formats, list) and "jpeg" in formats
        return self._protocol.hello(
            take_over=session.take_over,
            window=session.window,
            parameters=parameters,
            result_format="jpeg" if wants_jpeg else "raw",
            quality=session.quality or DEFAULT_QUALITY,
        )

    def _settle(self, frame_ids: set[int], message: object, now: int) -> None:
        for frame_id in sorted(frame_ids):
            outcome: Result | MirageError
            if isinstance(message, ResultMessage) and message.id == frame_id:
                outcome = _result(message, now, self._alpha_of(message))
                self._session.meter.came(now, (now - message.time) / 1000)
            elif isinstance(message, Error):
                outcome = from_server(message)
            else:
                outcome = FrameDropped((frame_id,), message.reason if isinstance(message, Dropped) else "newer")
                self._session.meter.dropped(now)
            self._deliver(frame_id, outcome)

    def _alpha_of(self, message: ResultMessage) -> NDArray[np.uint8] | None:
        """Return the alpha of the frame that a result shows; forgets that of all before it, which none will show."""
        shown = message.id - message.lag
        for frame_id in [known for known in self._alphas if known < shown]:
            del self._alphas[frame_id]
        return self._alphas.get(shown)

    def _deliver(self, frame_id: int, outcome: Result | MirageError) -> None:
        if frame_id in self._forgotten:
            self._forgotten.remove(frame_id)
        elif frame_id in self._frames:
            self._frames[frame_id] = outcome
        elif isinstance(outcome, FrameDropped):
            self._dropped.append((frame_id, outcome.reason))
        else:
            self._results.append(outcome)

    def _acknowledge(self, message: Acknowledged) -> None:
        self._session.parameters |= message.parameters
        if message.request not in self._requests:
            return
        meaning = message.prompt or {}
        looks, modifiers, words = map(meaning.get, ("looks", "modifiers", "unknown_words"))
        confidence, nearest = map(meaning.get, ("confidence", "nearest"))
        self._requests[message.request] = Acknowledgement(
            message.parameters,
            looks if isinstance(looks, Mapping) else {},
            modifiers if isinstance(modifiers, Mapping) else {},
            tuple(words) if isinstance(words, list) else (),
            float(confidence) if isinstance(confidence, int | float) else None,
            tuple(nearest) if isinstance(nearest, list) else (),
        )

    def _forget_parameters(self, changed: Mapping[str, Any]) -> None:
        """Note what somebody else has changed: it is theirs now, and not asked for again on the next connection."""
        for name in changed:
            self._session.parameters.pop(name, None)
        if changed.get("prompts"):
            self._session.parameters.pop("prompt", None)  # to set it again would end their blend

    def _take_error(self, message: Error) -> None:
        if not self._protocol.ready:
            self.end(Refused(message.message, code=message.code, field=message.field))
        elif message.request in self._requests:
            self._requests[message.request] = from_server(message)
        elif message.request in self._memories:
            self._memories[message.request] = from_server(message)
        elif message.code == "source-taken":
            # Taking it back unasked would set two clients against each other for ever.
            self._session.take_over = False
            self.end(ConnectionLost(f"another source took the stream: {message.message}", code=message.code))
        elif message.id is None:
            self._last_error = message.message


def _result(message: ResultMessage, now: int | None, alpha: NDArray[np.uint8] | None = None) -> Result | MirageError:
    try:
        image = _frames.to_image(message.planes["color"], alpha)
    except Unsupported as error:
        return error
    return Result(
        image=image,
        frame_id=message.id,
        round_trip=None if now is None else (now - message.time) / 1000,
        timings=message.timings,
        parameters=message.parameters,
        dropped=message.dropped,
        dropped_ids=message.dropped_ids,
        time=message.time,
        received=message.received,
        sent=message.sent,
        resets=message.resets,
        memory=message.memory,
        stages=message.stages,
        lag=message.lag,
    )


def _size(plane: Plane) -> int:
    """Return the bytes of a plane's picture when its rows follow one another and it is no JPEG."""
    return (plane.row or BYTES_PER_PIXEL["rgb8"] * plane.width) * plane.height


def _plain(value: Any) -> Any:
    """Return a parameter's value as a message holds it.

    A pair (text, weight) stands for the map that is an item of a blend, NumPy's numbers for Python's.
    """
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return {"text": value[0], "weight": _plain(value[1])}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value.item() if hasattr(value, "item") else value


def _now() -> int:
    return time.monotonic_ns() // 1000
