"""Who may talk to the daemon at all: Host, Origin and token (SPEC.md sections 1 and 7)."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from mirage_runtime.config import Config, is_loopback


def refusal(hosts: Sequence[str], origins: Sequence[str], config: Config) -> str | None:
    """Return why a request with these Host and Origin headers is refused, or None.

    A name that an attacker points at our address (DNS rebinding) arrives with that name as Host: a daemon on loopback
    answers to loopback names alone, and one without a token to addresses, this machine's name and names that it was
    told. A browser says in Origin which page is asking: only our own, or one that was allowed by name, may. Programs
    send no Origin.
    """
    if len(hosts) != 1 or len(origins) > 1:
        return "a request has one Host header, and one Origin at most"
    host = hosts[0]
    try:
        name = urlsplit(f"//{host}").hostname or ""
        origin_host = urlsplit(origins[0]).netloc if origins else host
    except ValueError:
        return "the Host or the Origin header is no address"
    if not _answers_to(name, config):
        return f"this daemon does not answer to the name {name[:80]!r} (allow it with --allow-host)"
    if origin_host.lower() != host.lower() and origins[0] not in config.allow_origins:
        return f"pages of {origins[0][:80]!r} may not use this daemon (allow them with --allow-origin)"
    return None


def _answers_to(name: str, config: Config) -> bool:
    if name in config.allow_hosts or is_loopback(name):
        return True
    if is_loopback(config.host):
        return False
    if config.token is not None:  # a rebound page does not have it
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.removesuffix(".local") == socket.gethostname().lower().removesuffix(".local")
    return True


def authorized(headers: Sequence[str], token: str | None) -> bool:
    """Whether the ``Authorization`` header carries the token; always true where there is none."""
    if token is None:
        return True
    scheme, _, given = (headers[0] if len(headers) == 1 else "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
