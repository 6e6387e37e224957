"""The C# core reads and writes every vector, and agrees with the reference about arbitrary bytes and about rings."""

from __future__ import annotations

import base64
import json
import mmap
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mirage_protocol as protocol
from mirage_protocol import ring
from mirage_protocol.ring import Layout, RingReader, RingWriter

VECTORS = Path(__file__).parents[2] / "protocol/vectors"
MESSAGES = 4000


def test_every_vector(csharp: Any) -> None:
    assert ", 0 failed" in csharp.run("vectors", VECTORS)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_bytes(csharp: Any, tmp_path: Path, seed: int) -> None:
    outcomes = tmp_path / "outcomes.json"
    outcomes.write_text(json.dumps(list(_outcomes(random.Random(seed), 3000))))
    assert ", 0 failed" in csharp.run("outcomes", outcomes)


def test_a_million_arbitrary_bytes(csharp: Any) -> None:
    assert ", 0 failed" in csharp.run("fuzz", VECTORS, 1, 1_000_000)


def test_no_other_paths_are_opened(csharp: Any) -> None:
    good = "/proc/1/fd/2;/proc/12345/fd/67"
    bad = ";".join(
        ["/etc/passwd", "/proc/1/fd/2\n", "/proc/self/fd/3", "/proc/1/fd/../mem", "/tmp/mirage-memory-1", "x"]
    )
    csharp.run("paths", good, bad)


def _mapped(path: Path, layout: Layout) -> memoryview:
    page = ring.described(layout, bytes(16))
    path.write_bytes(page + bytes(layout.size - len(page)))
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), layout.size))


@pytest.mark.parametrize("checked", [True, False])
def test_no_message_is_torn_that_python_writes(csharp: Any, tmp_path: Path, checked: bool) -> None:
    layout = Layout.of(1, 0, 3, 60_000)
    memory = _mapped(tmp_path / "memory", layout)
    writer = RingWriter(memory, layout.results, checked=checked)
    chance = random.Random(3)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            size = chance.randint(4, layout.results.capacity)
            writer.write([bytes([number % 256]) * size], again=chance.random() < 0.5)

    thread = threading.Thread(target=write)
    with csharp.start("ring-read", tmp_path / "memory", layout.size) as process:
        thread.start()
        # It ends when it has read a while; the end is a message of three bytes.
        stopping = threading.Timer(2, stop.set)
        stopping.start()
        thread.join()
        writer.write([b"end"])
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert int(output.split()[1]) > 100


def test_no_message_is_torn_that_python_reads(csharp: Any, tmp_path: Path) -> None:
    layout = Layout.of(3, 60_000, 1, 0)
    memory = _mapped(tmp_path / "memory", layout)
    reader, count = RingReader(memory, layout.frames), 0
    with csharp.start("ring-write", tmp_path / "memory", layout.size, MESSAGES) as process:
        while True:
            found = reader.next()
            if found is None:
                assert process.poll() in (None, 0)
                continue
            message = bytes(found[1])
            if len(message) == 3:
                break
            assert message == message[:1] * len(message), f"message {found[0]} is torn"
            count += 1
        assert process.wait(60) == 0
    assert count > 10


def test_a_second_writer_finds_out(csharp: Any, tmp_path: Path) -> None:
    layout = Layout.of(3, 1000, 1, 0)
    _mapped(tmp_path / "memory", layout)
    assert "3 passed, 0 failed" in csharp.run("ring-two", tmp_path / "memory", layout.size)


def _outcomes(chance: random.Random, count: int) -> Iterator[dict[str, object]]:
    """Damage good messages and say what the reference makes of them."""
    good = [
        (direction, base64.b64decode(vector["bytes"]))
        for direction in ("client", "server")
        for vector in json.loads((VECTORS / f"{direction}.json").read_text())
    ]
    for _ in range(count):
        direction, data = chance.choice(good)
        damaged = _damaged(chance, data)
        encoded = base64.b64encode(damaged).decode()
        yield {"bytes": encoded, "direction": direction, "error": _error(direction, damaged)}


def _damaged(chance: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(4, max(len(damaged), 5))
        match chance.randrange(4):
            case 0:
                damaged[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                damaged[at:at] = chance.randbytes(chance.randint(1, 4))
            case 2:
                del damaged[at : at + chance.randint(1, 4)]
            case _:
                damaged[at : at + 1] = bytes([damaged[at] ^ 1 << chance.randrange(8)]) if at < len(damaged) else b"\xc0"
    if chance.random() < 0.7:  # else the size lies too, and little behind it is looked at
        size = int.from_bytes(data[:4], "little") + len(damaged) - len(data)
        damaged[:4] = max(size, 0).to_bytes(4, "little")
    return bytes(damaged)


def _error(direction: str, data: bytes) -> dict[str, str | None] | None:
    decode = protocol.decode_client if direction == "client" else protocol.decode_server
    try:
        decode(data)
    except protocol.ProtocolError as error:
        return {"code": error.code, "field": error.field}
    return None
