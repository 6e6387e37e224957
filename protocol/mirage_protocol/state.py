"""The rules of one conversation, without I/O (SPEC.md section 3): who may say what, and what is in flight."""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Mapping
from typing import Any

from mirage_protocol.errors import ErrorCode, ProtocolError
from mirage_protocol.limits import (
    DEFAULT_MAX_HEIGHT,
    DEFAULT_MAX_WIDTH,
    DEFAULT_QUALITY,
    DEFAULT_WINDOW,
    PROTOCOL_VERSION,
)
from mirage_protocol.messages import (
    Acknowledged,
    Camera,
    ClientHello,
    ClientMessage,
    Dropped,
    Error,
    Frame,
    ParametersChanged,
    Play,
    Ready,
    Result,
    ResultFormat,
    Role,
    ServerHello,
    ServerMessage,
    Set,
    Share,
    ShowAction,
    Wake,
    decode_client,
    decode_server,
    encode,
    encode_pieces,
    peek,
)
from mirage_protocol.parameters import ParameterValue, check_parameters
from mirage_protocol.planes import Plane

CLOSE_CODES: Mapping[ErrorCode, int] = {
    "handshake": 4400,
    "unauthorized": 4401,
    "not-allowed": 4403,
    "source-taken": 4409,
    "limit": 4429,
    "internal": 1011,
}
"""The WebSocket close code that follows an error which ends the connection; 4400 for the others."""


class Refused(ProtocolError):
    """The handshake failed: the connection ends with `close_code` after the error has been sent."""

    @property
    def close_code(self) -> int:
        """The WebSocket close code of SPEC.md section 8."""
        return CLOSE_CODES.get(self.code, 4400)


