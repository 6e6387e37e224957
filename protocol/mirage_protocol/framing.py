"""One message as bytes: a length, a MessagePack map, and planes aligned to 16 bytes (SPEC.md section 2)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgpack

from mirage_protocol.errors import ProtocolError, shown
from mirage_protocol.limits import ALIGNMENT, MAX_DEPTH, MAX_ENTRIES, MAX_HEADER_SIZE, MAX_TEXT

_LENGTH = struct.Struct("<I")
_TIMESTAMP_AS_DATETIME = 3  # extension type -1 never reaches ext_hook: it is found by its class instead


def aligned(size: int) -> int:
    """Return ``size`` rounded up to the alignment of planes, 16 bytes."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def pieces_of(header: Mapping[str, Any], parts: Sequence[memoryview | bytes] = ()) -> list[memoryview | bytes]:
    """Return one message in pieces that follow one another: ``header``, then each of ``parts`` at its aligned offset.

    The offsets that ``header`` names are the caller's: part n starts at the sum of the aligned sizes before it.
    Raises ValueError when the header is over its limit.
    """
    body = msgpack.packb(header)
    if len(body) > MAX_HEADER_SIZE:
        raise ValueError(f"the header has {len(body)} bytes; the limit is {MAX_HEADER_SIZE}")
    pieces: list[memoryview | bytes] = [_LENGTH.pack(len(body)), body]
    size = _LENGTH.size + len(body)
    for part in parts:
        pieces += [bytes(aligned(size) - size), part]
        size = aligned(size) + len(part)
    return pieces


def pack(header: Mapping[str, Any], parts: Sequence[memoryview | bytes] = ()) -> bytes:
    """Return the message that `pieces_of` gives, as one."""
    return b"".join(pieces_of(header, parts))


def unpack(message: bytes | bytearray | memoryview) -> tuple[dict[str, Any], memoryview]:
    """Return a message's header and a view of its payload, which starts at the next multiple of 16 bytes.

    Raises `ProtocolError` for anything that SPEC.md section 2 forbids. Copies nothing but the header, and that
    before it is read: a message in shared memory may change at any moment.
    """
    view = memoryview(message)
    if len(view) < _LENGTH.size:
        raise ProtocolError("malformed", f"a message has at least 4 bytes; this one has {len(view)}")
    (size,) = _LENGTH.unpack_from(view)
    if size > MAX_HEADER_SIZE:
        raise ProtocolError("malformed", f"the header may have {MAX_HEADER_SIZE} bytes; this message says {size}")
    end = _LENGTH.size + size
    if end > len(view):
        problem = f"the message ends inside its header ({len(view) - _LENGTH.size} of {size} bytes)"
        raise ProtocolError("malformed", problem)
    header = _decode_header(bytes(view[_LENGTH.size : end]))
    _check_depth(header, MAX_DEPTH)
    return header, view[min(aligned(end), len(view)) :]


def _decode_header(data: bytes) -> dict[str, Any]:
    try:
        header = msgpack.unpackb(
            data,
            ext_hook=_refuse_extension,
            timestamp=_TIMESTAMP_AS_DATETIME,
            object_pairs_hook=_unique_pairs,
            strict_map_key=True,
            max_str_len=MAX_TEXT * 4,
            max_bin_len=MAX_TEXT * 4,
            max_array_len=MAX_ENTRIES,
            max_map_len=MAX_ENTRIES,
        )
    except ProtocolError:
        raise
    except Exception as error:  # msgpack raises ValueError, its own exceptions and UnicodeDecodeError alike
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ProtocolError("malformed", f"the header is not valid MessagePack: {reason[:120]}") from None
    if not isinstance(header, dict):
        raise ProtocolError("malformed", "the header must be a MessagePack map")
    return header


def _refuse_extension(code: int, _data: bytes) -> Any:
    raise ProtocolError("malformed", f"MessagePack extension type {code} is not allowed")


def _unique_pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str):
            raise ProtocolError("malformed", "map keys must be strings")
        if key in result:
            raise ProtocolError("malformed", f"the key {shown(key)} stands twice in one map")
        result[key] = value
    return result


def _check_depth(value: dict[str, Any] | list[Any], left: int) -> None:
    if left == 0:
        raise ProtocolError("malformed", f"maps and arrays may be nested {MAX_DEPTH} deep")
    for item in value.values() if isinstance(value, dict) else value:
        kind = type(item)
        if kind is dict or kind is list:
            _check_depth(item, left - 1)
        elif kind is datetime:
            raise ProtocolError("malformed", "MessagePack timestamps are not allowed")
