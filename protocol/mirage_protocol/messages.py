"""Every message of protocol version 1, as typed values (SPEC.md section 4).

A message class lists its fields with their checks; `encode` and `decode` do the rest. Unknown fields are ignored,
so that a newer peer can add some; an unknown message is an error that names it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from mirage_protocol.checks import FLAG, TEXT, UNSIGNED, Binary, Choice, Integer, ListOf, MapOf, Number, Text, anything
from mirage_protocol.errors import ErrorCode, ProtocolError, shown
from mirage_protocol.framing import aligned, pack, pieces_of, unpack
from mirage_protocol.limits import DEFAULT_QUALITY, DEFAULT_WINDOW, MAX_SAFE_INTEGER, MAX_WINDOW, PROTOCOL_VERSION
from mirage_protocol.planes import Plane, lay_out, read_planes

Role = Literal["source", "viewer", "controller"]
DropReason = Literal["newer", "failed"]
ResultFormat = Literal["raw", "jpeg"]
Wake = Literal["pipe", "message", "none"]
StreamState = Literal["waiting", "streaming", "paused", "recovering"]
ShowAction = Literal[
    "watch",
    "go",
    "back",
    "goto",
    "recall",
    "pause",
    "play",
    "save-preset",
    "delete-preset",
    "save-cue",
    "delete-cue",
    "learn",
    "stop-learning",
    "forget",
]
Curve = Literal["linear", "smooth", "ease-in", "ease-out"]

ROLES: tuple[str, ...] = get_args(Role)

_Name = Annotated[str, Text(200)]
_Id = Annotated[int, UNSIGNED]
_Size = Annotated[int, Integer(0, 2**32 - 1)]
_Path = Annotated[str, Text(1000)]
_Values = Annotated[dict[str, Any], MapOf(anything)]
_Matrix = Annotated[tuple[float, ...], ListOf(Number(), length=16)]
_Planes = Annotated[dict[str, Plane], "planes"]


@dataclass(frozen=True)
class Camera:
    """The camera that a frame was rendered with (SPEC.md section 5.6): two 4x4 matrices row by row, and metres."""

    view: _Matrix
    projection: _Matrix
    near: Annotated[float, Number(0.0)]
    far: Annotated[float, Number(0.0)]


@dataclass(frozen=True)
class ServerHello:
    """The server's first message: who it is, what it runs and what it can do."""

    TYPE: ClassVar[str] = "hello"
    protocol: Annotated[int, Integer(1, 2**16)]
    server: _Name
    stream: _Name
    model: _Values
    capabilities: _Values
    parameters: Annotated[tuple[dict[str, Any], ...], ListOf(MapOf(anything))]
    token_required: Annotated[bool, FLAG] = False


@dataclass(frozen=True)
class ClientHello:
    """The client's first message: what it wants to be, and that it may."""

    TYPE: ClassVar[str] = "hello"
    role: Annotated[Role, Choice(ROLES)]
    protocol: Annotated[int, Integer(1, 2**16)] = PROTOCOL_VERSION
    client: _Name = ""
    token: Annotated[str | None, Text(1000)] = None
    take_over: Annotated[bool, FLAG] = False
    window: Annotated[int, Integer(1, MAX_WINDOW)] = DEFAULT_WINDOW
    parameters: _Values = field(default_factory=dict)
    result_format: Annotated[ResultFormat, Choice(get_args(ResultFormat))] = "raw"
    quality: Annotated[int, Integer(1, 100)] = DEFAULT_QUALITY


@dataclass(frozen=True)
class Ready:
    """The server accepts the client: its role, window and results' format as granted, the stream's parameters now."""

    TYPE: ClassVar[str] = "ready"
    connection: _Id
    role: Annotated[Role, Choice(ROLES)]
    stream: _Name
    window: Annotated[int, Integer(1, MAX_WINDOW)]
    parameters: _Values
    result_format: Annotated[ResultFormat, Choice(get_args(ResultFormat))] = "raw"
    quality: Annotated[int, Integer(1, 100)] = DEFAULT_QUALITY


