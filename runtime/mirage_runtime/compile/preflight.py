"""Is there room? Told before the work begins, which takes minutes and would end with what a system says of it."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mirage_runtime.compile.errors import CompileError

GIB: Final = 2**30

# Measured on SD-Turbo's networks of 869 M parameters with TensorRT-RTX 1.7, in bytes of their fp16 weights: export and
# comparison 6.6 times (10.6 GiB), the build 3.5; the disk holds the graph and the engine.
_MEMORY_TIMES: Final = 6.7
_DISK_TIMES: Final = 2.3
_MEMORY_BESIDE: Final = 0.5 * GIB


@dataclass(frozen=True)
class Room:
    """Bytes of memory and disk that are needed or free."""

    memory: int
    disk: int


def needed(weights: int) -> Room:
    """Return what compiling takes for networks whose weights have so many bytes as fp16, the largest one included."""
    return Room(round(weights * _MEMORY_TIMES + _MEMORY_BESIDE), round(weights * _DISK_TIMES))


def free(folder: Path) -> Room:
    """Return what is free on this machine, and on the disk that a folder is or will be on."""
    place = folder
    while not place.exists():
        place = place.parent
    return Room(free_memory(), shutil.disk_usage(place).free)


def check(required: Room, available: Room, folder: Path) -> None:
    """Raise `CompileError` where there is too little."""
    if required.memory > available.memory:
        raise CompileError(
            f"compiling needs {required.memory / GIB:.1f} GiB of memory, {available.memory / GIB:.1f} are free: "
            "end other programs, or compile on another machine and copy the folder"
        )
    if required.disk > available.disk:
        raise CompileError(
            f"compiling needs {required.disk / GIB:.1f} GiB at {folder}, {available.disk / GIB:.1f} are free: "
            "make room, or set MIRAGE_CACHE to a folder on another disk"
        )


def free_memory() -> int:
    """Return the bytes of memory that programs may still have."""
    if sys.platform == "win32":
        return _free_on_windows()
    if sys.platform == "darwin":
        pages = subprocess.run(["/usr/bin/vm_stat"], capture_output=True, text=True, check=True).stdout
        return _free_of_vm_stat(pages)
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return min(int(line.split()[1]) * 1024, _left_to_this_container())
    return sys.maxsize


def _left_to_this_container() -> int:
    try:
        most = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):
        return sys.maxsize
    return sys.maxsize if most == "max" else max(0, int(most) - used)


def _free_of_vm_stat(text: str) -> int:
    size = int(text.split("page size of ")[1].split()[0])
    counts = dict(line.rstrip(".").split(":") for line in text.splitlines()[1:] if ":" in line)
    return size * sum(int(counts.get(f"Pages {kind}", 0)) for kind in ("free", "inactive", "speculative"))


def _free_on_windows() -> int:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "pages", "free_pages", "space", "left", "more")),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    kernel: Any = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    kernel.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.free)
