"""Draw a moving scene, send each frame before the last result is back, and change the prompt half way."""

import argparse
import contextlib
import time
from collections.abc import Iterator

import cv2
import numpy as np

import mirage

WIDTH, HEIGHT = 768, 432


def draw(moment: float) -> mirage.Image:
    """Return hills that drift under a swinging sun, ``moment`` in seconds."""
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frame[:] = np.linspace(1, 0.5, HEIGHT)[:, None, None] * [140, 180, 240]
    sun = (int(WIDTH * (0.5 + 0.3 * np.cos(moment))), int(HEIGHT * (0.35 - 0.15 * np.sin(moment))))
    cv2.circle(frame, sun, 45, (255, 215, 120), -1, cv2.LINE_AA)
    x = np.arange(0, WIDTH + 8, 8)
    for depth, color in ((0.55, (90, 120, 90)), (0.75, (60, 95, 50))):
        ridge = HEIGHT * depth + 30 * np.sin(x / 90 + moment * depth * 2 + depth * 9)
        outline = np.concatenate([np.stack([x, ridge], axis=1), [[WIDTH, HEIGHT], [0, HEIGHT]]])
        cv2.fillPoly(frame, [outline.astype(np.int32)], color, cv2.LINE_AA)
    return frame


def moments(frames: int | None, seconds: float) -> Iterator[float]:
    """Yield the time since the start until ``seconds`` are over, or for ``frames`` frames."""
    began = time.monotonic()
    count = 0
    while (moment := time.monotonic() - began) < seconds and count != frames:
        yield moment
        count += 1


def main() -> None:
    """Run the scene and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="ws://127.0.0.1:8765")
    parser.add_argument("--transport", default="auto", choices=["auto", "shared-memory", "websocket"])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--prompts", nargs=2, default=["watercolour", "glowing lava"])
    arguments = parser.parse_args()

    changed = False
    with mirage.connect(arguments.url, transport=arguments.transport) as stream:
        stream.set(prompt=arguments.prompts[0])
        for count, moment in enumerate(moments(arguments.frames, arguments.seconds)):
            if not changed and (moment > arguments.seconds / 2 or count == (arguments.frames or -1) // 2):
                understood = stream.set(prompt=arguments.prompts[1], transition=1.0)
                print(f"now: {arguments.prompts[1]} (unknown words: {list(understood.unknown_words)})")
                changed = True
            stream.send(draw(moment))
            if stream.in_flight > 1:
                with contextlib.suppress(mirage.FrameDropped):
                    stream.receive()
        for _ in stream:  # what is still on its way
            pass
        stats, transport = stream.stats, stream.transport

    print(
        f"{stats.rate:.1f} frames a second by {transport}, glass to glass {stats.p50:.1f} ms (p95 {stats.p95:.1f} ms)"
    )


if __name__ == "__main__":
    main()
