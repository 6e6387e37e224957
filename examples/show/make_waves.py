"""Make waves.wav, the sound that tides.toml listens to: slow surf with a soft pulse, nine seconds that loop."""

import argparse
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000  # hertz: surf has little above 4 kHz, and the daemon hears bands, not beauty
SECONDS = 9.0
COUNT = round(RATE * SECONDS)
CRESTS = ((1.6, 1.0), (6.1, 0.8))  # seconds at which a wave breaks, and how loud
PULSE = 0.75  # seconds from one beat to the next: 80 a minute, twelve of them

Samples = NDArray[np.float64]


def ago(moment: float) -> Samples:
    """Return for each sample how long ago ``moment`` was, in seconds; time goes in a circle, so that nothing clicks."""
    return (np.arange(COUNT) / RATE - moment) % SECONDS


def noise(seed: int, low: float, high: float) -> Samples:
    """Return noise from ``low`` to ``high`` hertz that goes on where it began; louder the lower, like water."""
    frequencies = np.fft.rfftfreq(COUNT, 1 / RATE)
    turns = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, len(frequencies))
    inside = (frequencies >= low) & (frequencies <= high)
    amplitudes = np.where(inside, 1.0 / np.sqrt(np.maximum(frequencies, 1.0)), 0.0)
    result = np.fft.irfft(amplitudes * np.exp(1j * turns), COUNT)
    return result / np.abs(result).max()


def surf() -> Samples:
    """Return the waves: each swells for a second or two, breaks with a hiss within 30 ms, and runs out."""
    deep, hiss = noise(1, 50.0, 500.0), noise(2, 900.0, 3800.0)
    result = 0.04 * hiss + 0.02 * deep
    for crest, loudness in CRESTS:
        since = ago(crest)
        before = SECONDS - since
        swell = np.exp(-np.square(before / 1.1)) + np.exp(-np.square(since / 1.0))
        breaks = (1.0 - np.exp(-since / 0.03)) * np.exp(-since / 1.1)
        result += loudness * (0.6 * np.minimum(swell, 1.0) * deep + 0.55 * breaks * hiss)
    return result


def pulse() -> Samples:
    """Return the pulse: a soft low drum, too dull to be heard as a stroke."""
    result = np.zeros(COUNT)
    for beat in np.arange(0.0, SECONDS, PULSE):
        since = ago(beat)
        result += (1.0 - np.exp(-since / 0.03)) * np.exp(-since / 0.16) * np.sin(2.0 * np.pi * 62.0 * since)
    return result


def samples() -> NDArray[np.int16]:
    """Return the whole loop."""
    mixed = surf() + 0.12 * pulse()
    return np.round(mixed / np.abs(mixed).max() * 0.8 * 32767).astype("<i2")


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("waves.wav"))
    path = parser.parse_args().output
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples().tobytes())
    print(f"{path}: {SECONDS:g} seconds, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
