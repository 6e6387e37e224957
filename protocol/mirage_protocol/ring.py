"""Messages in shared memory: the layout of SPEC.md section 10, and a writer and a reader of one ring.

Pure bytes: whoever uses it brings the mapping. Both sides of a ring may live in different processes and in different
languages; nothing that the other side writes is trusted.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mirage_protocol.errors import ProtocolError

MAGIC: Final = b"MIRAGESM"
VERSION: Final = 1
PAGE: Final = 4096
SLOT_HEADER: Final = 64
NONCE_SIZE: Final = 16
_HEADER: Final = struct.Struct("<8sIIQ16s")
_RING: Final = struct.Struct("<QIIQ")
_RINGS_AT: Final = (64, 96)
_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15
_MASK: Final = (1 << 64) - 1
_fence_lock = threading.Lock()


@dataclass(frozen=True)
class RingPlace:
    """Where a ring lies in the mapping: ``slots`` slots for messages of up to ``capacity`` bytes."""

    offset: int
    slots: int
    capacity: int

    @property
    def stride(self) -> int:
        """Bytes from one slot to the next: its header and its message, up to the next page."""
        return -(-(SLOT_HEADER + self.capacity) // PAGE) * PAGE

    @property
    def size(self) -> int:
        """Bytes of the whole ring, its control page included."""
        return PAGE + self.slots * self.stride


@dataclass(frozen=True)
class Layout:
    """A whole mapping: a page of header, the frames' ring, the results' ring."""

    frames: RingPlace
    results: RingPlace

    @classmethod
    def of(cls, frame_slots: int, frame_capacity: int, result_slots: int, result_capacity: int) -> Layout:
        """Lay out two rings, one after the other."""
        frames = RingPlace(PAGE, frame_slots, frame_capacity)
        return cls(frames, RingPlace(PAGE + frames.size, result_slots, result_capacity))

    @property
    def size(self) -> int:
        """Bytes of the mapping."""
        return self.results.offset + self.results.size


def fence() -> None:
    """Keep what was stored or loaded before apart from what is stored or loaded after.

    A lock that is released and taken again is a full barrier on every machine that Python runs on: the release may not
    be overtaken by what came before it, the acquisition not by what comes after, nor the one by the other.
    """
    with _fence_lock:
        pass
    with _fence_lock:
        pass


def described(layout: Layout, nonce: bytes) -> bytes:
    """Return the header page's bytes that say where the rings are."""
    page = bytearray(PAGE)
    _HEADER.pack_into(page, 0, MAGIC, VERSION, PAGE, layout.size, nonce)
    for at, ring in zip(_RINGS_AT, (layout.frames, layout.results), strict=True):
        _RING.pack_into(page, at, ring.offset, ring.slots, ring.capacity, ring.stride)
    return bytes(page)


def found(mapping: memoryview) -> tuple[Layout, bytes]:
    """Return the layout and the nonce that a mapping's header gives.

    Raises `ProtocolError` for what is no such mapping, or one whose rings do not lie within it.
    """
    if len(mapping) < PAGE:
        raise _malformed(f"shared memory has at least {PAGE} bytes; this has {len(mapping)}")
    magic, version, header, size, nonce = _HEADER.unpack_from(mapping)
    if magic != MAGIC:
        raise _malformed("this is not Mirage's shared memory")
    if version != VERSION or header != PAGE:
        raise _malformed(f"shared memory of version {version} is not known here")
    if size > len(mapping):
        raise _malformed(f"shared memory says that it has {size} bytes; it has {len(mapping)}")
    rings = [_ring(mapping, at, size) for at in _RINGS_AT]
    return Layout(*rings), nonce


def _ring(mapping: memoryview, at: int, size: int) -> RingPlace:
    offset, slots, capacity, stride = _RING.unpack_from(mapping, at)
    ring = RingPlace(offset, slots, capacity)
    if offset % PAGE or offset < PAGE or not 1 <= slots <= 1024 or ring.stride != stride or offset + ring.size > size:
        raise _malformed(f"a ring of {slots} slots of {capacity} bytes at {offset} does not fit into {size} bytes")
    return ring


def _malformed(problem: str) -> ProtocolError:
    return ProtocolError("malformed", problem)


class _Ring:
    def __init__(self, mapping: memoryview, place: RingPlace) -> None:
        if place.offset + place.size > len(mapping):
            raise _malformed("the ring does not lie within the mapping")
        self.place = place
        self._bytes = mapping[place.offset : place.offset + place.size]
        # 64-bit words are stored and loaded whole, which bytes need not be.
        self._words = self._bytes.cast("Q")

    def _slot(self, number: int) -> int:
        """Where the slot of a message begins, in bytes of the ring."""
        return PAGE + (number - 1) % self.place.slots * self.place.stride


