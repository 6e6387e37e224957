"""What both clients agree on about the WebSocket library: how a connection is opened and what its faults mean."""

from __future__ import annotations

from typing import Any, Final

from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from mirage._errors import ConnectionRefused, MirageError, Refused, Timeout, Unsupported
from mirage_protocol import SUBPROTOCOL

LARGEST_MESSAGE: Final = 8192 * 8192 * 4 + 2**17
"""Bytes: an rgba picture of the largest size that a server may reasonably be set to, and its header."""

OPTIONS: Final[dict[str, Any]] = {
    "subprotocols": [Subprotocol(SUBPROTOCOL)],
    "compression": None,
    "max_size": LARGEST_MESSAGE,
    "proxy": None,
    # A caller may leave the connection alone for minutes: pongs that nobody reads must not end it.
    "ping_timeout": None,
    "close_timeout": 1.0,
}


def unopened(error: BaseException, url: str, timeout: float) -> BaseException:
    """Return the error that says why no connection could be opened; what has another cause is returned as it is."""
    if isinstance(error, MirageError):
        return error
    if isinstance(error, InvalidURI | ValueError):
        return Unsupported(f"'{url}' is no address of a server: it should look like ws://127.0.0.1:8765")
    if isinstance(error, TimeoutError):
        return Timeout(f"{url} did not answer within {timeout:g} s")
    if isinstance(error, InvalidStatus):
        return Refused(f"{url} answers with HTTP {error.response.status_code}: {_first_line(error.response.body)}")
    if isinstance(error, OSError):
        return ConnectionRefused(f"there is no server at {url}: start one with `mirage serve`")
    if isinstance(error, InvalidHandshake | EOFError):
        return Refused(f"what answers at {url} is not a Mirage server: {error}")
    return error


def check_subprotocol(granted: str | None, url: str) -> None:
    """Raise `Refused` when the server does not speak this protocol."""
    if granted != SUBPROTOCOL:
        raise Refused(f"what answers at {url} does not speak {SUBPROTOCOL}", code="handshake")


def _first_line(body: bytes | bytearray | None) -> str:
    lines = bytes(body or b"").decode(errors="replace").strip().splitlines()
    return lines[0][:200] if lines else "it gives no reason"
