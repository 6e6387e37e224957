"""What a phrase means that nobody told the model: a learned guess, from the words' directions to shares of the looks.

A phrase becomes a direction: the sentence encoder's where that is installed, and the mean of its words', which were
distilled from the encoder (``weights/words.npz``). A `Judge` compares a direction with the phrases of the training:
those nearby vote, and a linear reading of the direction has a say. ``training/words.py`` fits it all.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.lsd import encoder, layout, vocabulary

FOLDER = Path(__file__).parent / "weights"
WORDS, PHRASES = "words.npz", "phrases.npz"
"""The word table with its judge, and the judge of the encoder's directions."""
CLASSES: tuple[str, ...] = (*layout.LOOK_NAMES, "none")
"""What a phrase can mean: a look, or nothing that the model knows."""
WORDS_BESIDE_ENCODER = np.float32(0.3)
"""What the table's logits count beside the encoder's: it knows names that the encoder has not met."""

_LARGEST = 127.0

Vector = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class StaleTableError(MirageRuntimeError):
    """A table was fitted for other looks than `layout` has, or is no table."""


@dataclass(frozen=True)
class Judge:
    """Turns a direction into shares of the classes.

    ``examples`` f32 ``(n, d)`` are the directions of the training's phrases, of unit length, ``labels`` ``(n,)`` their
    classes, ``head`` f32 ``(d, classes)`` and ``bias`` ``(classes,)`` a linear reading. ``reach`` is how fast votes
    fade with distance and ``say`` what the reading counts beside the vote.
    """

    examples: Vector
    labels: Numbers
    head: Vector
    bias: Vector
    reach: float
    say: float

    @cached_property
    def _voices(self) -> Vector:
        """What each example's vote counts for each class, f32 ``(n, classes)``: more where a class has few examples."""
        counts = np.maximum(np.bincount(self.labels, minlength=len(self.bias)), 1)
        each = np.sqrt(counts.mean() / counts).astype(np.float32)
        return np.diag(each)[self.labels]

    def logits(self, direction: Vector) -> Vector:
        """Read directions f32 ``(..., d)`` of unit length: logarithms of shares f32 ``(..., classes)``, unscaled."""
        votes = np.exp((direction @ self.examples.T - 1) / np.float32(self.reach))
        share = votes @ self._voices
        share /= np.maximum(share.sum(axis=-1, keepdims=True), np.float32(1e-30))
        result: Vector = np.log(share + np.float32(1e-3)) + np.float32(self.say) * (direction @ self.head + self.bias)
        return result

    def pack(self) -> dict[str, Any]:
        """Return the judge as arrays for ``np.savez``, examples in eight bits."""
        return {
            "examples": quantised(self.examples),
            "labels": self.labels.astype(np.uint8),
            "head": self.head.astype(np.float16),
            "bias": self.bias.astype(np.float32),
            "scalars": np.array([self.reach, self.say], np.float32),
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, Any], examples: Vector | None = None) -> Judge:
        """Undo `pack`; ``examples`` stand in for those of the arrays."""
        directions = unit(arrays["examples"].astype(np.float32)) if examples is None else examples
        head, bias = arrays["head"].astype(np.float32), arrays["bias"]
        reach, say = (float(number) for number in arrays["scalars"])
        return cls(directions, arrays["labels"].astype(np.int64), head, bias, reach, say)


@dataclass(frozen=True)
class Scale:
    """What makes logits probabilities, and probabilities a decision; measured on phrases left out of the fit."""

    sharpness: float
    none: float
    """Added to the logit of ``none``, so that a half parts phrases that mean a look from those that mean none."""

    def shares(self, logits: Vector) -> Vector:
        """Turn logits f32 ``(..., classes)`` into probabilities."""
        scaled = logits * np.float32(self.sharpness)
        scaled[..., -1] += np.float32(self.none)
        return softmax(scaled)


