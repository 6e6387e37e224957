"""The client for asyncio: the same calls as the blocking one, awaited."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed

from mirage import _frames
from mirage._errors import Closed, ConnectionLost, FrameDropped, NotAllowed, Refused, Timeout, Unsupported
from mirage._session import Acknowledgement, Conversation, Result, Session
from mirage._shared import WAKE, Outbox, Rings
from mirage._stats import Stats
from mirage._wire import OPTIONS, check_subprotocol, unopened
from mirage_protocol import DEFAULT_QUALITY, DEFAULT_WINDOW, Camera, Plane, ShowState, WakeUp, encode

_Outcome = TypeVar("_Outcome")


def connect_async(
    url: str = "ws://127.0.0.1:8765",
    *,
    transport: Literal["auto", "websocket", "shared-memory"] = "auto",
    role: Literal["source", "viewer", "controller"] = "source",
    token: str | None = None,
    take_over: bool = False,
    window: int = DEFAULT_WINDOW,
    compression: Literal["auto", "raw", "jpeg"] = "auto",
    quality: int = DEFAULT_QUALITY,
    timeout: float = 10.0,
) -> Connecting:
    """Connect as `mirage.connect` does: ``async with connect_async() as stream``, or ``await connect_async()``."""
    return Connecting(
        Session.of(
            url,
            transport,
            role,
            compression=compression,
            quality=quality,
            token=token,
            take_over=take_over,
            window=window,
            timeout=timeout,
        )
    )


class Connecting:
    """What `connect_async` returns: it connects when it is awaited or entered."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stream: AsyncStream | None = None

    def __await__(self) -> Generator[Any, None, AsyncStream]:
        return self._connect().__await__()

    async def __aenter__(self) -> AsyncStream:
        self._stream = await self._connect()
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.close()

    async def _connect(self) -> AsyncStream:
        stream = AsyncStream(self._session)
        await stream._open()
        return stream


