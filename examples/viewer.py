"""Watch a stream and keep its newest picture in a file."""

import argparse
import time
from pathlib import Path

import cv2

import mirage


def save(image: mirage.Image, path: Path) -> None:
    """Write a picture so that whoever opens the file never sees half of one."""
    channels = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_bytes(cv2.imencode(".png", cv2.cvtColor(image, channels))[1].tobytes())
    unfinished.replace(path)


def main() -> None:
    """Save results until the time is over or the source has been silent for as long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="ws://127.0.0.1:8765")
    parser.add_argument("--transport", default="auto", choices=["auto", "shared-memory", "websocket"])
    parser.add_argument("--output", type=Path, default=Path("newest.png"))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--frames", type=int, help="end after so many pictures")
    arguments = parser.parse_args()

    end = time.monotonic() + arguments.seconds
    saved = 0
    with mirage.connect(arguments.url, role="viewer", transport=arguments.transport) as stream:
        while saved != arguments.frames and (left := end - time.monotonic()) > 0:
            try:
                result = stream.receive(timeout=left)
            except mirage.Timeout:
                break
            save(result.image, arguments.output)
            saved += 1
    print(f"{saved} pictures of the stream, the last one in {arguments.output}")


if __name__ == "__main__":
    main()
