"""The WebSocket transport: a shell that moves messages between sockets and streams."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, Protocol

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from mirage_protocol import (
    PARAMETERS,
    PLANE_FORMATS,
    PROTOCOL_VERSION,
    ROLES,
    SUBPROTOCOL,
    Acknowledged,
    ClientHello,
    ClientMessage,
    Frame,
    Memory,
    Message,
    Ping,
    Play,
    Pong,
    ProtocolError,
    Ready,
    Refused,
    Result,
    Role,
    ServerHello,
    ServerProtocol,
    Set,
    Share,
    Shared,
    Unshared,
    WakeUp,
    encode,
    weighted_prompts,
)
from mirage_protocol.ring import Layout
from mirage_runtime import __version__
from mirage_runtime.clock import microseconds
from mirage_runtime.config import Config
from mirage_runtime.metrics import Metrics
from mirage_runtime.models import ModelCard
from mirage_runtime.names import stream_of
from mirage_runtime.show.booth import Booth
from mirage_runtime.streams import Encoded, Stream
from mirage_runtime.transports.oscquery import OscQuery, OscQuerySession
from mirage_runtime.transports.page import Pages, respond
from mirage_runtime.transports.security import refusal
from mirage_runtime.transports.shared_memory import SharedMemory
from mirage_runtime.worker.handle import WorkerHandle
from mirage_runtime.worker.planes import Lease, Target

_log = logging.getLogger("mirage.websocket")

HELLO_TIMEOUT = 10.0
# How long a peer that is being closed may take to read what it was sent before.
_CLOSE_TIMEOUT = 5.0
COLOR_FORMATS = ("rgba8", "rgb8", "jpeg")
RESULT_FORMATS = ("raw", "jpeg")
_MOST_MESSAGES_WAITING = 1024
# A header and nothing else: all that anybody but a source that was let in may send.
_SMALL_MESSAGE = 2**17


class Hub(Protocol):
    """What connections need of the daemon."""

    config: Config
    card: ModelCard
    metrics: Metrics
    worker: WorkerHandle
    booth: Booth
    query: OscQuery

    def stream(self, name: str) -> Stream:
        """Return the stream of that name, made where it is new; raises `Refused` when there are too many."""


class WebSocketTransport:
    """Listens on one port and gives each connection a `Session`."""

    def __init__(self, hub: Hub, pages: Pages) -> None:
        self._hub = hub
        self._pages = pages
        self._numbers = itertools.count(1)
        self._strangers: set[Session] = set()
        self._members: set[Session] = set()
        self._queries = 0

    async def listen(self) -> Server:
        """Bind and start to accept; raises OSError where the port cannot be had."""
        config = self._hub.config
        return await serve(
            self._converse,
            config.host,
            config.port,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            process_request=self._process_request,
            select_subprotocol=lambda _, offered: Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None,
            server_header=f"mirage/{__version__}",
            compression=None,
            max_size=_SMALL_MESSAGE,
            max_queue=4,
            ping_interval=20,
            ping_timeout=60,
            close_timeout=2,
        )

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        config, headers = self._hub.config, request.headers
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        reason = refusal(hosts, origins, config)
        if reason is not None:
            return respond(HTTPStatus.FORBIDDEN, reason + "\n")
        if not any("upgrade" in value.lower() for value in headers.get_all("Connection")):
            return self._pages.answer(request, _host_of(connection))
        if stream_of(request.path) is None:
            return respond(HTTPStatus.NOT_FOUND, "a stream's name has 1 to 64 of a-z, 0-9, - and _\n")
        offered = [name.strip() for value in headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",")]
        if not offered and request.path.partition("?")[0] == "/":
            return self._pages.refuse_query(request, _host_of(connection))
        if SUBPROTOCOL not in offered:
            return respond(HTTPStatus.BAD_REQUEST, f"this server speaks the WebSocket subprotocol {SUBPROTOCOL}\n")
        if len(self._strangers) >= config.max_connections:
            return respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections have not said hello yet\n")
        return None

    async def _converse(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.subprotocol is None:
            await self._converse_about_the_tree(connection)
            return
        name = stream_of(connection.request.path)
        assert name is not None
        session = Session(next(self._numbers), connection, self._hub, name, self._admit)
        self._strangers.add(session)
        try:
            await session.run()
        finally:
            self._strangers.discard(session)
            self._members.discard(session)

    async def _converse_about_the_tree(self, connection: ServerConnection) -> None:
        limit = self._hub.config.max_connections
        if self._queries >= limit:
            await connection.close(4429, f"{limit} connections are open already")
            return
        self._queries += 1
        try:
            await OscQuerySession(connection, self._hub.query).run()
        finally:
            self._queries -= 1

    def _admit(self, session: Session) -> None:
        """Count a session among those that said a good hello; raises `Refused` when there are too many."""
        limit = self._hub.config.max_connections
        if len(self._members) >= limit:
            raise Refused("limit", f"{limit} connections are open already")
        self._strangers.discard(session)
        self._members.add(session)


class Session:
    """One connection from its hello to its end."""

    def __init__(
        self,
        number: int,
        connection: ServerConnection,
        hub: Hub,
        stream_name: str,
        admit: Callable[[Session], None],
    ) -> None:
        self.role: Role = "viewer"
        self.quality: int | None = None
        self._number = number
        self._connection = connection
        self._hub = hub
        self._name = stream_name
        self._admit = admit
        self._stream: Stream | None = None
        self._protocol = ServerProtocol(
            token=hub.config.token,
            max_width=hub.config.max_width,
            max_height=hub.config.max_height,
            color_formats=COLOR_FORMATS,
        )
        self._memory: SharedMemory | None = None
        self._offered: tuple[int, Share, SharedMemory] | None = None
        self._wake_messages = False
        self._messages: deque[bytes] = deque()
        self._result: tuple[int, bytes] | None = None
        self._something = asyncio.Event()
        self._closing: tuple[int, str] | None = None

    # What a stream calls.

    def post(self, message: Message) -> None:
        """Queue a message; a peer that reads nothing is cut off before its queue eats the memory."""
        if self._closing is not None:
            return
        self._messages.append(encode(message))
        self._something.set()
        if self._memory is not None:
            self._memory.announce()
        if len(self._messages) > _MOST_MESSAGES_WAITING:
            _log.warning("stream %s: connection %d reads nothing and is cut off", self._name, self._number)
            self._close(4429, "messages are not being read")
            self._connection.transport.abort()

    def post_result(self, frame_id: int, result: Encoded) -> int | None:
        """Queue an encoded result; it replaces one that was not sent yet, whose frame id is returned.

        One that fits goes into shared memory at once, where there is any.
        """
        replaced, self._result = self._result, None
        if self._write(result):
            if self._wake_messages:
                self.post(WakeUp())
        else:
            self._result = (frame_id, result.whole)
            if self._memory is not None:
                self._memory.announce()
            self._something.set()
        return replaced[0] if replaced is not None else None

    def _write(self, result: Encoded) -> bool:
        """Put a result into shared memory; False where there is none, or no room in it."""
        memory = self._memory
        if memory is None or self._closing is not None or result.size > memory.results.place.capacity:
            return False
        with self._letting_go():
            memory.write(result.pieces)
            return True
        return False

    def reserve(self, size: int) -> Target | None:
        """Return where the worker may put a result of ``size`` bytes for this connection, if anywhere."""
        if self._memory is not None and self._result is None:
            with self._letting_go():
                return self._memory.reserve(size)
        return None

    def finish(self, target: Target, result: Result) -> bool:
        """Pass on a result whose picture is where `reserve` said; False where it has to be posted after all."""
        memory = self._memory
        if memory is None or memory.block != target.block or not memory.finish(target, result):
            return False
        if self._wake_messages:
            self.post(WakeUp())
        return True

    @contextlib.contextmanager
    def _letting_go(self) -> Iterator[None]:
        """Go on without shared memory where its client, or somebody else, has written what it must not."""
        try:
            yield
        except ProtocolError as error:
            self._unshare()
            self.post(ServerProtocol.error(error))

    def evict(self) -> None:
        """Tell a source that another took its place, and close it."""
        problem = Refused("source-taken", f"another source took over stream {self._name}")
        self.post(ServerProtocol.error(problem))
        self._close(problem.close_code, problem.message)

    # The conversation.

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        self.post(self._server_hello())
        sender = asyncio.create_task(self._send(), name=f"connection {self._number} sends")
        try:
            if await self._handshake():
                async for data in self._connection:
                    self._receive(data)
        except ConnectionClosed:
            pass
        finally:
            self._leave()
            self._close(1000, "")
            await sender

    async def _handshake(self) -> bool:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                data = await self._connection.recv()
            hello = self._protocol.receive(_binary(data))
            assert isinstance(hello, ClientHello)
            self._join(hello)
        except TimeoutError:
            self._refuse(Refused("handshake", f"no hello within {HELLO_TIMEOUT:g} s"))
        except ProtocolError as error:
            self._refuse(error if isinstance(error, Refused) else Refused(error.code, error.message, error.field))
        else:
            return True
        return False

    def _join(self, hello: ClientHello) -> None:
        self._admit(self)
        stream = self._hub.stream(self._name)
        self.role = hello.role
        self.quality = hello.quality if hello.result_format == "jpeg" else None
        if not stream.join(self, take_over=hello.take_over):
            problem = f"stream {self._name} has a source already: connect as a viewer, or ask to take over"
            raise Refused("source-taken", problem)
        self._stream = stream
        self._hub.metrics.connections.labels(self.role).inc()
        client = repr(hello.client[:80])
        _log.info("stream %s: connection %d is a %s: %s", self._name, self._number, self.role, client)
        if self.role == "source":
            self._connection.protocol.max_message_size = self._hub.config.max_message_size
        if hello.parameters:
            stream.set(hello.parameters, by=self)
        self.post(
            Ready(
                self._number,
                self.role,
                self._name,
                hello.window,
                dict(stream.controls.values),
                hello.result_format,
                hello.quality,
            )
        )
        self.post(stream.status(self._hub.worker))
        if self.role == "source":
            stream.post(stream.status(self._hub.worker), but=self)

    def _leave(self) -> None:
        stream, self._stream = self._stream, None
        self._hub.booth.unwatch(self)
        self._unshare()
        if stream is None:
            return
        stream.leave(self)
        self._hub.metrics.connections.labels(self.role).dec()
        _log.info("stream %s: connection %d (%s) is gone", self._name, self._number, self.role)
        if self.role == "source":
            stream.post(stream.status(self._hub.worker))

    def _receive(self, data: str | bytes | bytearray | memoryview, lease: Lease | None = None) -> None:
        """Act on a message, which may be in memory that its client shares."""
        try:
            self._act(self._protocol.receive(_binary(data)), lease)
        except ProtocolError as error:
            problem = error
        except Exception:
            _log.exception("stream %s: a message of connection %d cannot be acted on", self._name, self._number)
            problem = ProtocolError("internal", "the server failed at this message; its log says more")
        else:
            return
        self._hub.metrics.errors.labels(problem.code).inc()
        self.post(ServerProtocol.error(problem, b"" if isinstance(data, str) else data))

    def _act(self, message: ClientMessage, lease: Lease | None) -> None:
        stream = self._stream
        if stream is None or self._closing is not None:  # another source took over: this one has no say any more
            return
        if isinstance(message, Frame):
            stream.offer(message, self, lease)
        elif isinstance(message, Set):
            changed = stream.set(message.parameters, by=self)
            understood = None
            if {"prompt", "prompts"} & message.parameters.keys():
                understood = self._hub.card.understand_blend(weighted_prompts(stream.controls.values))
            self.post(Acknowledged(message.request, changed, understood))
        elif isinstance(message, Play):
            self._play(message, stream)
        elif isinstance(message, Share):
            self._offer(message)
        elif isinstance(message, Shared):
            self._share(message)
        elif isinstance(message, Unshared):
            _log.info(
                "stream %s: connection %d does without shared memory: %s", self._name, self._number, message.reason
            )
            self._unshare()
        elif isinstance(message, WakeUp):
            self._read_memory()
        elif isinstance(message, Ping):
            self.post(Pong(message.time, microseconds()))

    def _play(self, message: Play, stream: Stream) -> None:
        booth = self._hub.booth
        if message.action != "watch":
            booth.play(message, stream)
        self.post(Acknowledged(message.request, {}))
        if message.action == "watch":
            booth.watch(self)

    def _offer(self, wish: Share) -> None:
        """Create shared memory, and say where it is."""
        assert self._protocol.hello is not None
        limit = self._hub.config.max_message_size
        if wish.frame_size > limit or wish.result_size > limit:
            raise ProtocolError("out-of-range", f"this server takes messages of up to {limit} bytes", "frame_size")
        window = self._protocol.hello.window
        layout = Layout.of(window + 1, wish.frame_size, window + 2, wish.result_size)
        self._withdraw()
        try:
            memory = SharedMemory(layout, pipes=wish.wake == "pipe", checked=wish.check)
        except OSError as error:
            problem = f"there is no room for {layout.size} bytes of shared memory: {error.strerror or error}"
            raise ProtocolError("unsupported", problem) from None
        self._offered = (wish.request, wish, memory)
        self.post(Memory(wish.request, memory.path, memory.block.size, memory.frames_pipe, memory.results_pipe))

    def _share(self, proof: Shared) -> None:
        """Use the memory that was offered, once the client has shown that it reads it."""
        if self._offered is None or self._offered[0] != proof.request:
            raise ProtocolError("not-allowed", "no shared memory was offered for this request", "request")
        _, wish, memory = self._offered
        if not hmac.compare_digest(proof.nonce, memory.nonce):
            self._withdraw()
            raise ProtocolError("unauthorized", "that is not what stands in the shared memory", "nonce")
        self._offered = None
        self._unshare()
        self.post(Acknowledged(proof.request, {}))
        # From here on each message is announced on the pipe, and results go into the ring.
        self._memory, self._wake_messages = memory, wish.wake == "message"
        if memory.woken is not None:
            asyncio.get_running_loop().add_reader(memory.woken, self._read_memory)
        _log.info("stream %s: connection %d shares %d bytes", self._name, self._number, memory.block.size)

    def _read_memory(self) -> None:
        """Act on the frames that are in shared memory."""
        memory = self._memory
        if memory is None:
            return
        with self._letting_go():
            memory.take_wakes()
            while memory is self._memory and (found := memory.frames.next(in_place=True)) is not None:
                number, message = found
                self._receive(message, memory.lease(number))

    def _withdraw(self) -> None:
        offered, self._offered = self._offered, None
        if offered is not None:
            offered[2].close()

    def _unshare(self) -> None:
        self._withdraw()
        memory, self._memory = self._memory, None
        if memory is not None:
            if memory.woken is not None:
                asyncio.get_running_loop().remove_reader(memory.woken)
            self._hub.worker.forget(memory.block)
            memory.close()

    def _refuse(self, error: Refused) -> None:
        _log.warning("stream %s: connection %d refused: %s", self._name, self._number, error.message)
        self._hub.metrics.errors.labels(error.code).inc()
        self.post(ServerProtocol.error(error))
        self._close(error.close_code, error.message)

    def _close(self, code: int, reason: str) -> None:
        if self._closing is None:
            self._closing = (code, reason.encode()[:120].decode(errors="ignore"))
            # A peer that reads nothing would keep its sender waiting for ever.
            asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT, self._connection.transport.abort)
        self._something.set()

    async def _send(self) -> None:
        """Send what is queued, messages before results, then close when asked to."""
        try:
            while True:
                while self._messages:
                    await self._connection.send(self._messages.popleft())
                if self._result is not None:
                    (_, data), self._result = self._result, None
                    await self._connection.send(data)
                elif self._closing is not None and not self._messages:
                    await self._connection.close(*self._closing)
                    return
                else:
                    self._something.clear()
                    await self._something.wait()
        except ConnectionClosed:
            pass

    def _server_hello(self) -> ServerHello:
        config = self._hub.config
        capabilities: dict[str, Any] = {
            "roles": list(ROLES),
            "planes": {"color": list(COLOR_FORMATS)}
            | {name: list(PLANE_FORMATS[name]) for name in self._hub.card.planes},
            "results": list(RESULT_FORMATS),
            "transports": ["websocket", "shared-memory"],
            "max_width": config.max_width,
            "max_height": config.max_height,
            "window": 2,
        }
        return ServerHello(
            protocol=PROTOCOL_VERSION,
            server=f"mirage {__version__}",
            stream=self._name,
            model=self._hub.card.describe(),
            capabilities=capabilities,
            parameters=tuple(parameter.describe() for parameter in PARAMETERS.values()),
            token_required=config.token is not None,
        )


def _host_of(connection: ServerConnection) -> str:
    address = connection.remote_address
    return str(address[0]) if isinstance(address, tuple) else ""


def _binary(data: str | bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
    if isinstance(data, str):
        raise ProtocolError("malformed", "messages are binary WebSocket messages, not text")
    return data
