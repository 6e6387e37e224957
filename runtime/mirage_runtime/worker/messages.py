"""What daemon and worker say to each other over the worker's standard input and output.

Each message is a u32 length and a MessagePack map; pictures lie in shared memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgpack

_LENGTH = struct.Struct("<I")


def packed(message: dict[str, Any]) -> bytes:
    """Return one message as bytes."""
    body: bytes = msgpack.packb(message)
    return _LENGTH.pack(len(body)) + body


def taken(received: bytearray) -> dict[str, Any] | None:
    """Take the first message out of what was received; None where it is not whole yet."""
    if len(received) < _LENGTH.size:
        return None
    end = _LENGTH.size + _LENGTH.unpack_from(received)[0]
    if len(received) < end:
        return None
    message = _unpacked(received[_LENGTH.size : end])
    del received[:end]
    return message


def read(read_exactly: Callable[[int], bytes]) -> dict[str, Any]:
    """Return the next message; ``read_exactly`` returns as many bytes as asked for, or raises EOFError."""
    (size,) = _LENGTH.unpack(read_exactly(_LENGTH.size))
    return _unpacked(read_exactly(size))


def _unpacked(body: bytes | bytearray) -> dict[str, Any]:
    message: dict[str, Any] = msgpack.unpackb(body)
    return message