class RingWriter(_Ring):
    """The one who writes a ring. Not for several threads at once.

    ``checked`` gives each message its check, which readers ask for that cannot order their loads.
    """

    def __init__(self, mapping: memoryview, place: RingPlace, *, checked: bool = False) -> None:
        super().__init__(mapping, place)
        self._checked = checked
        self._newest = self._number = self._words[0]

    def reserve(self, *, again: bool = False) -> tuple[int, memoryview]:
        """Return the number of a message to come, and its place: ``capacity`` bytes, to be filled before `commit`.

        Several may be reserved; they are committed in order, and one that never is is passed over. Others may be
        written meanwhile, and come before them. ``again`` is that of `write`. Raises `ProtocolError` where somebody
        else has written into this ring.
        """
        if self._words[0] != self._newest:
            raise ProtocolError("malformed", "somebody else has written into this ring")
        self._number += self.place.slots if again and self._number else 1
        at = self._slot(self._number)
        self._words[at // 8] = 2 * self._number - 1
        fence()
        begin = at + SLOT_HEADER
        return self._number, self._bytes[begin : begin + self.place.capacity]

    def commit(self, number: int, size: int) -> None:
        """Let readers see message ``number``, which has ``size`` bytes."""
        at = self._slot(number)
        if number <= self._newest:  # others were written meanwhile: it gets a number of the same slot that is newer
            number += -(-(self._newest + 1 - number) // self.place.slots) * self.place.slots
            self._number = max(self._number, number)
        begin = at + SLOT_HEADER
        self._bytes[begin + size : begin + -(-size // 8) * 8] = bytes(-size % 8)
        if self._checked:
            self._words[at // 8 + 1] = size | 1 << 32
            self._words[at // 8 + 2] = check(self._bytes[begin : begin + -(-size // 8) * 8], number, size)
        else:
            self._words[at // 8 + 1] = size
        fence()
        self._words[at // 8] = 2 * number
        fence()
        self._words[0] = self._newest = number

    @property
    def taken(self) -> bool:
        """Whether the reader says that it has taken the last message, so that its slot may be used again."""
        return self._words[1] == self._number

    def write(self, pieces: Sequence[memoryview | bytes], *, again: bool = False) -> int:
        """Put one message into the next slot and return its number.

        ``pieces`` follow one another without a gap. ``again`` puts it into the slot of the last message, which the
        caller knows to be needed no longer: memory that was used just now is in the processor's cache. Raises
        ``ValueError`` for a message that is larger than a slot, and `ProtocolError` where somebody else has written
        here.
        """
        size = sum(map(len, pieces))
        if size > self.place.capacity:
            raise ValueError(f"a message of {size} bytes does not fit into a slot of {self.place.capacity}")
        number, slot = self.reserve(again=again)
        end = 0
        for piece in pieces:
            slot[end : end + len(piece)] = piece
            end += len(piece)
        self.commit(number, size)
        return number


class RingReader(_Ring):
    """One of those who read a ring. Not for several threads at once.

    ``allocate`` gives memory for the copy of a message of so many bytes.
    """

    def __init__(
        self, mapping: memoryview, place: RingPlace, *, allocate: Callable[[int], bytearray | memoryview] = bytearray
    ) -> None:
        super().__init__(mapping, place)
        self._allocate = allocate
        self._number = 0

    @property
    def newest(self) -> int:
        """The number of the newest message, 0 where there is none yet."""
        return self._words[0]

    def next(self, *, in_place: bool = False) -> tuple[int, memoryview] | None:
        """Return the number and a copy of the oldest message that was not read yet and is still there; None for none.

        Messages that were overwritten before they could be read are passed over. With ``in_place`` the message is a
        view of the ring, unless it has a check: whoever uses what it shows asks `holds` afterwards whether it was that
        message all the time. Raises `ProtocolError` where the ring holds what no writer would have written.
        """
        newest = self.newest
        if newest < self._number or newest > _MASK >> 2:
            raise _malformed(f"the ring's newest message was {self._number} and is {newest}")
        while self._number < newest:
            self._number = max(self._number, newest - self.place.slots) + 1
            message = self._read(self._number, in_place)
            if message is not None:
                return self._number, message
            newest = self.newest
        return None

    def took(self) -> None:
        """Tell the writer that every message up to the last that `next` has returned is needed no longer."""
        self._words[1] = self._number

    def holds(self, number: int) -> bool:
        """Whether message ``number`` is in the ring, whole."""
        fence()
        return self._words[self._slot(number) // 8] == 2 * number

    def _read(self, number: int, in_place: bool) -> memoryview | None:
        if not self.holds(number):
            return None
        fence()
        at = self._slot(number)
        lengths, expected = self._words[at // 8 + 1], self._words[at // 8 + 2]
        size, checked = lengths & 0xFFFF_FFFF, lengths >> 32
        if size > self.place.capacity:
            if not self.holds(number):
                return None
            raise _malformed(f"a message of {size} bytes cannot be in a slot of {self.place.capacity}")
        begin = at + SLOT_HEADER
        if in_place and not checked:
            return self._bytes[begin : begin + size].toreadonly()
        padded = -(-size // 8) * 8
        copy = memoryview(self._allocate(padded))
        copy[:] = self._bytes[begin : begin + padded]
        if not self.holds(number) or (checked and check(copy, number, size) != expected):
            return None
        return copy[:size].toreadonly()


def check(padded: memoryview, number: int, size: int) -> int:
    """The sum that tells a whole message from one that is torn or stale: SPEC.md section 10.3."""
    return (int(np.add.reduce(np.frombuffer(padded, np.uint64), dtype=np.uint64)) + number * _GOLDEN + size) & _MASK
