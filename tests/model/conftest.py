"""One loaded model for all tests of this folder."""

from __future__ import annotations

import pytest

from mirage_runtime.models.lsd import LsdMini


@pytest.fixture(scope="session")
def mini() -> LsdMini:
    """The embedded model on two threads."""
    return LsdMini(threads=2)
