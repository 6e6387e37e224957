"""Play a stream from a distance: prompts one after the other, while the strength swells and fades."""

import argparse
import asyncio
import math
import time

import mirage

PROMPTS = ["ink drawing", "watercolour", "oil painting", "glowing lava"]


async def change_prompts(stream: mirage.AsyncStream, seconds: float) -> None:
    """Go through the prompts, each with a soft transition."""
    pause = seconds / len(PROMPTS)
    for prompt in PROMPTS:
        answer = await stream.set(prompt=prompt, transition=pause / 2)
        looks = ", ".join(f"{name} {weight:.2f}" for name, weight in answer.looks.items())
        print(f"{prompt}: {looks or 'no look of this model'}")
        await asyncio.sleep(pause)


async def sweep_strength(stream: mirage.AsyncStream, seconds: float) -> None:
    """Move the strength along a slow sine, 20 times a second."""
    began = time.monotonic()
    while (moment := time.monotonic() - began) < seconds:
        await stream.set(strength=0.75 - 0.25 * math.cos(2 * math.pi * moment / seconds))
        await asyncio.sleep(0.05)


async def main() -> None:
    """Run both at once, and leave the stream as it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="ws://127.0.0.1:8765")
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()

    async with mirage.connect_async(arguments.url, role="controller") as stream:
        before = stream.parameters
        try:
            await asyncio.gather(change_prompts(stream, arguments.seconds), sweep_strength(stream, arguments.seconds))
        finally:
            await stream.set(**before)
    print("the stream is as it was")


if __name__ == "__main__":
    asyncio.run(main())
