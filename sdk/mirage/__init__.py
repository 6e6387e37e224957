"""Send rendered frames to a Mirage server and get them back transformed.

    import mirage

    with mirage.connect() as stream:
        stream.set(prompt="ink drawing")
        result = stream.transform(frame)     # uint8 (height, width, 3 or 4), RGB or RGBA
        show(result.image)

`connect` gives a blocking `Stream`, `connect_async` its asyncio twin. Every error is a `MirageError`; the tree:

    MirageError
    ├── ConnectionRefused   there is no server at this address
    ├── Refused             the server is there and will not have us
    ├── ConnectionLost      the connection broke; the next call connects again
    ├── Timeout             the server did not answer in time
    ├── Closed              this stream was closed
    ├── FrameDropped        a frame has no result
    ├── InvalidFrame        a picture, plane or camera is not as it must be
    ├── InvalidParameter    no such parameter, or not a value that it takes
    ├── NotAllowed          the role does not permit it
    ├── Unsupported         neither this client nor this server can do that
    └── ServerError         a fault of the server's
"""

from mirage._async import AsyncStream, connect_async
from mirage._errors import (
    Closed,
    ConnectionLost,
    ConnectionRefused,
    FrameDropped,
    InvalidFrame,
    InvalidParameter,
    MirageError,
    NotAllowed,
    Refused,
    ServerError,
    Timeout,
    Unsupported,
)
from mirage._frames import Image
from mirage._session import Acknowledgement, Result
from mirage._stats import Stats
from mirage._sync import Stream, connect
from mirage_protocol import Camera, ShowState

__all__ = [
    "Acknowledgement",
    "AsyncStream",
    "Camera",
    "Closed",
    "ConnectionLost",
    "ConnectionRefused",
    "FrameDropped",
    "Image",
    "InvalidFrame",
    "InvalidParameter",
    "MirageError",
    "NotAllowed",
    "Refused",
    "Result",
    "ServerError",
    "ShowState",
    "Stats",
    "Stream",
    "Timeout",
    "Unsupported",
    "connect",
    "connect_async",
]
