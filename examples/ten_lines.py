"""Send one picture and save what it became."""

import argparse

import cv2
import numpy as np

import mirage

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--url", default="ws://127.0.0.1:8765")
parser.add_argument("--transport", default="auto", choices=["auto", "shared-memory", "websocket"])
parser.add_argument("--output", default="transformed.png")
arguments = parser.parse_args()

frame = np.zeros((432, 768, 3), np.uint8)
frame[:] = np.linspace(250, 90, 432)[:, None, None] * [0.5, 0.75, 1.0]  # a sky
frame[300:] = (70, 90, 40)  # a meadow
cv2.circle(frame, (560, 120), 60, (255, 220, 120), -1)  # a sun

with mirage.connect(arguments.url, transport=arguments.transport) as stream:
    stream.set(prompt="ink drawing")
    result = stream.transform(frame)

cv2.imwrite(arguments.output, result.image[..., ::-1])
print(f"{arguments.output}: {result.round_trip:.1f} ms, {dict(result.timings)}")
