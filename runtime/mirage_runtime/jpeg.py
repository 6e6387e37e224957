"""Pictures as JPEG, for networks: frames that come in are decoded, results encoded once for all who want them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from mirage_protocol import Result
from mirage_runtime.clock import microseconds
from mirage_runtime.errors import MirageRuntimeError

_log = logging.getLogger("mirage.jpeg")

Image = NDArray[np.uint8]

_COLORS = {3: "RGB", 4: "RGBX"}


def decoded(data: bytes, height: int, width: int) -> Image:
    """Return a JPEG as RGB uint8 (H, W, 3).

    Raises `MirageRuntimeError` for what is no JPEG, or one that has not the size that was said: that is known before
    anything is decoded, so that a small file cannot ask for much memory.
    """
    try:
        size = simplejpeg.decode_jpeg_header(data)[:2]
        if size != (height, width):
            raise MirageRuntimeError(f"the JPEG has {size[1]}x{size[0]} pixels, not {width}x{height}")
        picture: Image = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=True)
    except ValueError as error:
        raise MirageRuntimeError(f"the frame's JPEG cannot be read: {error}") from None
    return picture


def encoded(picture: Image, quality: int) -> bytes:
    """Return RGB or RGBA uint8 (H, W, 3 or 4) as JPEG, its alpha left out; ``quality`` is 1 to 100."""
    data: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture), quality, _COLORS[picture.shape[2]], "420", fastdct=True
    )
    return data


@dataclass(frozen=True)
class Job:
    """A result whose picture is to be encoded, in each of ``qualities``; ``source`` is whose frame it was."""

    result: Result
    picture: Image
    qualities: Collection[int]
    source: object = None


class Encoder:
    """Encodes the results of one stream in a thread, so that nobody waits for it who wants none of it.

    The newest wins here too: while one is encoded, one waits, and a newer one takes its place. Each job ends with
    ``done``, its files by quality and when it began and ended, or with ``lost``.
    """

    def __init__(
        self, done: Callable[[Job, dict[int, bytes], tuple[int, int]], None], lost: Callable[[Job], None]
    ) -> None:
        self._done = done
        self._lost = lost
        self._busy = False
        self._waiting: Job | None = None

    def offer(self, job: Job) -> None:
        """Encode a result as soon as may be."""
        if self._busy:
            if self._waiting is not None:
                self._lost(self._waiting)
            self._waiting = job
            return
        self._busy = True
        future = asyncio.get_running_loop().run_in_executor(None, _encode, job)
        future.add_done_callback(lambda done: self._finished(job, done))

    def _finished(self, job: Job, future: asyncio.Future[tuple[dict[int, bytes], tuple[int, int]]]) -> None:
        self._busy = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.offer(waiting)
        if future.cancelled():
            return
        if problem := future.exception():
            _log.error("the result of frame %d cannot be made a JPEG", job.result.id, exc_info=problem)
            self._lost(job)
        else:
            self._done(job, *future.result())


def _encode(job: Job) -> tuple[dict[int, bytes], tuple[int, int]]:
    began = microseconds()
    files = {quality: encoded(job.picture, quality) for quality in job.qualities}
    return files, (began, microseconds())
