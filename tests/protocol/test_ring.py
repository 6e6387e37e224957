"""Rings in shared memory: what is written comes out whole or not at all, and no bytes lead a reader astray."""

from __future__ import annotations

import mmap
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_protocol import ProtocolError, ring
from mirage_protocol.ring import Layout, RingPlace, RingReader, RingWriter

NONCE = bytes(range(16))
SMALL = Layout.of(3, 200, 2, 5000)


def mapping(layout: Layout = SMALL) -> memoryview:
    memory = bytearray(layout.size)
    memory[: ring.PAGE] = ring.described(layout, NONCE)
    return memoryview(memory)


def drained(reader: RingReader) -> Iterator[tuple[int, bytes]]:
    while (found := reader.next()) is not None:
        yield found[0], bytes(found[1])


def test_a_header_says_where_the_rings_are() -> None:
    assert ring.found(mapping()) == (SMALL, NONCE)
    assert SMALL.size % ring.PAGE == SMALL.results.offset % ring.PAGE == 0


@given(
    st.lists(st.tuples(st.lists(st.binary(max_size=60), max_size=3), st.booleans()), max_size=20),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)
def test_messages_come_out_as_they_went_in(
    messages: list[tuple[list[bytes], bool]], slots: int, checked: bool, in_place: bool
) -> None:
    layout = Layout.of(slots, 200, 1, 0)
    memory = mapping(layout)
    writer = RingWriter(memory, layout.frames, checked=checked)
    reader, number = RingReader(memory.toreadonly(), layout.frames), 0
    for pieces, again in messages:
        last, number = number, writer.write(pieces, again=again)
        assert number == last + (slots if again and last else 1)
        found = reader.next(in_place=in_place)
        assert found is not None
        assert (found[0], bytes(found[1])) == (number, b"".join(pieces))
        assert reader.holds(number)
        assert found[1].readonly
        assert reader.next() is None


def test_a_message_in_place_tells_when_it_was_overwritten() -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames), RingReader(memory, SMALL.frames)
    writer.write([b"one"])
    number, message = reader.next(in_place=True) or (0, b"")
    writer.write([b"two"])
    assert reader.holds(number)
    assert message == b"one"
    for _ in range(2):
        writer.write([b"the rest"])
    assert not reader.holds(number)


def test_a_message_that_is_filled_in_place_is_seen_when_it_is_committed() -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames), RingReader(memory, SMALL.frames)
    (first, one), (second, two) = writer.reserve(), writer.reserve()
    one[:3], two[:3] = b"one", b"two"
    assert reader.next() is None
    writer.commit(first, 3)
    assert list(drained(reader)) == [(first, b"one")]
    writer.commit(second, 3)
    assert list(drained(reader)) == [(second, b"two")]


def test_a_message_that_is_never_committed_is_passed_over() -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames), RingReader(memory, SMALL.frames)
    writer.reserve()
    number = writer.write([b"the next"])
    assert list(drained(reader)) == [(number, b"the next")]


def test_a_writer_knows_what_its_reader_has_taken() -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames), RingReader(memory, SMALL.frames)
    writer.write([b"one"])
    assert not writer.taken
    list(drained(reader))
    reader.took()
    assert writer.taken
    writer.reserve()
    assert not writer.taken


def test_copies_go_where_the_reader_says() -> None:
    memory, given = mapping(), []

    def allocate(size: int) -> bytearray:
        given.append(bytearray(size))
        return given[-1]

    RingWriter(memory, SMALL.frames).write([b"message"])
    found = RingReader(memory, SMALL.frames, allocate=allocate).next()
    assert found is not None
    assert found[1].obj is given[0]


def test_a_reader_that_is_slow_gets_the_newest_and_knows_what_it_missed() -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames), RingReader(memory, SMALL.frames)
    for number in range(1, 11):
        writer.write([f"message {number}".encode()])
    assert list(drained(reader)) == [(number, f"message {number}".encode()) for number in (8, 9, 10)]


def test_a_message_that_is_too_large_is_refused_and_nothing_is_written() -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames), RingReader(memory, SMALL.frames)
    with pytest.raises(ValueError, match="201 bytes does not fit"):
        writer.write([bytes(201)])
    assert reader.next() is None
    assert writer.write([bytes(200)]) == 1


def test_a_second_writer_is_found_out() -> None:
    memory = mapping()
    one, two = RingWriter(memory, SMALL.frames), RingWriter(memory, SMALL.frames)
    one.write([b"one"])
    with pytest.raises(ProtocolError, match="somebody else"):
        two.write([b"two"])


def test_a_writer_that_comes_later_goes_on_counting() -> None:
    memory = mapping()
    RingWriter(memory, SMALL.frames).write([b"one"])
    assert RingWriter(memory, SMALL.frames).write([b"two"]) == 2


def words(memory: memoryview, place: RingPlace) -> np.ndarray:
    return np.frombuffer(memory[place.offset : place.offset + place.size], np.uint64)


@pytest.mark.parametrize("what", ["being written", "a byte", "an older message", "the size"])
def test_a_message_that_is_not_whole_is_not_delivered(what: str) -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames, checked=True), RingReader(memory, SMALL.frames)
    writer.write([b"the message"])
    raw, slot = words(memory, SMALL.frames), ring.PAGE // 8
    if what == "being written":
        raw[slot] = 1
    elif what == "a byte":
        raw[slot + 8] ^= 1 << 40
    elif what == "an older message":
        raw[slot] = raw[0] = 8  # the slot says that it holds message 4; its content is the first's
        raw[0] = 4
    else:
        raw[slot + 1] -= 1
    assert reader.next() is None


