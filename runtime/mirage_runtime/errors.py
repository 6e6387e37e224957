"""Errors with one line that a person can act on."""

from __future__ import annotations


class MirageRuntimeError(Exception):
    """Something the user can put right; the text says what is wrong and what to do. The command line prints it."""