@dataclass(frozen=True)
class Frame:
    """One rendered frame, from the source to the server."""

    TYPE: ClassVar[str] = "frame"
    id: _Id
    planes: _Planes
    time: _Id = 0
    motion_from: Annotated[int | None, UNSIGNED] = None
    camera: Annotated[Camera | None, "camera"] = None


@dataclass(frozen=True)
class Result:
    """One transformed frame, from the server to every subscriber of the stream.

    ``stages`` are the times, on the server's clock, when each stage began and ended; ``timings`` their milliseconds.
    ``resets`` counts how often the source's memory began anew because of a cut, ``memory`` is the share of this frame
    that was remembered, 0 to 1. The picture is that of the frame ``id - lag``.
    """

    TYPE: ClassVar[str] = "result"
    id: _Id
    planes: _Planes
    time: _Id = 0
    dropped: _Id = 0
    dropped_ids: Annotated[tuple[int, ...], ListOf(UNSIGNED)] = ()
    received: _Id = 0
    sent: _Id = 0
    timings: Annotated[dict[str, float], MapOf(Number(0.0))] = field(default_factory=dict)
    parameters: _Values = field(default_factory=dict)
    resets: _Id = 0
    memory: Annotated[float, Number(0.0, 1.0)] = 0.0
    stages: Annotated[dict[str, tuple[int, int]], MapOf(ListOf(UNSIGNED, length=2))] = field(default_factory=dict)
    lag: _Id = 0


@dataclass(frozen=True)
class Dropped:
    """Frames that will have no result: a newer one replaced them, or the transformation failed."""

    TYPE: ClassVar[str] = "dropped"
    ids: Annotated[tuple[int, ...], ListOf(UNSIGNED)]
    reason: Annotated[DropReason, Choice(get_args(DropReason))]


@dataclass(frozen=True)
class Set:
    """A client changes parameters; all of them, or none with an error."""

    TYPE: ClassVar[str] = "set"
    request: _Id
    parameters: _Values


@dataclass(frozen=True)
class Acknowledged:
    """The parameters of a ``set`` are in force from the next frame on; ``prompt`` says what was understood."""

    TYPE: ClassVar[str] = "ack"
    request: _Id
    parameters: _Values
    prompt: Annotated[dict[str, Any] | None, MapOf(anything)] = None


@dataclass(frozen=True)
class ParametersChanged:
    """Somebody else on the stream changed these parameters."""

    TYPE: ClassVar[str] = "parameters"
    parameters: _Values


@dataclass(frozen=True)
class Status:
    """What the stream is doing, sent when it changes."""

    TYPE: ClassVar[str] = "status"
    state: Annotated[StreamState, Choice(get_args(StreamState))]
    message: Annotated[str, TEXT] = ""


@dataclass(frozen=True)
class Error:
    """A message could not be used; the connection goes on unless a close frame follows."""

    TYPE: ClassVar[str] = "error"
    code: Annotated[ErrorCode, Text(40)]
    message: Annotated[str, TEXT]
    field: Annotated[str | None, Text(400)] = None
    request: Annotated[int | None, UNSIGNED] = None
    id: Annotated[int | None, UNSIGNED] = None


@dataclass(frozen=True)
class Share:
    """A client asks for shared memory whose slots hold messages of up to so many bytes, and for checks if need be."""

    TYPE: ClassVar[str] = "share"
    request: _Id
    frame_size: _Size
    result_size: _Size
    wake: Annotated[Wake, Choice(get_args(Wake))] = "message"
    check: Annotated[bool, FLAG] = False


@dataclass(frozen=True)
class Memory:
    """Where the shared memory is, and the pipes, if any: ``frames_pipe`` to write to, ``results_pipe`` to read from."""

    TYPE: ClassVar[str] = "memory"
    request: _Id
    path: _Path
    size: _Size
    frames_pipe: Annotated[str | None, Text(1000)] = None
    results_pipe: Annotated[str | None, Text(1000)] = None


