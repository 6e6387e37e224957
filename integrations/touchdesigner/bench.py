"""What it costs: python integrations/touchdesigner/bench.py, in a checkout with the tests' requirements.

Tops are played by this program over files, the component by the tests' stand-in: TouchDesigner's own download and
upload of textures are in none of the figures. What is compared is measured in turns.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path += [str(ROOT / "tests/touchdesigner"), str(HERE)]

FRAMES = 300
PAUSE = 1 / 60


@contextlib.contextmanager
def daemon(folder: Path, *options: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run an echo daemon; gives its address and its process."""
    command = [sys.executable, "-m", "mirage_runtime", "serve", "--model", "echo", "--port", "0", "--no-osc", *options]
    environment = os.environ | {"MIRAGE_TOUCH_FOLDER": str(folder), "MIRAGE_STATE": str(folder)}
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            while not (found := re.search(r"localhost:(\d+).*worker \d+ is ready", read(folder / "log"), re.DOTALL)):
                time.sleep(0.05)
            yield f"ws://127.0.0.1:{found[1]}", psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def read(path: Path) -> str:
    """Return a text that is still being written."""
    return path.read_text(errors="replace")


class Tops:
    """A Shared Mem Out TOP and a Shared Mem In TOP that map their memory, as TouchDesigner does.

    ``sealed`` is memory that cannot be cut short, which the daemon maps too: so it is on Windows.
    """

    def __init__(self, folder: Path, names: tuple[str, str], width: int, height: int, *, sealed: bool = False) -> None:
        from shared_mem import header

        out, result = (folder / f"TouchSHM{name}" for name in names)
        self.size = 48 + width * height * 4
        self.shape = (height, width, 4)
        self.out_lock = Path(f"{out}Mutex").open("w+b")  # noqa: SIM115
        file = memory(self.size) if sealed else os.open(out, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(file, self.size)
        self.out = self._mapped(file)
        mmap.mmap(file, 48)[:] = header(width, height)
        if sealed:
            out.symlink_to(f"/proc/{os.getpid()}/fd/{file}")
        while not result.exists() or result.stat().st_size < self.size:
            time.sleep(0.01)
        self.result = self._mapped(os.open(result, os.O_RDWR))
        self.result_lock = Path(f"{result}Mutex").open("r+b")  # noqa: SIM115
        self.got = np.empty(self.shape, np.uint8)

    def _mapped(self, file: int) -> Any:
        return np.frombuffer(mmap.mmap(file, self.size), np.uint8, offset=48).reshape(self.shape)

    def round_trip(self, picture: Any) -> float:
        """Show a picture, wait until it is back, and copy it out; returns milliseconds."""
        began = time.perf_counter()
        self._locked(self.out_lock, self.out, picture)
        # First and last row tell: it is written from one end to the other.
        while not all(np.array_equal(self.result[row, :8], picture[row, :8]) for row in (0, -1)):
            time.sleep(0.0001)
        self._locked(self.result_lock, self.got, self.result)
        took = (time.perf_counter() - began) * 1000
        assert np.array_equal(self.got, picture)
        return took

    @staticmethod
    def _locked(lock: Any, target: Any, source: Any) -> None:
        fcntl.flock(lock, fcntl.LOCK_EX)
        np.copyto(target, source)
        fcntl.flock(lock, fcntl.LOCK_UN)


def memory(size: int) -> int:
    """Return a file in memory that cannot be cut short."""
    file = os.memfd_create("bench", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, size)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return file


def told(what: str, milliseconds: list[float]) -> None:
    """Print a row of the README's table."""
    p50, p95 = np.percentile(milliseconds, (50, 95))
    print(f"| {what} | {p50:.2f} | {p95:.2f} |", flush=True)


def native(folder: Path) -> None:
    """Echo through Shared Mem TOPs, beside the five copies that it takes."""
    options = ("--touch-in", "a", "--touch-out", "b", "--touch-in", "c:two", "--touch-out", "d:two")
    for width, height in ((1280, 720), (1920, 1080)):
        place = folder / f"{width}"
        place.mkdir()
        with daemon(place, *options):
            ways = {
                "memory that is mapped, as on Windows": Tops(place, ("a", "b"), width, height, sealed=True),
                "a file that is read": Tops(place, ("c", "d"), width, height),
            }
            shape = (height, width, 4)
            pictures = [np.random.default_rng(seed).integers(0, 256, shape, np.uint8) for seed in range(2)]
            targets = [np.empty_like(pictures[0]) for _ in range(5)]
            trips: dict[str, list[float]] = {way: [] for way in ways}
            copies = []
            for number in range(FRAMES):
                for way, tops in ways.items():
                    trips[way].append(tops.round_trip(pictures[number % 2]))
                    time.sleep(PAUSE)
                copies.append(timed(lambda: copied(pictures[0], targets)))  # noqa: B023
        for way, milliseconds in trips.items():
            told(f"native echo, {width}x{height}, {way}", milliseconds[20:])
        told(f"five bare copies, {width}x{height}", copies[20:])


def copied(picture: Any, targets: list[Any]) -> None:
    """Copy from one to the next."""
    for target in targets:
        np.copyto(target, picture)
        picture = target


def timed(work: Callable[[], object]) -> float:
    """Return how many milliseconds something takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def idle(folder: Path) -> None:
    """Print the daemon's share of one core while nothing changes."""
    for what, options, still in (
        ("without Shared Mem TOPs", (), False),
        ("no such memory", ("--touch-in", "a", "--touch-out", "b"), False),
        ("a still picture, 1920x1080", ("--touch-in", "a", "--touch-out", "b"), True),
    ):
        place = folder / what.partition(" ")[0]
        place.mkdir()
        with daemon(place, *options) as (_, process):
            if still:
                tops = Tops(place, ("a", "b"), 1920, 1080)
                tops.round_trip(np.full(tops.shape, 7, np.uint8))
            time.sleep(3.0)
            before, began = process.cpu_times(), time.monotonic()
            time.sleep(10.0)
            after, seconds = process.cpu_times(), time.monotonic() - began
        share = (after.user + after.system - before.user - before.system) / seconds
        print(f"| the daemon's process, {what} | {share:.1%} of a core | |", flush=True)


def cook(folder: Path) -> None:
    """Time the component's own code in the main thread, a cook at a time: TouchDesigner's two calls are left out."""
    import build_tox
    import build_vendor
    import td_operators
    from td_stand_in import TouchDesigner

    place = folder / "cook"
    build_vendor.build(place / "python")
    (place / "mirage").symlink_to(HERE / "mirage")
    os.environ["XDG_CACHE_HOME"] = os.environ["LOCALAPPDATA"] = str(folder / "cache")
    with daemon(folder) as (url, _):
        for what, dtype in (("8 bits", np.uint8), ("floats", np.float32)):
            program = TouchDesigner(place)
            component = build_tox.build(folder=place, save=False)
            program.frame()
            component.par.Address.val = f"{url}/{what.replace(' ', '-')}"
            source = program.project.create(td_operators.constantTOP, "source")
            component.inputConnectors[0].connect(source)
            source.picture = np.random.default_rng(0).integers(0, 2, (720, 1280, 4)).astype(dtype)
            while not component.HasResult:
                program.frame()
                time.sleep(0.01)
            told(f"cook, 1280x720, {what}", [own_time(component) for _ in range(FRAMES)])
            program.close()
            for name in [name for name in sys.modules if name.startswith("mirage_touchdesigner")]:
                del sys.modules[name]


def own_time(component: Any) -> float:
    """Return the milliseconds of a frame's callbacks, without what TouchDesigner does in them."""
    others = 0.0
    result, source = component.op("result"), component.op("in1")

    def apart(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            nonlocal others
            began = time.perf_counter()
            try:
                return call(*arguments, **options)
            finally:
                others += (time.perf_counter() - began) * 1000

        return wrapped

    result.copyNumpyArray = apart(type(result).copyNumpyArray.__get__(result))
    source.numpyArray = apart(type(source).numpyArray.__get__(source))
    took = timed(lambda: component.op("every_frame").module.onFrameStart(1))
    time.sleep(PAUSE)
    return took - others


def masking() -> None:
    """Time the masking of one frame of 1280x720 as Python, NumPy and C do it."""
    import runpy

    from websockets.speedups import apply_mask as compiled
    from websockets.utils import apply_mask as python

    stand_in = runpy.run_path(str(HERE / "stand_ins/websockets/speedups.py"))["apply_mask"]
    data = np.random.default_rng(0).integers(0, 256, 1280 * 720 * 4, np.uint8).tobytes()
    ways: dict[str, Any] = {"Python": python, "NumPy, as vendored": stand_in, "compiled": compiled}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(40):
        for way, mask in ways.items():
            times[way].append(timed(lambda: mask(data, b"\1\2\3\4")))  # noqa: B023
    for way, milliseconds in times.items():
        told(f"masking 1280x720, {way}", milliseconds)


def transports(folder: Path) -> None:
    """Time echo round trips of the vendored client by both transports."""
    import build_vendor

    place = folder / "vendored"
    build_vendor.build(place)
    script = (
        f"import sys; sys.path.insert(0, {str(place)!r}); import time, numpy, mirage, websockets.frames\n"
        "from websockets.utils import apply_mask\n"
        "ours, python = websockets.frames.apply_mask, apply_mask\n"
        "frame = numpy.random.default_rng(0).integers(0, 256, (720, 1280, 4), numpy.uint8)\n"
        "ways = (('shared memory', 'shared-memory', ours), ('WebSocket, masked by NumPy', 'websocket', ours),\n"
        "        ('WebSocket, masked by Python', 'websocket', python))\n"
        "streams = [mirage.connect(f'{sys.argv[1]}/s{n}', transport=way[1]) for n, way in enumerate(ways)]\n"
        "for number in range(110):\n"
        "    for way, stream in zip(ways, streams):\n"
        "        websockets.frames.apply_mask = way[2]\n"
        "        began = time.perf_counter(); stream.transform(frame[::-1])\n"
        "        print(way[0], (time.perf_counter() - began) * 1000, sep=';')\n"
    )
    with daemon(folder) as (url, _):
        lines = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=True).stdout
    times: dict[str, list[float]] = {}
    for line in lines.splitlines():
        way, _, milliseconds = line.partition(";")
        times.setdefault(way, []).append(float(milliseconds))
    for way, values in times.items():
        told(f"component's client, 1280x720 echo, {way}", values[10:])


def main() -> None:
    """Measure everything and print it as rows of a table."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as work:
        print("| what | p50 ms | p95 ms |\n|---|---|---|", flush=True)
        native(Path(work))
        cook(Path(work))
        masking()
        transports(Path(work))
        idle(Path(work))


if __name__ == "__main__":
    main()
