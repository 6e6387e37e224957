"""What can go wrong. Every error of this package is a `MirageError`.

MirageError
├── ConnectionRefused   there is no server at this address             (also a ConnectionRefusedError)
├── Refused             the server is there and will not have us: a wrong token, a source that is already there
├── ConnectionLost      the connection broke; the next call connects again    (also a ConnectionError)
├── Timeout             the server did not answer in time              (also a TimeoutError)
├── Closed              this stream was closed with `close`
├── FrameDropped        a frame has no result: a newer one took its place, or the model failed
├── InvalidFrame        a picture, plane or camera is not as it must be       (also a ValueError)
├── InvalidParameter    no such parameter, or not a value that it takes       (also a ValueError)
├── NotAllowed          the role does not permit it: a viewer that sends
├── Unsupported         neither this client nor this server can do that
└── ServerError         a fault of the server's
"""

from __future__ import annotations

from collections.abc import Mapping

from mirage_protocol import Error


class MirageError(Exception):
    """What every error of this package derives from.

    ``code`` is the protocol's code where the server said it (SPEC.md section 8), else None; ``field`` the field
    of the message at fault (``parameters.strength``), where there is one.
    """

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class ConnectionRefused(MirageError, ConnectionRefusedError):
    """There is no server at this address."""


class Refused(MirageError):
    """The server is there and will not have us; ``code`` says why: ``unauthorized``, ``source-taken``, ``limit`` …."""


class ConnectionLost(MirageError, ConnectionError):
    """The connection broke, and what was under way is lost; the next call connects again."""


class Timeout(MirageError, TimeoutError):
    """The server did not answer in time; the connection stands."""


class Closed(MirageError):
    """This stream was closed with `close`."""


class FrameDropped(MirageError):
    """Frames have no result: ``frame_ids`` says which, ``reason`` why (``newer`` or ``failed``)."""

    def __init__(self, frame_ids: tuple[int, ...], reason: str) -> None:
        why = "a newer one took its place" if reason == "newer" else "the model could not transform it"
        super().__init__(f"frame {', '.join(map(str, frame_ids))} was dropped: {why}")
        self.frame_ids = frame_ids
        self.reason = reason


class InvalidFrame(MirageError, ValueError):
    """A picture, plane or camera is not as it must be; the text says what is expected."""


class InvalidParameter(MirageError, ValueError):
    """There is no such parameter (the text names the nearest), or it does not take this value."""

    @property
    def parameter(self) -> str | None:
        """The name of the parameter at fault."""
        if self.field is None:
            return None
        path = self.field.removeprefix("parameters.")
        # A name that does not exist may have any characters; behind one that does, a path leads into its value.
        return path if self.code == "unknown-parameter" else path.partition(".")[0]


class NotAllowed(MirageError):
    """The role that this stream was opened with does not permit it."""


class Unsupported(MirageError):
    """Neither this client nor this server can do that."""


class ServerError(MirageError):
    """A fault of the server's."""


_OF_FRAMES: Mapping[str, type[MirageError]] = {
    "missing-field": InvalidFrame,
    "wrong-type": InvalidFrame,
    "out-of-range": InvalidFrame,
    "plane-size": InvalidFrame,
    "too-large": InvalidFrame,
    "unsupported": Unsupported,
    "not-allowed": NotAllowed,
}
_OF_REQUESTS: Mapping[str, type[MirageError]] = {
    "missing-field": InvalidParameter,
    "wrong-type": InvalidParameter,
    "out-of-range": InvalidParameter,
    "unknown-parameter": InvalidParameter,
    "unsupported": Unsupported,
    "not-allowed": NotAllowed,
}


def from_server(error: Error) -> MirageError:
    """Return the exception that stands for an error message that answers a frame or a request."""
    kinds = _OF_REQUESTS if error.request is not None else _OF_FRAMES
    return kinds.get(error.code, ServerError)(error.message, code=error.code, field=error.field)
