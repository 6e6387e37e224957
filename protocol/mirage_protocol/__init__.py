"""Mirage's wire protocol, version 1: messages, planes and parameters, with no socket and no thread.

`encode` turns a message into the bytes of one WebSocket message; `decode_client` and `decode_server` turn them back,
and raise `ProtocolError` with a code and a field for everything that SPEC.md forbids. `ClientProtocol` and
`ServerProtocol` hold the rules of a conversation. See protocol/SPEC.md.
"""

from mirage_protocol.errors import ErrorCode, ProtocolError
from mirage_protocol.limits import (
    DEFAULT_MAX_HEIGHT,
    DEFAULT_MAX_WIDTH,
    DEFAULT_STREAM,
    DEFAULT_WINDOW,
    MAX_SAFE_INTEGER,
    PROTOCOL_VERSION,
    SUBPROTOCOL,
)
from mirage_protocol.messages import (
    ROLES,
    Acknowledged,
    Camera,
    ClientHello,
    ClientMessage,
    Dropped,
    Error,
    Frame,
    Message,
    ParametersChanged,
    Ping,
    Pong,
    Ready,
    Result,
    Role,
    ServerHello,
    ServerMessage,
    Set,
    Status,
    decode_client,
    decode_server,
    encode,
)
from mirage_protocol.parameters import PARAMETERS, Parameter, ParameterValue, check_parameters, defaults
from mirage_protocol.planes import BYTES_PER_PIXEL, PLANE_FORMATS, Plane
from mirage_protocol.state import ClientProtocol, Refused, ServerProtocol

__all__ = [
    "BYTES_PER_PIXEL",
    "DEFAULT_MAX_HEIGHT",
    "DEFAULT_MAX_WIDTH",
    "DEFAULT_STREAM",
    "DEFAULT_WINDOW",
    "MAX_SAFE_INTEGER",
    "PARAMETERS",
    "PLANE_FORMATS",
    "PROTOCOL_VERSION",
    "ROLES",
    "SUBPROTOCOL",
    "Acknowledged",
    "Camera",
    "ClientHello",
    "ClientMessage",
    "ClientProtocol",
    "Dropped",
    "Error",
    "ErrorCode",
    "Frame",
    "Message",
    "Parameter",
    "ParameterValue",
    "ParametersChanged",
    "Ping",
    "Plane",
    "Pong",
    "ProtocolError",
    "Ready",
    "Refused",
    "Result",
    "Role",
    "ServerHello",
    "ServerMessage",
    "ServerProtocol",
    "Set",
    "Status",
    "check_parameters",
    "decode_client",
    "decode_server",
    "defaults",
    "encode",
]