@dataclass(frozen=True)
class Shared:
    """The client has opened the memory, and proves it by the nonce that it read there."""

    TYPE: ClassVar[str] = "shared"
    request: _Id
    nonce: Annotated[bytes, Binary(16)]


@dataclass(frozen=True)
class Unshared:
    """The client could not open the memory, or needs it no longer."""

    TYPE: ClassVar[str] = "unshared"
    request: _Id
    reason: Annotated[str, TEXT] = ""


@dataclass(frozen=True)
class WakeUp:
    """Something new is in the ring that the receiver reads."""

    TYPE: ClassVar[str] = "wake"


@dataclass(frozen=True)
class Play:
    """A client plays the show, changes it or wants to be told of it; which fields count depends on ``action``.

    ``cue`` and ``preset`` are names, ``parameter`` one of the table's, ``fade`` and ``follow`` seconds.
    """

    TYPE: ClassVar[str] = "show"
    request: _Id
    action: Annotated[ShowAction, Choice(get_args(ShowAction))]
    cue: Annotated[str | None, Text(200)] = None
    preset: Annotated[str | None, Text(200)] = None
    parameter: Annotated[str | None, Text(200)] = None
    name: Annotated[str | None, Text(200)] = None
    fade: Annotated[float | None, Number(0.0, 86_400.0)] = None
    curve: Annotated[Curve | None, Choice(get_args(Curve))] = None
    follow: Annotated[float | None, Number(0.0, 86_400.0)] = None


@dataclass(frozen=True)
class ShowState:
    """The show as it is now, to those who watch it, whenever it changes.

    ``file`` is where it is kept, empty where it cannot be saved; ``current`` and ``next`` are numbers of cues;
    ``fading`` and ``following`` the seconds that are left of a fade and until the next cue goes by itself; ``bindings``
    what MIDI controls move, ``learning`` the STREAM/PARAMETER that waits for one, ``devices`` the MIDI devices;
    ``sound`` what is listened to; ``problems`` one line each for what is wrong.
    """

    TYPE: ClassVar[str] = "show"
    name: _Name = ""
    file: Annotated[str, TEXT] = ""
    presets: Annotated[tuple[str, ...], ListOf(Text(200))] = ()
    cues: Annotated[tuple[dict[str, Any], ...], ListOf(MapOf(anything))] = ()
    current: Annotated[str | None, Text(200)] = None
    next: Annotated[str | None, Text(200)] = None
    fading: Annotated[float, Number(0.0)] = 0.0
    following: Annotated[float | None, Number(0.0)] = None
    bindings: Annotated[tuple[dict[str, Any], ...], ListOf(MapOf(anything))] = ()
    learning: Annotated[str | None, Text(200)] = None
    devices: Annotated[tuple[str, ...], ListOf(Text(200))] = ()
    sound: Annotated[str, Text(1000)] = ""
    problems: Annotated[tuple[str, ...], ListOf(TEXT)] = ()


@dataclass(frozen=True)
class Ping:
    """A client asks for the server's clock; ``time`` is the client's own, in microseconds."""

    TYPE: ClassVar[str] = "ping"
    time: _Id


@dataclass(frozen=True)
class Pong:
    """The answer: the client's ``time`` again, and the server's monotonic clock in microseconds."""

    TYPE: ClassVar[str] = "pong"
    time: _Id
    server_time: _Id


ClientMessage = ClientHello | Frame | Set | Share | Shared | Unshared | WakeUp | Play | Ping
ServerMessage = (
    ServerHello
    | Ready
    | Result
    | Dropped
    | Acknowledged
    | ParametersChanged
    | Status
    | Error
    | Memory
    | WakeUp
    | ShowState
    | Pong
)
Message = ClientMessage | ServerMessage

FROM_CLIENT: Mapping[str, type[ClientMessage]] = {kind.TYPE: kind for kind in get_args(ClientMessage)}
FROM_SERVER: Mapping[str, type[ServerMessage]] = {kind.TYPE: kind for kind in get_args(ServerMessage)}

_Kind = TypeVar("_Kind")