class ServerProtocol:
    """The server's side of one connection.

    `receive` checks each message against the spec, the role and the size limit, and returns it; it raises `Refused`
    when the connection must end and `ProtocolError` when only this message is of no use.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        max_width: int = DEFAULT_MAX_WIDTH,
        max_height: int = DEFAULT_MAX_HEIGHT,
        color_formats: tuple[str, ...] = ("rgba8", "rgb8"),
    ) -> None:
        if token == "":
            raise ValueError("an empty token would let everybody in")
        self._token = token
        self._max_width = max_width
        self._max_height = max_height
        self._color_formats = color_formats
        self._last_id = -1
        self.hello: ClientHello | None = None

    def receive(self, data: bytes | bytearray | memoryview) -> ClientMessage:
        """Return the message in ``data``, fit to be acted on."""
        if self.hello is None:
            return self._receive_hello(data)
        message = decode_client(data)
        if isinstance(message, ClientHello):
            raise ProtocolError("handshake", "this connection has had its hello", "type")
        if isinstance(message, Frame):
            self._check_frame(message)
            self._last_id = message.id
        elif isinstance(message, Share) and self.hello.role == "controller":
            raise ProtocolError("not-allowed", "a controller has no frames and no results to share memory for")
        elif isinstance(message, Set):
            if self.hello.role == "viewer":
                raise ProtocolError("not-allowed", "a viewer may not set parameters: connect as a controller")
            return Set(message.request, check_parameters(message.parameters))
        elif isinstance(message, Play) and self.hello.role == "viewer" and message.action != "watch":
            raise ProtocolError("not-allowed", "a viewer may only watch the show: connect as a controller")
        return message

    @staticmethod
    def error(problem: ProtocolError, data: bytes | bytearray | memoryview = b"") -> Error:
        """Return the error message that answers ``data``."""
        return Error(problem.code, problem.message, problem.field, **peek(data))

    def _receive_hello(self, data: bytes | bytearray | memoryview) -> ClientHello:
        try:
            hello = decode_client(data)
            if not isinstance(hello, ClientHello):
                raise ProtocolError("handshake", f"the first message must be a hello, not {hello.TYPE}", "type")
            if hello.protocol != PROTOCOL_VERSION:
                problem = f"this server speaks protocol {PROTOCOL_VERSION}, not {hello.protocol}"
                raise ProtocolError("handshake", problem, "protocol")
            if self._token is not None and not _same(hello.token or "", self._token):
                problem = "the token is wrong" if hello.token else "this server needs a token"
                raise ProtocolError("unauthorized", problem, "token")
            if hello.role == "viewer" and hello.parameters:
                raise ProtocolError("not-allowed", "a viewer may not set parameters", "parameters")
            hello = dataclasses.replace(hello, parameters=check_parameters(hello.parameters))
        except ProtocolError as error:
            raise Refused(error.code, error.message, error.field) from None
        self.hello = hello
        return hello

    def _check_frame(self, frame: Frame) -> None:
        assert self.hello is not None
        if self.hello.role != "source":
            raise ProtocolError("not-allowed", f"a {self.hello.role} may not send frames: connect as a source")
        if frame.id <= self._last_id:
            raise ProtocolError("out-of-range", f"id must be over {self._last_id}, the last one; not {frame.id}", "id")
        if frame.motion_from is not None and frame.motion_from >= frame.id:
            raise ProtocolError("out-of-range", "motion_from must be the id of an earlier frame", "motion_from")
        color = frame.planes["color"]
        if color.format not in self._color_formats:
            problem = f"this server takes {' and '.join(self._color_formats)} here, not {color.format}"
            raise ProtocolError("unsupported", problem, "planes.color.format")
        if color.width > self._max_width or color.height > self._max_height:
            problem = f"a frame may have {self._max_width}x{self._max_height} pixels, not {color.width}x{color.height}"
            raise ProtocolError("too-large", problem, "planes.color")


class ClientProtocol:
    """The client's side of one connection: numbers the frames, keeps the window, remembers what was asked."""

    def __init__(self, role: Role = "source", *, client: str = "", token: str | None = None, first_id: int = 0) -> None:
        self.role: Role = role
        self.window = DEFAULT_WINDOW
        self.server: ServerHello | None = None
        self.ready = False
        self.parameters: dict[str, ParameterValue] = {}
        self.in_flight: set[int] = set()
        self._client = client
        self._token = token
        self._next_id = first_id  # a client that connects again goes on counting
        self._next_request = 0

    def hello(
        self,
        *,
        take_over: bool = False,
        window: int = DEFAULT_WINDOW,
        parameters: Mapping[str, ParameterValue] | None = None,
        result_format: ResultFormat = "raw",
        quality: int = DEFAULT_QUALITY,
    ) -> bytes:
        """Return the answer to the server's hello."""
        return encode(
            ClientHello(
                role=self.role,
                client=self._client,
                token=self._token,
                take_over=take_over,
                window=window,
                parameters=dict(parameters or {}),
                result_format=result_format,
                quality=quality,
            )
        )

    @property
    def may_send(self) -> bool:
        """Whether another frame fits the window of frames in flight."""
        return self.ready and len(self.in_flight) < self.window

    def frame(
        self,
        planes: Mapping[str, Plane],
        *,
        time: int = 0,
        motion_from: int | None = None,
        camera: Camera | None = None,
    ) -> tuple[int, list[memoryview | bytes]]:
        """Return a new frame's id and its message in pieces, which view the planes; it is in flight from now on."""
        frame_id = self._next_id
        pieces = encode_pieces(Frame(frame_id, dict(planes), time, motion_from, camera))
        self._next_id += 1
        self.in_flight.add(frame_id)
        return frame_id, pieces

    def set(self, parameters: Mapping[str, Any]) -> tuple[int, bytes]:
        """Return a new request's number and its message.

        The values are the server's to judge, whose table may be newer than this client's.
        """
        request = self._next_request
        message = encode(Set(request, dict(parameters)))
        self._next_request += 1
        return request, message

    def play(self, action: ShowAction, **fields: Any) -> tuple[int, bytes]:
        """Return a new request's number and its message to the show; ``fields`` are those of `Play`."""
        request = self._next_request
        message = encode(Play(request, action, **fields))
        self._next_request += 1
        return request, message

    def share(self, frame_size: int, result_size: int, wake: Wake) -> tuple[int, bytes]:
        """Return a new request's number and its message: shared memory for messages of up to so many bytes."""
        request = self._next_request
        self._next_request += 1
        return request, encode(Share(request, frame_size, result_size, wake))

    def receive(self, data: bytes | bytearray | memoryview) -> ServerMessage:
        """Return the message in ``data`` and note what it settles; raises `ProtocolError`."""
        message = decode_server(data)
        if isinstance(message, ServerHello):
            if message.protocol != PROTOCOL_VERSION:
                problem = f"the server speaks protocol {message.protocol}, this client {PROTOCOL_VERSION}"
                raise ProtocolError("handshake", problem, "protocol")
            self.server = message
        elif isinstance(message, Ready):
            self.ready, self.window = True, message.window
            self.parameters = dict(message.parameters)
        elif isinstance(message, Acknowledged | ParametersChanged):
            self.parameters |= message.parameters
        elif isinstance(message, Result):
            self.in_flight -= {message.id, *message.dropped_ids}
        elif isinstance(message, Dropped):
            self.in_flight -= set(message.ids)
        elif isinstance(message, Error) and message.id is not None:
            self.in_flight.discard(message.id)
        return message


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
