"""OSC over UDP (OSC 1.0): messages in, applied before the next frame begins; values, figures and errors out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pythonosc.osc_message import OscMessage
from pythonosc.osc_packet import OscPacket

from mirage_protocol import DEFAULT_STREAM, ProtocolError, Status
from mirage_runtime.changes import Change
from mirage_runtime.config import OscConfig
from mirage_runtime.metrics import Metrics
from mirage_runtime.show.desk import Desk
from mirage_runtime.show.feedback import Argument, encoded, of_all, of_changes, of_figures
from mirage_runtime.show.nodes import Arguments, Node
from mirage_runtime.show.tree import Tree
from mirage_runtime.streams import Stream

_log = logging.getLogger("mirage.osc")

# Between two looks into the socket where messages come fast: each look wakes the daemon, and costs the engine more than
# the messages do. Values are not late for it, as every frame looks before it begins.
_REST = 0.02
_PACE = 0.005
_AT_ONCE = 512
_BUFFER = 4 * 2**20
_LATEST = 3600.0
_MOST_SCHEDULED = 4096
_MOST_SUBSCRIBERS = 64
_MOST_REMEMBERED = 1024
_SUBSCRIPTION = 60.0
_FIGURES_EVERY = 1.0

Address = tuple[str, int]


@dataclass(frozen=True)
class Sender:
    """Whoever sent a message: the host and port that it came from."""

    host: str
    port: int


@dataclass
class Subscriber:
    """Where feedback goes to; ``sender`` set it up, ``expires`` is a monotonic time or None for never."""

    address: Address
    sender: Sender | None
    expires: float | None


class OscTransport:
    """One socket that listens and answers. `drain` does all that has arrived; nothing that arrives ends the daemon."""

    def __init__(self, config: OscConfig, tree: Tree, desk: Desk, metrics: Metrics) -> None:
        self.port = 0
        self._config = config
        self._tree = tree
        self._desk = desk
        self._metrics = metrics
        self._socket: socket.socket | None = None
        self._rests = False
        self._scheduled: set[asyncio.TimerHandle] = set()
        self._subscribers = {address: Subscriber(address, None, None) for address in config.subscribers}
        # Patches made for StreamDiffusionTD listen on a fixed port and ask nobody for it.
        self._patches: dict[str, float] = {"127.0.0.1": float("inf")}
        self._answered: dict[tuple[Sender, str], float] = {}
        self._allowed: dict[str, bool] = {}
        self._unknown: set[str] = set()
        self._strangers: set[str] = set()
        self._states: dict[str, str] = {}
        self._figures: dict[str, tuple[tuple[str, Argument], ...]] = {}
        tree.add(self._nodes())

    # Life.

    def open(self) -> None:
        """Bind the socket and listen; raises OSError where the port cannot be had."""
        family = socket.AF_INET6 if ":" in self._config.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            with contextlib.suppress(OSError):  # as much as the system allows
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.bind((self._config.host, self._config.port))
        except OSError:
            self._socket.close()
            self._socket = None
            raise
        self.port = self._socket.getsockname()[1]
        self._desk.watch(self)
        self._listen()

    async def run(self) -> None:
        """Send figures every second, until cancelled; without this nothing but answers and changes are sent."""
        while True:
            await asyncio.sleep(_FIGURES_EVERY)
            self._forget_lapsed()
            self._send_figures()

    def close(self) -> None:
        """Stop to listen."""
        self._desk.unwatch(self)
        for handle in self._scheduled:
            handle.cancel()
        if self._socket is not None:
            with contextlib.suppress(NotImplementedError):
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    # In.

    def _listen(self) -> None:
        if self._socket is None:
            return
        self._rests = False
        try:
            asyncio.get_running_loop().add_reader(self._socket, self._readable)
        except NotImplementedError:  # Windows' event loop: look at intervals
            self._readable()

    def _readable(self) -> None:
        self.drain()
        if self._socket is None or self._rests:
            return
        loop = asyncio.get_running_loop()
        self._rests = True
        with contextlib.suppress(NotImplementedError):
            loop.remove_reader(self._socket)
        loop.call_later(_REST, self._listen)

    def drain(self) -> None:
        """Act on all that has arrived. Called before each frame too, so that it begins with the newest values."""
        if self._socket is None:
            return
        for _ in range(_AT_ONCE):
            try:
                data, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError:  # Windows tells here that a subscriber has gone; the next call goes on
                continue
            self._received(data, Sender(address[0], address[1]))

    def _received(self, data: bytes, sender: Sender) -> None:
        if not self._allows(sender.host):
            self._count("refused")
            if sender.host not in self._strangers and len(self._strangers) < _MOST_REMEMBERED:
                self._strangers.add(sender.host)
                _log.warning("messages from %s are ignored: allow it with --osc-allow", sender.host)
            return
        try:
            messages = OscPacket(data).messages
            now = time.time()
            for message in messages:
                self._schedule(message.message, message.time - now, sender)
        except Exception as error:  # python-osc raises many kinds, and no packet may end the daemon
            self._count("malformed")
            self._complain(sender, "packet", f"this is no packet of OSC: {error}"[:200])

    def _allows(self, host: str) -> bool:
        if host not in self._allowed:
            if len(self._allowed) >= _MOST_REMEMBERED:
                self._allowed.clear()
            self._allowed[host] = self._config.allows(host)
        return self._allowed[host]

    def _schedule(self, message: OscMessage, delay: float, sender: Sender) -> None:
        if delay <= 0.001:
            self._act(message.address, list(message.params), sender)
        elif delay > _LATEST or len(self._scheduled) >= _MOST_SCHEDULED:
            self._count("refused")
            self._complain(sender, "bundle", "a bundle may lie an hour ahead, and no more than 4,096 messages may wait")
        else:

            def act() -> None:
                self._scheduled.discard(handle)
                self._act(message.address, list(message.params), sender)

            handle = asyncio.get_running_loop().call_later(delay, act)
            self._scheduled.add(handle)

    def _act(self, address: str, arguments: Arguments, sender: Sender) -> None:
        if not address.startswith("/mirage"):
            self._note_patch(sender)
        nodes = self._tree.find(address)
        if not nodes:
            self._not_found(address, sender)
        for node in nodes:
            try:
                self._write(node, arguments, sender)
            except ProtocolError as error:
                self._count("refused")
                self._complain(sender, f"{node.path} {error.code}", f"{node.path}: {error.message}")
            except Exception:
                _log.exception("%s cannot be acted on", node.path)
                self._count("failed")

    def _write(self, node: Node, arguments: Arguments, sender: Sender) -> None:
        if node.write is None:
            raise ProtocolError("not-allowed", "this can only be read")
        node.write(arguments, sender)
        self._count("taken")
        given = arguments[0] if len(arguments) == 1 else None
        if node.extent is not None and isinstance(given, int | float):
            low, high = node.extent
            if not low <= given <= high:
                problem = f"{node.path}: {given:g} is beyond {low:g} to {high:g} and is brought there"
                self._complain(sender, node.path, problem)

    def _not_found(self, address: str, sender: Sender) -> None:
        self._count("unknown")
        if address not in self._unknown and len(self._unknown) < _MOST_REMEMBERED:
            self._unknown.add(address)
            problem = self._tree.unknown(address)
            _log.warning("%s", problem)
            self._answer(sender, "/mirage/error", [problem])

    def _complain(self, sender: Sender, what: str, problem: str) -> None:
        """Tell a sender what is wrong, once a second: a fader may be wrong a thousand times in one."""
        now, key = time.monotonic(), (sender, what)
        if now - self._answered.get(key, float("-inf")) < 1.0:
            return
        if len(self._answered) >= _MOST_REMEMBERED:
            self._answered.clear()
        self._answered[key] = now
        _log.warning("%s: %s", sender.host, problem)
        self._answer(sender, "/mirage/error", [problem])

    def _count(self, outcome: str) -> None:
        self._metrics.osc.labels(outcome).inc()

    # Subscribers.

    def _nodes(self) -> list[Node]:
        subscribe = "Values, figures and errors to the sender's own address, or to a port there; lapses after 60 s."
        return [
            Node("/mirage/subscribe", subscribe, "ii", write=self._subscribe),
            Node("/mirage/unsubscribe", "No more of them.", "i", write=self._unsubscribe),
            Node("/get_status", "What the stream main is doing, to the sender.", write=self._tell_status),
        ]

    def _subscribe(self, arguments: Arguments, by: object) -> None:
        sender, port, seconds = _subscription(arguments, by)
        address = (sender.host, port)
        listed = self._subscribers.get(address)
        if listed is not None and listed.expires is None:
            return
        if listed is None and len(self._subscribers) >= _MOST_SUBSCRIBERS:
            raise ProtocolError("limit", f"there are {_MOST_SUBSCRIBERS} subscribers already")
        self._subscribers[address] = Subscriber(address, sender, time.monotonic() + seconds)
        self._metrics.osc_subscribers.set(len(self._subscribers))
        if listed is None:
            for path in ("/mirage/cue/current", "/mirage/cue/next"):
                self._send(address, encoded(path, self._tree.value(path)))
            self._tell_all(address, list(self._desk.streams))

    def _tell_all(self, address: Address, names: list[str]) -> None:
        """Tell a new subscriber of everything, a stream at a time: many at once would overflow its socket."""
        if self._socket is None or address not in self._subscribers:
            return
        stream = self._desk.streams.get(names[0])
        if stream is not None:
            for path, value in [*of_all(stream), (f"/mirage/{stream.name}/state", self._desk.status(stream).state)]:
                self._send(address, encoded(path, [value]))
        if names[1:]:
            asyncio.get_running_loop().call_later(_PACE, self._tell_all, address, names[1:])

    def _unsubscribe(self, arguments: Arguments, by: object) -> None:
        sender, port, _ = _subscription(arguments, by)
        found = self._subscribers.get((sender.host, port))
        if found is not None and found.expires is not None:
            del self._subscribers[found.address]
            self._metrics.osc_subscribers.set(len(self._subscribers))

    def _forget_lapsed(self) -> None:
        now = time.monotonic()
        for address, subscriber in list(self._subscribers.items()):
            if subscriber.expires is not None and subscriber.expires < now:
                _log.info("%s port %d has not subscribed again and is told nothing any more", *address)
                del self._subscribers[address]
        self._patches = {host: expires for host, expires in self._patches.items() if expires > now}
        self._metrics.osc_subscribers.set(len(self._subscribers))

    def _note_patch(self, sender: Sender) -> None:
        if sender.host in self._patches or len(self._patches) < _MOST_SUBSCRIBERS:
            lapses = time.monotonic() + _SUBSCRIPTION
            self._patches[sender.host] = max(lapses, self._patches.get(sender.host, 0.0))

    # Out: what the desk calls.

    def changed(self, stream: Stream, changes: Mapping[str, Change]) -> None:
        """Tell subscribers of new values, but not those of whoever set them."""
        if not self._subscribers:
            return
        for path, value, by in of_changes(stream, changes):
            data = encoded(path, [value])
            for subscriber in self._subscribers.values():
                if by is None or subscriber.sender != by:
                    self._send(subscriber.address, data)

    def said(self, stream: Stream, status: Status) -> None:
        """Tell subscribers of a stream's state."""
        if self._states.get(stream.name) != status.state:
            self._states[stream.name] = status.state
            self._tell(f"/mirage/{stream.name}/state", [status.state])
            if stream.name == DEFAULT_STREAM:
                self._tell_patches([("/stream-info/state", [status.state]), ("/engine/stage", [status.state])])
        if status.message and status.state != "waiting":
            self.reported(f"{stream.name}: {status.message}")

    def told(self, path: str, value: str) -> None:
        """Tell subscribers of a new value that is no parameter's."""
        self._tell(path, [value])

    def streams_changed(self) -> None:
        """Nothing to tell: OSC has no list of addresses."""
        self._states = {name: state for name, state in self._states.items() if name in self._desk.streams}
        self._figures = {name: figures for name, figures in self._figures.items() if name in self._desk.streams}

    def reported(self, problem: str) -> None:
        """Tell subscribers what went wrong."""
        self._tell("/mirage/error", [problem])
        self._tell_patches([("/stream-info/error", [problem])])

    def published(self, stream: Stream, frame_id: int) -> None:
        """Tell patches of a frame that is ready."""
        if stream.name == DEFAULT_STREAM and len(self._patches) > 1:
            self._tell_patches([("/frame_ready", [frame_id % 2**31])])

    def _tell(self, path: str, arguments: Sequence[Argument]) -> None:
        if self._subscribers:
            data = encoded(path, arguments)
            for subscriber in self._subscribers.values():
                self._send(subscriber.address, data)

    def _tell_patches(self, messages: Iterable[tuple[str, Sequence[Argument]]]) -> None:
        for path, arguments in messages:
            data = encoded(path, arguments)
            for host in self._patches:
                self._send((host, self._config.out_port), data)

    def _send_figures(self) -> None:
        for stream in self._desk.streams.values() if self._subscribers else ():
            figures = tuple(of_figures(stream))
            if self._figures.get(stream.name) != figures:
                self._figures[stream.name] = figures
                for path, value in figures:
                    self._tell(path, [value])
        self._tell_patches(self._patch_status())

    def _patch_status(self) -> list[tuple[str, Sequence[Argument]]]:
        main = self._desk.streams[DEFAULT_STREAM]
        rate, _ = main.recent.figures()
        return [
            ("/server_active", [1]),
            ("/stream-info/state", [self._desk.status(main).state]),
            ("/stream-info/fps", [rate]),
            ("/framecount", [main.recent.count % 2**31]),
        ]

    def _tell_status(self, arguments: Arguments, by: object) -> None:
        assert isinstance(by, Sender)
        for path, values in self._patch_status():
            self._answer(by, path, values)
        self._tell_patches(self._patch_status())

    def _answer(self, sender: Sender, path: str, arguments: Sequence[Argument]) -> None:
        self._send((sender.host, sender.port), encoded(path, arguments))

    def _send(self, address: Address, data: bytes) -> None:
        """Send a datagram; one that cannot be sent is lost, as any may be."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(data, address)


def _subscription(arguments: Arguments, by: object) -> tuple[Sender, int, float]:
    """Return who subscribes, the port and the seconds; raises `ProtocolError`."""
    if not isinstance(by, Sender):
        raise ProtocolError("not-allowed", "only what comes by UDP can subscribe: here, send LISTEN")
    port, seconds = (*arguments, *(by.port, _SUBSCRIPTION)[len(arguments) :])[:2]
    if len(arguments) > 2 or not isinstance(port, int | float) or not isinstance(seconds, int | float):
        raise ProtocolError("wrong-type", "subscribe takes a port, and seconds, if you like")
    if not 1 <= port <= 65535 or not 1 <= seconds <= _LATEST:
        raise ProtocolError("out-of-range", "a port is 1 to 65535, and a subscription lasts 1 to 3600 seconds")
    return by, int(port), float(seconds)