@pytest.mark.parametrize(
    ("at", "value"), [(0, 2**63), (0, 2**64 - 1)], ids=["a number that no writer reaches", "the largest"]
)
def test_a_number_that_jumps_too_far_is_an_error(at: int, value: int) -> None:
    memory = mapping()
    words(memory, SMALL.frames)[at] = value
    with pytest.raises(ProtocolError, match="newest message"):
        RingReader(memory, SMALL.frames).next()


def test_a_number_that_falls_is_an_error() -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames), RingReader(memory, SMALL.frames)
    for _ in range(3):
        writer.write([b"x"])
    assert len(list(drained(reader))) == 3
    words(memory, SMALL.frames)[0] = 1
    with pytest.raises(ProtocolError, match="was 3 and is 1"):
        reader.next()


def test_a_number_that_jumps_loses_what_is_not_there() -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames), RingReader(memory, SMALL.frames)
    writer.write([b"x"])
    words(memory, SMALL.frames)[0] = 1_000_000
    assert reader.next() is None


def test_a_size_beyond_the_slot_is_an_error() -> None:
    memory = mapping()
    writer, reader = RingWriter(memory, SMALL.frames), RingReader(memory, SMALL.frames)
    writer.write([b"x"])
    words(memory, SMALL.frames)[ring.PAGE // 8 + 1] = 201
    with pytest.raises(ProtocolError, match="201 bytes cannot be"):
        reader.next()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m[:100], "at least 4096"),
        (lambda m: m[:-1], "says that it has"),
        (lambda m: memoryview(b"NOTAGESM" + bytes(m[8:])), "not Mirage's"),
        (lambda m: memoryview(bytes(m[:8]) + b"\2\0\0\0" + bytes(m[12:])), "version 2"),
        (lambda m: memoryview(bytes(m[:64]) + b"\1" + bytes(m[65:])), "does not fit"),
        (lambda m: memoryview(bytes(m[:72]) + b"\xff\xff\0\0" + bytes(m[76:])), "does not fit"),
        (lambda m: memoryview(bytes(m[:76]) + b"\xff\xff\xff\xff" + bytes(m[80:])), "does not fit"),
        (lambda m: memoryview(bytes(m[:80]) + bytes(8) + bytes(m[88:])), "does not fit"),
    ],
    ids=["short", "truncated", "magic", "version", "offset", "slots", "capacity", "stride"],
)
def test_a_header_that_lies_is_refused(change, problem: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ProtocolError, match=problem):
        ring.found(change(mapping()))


@settings(max_examples=300)
@given(
    st.binary(max_size=200),
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=16)), max_size=8),
    st.booleans(),
)
def test_random_bytes_lead_nowhere(header: bytes, patches: list[tuple[int, bytes]], in_place: bool) -> None:
    memory = mapping()
    memory[64 : 64 + len(header)] = header
    try:
        layout, _ = ring.found(memory)
    except ProtocolError:
        layout = SMALL
    for at, patch in patches:
        begin = layout.frames.offset + (at * 8 if at < 200 else ring.PAGE + (at - 200) % 8 * 8) % (
            layout.frames.size - 16
        )
        memory[begin : begin + len(patch)] = patch
    reader = RingReader(memory, layout.frames)
    try:
        for _ in range(5):
            found = reader.next(in_place=in_place)
            assert found is None or len(found[1]) <= layout.frames.capacity
    except ProtocolError:
        pass


WRITER = """
import mmap, sys
from mirage_protocol.ring import RingWriter, found
with open(sys.argv[1], "r+b") as file:
    view = memoryview(mmap.mmap(file.fileno(), 0))
writer = RingWriter(view, found(view)[0].frames, checked=sys.argv[3] == "checked")
print("ready", flush=True)
sys.stdin.readline()
for number in range(1, int(sys.argv[2]) + 1):
    word = number.to_bytes(8, "little")
    writer.write([word * (number % 97 + 1)])
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checked", ["checked", "unchecked"])
@pytest.mark.parametrize("in_place", [False, True], ids=["copied", "in place"])
def test_no_torn_message_is_ever_delivered(tmp_path: Path, checked: str, in_place: bool) -> None:
    """A writer that never waits against a reader in another process, for a million messages."""
    layout, count = Layout.of(3, 97 * 8, 1, 0), 1_000_000
    path = tmp_path / "memory"
    path.write_bytes(bytes(mapping(layout)))
    with path.open("r+b") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0))
    command = [sys.executable, "-c", WRITER, str(path), str(count), checked]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        reader, last, seen = RingReader(view, layout.frames), 0, 0
        writer.stdin.write("go\n")
        writer.stdin.flush()
        while last < count:
            found = reader.next(in_place=in_place)
            if found is None:
                assert writer.poll() is None or reader.newest == last
                continue
            number, message = found
            values = np.frombuffer(bytes(message), np.uint64)
            if in_place and not reader.holds(number):
                continue
            assert number > last
            assert (values == number).all(), f"message {number} is torn"
            assert len(values) == number % 97 + 1
            last, seen = number, seen + 1
    assert writer.returncode == 0
    assert seen > 1000