class WordTable:
    """The base's reading of phrases: each word's direction, distilled from the encoder, and a judge of their means."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        """Take the arrays of ``words.npz``. Raises `StaleTableError` where they are for other looks."""
        check(arrays)
        self.directions = unit(arrays["vectors"].astype(np.float32))
        self.numbers = {word: number for number, word in enumerate(bytes(arrays["words"]).decode().split())}
        ends = np.cumsum(arrays["lengths"].astype(np.int64))
        sums = np.add.reduceat(self.directions[arrays["members"]], ends - arrays["lengths"], axis=0)
        self.judge = Judge.unpack(arrays, unit(sums))
        self.scale = Scale(*arrays["scale"].tolist())

    def find(self, word: str) -> int | None:
        """Return the number of a word or of one that it is a form of, or None for neither."""
        return next((self.numbers[form] for form in (word, *vocabulary.forms(word)) if form in self.numbers), None)

    def embed(self, words: Sequence[str]) -> Vector | None:
        """Return the mean direction f32 ``(d,)`` of the words that it knows, of unit length; None if it knows none."""
        found = [number for word in words if (number := self.find(word)) is not None]
        return unit(self.directions[found].sum(axis=0)) if found else None


class EncodedPhrases:
    """The encoder's reading of phrases: a judge of its directions, in fewer dimensions."""

    def __init__(self, arrays: Mapping[str, Any], reader: encoder.Encoder) -> None:
        """Take the arrays of ``phrases.npz``. Raises `StaleTableError` where they are for other looks."""
        check(arrays)
        self.reader = reader
        self._mean, self._basis = arrays["mean"].astype(np.float32), arrays["basis"].astype(np.float32)
        self.judge = Judge.unpack(arrays)
        self.scale = Scale(*arrays["scale"].tolist())

    def embed(self, words: Sequence[str]) -> Vector:
        """Return the direction f32 ``(d,)`` of the phrase, of unit length."""
        return unit((self.reader.embed(" ".join(words)) - self._mean) @ self._basis)


def guess(words: Sequence[str]) -> dict[str, float] | None:
    """Guess what words mean together: the probability of each of `CLASSES`; None where nothing knows any of them.

    ``words`` are lower-case and in order, function words included, which the encoder reads and the table skips.
    """
    table, phrases = word_table(), encoded()
    direction = table.embed(content_words(words))
    logits = None if direction is None else table.judge.logits(direction)
    scale = table.scale
    if phrases is not None:
        own = phrases.judge.logits(phrases.embed(words))
        logits, scale = own if logits is None else own + WORDS_BESIDE_ENCODER * logits, phrases.scale
    if logits is None:
        return None
    return dict(zip(CLASSES, map(float, scale.shares(logits)), strict=True))


def content_words(words: Sequence[str]) -> list[str]:
    """Return the words that the table reads: all but function words, or all where there is nothing else."""
    told = vocabulary.read()
    return [word for word in words if not told.function_word(word)] or list(words)


def known(word: str) -> bool:
    """Whether the word table knows a word or one that it is a form of."""
    return word_table().find(word) is not None


def describe() -> str:
    """Load what reads prompts and say in a few words what it is. Raises `StaleTableError`."""
    if encoded() is not None:
        return "prompts read by the text encoder all-MiniLM-L6-v2"
    return f"prompts read by a table of {len(word_table().numbers):,} words"


@cache
def word_table() -> WordTable:
    """Load the word table, once. Raises `StaleTableError`."""
    return WordTable(read(FOLDER / WORDS))


@cache
def encoded() -> EncodedPhrases | None:
    """Load what reads the encoder's directions, once; None without an encoder. Raises `StaleTableError`."""
    reader = encoder.installed()
    return EncodedPhrases(read(FOLDER / PHRASES), reader) if isinstance(reader, encoder.Encoder) else None


def read(path: Path) -> dict[str, Any]:
    """Read a table's arrays. Raises `StaleTableError` where the file is missing or no table."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise StaleTableError(f"{path} is no word table: {error}") from error


def check(arrays: Mapping[str, Any]) -> None:
    """Raise `StaleTableError` unless the table was fitted for the looks that there are."""
    fitted = tuple(bytes(arrays["looks"]).decode().split()) if "looks" in arrays else ()
    if fitted != layout.LOOK_NAMES:
        missing = [name for name in layout.LOOK_NAMES if name not in fitted] or "another order"
        raise StaleTableError(f"the word table was fitted for other looks ({missing}): run mirage train words")


def unit(vectors: Vector) -> Vector:
    """Scale vectors f32 ``(..., d)`` to length 1; zero stays zero."""
    result: Vector = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-9))
    return result


def quantised(vectors: Vector) -> npt.NDArray[np.int8]:
    """Round vectors f32 ``(n, d)`` to eight bits, each scaled to its largest number: their directions survive."""
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    result: npt.NDArray[np.int8] = np.rint(vectors / np.maximum(largest, np.float32(1e-9)) * _LARGEST).astype(np.int8)
    return result


def softmax(logits: Vector) -> Vector:
    """Turn logits f32 ``(..., classes)`` into probabilities."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Vector = powers / powers.sum(axis=-1, keepdims=True)
    return result
