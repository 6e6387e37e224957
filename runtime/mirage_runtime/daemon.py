"""The daemon: one worker, its streams, and one port."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from websockets.asyncio.server import Server

from mirage_protocol import DEFAULT_STREAM, Refused
from mirage_runtime import models
from mirage_runtime.config import Config, is_loopback
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.metrics import Metrics
from mirage_runtime.show.booth import Booth
from mirage_runtime.show.desk import Desk
from mirage_runtime.streams import Dispatcher, Stream
from mirage_runtime.transports.osc import OscTransport
from mirage_runtime.transports.oscquery import OscQuery
from mirage_runtime.transports.page import Pages
from mirage_runtime.transports.shared_memory import remove_leftovers
from mirage_runtime.transports.touch.link import TouchLink
from mirage_runtime.transports.websocket import WebSocketTransport
from mirage_runtime.worker.handle import WorkerHandle

if TYPE_CHECKING:
    from mirage_runtime.transports.mdns import Advertisement

_log = logging.getLogger("mirage.daemon")

# malloc.h of the GNU C library.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class Daemon:
    """Composes worker, streams and transports, and runs them until it is stopped."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.card = models.card(config.model)
        self.metrics = Metrics()
        self.worker = WorkerHandle(config.model, hang_timeout=config.hang_timeout, on_state=self._worker_changed)
        self._streams: dict[str, Stream] = {}
        self._dispatcher = Dispatcher(self._streams, self.worker, before=self._take_osc)
        self.desk = Desk(self._streams, self.stream, lambda stream: stream.status(self.worker))
        self.stream(DEFAULT_STREAM)
        self.booth = Booth(self.desk, config.show, config.midi)
        self.osc: OscTransport | None = None
        self.query = OscQuery(self.booth.tree, self.desk, self._osc_address)
        self._touch = [TouchLink(link, self) for link in config.touch]
        pages = Pages(
            token=config.token,
            health=self.health,
            metrics=self.metrics.exposition,
            tree=self.query.answer,
            listed=lambda host: config.osc is not None and config.osc.lists(host),
        )
        self._transport = WebSocketTransport(self, pages)

    def stream(self, name: str) -> Stream:
        """Return the stream of that name, made where it is new; raises `Refused` when there are too many."""
        if name not in self._streams:
            if len(self._streams) >= self.config.max_streams:
                self._forget_a_stream()
            self._streams[name] = Stream(name, metrics=self.metrics, on_frame=self._dispatcher.wake, observer=self.desk)
            self.desk.streams_changed()
        return self._streams[name]

    def _forget_a_stream(self) -> None:
        """Make room by forgetting the stream that has been deserted longest."""
        deserted = [stream for name, stream in self._streams.items() if name != DEFAULT_STREAM and stream.deserted]
        if not deserted:
            raise Refused("limit", f"there are {self.config.max_streams} streams already: use one of those")
        forgotten = min(deserted, key=lambda stream: stream.last_left)
        del self._streams[forgotten.name]
        self.metrics.forget(forgotten.name)
        self.desk.streams_changed()

    def health(self) -> tuple[str | None, dict[str, object]]:
        """Return why no frame can be transformed (None when one can), and what runs here."""
        details: dict[str, object] = {"model": self.card.name, "engine": self.worker.description}
        details |= {"streams": sorted(self._streams), "worker_restarts": self.worker.restarts}
        details |= {"osc_port": self.osc.port if self.osc else None, "cue": self.booth.player.current}
        details |= {"touch": [link.describe() for link in self._touch]} if self._touch else {}
        return (None if self.worker.ready else self.worker.problem), details

    async def run(self, stop: asyncio.Event, listening: Callable[[int], None] = lambda port: None) -> None:
        """Serve until ``stop`` is set; ``listening`` is called with the port once connections are accepted.

        Raises `MirageRuntimeError` when the port is taken or the model cannot be loaded.
        """
        server = await self._listen()
        port = server.sockets[0].getsockname()[1]
        advertisement = self._advertisement(port)
        try:
            self.osc = self._open_osc()
            self.booth.begin()
            listening(port)
            async with asyncio.TaskGroup() as tasks:
                worker = tasks.create_task(self.worker.run(), name="worker")
                more = [self.desk.run, self.booth.run]
                more += [self.osc.run] if self.osc else []
                more += [link.run for link in self._touch]
                more += [advertisement.begin] if advertisement else []
                running = [worker, *(tasks.create_task(_lasting(run)) for run in more)]
                await _first(stop, [worker])
                for task in running:
                    task.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            server.close()
            self.booth.end()
            if self.osc is not None:
                self.osc.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3.0):
                    if advertisement is not None:
                        await advertisement.end()
                    await server.wait_closed()

    def _open_osc(self) -> OscTransport | None:
        config = self.config.osc
        if config is None:
            return None
        osc = OscTransport(config, self.booth.tree, self.desk, self.metrics)
        try:
            osc.open()
        except OSError as error:
            taken = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror or error}"
            problem = f"the OSC port {config.port} of {config.host} {taken}"
            if config.required:
                raise MirageRuntimeError(f"{problem}: choose another with --osc-port, or none with --no-osc") from None
            _log.warning("%s, so there is no OSC here: choose another with --osc-port", problem)
            return None
        _log.info("OSC is at %s, UDP port %d", config.host, osc.port)
        return osc

    def _take_osc(self) -> None:
        if self.osc is not None:
            self.osc.drain()

    def _osc_address(self) -> tuple[str, int] | None:
        return None if self.osc is None or self.config.osc is None else (self.config.osc.host, self.osc.port)

    def _advertisement(self, port: int) -> Advertisement | None:
        wanted = not is_loopback(self.config.host) if self.config.mdns is None else self.config.mdns
        if not wanted:
            return None
        from mirage_runtime.transports.mdns import Advertisement  # most daemons need no zeroconf

        osc = self.config.osc
        return Advertisement(self.config.host, port, lambda: self.osc.port if self.osc and osc else None)

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


async def _lasting(run: Callable[[], Awaitable[None]]) -> None:
    """Run what the frames do not need: a fault of ours in it is logged, and it begins anew."""
    while True:
        try:
            return await run()
        except Exception:
            _log.exception("a fault of ours, beside the frames: they go on")
            await asyncio.sleep(1.0)


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
