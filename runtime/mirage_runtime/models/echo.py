"""A model that changes nothing: how transports are measured and tested."""

from __future__ import annotations

import time

import numpy as np

from mirage_runtime.models import Image, Settings


class Echo:
    """Give each frame back untouched."""

    description = "echo"

    def prepare(self, height: int, width: int) -> None:
        """Do nothing: there is nothing to compile."""

    def __call__(self, frame: Image, settings: Settings, *, out: Image | None = None) -> tuple[Image, dict[str, float]]:
        """Return a copy of ``frame``."""
        start = time.perf_counter()
        if out is None:
            out = np.empty_like(frame)
        np.copyto(out, frame)
        return out, {"render": (time.perf_counter() - start) * 1000.0}
