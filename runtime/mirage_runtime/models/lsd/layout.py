"""What each number of the condition vector means: the contract between prompts, runtime, trainer and weights.

A condition is f32 ``(24,)``: a weight for each of the eighteen looks, four modifiers, the diffusion time ``t`` (1 is
pure noise) and the size of the step from it. Adding a look means training again: names may be appended, not reordered.
"""

from __future__ import annotations

from typing import Final

LOOK_NAMES: Final = (
    *("photo", "ink", "sketch", "watercolour", "neon", "lava", "ice", "oil", "moss"),
    *("comic", "thermal", "film", "glass", "circuit", "starry", "coral", "space", "marble"),
)
"""The looks, in the order of their weights. ``photo`` returns the source: modifiers alone act on it."""

GENERATING: Final = ("lava", "ice", "oil", "moss", "glass", "circuit", "starry", "coral", "space", "marble")
"""The looks that draw texture which the source lacks, from the noise pyramid."""

MODIFIER_NAMES: Final = ("temperature", "brightness", "vividness", "softness")
"""Modifiers after the looks. Temperature and brightness are -1..1 (cold, dark ... warm, bright), the others 0..1."""

LOOKS: Final = len(LOOK_NAMES)
MODIFIERS: Final = slice(LOOKS, LOOKS + len(MODIFIER_NAMES))
TIME: Final = LOOKS + len(MODIFIER_NAMES)
"""Index of the diffusion time, 0..1."""
STEP: Final = TIME + 1
"""Index of the step size, 0..1: 1 for a single step, 1/n for n of them."""
CONDITION: Final = STEP + 1
"""Length of the vector."""