class AsyncStream:
    """A stream of a Mirage server, as `connect_async` gives it; an asynchronous context manager that closes itself.

    Tasks may share one: each call gets its own outcome. A lost connection raises `ConnectionLost` once; the next
    call connects again, in the same role and with the parameters that this client had set. A call that is cancelled
    leaves the connection as it is. See `mirage.Stream` for what the methods mean.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._news = asyncio.Event()
        self._rings: Rings | None = None
        self._outbox = Outbox()
        self._sending = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._closed = False
        self._conversation = Conversation(session)
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answering: asyncio.Future[None] | None = None  # held, or it might be collected before it is done

    async def transform(
        self,
        frame: Any,
        *,
        planes: Mapping[str, Any] | None = None,
        motion_from: int | None = None,
        camera: Camera | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Send a frame and return its own result; see `Stream.transform`."""
        async with self._patience(timeout, "the result"):
            talk, frame_id = await self._send(frame, planes, motion_from, camera, awaited=True)
            try:
                return await self._until(lambda: talk.result_of(frame_id))
            finally:
                talk.forget_frame(frame_id)

    @overload
    async def send(
        self,
        frame: Any,
        *,
        planes: Mapping[str, Any] | None = None,
        motion_from: int | None = None,
        camera: Camera | None = None,
        block: Literal[True] = True,
        timeout: float | None = None,
    ) -> int: ...

    @overload
    async def send(
        self,
        frame: Any,
        *,
        planes: Mapping[str, Any] | None = None,
        motion_from: int | None = None,
        camera: Camera | None = None,
        block: bool,
        timeout: float | None = None,
    ) -> int | None: ...

    async def send(
        self,
        frame: Any,
        *,
        planes: Mapping[str, Any] | None = None,
        motion_from: int | None = None,
        camera: Camera | None = None,
        block: bool = True,
        timeout: float | None = None,
    ) -> int | None:
        """Send a frame and return its id, or None when ``block`` is False and the window full; see `Stream.send`."""
        async with self._patience(timeout, "room in the window"):
            if not block:
                await asyncio.sleep(0)  # lets the reader take in what has arrived
                if self._sending.locked() or not (await self._talk()).may_send():
                    return None
            return (await self._send(frame, planes, motion_from, camera))[1]

    async def receive(self, timeout: float | None = None) -> Result:
        """Return the next result, in the order of the frames' ids; see `Stream.receive`."""
        if self._session.role == "controller":
            raise NotAllowed("a controller receives no results: connect with role='viewer'")
        async with self._patience(timeout, "a result"):
            talk = await self._talk()
            if self._session.role == "viewer":
                async with self._sending:
                    await self._share(talk, {})
                    await self._ask_for_the_time(talk)
            return await self._until(talk.next_result)

    async def __aiter__(self) -> AsyncIterator[Result]:
        """Yield results: a viewer's until the stream is closed, a source's until nothing is in flight."""
        with contextlib.suppress(Closed):
            while not (await self._talk()).is_idle:
                with contextlib.suppress(FrameDropped):
                    yield await self.receive(timeout=math.inf)

    async def set(self, *, timeout: float | None = None, **parameters: Any) -> Acknowledgement:
        """Change parameters and return when the server has acknowledged it; see `Stream.set`."""
        async with self._patience(timeout, "the acknowledgement"):
            talk = await self._talk()
            request, message = talk.change(parameters)
            try:
                await self._write(talk, message)
                return await self._until(lambda: talk.answer_to(request))
            finally:
                talk.forget_request(request)

    async def play(self, action: str, *, timeout: float | None = None, **fields: Any) -> None:
        """Play the server's show and return when the server has done it; see `Stream.play`."""
        async with self._patience(timeout, "the acknowledgement"):
            talk = await self._talk()
            request, message = talk.play(action, fields)
            try:
                await self._write(talk, message)
                await self._until(lambda: talk.answer_to(request))
            finally:
                talk.forget_request(request)

    async def show(self, *, timeout: float | None = None) -> ShowState:
        """Return the server's show as it is now; see `Stream.show`."""
        talk = await self._talk()
        if talk.show is None:
            await self.play("watch", timeout=timeout)
        async with self._patience(timeout, "the show"):
            return await self._until(talk.show_now)

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter's value now, as far as this client has heard."""
        return self._conversation.parameters

    @property
    def state(self) -> str:
        """What the stream is doing: ``waiting``, ``streaming``, ``paused`` or ``recovering``."""
        return self._conversation.state

    @property
    def model(self) -> dict[str, Any]:
        """The server's model: ``name``, ``description``, ``looks``, and ``unused``: parameters it does not follow."""
        return dict(self._conversation.server.model)

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the server can do: ``planes``, ``max_width``, ``max_height`` …."""
        return dict(self._conversation.server.capabilities)

    @property
    def stats(self) -> Stats:
        """Latency, rate and drops of the last ten seconds."""
        return self._conversation.stats

    @property
    def in_flight(self) -> int:
        """How many frames were sent that have no outcome yet."""
        return self._conversation.in_flight

    @property
    def transport(self) -> str:
        """What carries frames and results: ``shared-memory``, from the first frame on where it can be had, or
        ``websocket``; `transport_reason` says why not.
        """
        return "websocket" if self._rings is None else "shared-memory"

    @property
    def transport_reason(self) -> str | None:
        """Why there is no shared memory; None where there is, or might be yet."""
        return self._conversation.unshared

    async def close(self) -> None:
        """Close the connection; a source's place is free at once. Closing twice is fine."""
        self._closed = True
        self._conversation.end(Closed("this stream is closed"))
        await self._release()
        self._tell()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _open(self) -> None:
        """Connect and shake hands; on failure nothing is left open."""
        session = self._session
        await self._release()
        talk = self._conversation = Conversation(session)
        try:
            async with asyncio.timeout(session.timeout):
                self._socket = await open_websocket(session.url, open_timeout=None, max_queue=4, **OPTIONS)
                check_subprotocol(self._socket.subprotocol, session.url)
                self._reader = asyncio.create_task(self._read(talk, self._socket))
                await self._until(talk.is_ready)
        except BaseException as error:
            talk.end(ConnectionLost(f"there is no connection to {session.url}"))
            talk.told = True
            await self._release()
            problem = unopened(error, session.url, session.timeout)
            raise problem from (None if problem is error else error)

    async def _release(self) -> None:
        """Give back the connection and its reader, where there are any."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader
        self._socket = self._reader = None
        self._unshare()

    async def _talk(self) -> Conversation:
        """Return the conversation that goes on, a new one where the last one's end has been told."""
        async with self._opening:
            if self._closed:
                raise Closed("this stream is closed")
            if self._conversation.told:
                await self._open()
            return self._conversation

    async def _send(
        self,
        frame: Any,
        extra: Mapping[str, Any] | None,
        motion_from: int | None,
        camera: Camera | None,
        *,
        awaited: bool = False,
    ) -> tuple[Conversation, int]:
        talk = await self._talk()
        prepared = talk.prepare(frame, extra)
        camera = _frames.to_camera(camera)
        async with self._sending:  # ids must reach the server in their order
            await self._until(talk.may_send)
            await self._share(talk, prepared.planes)
            frame_id, pieces = talk.frame(prepared, motion_from, camera, awaited=awaited)
            rings = self._rings
            if rings is None or sum(map(len, pieces)) > rings.frames.place.capacity:
                await self._write(talk, self._outbox(pieces))
            else:
                rings.write(pieces, again=talk.in_flight == 1)
                if not rings.piped:
                    await self._write(talk, encode(WakeUp()))
        return talk, frame_id

    async def _ask_for_the_time(self, talk: Conversation) -> None:
        """Ask for the server's clock, as a viewer that has no other way to know how old a result is."""
        if (ping := talk.ping()) is not None:
            await self._write(talk, ping)

    async def _share(self, talk: Conversation, planes: Mapping[str, Plane]) -> None:
        """Agree on shared memory, as the blocking client does."""
        sizes = talk.wants_memory(planes, self._rings)
        if sizes is None:
            return
        request, message = talk.share(sizes, WAKE)
        try:
            await self._write(talk, message)
            rings = Rings(await self._until(lambda: talk.memory_of(request)))
            await self._write(talk, talk.shared(request, rings.nonce))
            await self._until(lambda: talk.answer_to(request))
        except (Unsupported, Refused) as error:
            await self._write(talk, talk.unshare(request, str(error)))
            if self._session.transport == "shared-memory":
                raise Unsupported(f"there is no shared memory: {error}") from None
        else:
            self._take_results(talk)  # what came before the new memory was in force
            self._unshare()
            self._rings = rings
            if rings.woken is not None:
                asyncio.get_running_loop().add_reader(rings.woken, self._woken, talk, rings)
        finally:
            talk.forget_request(request)

    def _unshare(self) -> None:
        rings, self._rings = self._rings, None
        if rings is not None:
            if rings.woken is not None:
                asyncio.get_running_loop().remove_reader(rings.woken)
            rings.close()

    def _woken(self, talk: Conversation, rings: Rings) -> None:
        try:
            rings.take_wakes()
        except EOFError:  # the server has let go: why, it says by WebSocket
            assert rings.woken is not None
            asyncio.get_running_loop().remove_reader(rings.woken)
        self._take_results(talk)
        self._tell()

    def _take_results(self, talk: Conversation) -> None:
        """Take in the results that are in shared memory."""
        if self._rings is not None:
            while (found := self._rings.results.next()) is not None:
                answer = talk.receive(found[1])
                self._rings.results.took()
                if answer and self._socket is not None:
                    self._answering = asyncio.ensure_future(self._answer(self._socket, answer))

    async def _write(self, talk: Conversation, message: bytes | memoryview) -> None:
        assert self._socket is not None
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            if self._reader is not None:
                await asyncio.wait([self._reader])  # it takes in what the server said before it went: it may say why
            talk.lose(str(error))
            talk.check()

    @staticmethod
    async def _answer(connection: ClientConnection, message: bytes) -> None:
        with contextlib.suppress(ConnectionClosed):  # the reader finds out too, and says so
            await connection.send(message)

    async def _read(self, talk: Conversation, connection: ClientConnection) -> None:
        """Take in messages until the conversation ends, and wake the calls that wait."""
        try:
            while talk.problem is None:
                if answer := talk.receive(await connection.recv(decode=False)):
                    await self._answer(connection, answer)
                self._take_results(talk)
                self._tell()
        except ConnectionClosed as error:
            talk.lose(str(error))
        finally:
            talk.lose()  # nothing more will be read, whatever the reason: nobody may wait for it
            self._tell()

    async def _until(self, outcome: Callable[[], _Outcome | None]) -> _Outcome:
        """Return an outcome when there is one."""
        while (value := outcome()) is None:
            await self._news.wait()
        return value

    def _tell(self) -> None:
        """Wake every call that waits."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    @contextlib.asynccontextmanager
    async def _patience(self, timeout: float | None, what: str) -> AsyncIterator[None]:
        """Turn the end of a call's patience into `Timeout`."""
        seconds = self._session.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                yield
        except Timeout:
            raise
        except TimeoutError:
            raise Timeout(f"{self._session.url} did not send {what} in time") from None
