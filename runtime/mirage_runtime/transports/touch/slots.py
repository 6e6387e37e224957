"""Places for pictures in memory that the worker maps too: read there where they lie, its results written there."""

from __future__ import annotations

import mmap
import threading
from collections import deque
from pathlib import Path
from typing import Final

from mirage_protocol import Result
from mirage_protocol.ring import PAGE, SLOT_HEADER, Layout, RingReader
from mirage_runtime.transports.shared_memory import SharedMemory
from mirage_runtime.transports.touch.header import TouchError
from mirage_runtime.worker.planes import Block, Lease, Target

_SLOTS: Final = 4
"""One with the worker, one in the mailbox, one that is being read, and one on its way between threads."""


class Slot:
    """A place for one picture; whoever needs what is in it holds it."""

    def __init__(self, block: Block, offset: int, view: memoryview) -> None:
        self.block = block
        self.view = view
        self.holders = 0
        self._offset = offset

    def lease(self) -> Lease:
        """Return what the worker needs to read the picture where it is; nobody writes there while it is held."""
        return Lease(self.block, lambda: True, lambda data: self._offset)


class _Memory:
    """Shared memory of which both sides are ours: slots for frames, and a ring for results."""

    def __init__(self, size: int, *, results: bool) -> None:
        room = size + 2 * PAGE if results else PAGE
        self.shared = SharedMemory(Layout.of(_SLOTS, size, _SLOTS, room), pipes=False, checked=False)
        with Path(self.shared.path).open("r+b") as file:
            view = memoryview(mmap.mmap(file.fileno(), self.shared.block.size))
        place = self.shared.frames.place
        self.size = size
        self.results = RingReader(view, self.shared.results.place)
        self.slots = []
        for number in range(_SLOTS):
            offset = place.offset + PAGE + number * place.stride + SLOT_HEADER
            self.slots.append(Slot(self.shared.block, offset, view[offset : offset + size]))

    @property
    def is_held(self) -> bool:
        """Whether anybody needs what is in it."""
        return any(slot.holders for slot in self.slots)


class Slots:
    """Slots that grow with the pictures. Any thread may ask; memory of earlier sizes is given back by `drain`."""

    def __init__(self, *, results: bool) -> None:
        self._results = results
        self._lock = threading.Lock()
        self._memory: _Memory | None = None
        self._free: deque[Slot] = deque()
        self._retired: list[_Memory] = []

    def take(self, size: int) -> Slot | None:
        """Return a slot of at least ``size`` bytes, held once; None where all are in use.

        Raises `TouchError` where there is no memory.
        """
        with self._lock:
            if self._memory is None or self._memory.size < size:
                self._grow(size)
            if not self._free:
                return None
            slot = self._free.popleft()
            slot.holders = 1
            return slot

    def _grow(self, size: int) -> None:
        try:
            memory = _Memory(size, results=self._results)
        except OSError as error:
            raise TouchError(f"there is no memory for pictures of {size} bytes: {error.strerror or error}") from None
        if self._memory is not None:
            self._retired.append(self._memory)
        self._memory = memory
        self._free = deque(memory.slots)

    def hold(self, slot: Slot) -> None:
        """Keep what is in a slot for one more who needs it."""
        with self._lock:
            slot.holders += 1

    def give(self, slot: Slot) -> None:
        """Need what is in a slot no longer."""
        with self._lock:
            slot.holders -= 1
            if slot.holders == 0 and self._memory is not None and slot.block == self._memory.shared.block:
                self._free.append(slot)

    def target(self, size: int) -> Target | None:
        """Return where the worker may put the next result; None where there is no room for it."""
        memory = self._memory
        return memory.shared.reserve(size) if memory is not None and self._results else None

    def finish(self, target: Target, result: Result) -> bool:
        """Note that a result is whole; False where its memory is not this one any more."""
        memory = self._memory
        return memory is not None and memory.shared.block == target.block and memory.shared.finish(target, result)

    def holds(self, target: Target) -> bool:
        """Whether a result is still where it was put, whole."""
        memory = self._memory
        return memory is not None and memory.shared.block == target.block and memory.results.holds(target.number)

    def drain(self) -> list[Block]:
        """Let go of memory of earlier sizes that nobody needs any more, and return what it was."""
        with self._lock:
            gone = [memory for memory in self._retired if not memory.is_held]
            self._retired = [memory for memory in self._retired if memory.is_held]
        for memory in gone:
            memory.shared.close()
        return [memory.shared.block for memory in gone]

    def close(self) -> list[Block]:
        """Let go of everything, and return what it was."""
        with self._lock:
            gone = [*self._retired, *([self._memory] if self._memory else [])]
            self._memory, self._retired, self._free = None, [], deque()
        for memory in gone:
            memory.shared.close()
        return [memory.shared.block for memory in gone]
