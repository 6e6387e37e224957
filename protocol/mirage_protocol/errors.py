"""What can be wrong with a message, with the code that goes over the wire."""

from __future__ import annotations

from typing import Literal

ErrorCode = Literal[
    "malformed",
    "unknown-message",
    "missing-field",
    "wrong-type",
    "out-of-range",
    "unknown-parameter",
    "plane-size",
    "too-large",
    "unsupported",
    "not-allowed",
    "handshake",
    "unauthorized",
    "source-taken",
    "limit",
    "internal",
]


class ProtocolError(Exception):
    """A message breaks SPEC.md.

    ``code`` is one of the codes of SPEC.md section 8, ``field`` the dotted path of the field at fault
    (``planes.color.width``) or None when the message as a whole is, and the text one line that says what is
    wrong and what is expected.
    """

    def __init__(self, code: ErrorCode, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.field = field


def shown(text: str) -> str:
    """Return text that came from outside as it may stand in a line for a person: quoted, escaped, not too long."""
    return ascii(text[:40]) if not text.isprintable() else repr(text[:40])
