"""OSCQuery (github.com/Vidvox/OSCQueryProposal): the tree of addresses as JSON, and who listens to it by WebSocket."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from pythonosc.osc_packet import OscPacket
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from mirage_protocol import ProtocolError, Status
from mirage_runtime.changes import Change
from mirage_runtime.show.desk import Desk
from mirage_runtime.show.feedback import encoded, of_changes
from mirage_runtime.show.nodes import Node
from mirage_runtime.show.tree import Tree
from mirage_runtime.streams import Stream
from mirage_runtime.transports.page import respond

_log = logging.getLogger("mirage.oscquery")

ATTRIBUTES = ("FULL_PATH", "DESCRIPTION", "ACCESS", "TYPE", "VALUE", "RANGE", "CLIPMODE", "UNIT", "CONTENTS")
EXTENSIONS = ("ACCESS", "VALUE", "RANGE", "DESCRIPTION", "CLIPMODE", "UNIT", "LISTEN", "PATH_CHANGED")
_MOST_LISTENED = 4096
_MOST_WAITING = 1024


class OscQuery:
    """Answers what a tree of addresses looks like; ``osc`` says the host and UDP port, None where there is no OSC."""

    def __init__(self, tree: Tree, desk: Desk, osc: Callable[[], tuple[str, int] | None]) -> None:
        self.tree = tree
        self.desk = desk
        self._osc = osc

    def answer(self, path: str, query: str) -> Response | None:
        """Return the response to GET, None where there is nothing of that path in the tree."""
        attribute = unquote(query.partition("&")[0].partition("=")[0])
        if attribute == "HOST_INFO":
            return _json(self.host_info())
        found = self.describe(unquote(path).rstrip("/") or "/")
        if found is None:
            return None
        if not attribute:
            return _json(found)
        if attribute not in ATTRIBUTES:
            problem = f"there is no attribute {attribute[:40]!r}: there are {', '.join(ATTRIBUTES)}\n"
            return respond(HTTPStatus.BAD_REQUEST, problem)
        if attribute not in found:
            return respond(HTTPStatus.NO_CONTENT, b"")
        return _json({attribute: found[attribute]})

    def describe(self, path: str) -> dict[str, Any] | None:
        """Return a node as OSCQuery's JSON, with all that is below it; None where there is none."""
        return self._describe(path, self.tree.nodes)

    def _describe(self, path: str, nodes: Mapping[str, Node]) -> dict[str, Any] | None:
        prefix = path.rstrip("/") + "/"
        below = {name: node for name, node in nodes.items() if name.startswith(prefix)}
        if path not in nodes and not below:
            return None
        described: dict[str, Any] = {"FULL_PATH": path, "ACCESS": 0}
        if path in nodes:
            described |= attributes(nodes[path])
        if below:
            names = sorted({name[len(prefix) :].partition("/")[0] for name in below})
            described["CONTENTS"] = {name: self._describe(prefix + name, below) for name in names}
        return described

    def host_info(self) -> dict[str, Any]:
        """Return what this server is and where its OSC is."""
        info: dict[str, Any] = {"NAME": "Mirage", "EXTENSIONS": dict.fromkeys(EXTENSIONS, True)}
        where = self._osc()
        if where is not None:
            host, port = where
            info |= {"OSC_PORT": port, "OSC_TRANSPORT": "UDP"}
            # A client that came by any address of ours finds OSC at that same one.
            info |= {} if host in ("0.0.0.0", "::") else {"OSC_IP": host}
        return info


def attributes(node: Node) -> dict[str, Any]:
    """Return a node's own attributes."""
    described: dict[str, Any] = {"FULL_PATH": node.path, "DESCRIPTION": node.description, "ACCESS": node.access}
    described["TYPE"] = node.types or "N"
    if node.read is not None:
        described["VALUE"] = list(node.read())
    if node.extent is not None:
        described["RANGE"] = [{"MIN": node.extent[0], "MAX": node.extent[1]}]
        described["CLIPMODE"] = ["both" if node.clip else "none"]
    if node.choices:
        described["RANGE"] = [{"VALS": list(node.choices)}, *[None] * (len(node.types) - 1)]
    if node.unit:
        described["UNIT"] = [node.unit]
    return described


