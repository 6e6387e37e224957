"""The names that streams may have (SPEC.md section 1)."""

from __future__ import annotations

import re

from mirage_protocol import DEFAULT_STREAM

RESERVED = frozenset({"health", "metrics", "mirage"})

_NAME = re.compile(r"[a-z0-9_-]{1,64}")


def stream_of(path: str) -> str | None:
    """Return the stream that a URL's path names (with or without a query), or None where it names none."""
    root, _, name = path.partition("?")[0].partition("/")
    name = name or DEFAULT_STREAM
    return name if not root and _NAME.fullmatch(name) and name not in RESERVED else None
