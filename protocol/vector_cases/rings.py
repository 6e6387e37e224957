"""Mappings with messages in them, and mappings that a reader must refuse (SPEC.md section 10)."""

from __future__ import annotations

import base64
from collections.abc import Callable

from mirage_protocol import ProtocolError, ring
from mirage_protocol.ring import Layout, RingReader, RingWriter
from vector_cases.build import Json

NONCE = bytes(range(16))
LAYOUT = Layout.of(2, 100, 1, 0)


def rings() -> list[Json]:
    """Return the vectors: a mapping, and the messages that its frames' ring gives, or that it must be refused."""
    return [
        _vector("empty", _mapping(0), []),
        _vector("one message", _mapping(1), [1]),
        _vector("two messages", _mapping(2), [1, 2]),
        _vector("three messages, of which the first is overwritten", _mapping(3), [2, 3]),
        _vector("a message without a check", _mapping(1, checked=False), [1]),
        _vector("a number is skipped, and its slot was used twice", _skipped(), [3]),
        _vector("a message that is being written", _changed(1, _patch(ring.PAGE * 2, b"\1")), []),
        _vector("a message whose bytes are not those of its check", _changed(1, _patch(ring.PAGE * 2 + 64, b"X")), []),
        _vector("a message that is older than its number", _changed(1, _renumbered), []),
        _vector("newest jumps to what is not there", _changed(1, _patch(ring.PAGE, b"\7")), []),
        _refused("a size over the slot's", _changed(1, _patch(ring.PAGE * 2 + 8, b"\x65"))),
        _refused("a newest that no writer reaches", _changed(1, _patch(ring.PAGE + 7, b"\x80"))),
        _refused("another magic", _changed(0, _patch(0, b"N"))),
        _refused("another version", _changed(0, _patch(8, b"\2"))),
        _refused("larger than it is", _changed(0, _patch(18, b"\xff"))),
        _refused("a ring outside", _changed(0, _patch(66, b"\xff"))),
        _refused("a ring that is not at a page", _changed(0, _patch(64, b"\1"))),
        _refused("a ring without slots", _changed(0, _patch(72, b"\0"))),
        _refused("a stride that does not follow from the capacity", _changed(0, _patch(81, b"\x20"))),
        {"name": "no whole page", **_sparse(_mapping(0)[:4095]), "messages": None},
    ]


def message(number: int) -> bytes:
    """Return the content of a message of the vectors."""
    return f"message {number} ".encode() * number


def _mapping(count: int, *, checked: bool = True) -> bytearray:
    memory = bytearray(LAYOUT.size)
    memory[: ring.PAGE] = ring.described(LAYOUT, NONCE)
    view = memoryview(memory)
    writer = RingWriter(view, LAYOUT.frames, checked=checked)
    for number in range(1, count + 1):
        writer.write([message(number)])
    return memory


def _changed(count: int, change: Callable[[bytearray], None]) -> bytearray:
    memory = _mapping(count)
    change(memory)
    return memory


def _patch(at: int, data: bytes) -> Callable[[bytearray], None]:
    def apply(memory: bytearray) -> None:
        memory[at : at + len(data)] = data

    return apply


def _skipped() -> bytearray:
    """A mapping in which message 3 was written where 1 had been, and its reader says that it took that."""
    memory = bytearray(LAYOUT.size)
    memory[: ring.PAGE] = ring.described(LAYOUT, NONCE)
    view = memoryview(memory)
    writer = RingWriter(view, LAYOUT.frames, checked=True)
    writer.write([message(1)])
    writer.write([message(3)], again=True)
    return memory


def _renumbered(memory: bytearray) -> None:
    memory[ring.PAGE] = 3
    memory[ring.PAGE * 2] = 6


def _read(memory: bytearray) -> list[str]:
    view = memoryview(memory)
    layout, _ = ring.found(view)
    reader, messages = RingReader(view, layout.frames), []
    while (found := reader.next()) is not None:
        messages.append(base64.b64encode(found[1]).decode())
    return messages


def _sparse(memory: bytearray) -> Json:
    """Return a mapping as its size and the lines of 64 bytes that are not all zeros, by their offsets."""
    lines = {at: bytes(memory[at : at + 64]) for at in range(0, len(memory), 64)}
    given = {str(at): base64.b64encode(line).decode() for at, line in lines.items() if any(line)}
    return {"size": str(len(memory)), "lines": given}


def _vector(name: str, memory: bytearray, numbers: list[int]) -> Json:
    expected = [base64.b64encode(message(number)).decode() for number in numbers]
    assert _read(memory) == expected, name
    return {"name": name, **_sparse(memory), "messages": expected}


def _refused(name: str, memory: bytearray) -> Json:
    try:
        _read(memory)
    except ProtocolError:
        return {"name": name, **_sparse(memory), "messages": None}
    raise AssertionError(name)