def _json(value: Mapping[str, Any]) -> Response:
    body = json.dumps(value, ensure_ascii=False)
    return respond(HTTPStatus.OK, body, "application/json", Cache_Control="no-store")


class OscQuerySession:
    """One WebSocket of an OSCQuery client: LISTEN and IGNORE as JSON, values both ways as binary messages of OSC."""

    def __init__(self, connection: ServerConnection, query: OscQuery) -> None:
        self._connection = connection
        self._query = query
        self._listened: set[str] = set()
        self._waiting: asyncio.Queue[str | bytes] = asyncio.Queue(_MOST_WAITING)

    async def run(self) -> None:
        """Serve the connection until it ends."""
        self._query.desk.watch(self)
        sender = asyncio.create_task(self._send())
        try:
            async for message in self._connection:
                self._receive(message)
        except ConnectionClosed:
            pass
        finally:
            self._query.desk.unwatch(self)
            sender.cancel()

    def _receive(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str):
                self._command(message)
            else:
                self._values(message)
        except ProtocolError as error:
            self._post(json.dumps({"COMMAND": "ERROR", "DATA": error.message}))
        except Exception as error:  # python-osc raises many kinds
            self._post(json.dumps({"COMMAND": "ERROR", "DATA": f"this is no packet of OSC: {error}"[:200]}))

    def _command(self, text: str) -> None:
        try:
            message = json.loads(text)
            command, path = message["COMMAND"], message["DATA"]
        except (ValueError, KeyError, TypeError, RecursionError):
            problem = 'a command is JSON such as {"COMMAND": "LISTEN", "DATA": "/mirage/main/strength"}'
            raise ProtocolError("malformed", problem) from None
        if command not in ("LISTEN", "IGNORE") or not isinstance(path, str):
            raise ProtocolError("unknown-message", "there are the commands LISTEN and IGNORE, with an address as DATA")
        if command == "IGNORE":
            self._listened.discard(path)
        elif path not in self._query.tree.nodes:
            raise ProtocolError("unsupported", self._query.tree.unknown(path))
        elif len(self._listened) < _MOST_LISTENED:
            self._listened.add(path)

    def _values(self, data: bytes) -> None:
        for timed in OscPacket(data).messages:
            nodes = self._query.tree.find(timed.message.address)
            if not nodes:
                raise ProtocolError("unsupported", self._query.tree.unknown(timed.message.address))
            for node in nodes:
                if node.write is None:
                    raise ProtocolError("not-allowed", f"{node.path} can only be read")
                node.write(list(timed.message.params), self)

    # What the desk calls.

    def changed(self, stream: Stream, changes: Mapping[str, Change]) -> None:
        """Send new values that are listened to, but not to whoever set them."""
        for path, value, by in of_changes(stream, changes) if self._listened else ():
            if path in self._listened and by is not self:
                self._post(encoded(path, [value]))

    def said(self, stream: Stream, status: Status) -> None:
        """Send a stream's state, where it is listened to."""
        self.told(f"/mirage/{stream.name}/state", status.state)

    def told(self, path: str, value: str) -> None:
        """Send a new value that is no parameter's, where it is listened to."""
        if path in self._listened:
            self._post(encoded(path, [value]))

    def published(self, stream: Stream, frame_id: int) -> None:
        """Nothing: figures are read when they are wanted."""

    def streams_changed(self) -> None:
        """Say that the tree is another."""
        self._listened &= self._query.tree.nodes.keys()
        self._post(json.dumps({"COMMAND": "PATH_CHANGED", "DATA": "/"}))

    def reported(self, problem: str) -> None:
        """Nothing: OSCQuery has no place for it."""

    def _post(self, message: str | bytes) -> None:
        """Queue a message; a client that reads nothing loses what it does not read."""
        if not self._waiting.full():
            self._waiting.put_nowait(message)

    async def _send(self) -> None:
        try:
            while True:
                await self._connection.send(await self._waiting.get())
        except ConnectionClosed:
            pass
