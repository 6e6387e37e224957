"""Who may talk to the daemon at all: Host, Origin and token (SPEC.md sections 1 and 7)."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from mirage_runtime.config import is_loopback


def refusal(host: str | None, origin: str | None, *, bound_to: str, allow_origins: Sequence[str]) -> str | None:
    """Return why a request with these headers is refused, or None.

    A daemon on loopback answers only to loopback names: a name that an attacker points at 127.0.0.1 (DNS rebinding)
    arrives with that name as Host. A browser says in Origin which page is asking: only our own, or one that was
    allowed by name, may. Programs send no Origin.
    """
    if host is None:
        return "the Host header is missing"
    name = urlsplit(f"//{host}").hostname or ""
    if is_loopback(bound_to) and not is_loopback(name):
        return f"this daemon answers to 127.0.0.1 and localhost, not to '{name[:80]}'"
    if origin is None or origin in allow_origins:
        return None
    if urlsplit(origin).netloc.lower() != host.lower():
        return f"pages of '{origin[:80]}' may not use this daemon (allow them with --allow-origin)"
    return None


def authorized(header: str | None, token: str | None) -> bool:
    """Whether an ``Authorization`` header carries the token; always true where there is none."""
    if token is None:
        return True
    scheme, _, given = (header or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
