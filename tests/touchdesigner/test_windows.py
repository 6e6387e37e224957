"""The logic of named memory on Windows, against a stand-in for the kernel's functions. It has not run there."""

from __future__ import annotations

import struct
import sys
from typing import Any

import pytest

from mirage_runtime.transports.touch.header import TouchError
from mirage_runtime.transports.touch.windows import Kernel, View, WindowsReader, WindowsWriter

INFO = "TouchSHMTouchSHMa4jhd783h"


class FakeKernel:
    """Named memory that lives as long as anybody has it open, and named mutexes."""

    def __init__(self) -> None:
        self.memory: dict[str, bytearray] = {}
        self.open_views: dict[str, int] = {}
        self.held: dict[str, object] = {}

    def process(self) -> Any:
        return FakeProcess(self)


class FakeProcess:
    def __init__(self, kernel: FakeKernel) -> None:
        self.kernel = kernel
        self.names: list[str] = []

    def create(self, name: str, size: int) -> View:
        self.kernel.memory.setdefault(name, bytearray(-(-size // 4096) * 4096))
        return self.open(name)  # type: ignore[return-value]

    def open(self, name: str) -> View | None:
        if name not in self.kernel.memory:
            return None
        self.names.append(name)
        self.kernel.open_views[name] = self.kernel.open_views.get(name, 0) + 1
        return View(len(self.names) - 1, 0, memoryview(self.kernel.memory[name]))

    def close(self, view: View) -> None:
        name = self.names[view.handle]
        self.kernel.open_views[name] -= 1
        if not self.kernel.open_views[name]:
            del self.kernel.memory[name]

    def mutex(self, name: str) -> int:
        self.names.append(name)
        return len(self.names) - 1

    def acquire(self, mutex: int, milliseconds: int) -> bool:
        return self.kernel.held.setdefault(self.names[mutex], self) is self

    def release(self, mutex: int) -> None:
        del self.kernel.held[self.names[mutex]]

    def forget(self, mutex: int) -> None: ...


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


def reader(kernel: FakeKernel) -> WindowsReader | None:
    return WindowsReader.open("a", kernel.process())


def put(writer: WindowsWriter, data: bytes) -> None:
    with writer.locked() as held:
        assert held
        writer.room(len(data))[:] = data


def got(reader: WindowsReader, size: int) -> bytes:
    data = bytearray(size)
    with reader.locked() as held:
        assert held
        reader.read(0, memoryview(data))
    return bytes(data)


def test_what_is_written_is_read(kernel: FakeKernel) -> None:
    assert reader(kernel) is None
    writer = WindowsWriter.create("a", kernel.process())
    put(writer, b"picture")
    opened = reader(kernel)
    assert opened is not None
    assert opened.size == 4096
    assert opened.is_current()
    assert got(opened, 7) == b"picture"
    with pytest.raises(TouchError, match="shorter"):
        got(opened, 5000)
    assert {"TouchSHMa", INFO} == set(kernel.memory)
    opened.close()
    writer.close()
    assert kernel.memory == {}
    assert kernel.held == {}


def test_a_reader_follows_memory_that_grows_under_another_name(kernel: FakeKernel) -> None:
    writer = WindowsWriter.create("a", kernel.process())
    put(writer, b"small")
    opened = reader(kernel)
    assert opened is not None
    assert kernel.memory[INFO][8] == 1  # it says that it follows
    put(writer, b"x" * 10_000)
    assert not opened.is_current()
    letters = bytes(kernel.memory[INFO][10:72]).decode("utf-16-le")
    assert len(letters) == 31
    assert f"TouchSHMa{letters}" in kernel.memory
    opened.close()
    again = reader(kernel)
    assert again is not None
    assert got(again, 10_000) == b"x" * 10_000
    assert kernel.memory[INFO][8] == 1


def test_a_reader_lets_go_when_it_is_asked_to(kernel: FakeKernel) -> None:
    writer = WindowsWriter.create("a", kernel.process())
    put(writer, b"picture")
    opened = reader(kernel)
    assert opened is not None
    writer.close()
    assert not opened.is_current()
    opened.close()
    assert reader(kernel) is None
    again = WindowsWriter.create("a", kernel.process())
    put(again, b"another")
    found = reader(kernel)
    assert found is not None
    assert found.is_current()


def test_memory_that_does_not_change_is_opened_again(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = WindowsWriter.create("a", kernel.process())
    put(writer, b"picture")
    opened = reader(kernel)
    assert opened is not None
    monkeypatch.setattr(opened, "_opened", -1e9)
    assert not opened.is_current()  # its sender may be gone: the name lives on because we hold it


def test_two_daemons_on_one_name(kernel: FakeKernel) -> None:
    first = WindowsWriter.create("a", kernel.process())
    with pytest.raises(TouchError, match="another daemon"):
        WindowsWriter.create("a", kernel.process())
    first.close()
    WindowsWriter.create("a", kernel.process())


def test_a_mutex_that_somebody_keeps(kernel: FakeKernel) -> None:
    writer = WindowsWriter.create("a", kernel.process())
    put(writer, b"picture")
    opened = reader(kernel)
    assert opened is not None
    other = kernel.process()
    mutex = other.mutex("TouchSHMaMutex")
    assert other.acquire(mutex, 0)
    with opened.locked() as held:
        assert not held
    with writer.locked() as held:
        assert not held
    other.release(mutex)
    assert got(opened, 7) == b"picture"


@pytest.mark.parametrize(
    "info",
    [
        b"",
        bytes(76),
        struct.pack("<II?x64s?x", 1, 2, True, "evil".encode("utf-16-le"), False),
        struct.pack("<II?x64s?x", 0x56ED34BA, 2, True, "../evil".encode("utf-16-le"), False),
        struct.pack("<II?x64s?x", 0x56ED34BA, 2, True, b"\xff" * 64, False),
    ],
)
def test_an_info_that_lies(kernel: FakeKernel, info: bytes) -> None:
    other = kernel.process()
    other.create("TouchSHMa", 100).memory[:4] = b"data"
    kernel.memory[INFO] = bytearray(info)
    opened = reader(kernel)
    assert opened is not None
    assert got(opened, 4) == b"data"


def test_an_info_under_the_name_that_others_describe(kernel: FakeKernel) -> None:
    other = kernel.process()
    letters = "abc".encode("utf-16-le")
    other.create("TouchSHMaabc", 100).memory[:4] = b"data"
    other.create("TouchSHMa4jhd783h", 76).memory[:76] = struct.pack("<II?x64s?x", 0x56ED34BA, 2, False, letters, False)
    opened = reader(kernel)
    assert opened is not None
    assert got(opened, 4) == b"data"


@pytest.mark.skipif(sys.platform == "win32", reason="named memory is there")
def test_elsewhere_there_is_no_such_kernel() -> None:
    with pytest.raises(TouchError, match="Windows"):
        Kernel()
