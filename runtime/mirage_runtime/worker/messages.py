"""What daemon and worker say to each other over the worker's standard input and output.

Each message is a u32 length and a MessagePack map; pictures lie in shared blocks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgpack

LENGTH = struct.Struct("<I")


def packed(message: dict[str, Any]) -> bytes:
    """Return one message as bytes."""
    body: bytes = msgpack.packb(message)
    return LENGTH.pack(len(body)) + body


def unpacked(body: bytes) -> dict[str, Any]:
    """Return the message in ``body``, which comes after its length."""
    message: dict[str, Any] = msgpack.unpackb(body)
    return message


def read(read_exactly: Callable[[int], bytes]) -> dict[str, Any]:
    """Return the next message; ``read_exactly`` returns as many bytes as asked for, or raises EOFError."""
    (size,) = LENGTH.unpack(read_exactly(LENGTH.size))
    return unpacked(read_exactly(size))
