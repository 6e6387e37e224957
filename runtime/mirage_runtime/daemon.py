"""The daemon: one worker, its streams, and one port."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import signal
import sys
from collections.abc import Callable

from websockets.asyncio.server import Server

from mirage_protocol import DEFAULT_STREAM, Refused
from mirage_runtime import models
from mirage_runtime.config import Config
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.metrics import Metrics
from mirage_runtime.streams import Dispatcher, Stream
from mirage_runtime.transports.page import Pages
from mirage_runtime.transports.shared_memory import remove_leftovers
from mirage_runtime.transports.websocket import WebSocketTransport
from mirage_runtime.worker.handle import WorkerHandle

_log = logging.getLogger("mirage.daemon")

# malloc.h of the GNU C library.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class Daemon:
    """Composes worker, streams and transports, and runs them until it is stopped."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.card = models.card(config.model.name)
        self.metrics = Metrics()
        self.worker = WorkerHandle(config.model, hang_timeout=config.hang_timeout, on_state=self._worker_changed)
        self._streams: dict[str, Stream] = {}
        self._dispatcher = Dispatcher(self._streams, self.worker)
        self._transport = WebSocketTransport(
            self, Pages(token=config.token, health=self.health, metrics=self.metrics.exposition)
        )
        self.stream(DEFAULT_STREAM)

    def stream(self, name: str) -> Stream:
        """Return the stream of that name, made where it is new; raises `Refused` when there are too many."""
        if name not in self._streams:
            if len(self._streams) >= self.config.max_streams:
                self._forget_a_stream()
            self._streams[name] = Stream(name, metrics=self.metrics, on_frame=self._dispatcher.wake)
        return self._streams[name]

    def _forget_a_stream(self) -> None:
        """Make room by forgetting the stream that has been deserted longest."""
        deserted = [stream for name, stream in self._streams.items() if name != DEFAULT_STREAM and stream.deserted]
        if not deserted:
            raise Refused("limit", f"there are {self.config.max_streams} streams already: use one of those")
        forgotten = min(deserted, key=lambda stream: stream.last_left)
        del self._streams[forgotten.name]
        self.metrics.forget(forgotten.name)

    def health(self) -> tuple[str | None, dict[str, object]]:
        """Return why no frame can be transformed (None when one can), and what runs here."""
        details: dict[str, object] = {"model": self.card.name, "engine": self.worker.description}
        details |= {"streams": sorted(self._streams), "worker_restarts": self.worker.restarts}
        return (None if self.worker.ready else self.worker.problem), details

    async def run(self, stop: asyncio.Event, listening: Callable[[int], None] = lambda port: None) -> None:
        """Serve until ``stop`` is set; ``listening`` is called with the port once connections are accepted.

        Raises `MirageRuntimeError` when the port is taken or the model cannot be loaded.
        """
        server = await self._listen()
        listening(server.sockets[0].getsockname()[1])
        try:
            async with asyncio.TaskGroup() as tasks:
                worker = tasks.create_task(self.worker.run(), name="worker")
                await _first(stop, [worker])
                worker.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            server.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3.0):
                    await server.wait_closed()

    async def _listen(self) -> Server:
        try:
            return await self._transport.listen()
        except OSError as error:
            where = f"{self.config.host}:{self.config.port}"
            if error.errno == errno.EADDRINUSE:
                raise MirageRuntimeError(
                    f"port {self.config.port} is in use: stop what uses it, or choose another with --port"
                ) from None
            raise MirageRuntimeError(f"cannot listen on {where}: {error.strerror or error}") from None

    def _worker_changed(self) -> None:
        self.metrics.ready.set(self.worker.ready)
        self.metrics.restarts.set(self.worker.restarts)
        for stream in self._streams.values():
            stream.post(stream.status(self.worker))
        self._dispatcher.wake()


async def _first(stop: asyncio.Event, running: list[asyncio.Task[None]]) -> None:
    """Wait for ``stop`` or the end of any task."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()


def keep_freed_memory() -> None:
    """Let glibc keep what a frame's buffers free, up to 256 MiB, for the next frame.

    It would give them back to the kernel after each frame and fault them in again, page by page: 0.5 ms a frame at
    768x432. Elsewhere than on glibc nothing is done.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, 256 * 2**20)
        mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)


async def serve(config: Config, listening: Callable[[int], None] = lambda port: None) -> None:
    """Run a daemon until SIGINT or SIGTERM."""
    keep_freed_memory()
    remove_leftovers()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    daemon = Daemon(config)
    await daemon.run(stop, listening)
    _log.info("stopped")
