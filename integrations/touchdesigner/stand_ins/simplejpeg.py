"""The part of `simplejpeg` that the client uses, by OpenCV, which TouchDesigner has. Without it there is no JPEG.

Pictures are RGB here and BGR there.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def encode_jpeg(
    image: Any, quality: int = 85, colorspace: str = "RGB", colorsubsampling: str = "444", fastdct: bool = True
) -> bytes:
    """Return ``image``, uint8 (H, W, 3 or 4), as JPEG; alpha is left out. Raises ValueError."""
    cv2 = _opencv()
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if colorsubsampling == "420" and hasattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR"):
        flags += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    good, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., 2::-1]), flags)
    if not good:
        raise ValueError("OpenCV cannot encode this picture")
    return bytes(data.data)


def decode_jpeg(
    data: bytes, colorspace: str = "RGB", fastdct: bool = True, fastupsample: bool = True, **options: Any
) -> Any:
    """Return a JPEG as uint8 (H, W, 3), or (H, W, 4) for ``RGBA``; raises ValueError."""
    cv2 = _opencv()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("this is no JPEG")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGBA if colorspace == "RGBA" else cv2.COLOR_BGR2RGB)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        raise ValueError("JPEG needs OpenCV, which this Python does not have: choose Compression None") from None
    return cv2
