"""A server for faults, made of the protocol's own parts: it does what a test tells it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import mirage_protocol as protocol
from mirage_protocol import ClientHello, Frame, Message, ServerProtocol

PATIENCE = 20.0
DIE = "die"
"""An answer that breaks the connection instead."""

Answers = list[Message | str | bytes]


def echo(frame: Frame) -> Answers:
    return [protocol.Result(frame.id, {"color": frame.planes["color"]}, time=frame.time, timings={"queue": 0.5})]


class FakeServer:
    """A server that does what a test tells it, on a thread of its own."""

    def __init__(self) -> None:
        self.port = 0
        self.token: str | None = None
        self.window: int | None = None
        self.on_hello: Callable[[ClientHello], Answers] = self.welcome
        self.on_frame: Callable[[Frame], Answers] = echo
        self.on_set: Callable[[protocol.Set], Answers] = lambda change: [
            protocol.Acknowledged(change.request, change.parameters)
        ]
        self.capabilities: dict[str, Any] = {"planes": {name: [] for name in protocol.PLANE_FORMATS}}
        self.hellos: list[ClientHello] = []
        self.frames: list[Frame] = []
        self.sets: list[protocol.Set] = []
        self.deaf = False
        self.version = protocol.PROTOCOL_VERSION
        self.delay = 0.0
        """Seconds that each frame takes, one after the other."""
        self.connections: list[ServerConnection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def welcome(self, hello: ClientHello) -> Answers:
        values = protocol.defaults() | hello.parameters
        return [
            protocol.Ready(1, hello.role, "main", self.window or hello.window, values),
            protocol.Status("streaming"),
        ]

    def start(self) -> None:
        self._server: Server = self.do(self._serve())
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Break every connection at once, as a killed process does, and stop listening."""
        self.do(self._stop())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def say(self, *messages: Message | bytes, to: int = -1) -> None:
        """Send messages unasked."""
        self.do(self._send(self.connections[to], list(messages)))

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _serve(self) -> Server:
        return await serve(
            self._handle,
            "127.0.0.1",
            self.port,
            subprotocols=[protocol.SUBPROTOCOL],  # type: ignore[list-item]
            compression=None,
            max_size=None,
            ping_interval=None,
            close_timeout=0.5,
        )

    async def _stop(self) -> None:
        for connection in self.connections:
            connection.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    async def _handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        machine = ServerProtocol(token=self.token)
        table = tuple(parameter.describe() for parameter in protocol.PARAMETERS.values())
        model = {"name": "fake", "looks": []}
        hello = protocol.ServerHello(self.version, "fake", "main", model, self.capabilities, table)
        try:
            await connection.send(protocol.encode(hello))
            while True:
                while self.deaf:
                    await asyncio.sleep(0.01)
                await self._answer(connection, machine, await connection.recv(decode=False))
        except ConnectionClosed:
            pass

    async def _answer(self, connection: ServerConnection, machine: ServerProtocol, data: bytes) -> None:
        try:
            message = machine.receive(data)
        except protocol.ProtocolError as problem:
            await self._send(connection, [machine.error(problem, data)])
            if isinstance(problem, protocol.Refused):
                await connection.close(problem.close_code)
            return
        match message:
            case ClientHello():
                self.hellos.append(message)
                await self._send(connection, self.on_hello(message))
            case Frame():
                self.frames.append(message)
                await asyncio.sleep(self.delay)
                await self._send(connection, self.on_frame(message))
            case protocol.Ping():
                await self._send(connection, [protocol.Pong(message.time, message.time)])
            case protocol.Set():
                self.sets.append(message)
                await self._send(connection, self.on_set(message))

    async def _send(self, connection: ServerConnection, answers: Answers) -> None:
        for answer in answers:
            if answer == DIE:
                connection.transport.abort()
            elif isinstance(answer, bytes | str):
                await connection.send(answer)
            else:
                await connection.send(protocol.encode(answer))