def encode(message: Message) -> bytes:
    """Return the message as one binary WebSocket message. Fields that are None are left out.

    Raises ValueError when the header would be over its limit.
    """
    return b"".join(encode_pieces(message))


def encode_pieces(message: Message) -> list[memoryview | bytes]:
    """Return what `encode` does in pieces, of which the planes are views: whoever puts them together copies once."""
    header: dict[str, Any] = {"type": message.TYPE}
    parts: list[memoryview] = []
    for spec in dataclasses.fields(message):
        value = getattr(message, spec.name)
        if value is None:
            continue
        if spec.name == "planes":
            value, parts = lay_out(value)
        elif isinstance(value, Camera):
            value = dataclasses.asdict(value)
        header[spec.name] = value
    return pieces_of(header, parts)


def encode_before(message: Result, room: int) -> bytes | None:
    """Return the beginning of a message whose one plane lies ``room`` bytes from its start already, a multiple of 16.

    None where the header is too large for that.
    """
    described, _ = lay_out(message.planes)
    values = {spec.name: getattr(message, spec.name) for spec in dataclasses.fields(message)} | {"planes": described}
    header = {"type": message.TYPE} | {name: value for name, value in values.items() if value is not None}
    # An offset has three bytes from 256 to 65,535: so a header with the true one is as long as this.
    described["color"]["offset"] = 256
    offset = room - aligned(len(pack(header)))
    if not 256 <= offset <= 65_535:
        return None
    described["color"]["offset"] = offset
    return pack(header)


def decode_client(message: bytes | bytearray | memoryview) -> ClientMessage:
    """Return the message that a client sent; raises `ProtocolError`."""
    return _decode(message, FROM_CLIENT)


def decode_server(message: bytes | bytearray | memoryview) -> ServerMessage:
    """Return the message that a server sent; raises `ProtocolError`."""
    return _decode(message, FROM_SERVER)


def peek(message: bytes | bytearray | memoryview) -> dict[str, int]:
    """Return the ``request`` or ``id`` of a message that could not be decoded, so that its error can name it."""
    try:
        header, _ = unpack(message)
    except ProtocolError:
        return {}
    named = {key: header.get(key) for key in ("request", "id")}
    return {key: value for key, value in named.items() if type(value) is int and 0 <= value <= MAX_SAFE_INTEGER}


def _decode(message: bytes | bytearray | memoryview, kinds: Mapping[str, type[_Kind]]) -> _Kind:
    header, payload = unpack(message)
    if header.get("type") is None:
        raise ProtocolError("missing-field", "type is missing", "type")
    name = Text(200)(header["type"], "type")
    if name not in kinds:
        problem = f"there is no message {shown(name)} in this direction; there are {', '.join(kinds)}"
        raise ProtocolError("unknown-message", problem, "type")
    return _build(kinds[name], header, payload)


def _build(kind: type[_Kind], header: Mapping[str, Any], payload: memoryview, prefix: str = "") -> _Kind:
    values: dict[str, Any] = {}
    for name, check, required in _FIELDS[kind]:
        value, path = header.get(name), prefix + name
        if value is None:
            if required:
                raise ProtocolError("missing-field", f"{path} is missing", path)
        elif check == "planes":
            values[name] = read_planes(value, payload, path)
        elif check == "camera":
            values[name] = _build(Camera, MapOf(anything)(value, path), payload, f"{path}.")
        else:
            values[name] = check(value, path)
    return kind(**values)


def _fields_of(kind: type[Any]) -> tuple[tuple[str, Any, bool], ...]:
    """List (name, check, required) of a message class: the checks are what its fields are annotated with."""
    hints = get_type_hints(kind, include_extras=True)
    fields = []
    for spec in dataclasses.fields(kind):
        hint = hints[spec.name]
        assert get_origin(hint) is Annotated
        required = spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        fields.append((spec.name, hint.__metadata__[0], required))
    return tuple(fields)


_FIELDS: Mapping[type[Any], tuple[tuple[str, Any, bool], ...]] = {
    kind: _fields_of(kind) for kind in (*FROM_CLIENT.values(), *FROM_SERVER.values(), Camera)
}
