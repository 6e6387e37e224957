"""A model that changes nothing: how transports are measured and tested."""

from __future__ import annotations

import numpy as np

from mirage_runtime.clock import microseconds
from mirage_runtime.models import Context, Image, Outcome, Settings


class Echo:
    """Give each frame back untouched."""

    description = "echo"

    def prepare(self, height: int, width: int) -> None:
        """Do nothing: there is nothing to compile."""

    def __call__(
        self, frame: Image, settings: Settings, *, context: Context | None = None, out: Image | None = None
    ) -> Outcome:
        """Return a copy of ``frame``."""
        began = microseconds()
        if out is None:
            out = np.empty_like(frame)
        np.copyto(out, frame)
        return Outcome(out, {"render": (began, microseconds())})
