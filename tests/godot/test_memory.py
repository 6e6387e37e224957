"""Godot and another process share a ring, through a file and through native code: no torn message is ever accepted."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mirage_protocol import ring
from mirage_protocol.ring import Layout, RingReader

if TYPE_CHECKING:
    from conftest import Godot

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="shared memory is an anonymous file on Linux")

VECTORS = Path(__file__).parents[2] / "protocol/vectors"
BLOCK = 512
LARGEST = 97 * BLOCK

# A process of its own, which never waits for its reader, but rests now and then: so it is met at every moment.
WRITER = """
import mmap, sys, time
import mirage_protocol as protocol
from mirage_protocol.ring import RingWriter, found
with open(sys.argv[1], "r+b") as file:
    view = memoryview(mmap.mmap(file.fileno(), 0))
writer = RingWriter(view, found(view)[0].results, checked=sys.argv[3] == "checked")
number = written = 0
while True:
    again = writer.taken and written % 3 > 0  # what is taken may be written over at once, and need not
    number += 4 if again and number else 1
    blocks = number % 97 + 1
    if sys.argv[2] == "bytes":
        pieces = [number.to_bytes(8, "little") * (blocks * 64)]
    else:
        data = bytes([number % 251]) * (blocks * 480)
        plane = protocol.Plane.of("rgba8", 120, blocks, data)
        pieces = protocol.encode_pieces(protocol.Result(id=number, planes={"color": plane}))
    assert writer.write(pieces, again=again) == number
    written += 1
    if written % 16 == 0:
        time.sleep(0.001)
"""


@dataclass
class Shared:
    """An anonymous file with two rings in it."""

    path: str
    view: memoryview
    layout: Layout


@pytest.fixture
def shared() -> Iterator[Shared]:
    layout = Layout.of(4, LARGEST, 4, LARGEST)
    file = os.memfd_create("mirage-test")
    os.truncate(file, layout.size)
    view = memoryview(mmap.mmap(file, layout.size))
    view[: ring.PAGE] = ring.described(layout, bytes(range(16)))
    yield Shared(f"/proc/{os.getpid()}/fd/{file}", view, layout)
    os.close(file)


@pytest.fixture(scope="module", params=["file", "native"])
def player(godot: Godot, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Godot:
    """Godot as it comes, and one with the native library built into its project."""
    if request.param == "file":
        return godot
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc to build the native library with")
    native = godot.copy(tmp_path_factory.mktemp("native"))
    folder = native.project / "addons/mirage/native"
    built = subprocess.run(
        ["sh", folder / "build.sh", native.program], check=True, capture_output=True, text=True, timeout=120
    )
    assert "warning" not in built.stderr, built.stderr
    # What the editor writes when it has found a library. A headless import finds it too, but Godot crashes after that.
    (native.project / ".godot/extension_list.cfg").write_text("res://addons/mirage/native/mirage_native.gdextension\n")
    return native


def is_native(player: Godot) -> str:
    return "true" if (player.project / "addons/mirage/native/mirage_native.gdextension").exists() else "false"


def test_rings(player: Godot) -> None:
    output = player.headless("test_ring.gd", vectors=VECTORS, native=is_native(player))
    assert ", 0 failed" in output


@pytest.mark.parametrize("checked", ["checked", "unchecked"])
@pytest.mark.parametrize("content", ["bytes", "results"])
def test_godot_reads_while_another_process_writes(player: Godot, shared: Shared, content: str, checked: str) -> None:
    with writing(shared, content, checked):
        output = run(player, shared, only=f"test_reading_{content}", seconds=6, count=4000)
    assert (seen := re.search(r"seen (\d+) of (\d+)", output))
    assert int(seen[1]) > 50


def test_godot_writes_while_another_process_reads(player: Godot, shared: Shared) -> None:
    with reading(shared) as seen:
        run(player, shared, only="test_writing_bytes", count=10_000)
    assert len(seen) > 50
    assert seen[-1] == 10_000


def test_memory_that_nobody_has(player: Godot, shared: Shared) -> None:
    with pytest.raises(AssertionError, match="cannot be opened from here"):
        player.headless("test_memory.gd", memory="/proc/999999999/fd/3", size=shared.layout.size)


def run(player: Godot, shared: Shared, *, only: str, count: int, seconds: float = 0.0) -> str:
    output = player.headless(
        "test_memory.gd",
        memory=shared.path,
        size=shared.layout.size,
        native=is_native(player),
        only=only,
        count=count,
        seconds=seconds,
    )
    assert "1 passed, 0 failed" in output
    return output


@contextmanager
def writing(shared: Shared, content: str, checked: str) -> Iterator[None]:
    """Another process that writes results' messages without end."""
    with subprocess.Popen([sys.executable, "-c", WRITER, shared.path, content, checked]) as writer:
        try:
            yield
            assert writer.poll() is None, "the writer has ended"
        finally:
            writer.kill()


@contextmanager
def reading(shared: Shared) -> Iterator[list[int]]:
    """A thread that reads frames' messages, checks each, and notes their numbers."""
    reader, numbers, over = RingReader(shared.view, shared.layout.frames), list[int](), threading.Event()
    torn: list[int] = []

    def read() -> None:
        while True:
            last = over.is_set()
            while (found := reader.next()) is not None:
                number, message = found
                words = np.frombuffer(message, np.uint64)
                if len(words) != (number % 97 + 1) * BLOCK // 8 or not (words == number).all():
                    torn.append(number)
                numbers.append(number)
            if last:
                return

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield numbers
    finally:
        over.set()
        thread.join()
    assert not torn
