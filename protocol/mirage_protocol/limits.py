"""The numbers of SPEC.md section 2, which keep a hostile message from costing more than its own size."""

from __future__ import annotations

from typing import Final

PROTOCOL_VERSION: Final = 1
SUBPROTOCOL: Final = "mirage.v1"

ALIGNMENT: Final = 16
MAX_HEADER_SIZE: Final = 65_536
MAX_DEPTH: Final = 8
MAX_ENTRIES: Final = 1_024
MAX_TEXT: Final = 8_192

MAX_SAFE_INTEGER: Final = 2**53 - 1
MAX_DIMENSION: Final = 16_384
DEFAULT_MAX_WIDTH: Final = 4_096
DEFAULT_MAX_HEIGHT: Final = 4_096

DEFAULT_WINDOW: Final = 2
DEFAULT_QUALITY: Final = 85
MAX_WINDOW: Final = 64
DEFAULT_STREAM: Final = "main"
