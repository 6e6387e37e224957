"""The stream's parameters: what they are to be, what they are; and the buttons of the show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import mirage
from mirage_touchdesigner.values import checked

Complain = Callable[[str, str | None], None]


class Controls:
    """Wishes of the main thread's for the sending thread, and what somebody else has set for the main thread.

    ``changed`` is the worker's lock, ``complain`` shows a problem with something, or that there is none any more.
    """

    def __init__(self, changed: threading.Condition, complain: Complain) -> None:
        self._changed = changed
        self._complain = complain
        self._wishes: dict[str, Any] = {}
        self._known: dict[str, Any] = {}
        self._remote: dict[str, Any] = {}
        self._actions: list[str] = []

    # For the main thread.

    def set(self, parameters: Mapping[str, Any]) -> None:
        """Change parameters of the stream."""
        with self._changed:
            self._wishes.update(parameters)
            self._changed.notify_all()

    def play(self, action: str) -> None:
        """Play the daemon's show."""
        with self._changed:
            self._actions.append(action)
            self._changed.notify_all()

    def changes(self) -> dict[str, Any]:
        """Return parameters that somebody else on the stream has changed since this was asked last."""
        with self._changed:
            remote, self._remote = self._remote, {}
            return remote

    # For the thread that sends.

    @property
    def has_work(self) -> bool:
        """Whether there is anything for `send` to do."""
        return bool(self._wishes or self._actions)

    def begin(self) -> None:
        """Ask a stream that knows nothing of us for all that was set before."""
        with self._changed:
            self._wishes = self._known | self._wishes
            self._known = {}

    def send(self, stream: mirage.Stream) -> None:
        """Send what there is to send; raises `mirage.MirageError` where the connection is lost."""
        with self._changed:
            wishes, self._wishes = self._wishes, {}
            actions, self._actions = self._actions, []
        if wishes:
            self._set(stream, wishes)
        for action in actions:
            self._play(stream, action)

    def compare(self, values: Mapping[str, Any]) -> None:
        """Take the stream's parameters as they are now."""
        with self._changed:
            known, self._known = self._known, dict(values)
            self._remote |= {name: value for name, value in values.items() if known.get(name, value) != value}

    def _set(self, stream: mirage.Stream, wishes: Mapping[str, Any]) -> None:
        """Set parameters that are others than the stream's, one problem at a time."""
        good = {}
        for name, value in wishes.items():
            value, problem = checked(name, value)
            self._complain(name, problem)
            if value is not None and self._known.get(name) != value:
                good[name] = value
        if not good:
            return
        try:
            stream.set(**good)
            self._known |= good
        except (mirage.InvalidParameter, mirage.NotAllowed, mirage.ServerError) as error:
            self._complain(next(iter(good)), str(error))
        except mirage.MirageError:
            with self._changed:
                self._wishes = good | self._wishes  # for the next connection
            raise

    def _play(self, stream: mirage.Stream, action: str) -> None:
        try:
            stream.play(action)
            self._complain("show", None)
        except (mirage.InvalidParameter, mirage.NotAllowed, mirage.Unsupported, mirage.ServerError) as error:
            self._complain("show", str(error))
