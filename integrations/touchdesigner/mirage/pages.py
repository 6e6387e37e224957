"""The component's own parameters, beside those of the stream, which `parameters.py` has.

Each is a map: ``name`` as TouchDesigner wants it (a capital, then small letters and digits), ``style`` (``Str``,
``Int``, ``Float``, ``Toggle``, ``Menu``, ``File``, ``Pulse``), ``page``, ``label``, ``help``, and where it has them
``default``, ``minimum`` and ``maximum``, ``slider_max``, ``menu``, ``read_only``, ``password``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PAGES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "Active",
        "style": "Toggle",
        "page": "Mirage",
        "label": "Active",
        "default": True,
        "help": "Send frames to the daemon. Off, the source passes through.",
    },
    {
        "name": "Address",
        "style": "Str",
        "page": "Mirage",
        "label": "Address",
        "default": "ws://127.0.0.1:8765/main",
        "help": "Where the daemon is; the path names the stream.",
    },
    {
        "name": "Transport",
        "style": "Menu",
        "page": "Mirage",
        "label": "Transport",
        "default": "auto",
        "menu": {"auto": "Automatic", "shared-memory": "Shared Memory", "websocket": "WebSocket"},
        "help": "How frames travel. Automatic is shared memory where the daemon is on this machine.",
    },
    {
        "name": "Compression",
        "style": "Menu",
        "page": "Mirage",
        "label": "Compression",
        "default": "auto",
        "menu": {"auto": "Automatic", "raw": "None", "jpeg": "JPEG"},
        "help": "Automatic sends frames as they are on this machine, and as JPEG to others.",
    },
    {
        "name": "Quality",
        "style": "Int",
        "page": "Mirage",
        "label": "JPEG Quality",
        "default": 85,
        "minimum": 1,
        "maximum": 100,
        "help": "The quality of those JPEGs.",
    },
    {
        "name": "Token",
        "style": "Str",
        "page": "Mirage",
        "label": "Token",
        "default": "",
        "password": True,
        "help": "The token of a daemon that asks for one.",
    },
    {
        "name": "Takeover",
        "style": "Toggle",
        "page": "Mirage",
        "label": "Take Over",
        "default": False,
        "help": "Take the stream from another source.",
    },
    {
        "name": "Reconnect",
        "style": "Pulse",
        "page": "Mirage",
        "label": "Reconnect",
        "help": "Connect anew, now.",
    },
    {
        "name": "State",
        "style": "Str",
        "page": "Mirage",
        "label": "State",
        "default": "off",
        "read_only": True,
        "help": "off, connecting, connected, reconnecting, or refused.",
    },
    {
        "name": "Message",
        "style": "Str",
        "page": "Mirage",
        "label": "Message",
        "default": "",
        "read_only": True,
        "help": "What is wrong, in one line; empty where nothing is.",
    },
    {
        "name": "Library",
        "style": "File",
        "page": "Mirage",
        "label": "Python Library",
        "default": "",
        "help": "A folder or zip with the Python client, instead of the one in this component.",
    },
    {"name": "Go", "style": "Pulse", "page": "Show", "label": "Go", "help": "The next cue of the daemon's show."},
    {"name": "Back", "style": "Pulse", "page": "Show", "label": "Back", "help": "The cue before, at once."},
    {
        "name": "Pause",
        "style": "Pulse",
        "page": "Show",
        "label": "Pause",
        "help": "Transform no frames: the last result stays.",
    },
    {"name": "Play", "style": "Pulse", "page": "Show", "label": "Play", "help": "Transform frames again."},
)
