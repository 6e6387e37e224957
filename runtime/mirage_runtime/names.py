"""The names that streams may have (SPEC.md section 1)."""

from __future__ import annotations

import re

from mirage_protocol import DEFAULT_STREAM

# Paths of the daemon's own, and what stands beside streams in the tree of OSC addresses.
RESERVED = frozenset({"health", "metrics", "mirage", "cue", "preset", "show", "subscribe", "unsubscribe"})

_NAME = re.compile(r"[a-z0-9_-]{1,64}")


def is_stream(name: str) -> bool:
    """Whether a stream may have this name."""
    return _NAME.fullmatch(name) is not None and name not in RESERVED


def stream_of(path: str) -> str | None:
    """Return the stream that a URL's path names (with or without a query), or None where it names none."""
    root, _, name = path.partition("?")[0].partition("/")
    name = name or DEFAULT_STREAM
    return name if not root and is_stream(name) else None
