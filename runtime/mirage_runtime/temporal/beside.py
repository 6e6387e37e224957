"""Two things at once, on two threads of which each does one thing.

Most of what the temporal stage does is too small for OpenCV to divide: its second thread spends its time waiting for
work, and takes a core from the engine, the daemon and the game meanwhile. Whole tasks divide well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import cv2

_P = ParamSpec("_P")
_T = TypeVar("_T")

_helper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mirage-temporal")
_lock = threading.Lock()
_inside = 0
_threads = 0


def beside(function: Callable[_P, _T], /, *arguments: _P.args, **options: _P.kwargs) -> Future[_T]:
    """Begin something on the other thread. It must not itself begin anything and wait for it."""
    return _helper.submit(function, *arguments, **options)


@contextmanager
def undivided() -> Iterator[None]:
    """Keep OpenCV, in the whole process, from dividing what it does."""
    global _inside, _threads
    with _lock:
        _inside += 1
        if _inside == 1:
            _threads = cv2.getNumThreads()
            cv2.setNumThreads(0)  # unlike 1, this leaves its threads ready
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                cv2.setNumThreads(_threads)
