"""Who may talk to the daemon at all: Host, Origin and token (SPEC.md sections 1 and 7)."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from mirage_runtime.config import is_loopback


def refusal(hosts: Sequence[str], origins: Sequence[str], *, bound_to: str, allow_origins: Sequence[str]) -> str | None:
    """Return why a request with these Host and Origin headers is refused, or None.

    A daemon on loopback answers only to loopback names: a name that an attacker points at 127.0.0.1 (DNS rebinding)
    arrives with that name as Host. A browser says in Origin which page is asking: only our own, or one that was
    allowed by name, may. Programs send no Origin.
    """
    if len(hosts) != 1 or len(origins) > 1:
        return "a request has one Host header, and one Origin at most"
    host = hosts[0]
    try:
        name = urlsplit(f"//{host}").hostname or ""
        origin_host = urlsplit(origins[0]).netloc if origins else host
    except ValueError:
        return "the Host or the Origin header is no address"
    if is_loopback(bound_to) and not is_loopback(name):
        return f"this daemon answers to 127.0.0.1 and localhost, not to '{name[:80]}'"
    if origin_host.lower() != host.lower() and origins[0] not in allow_origins:
        return f"pages of '{origins[0][:80]}' may not use this daemon (allow them with --allow-origin)"
    return None


def authorized(headers: Sequence[str], token: str | None) -> bool:
    """Whether the ``Authorization`` header carries the token; always true where there is none."""
    if token is None:
        return True
    scheme, _, given = (headers[0] if len(headers) == 1 else "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
