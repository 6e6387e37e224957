"""What compiling can fail with."""

from __future__ import annotations

from mirage_runtime.errors import MirageRuntimeError


class CompileError(MirageRuntimeError):
    """A model cannot be compiled; the message says why and what to do, in one line."""
