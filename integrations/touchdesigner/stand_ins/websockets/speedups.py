"""What masks the frames of a WebSocket (RFC 6455, section 5.3), in NumPy, instead of the compiled part of `websockets`.

Python's own way, with one number of as many bytes as the message has, takes several times as long.
"""

from __future__ import annotations

import numpy as np


def apply_mask(data: bytes | bytearray | memoryview, mask: bytes | bytearray) -> bytearray:
    """Return ``data`` with ``mask``, 4 bytes, applied over and over; raises ValueError for another length of mask."""
    if len(mask) != 4:
        raise ValueError("mask must contain 4 bytes")
    size = len(data)
    out = bytearray(size)
    whole = size // 8 * 8
    source, target = np.frombuffer(data, np.uint8), np.frombuffer(out, np.uint8)
    key = np.frombuffer(bytes(mask) * 2, np.uint64)
    np.bitwise_xor(source[:whole].view(np.uint64), key, out=target[:whole].view(np.uint64))
    for place in range(whole, size):
        out[place] = source[place] ^ mask[place % 4]
    return out
