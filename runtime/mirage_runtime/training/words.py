"""Fit what understands prompts: the word table, and the judges of phrases, from ``phrases.toml`` and the encoder.

The encoder embeds every phrase of the training and every whole word among its own pieces, once. Words keep their
direction in fewer dimensions, whose mean stands for a phrase. All that is reported was measured on phrases left out of
the fit, a fifth at a time. Deterministic for a seed.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.lsd import encoder, layout, vocabulary
from mirage_runtime.models.lsd.meaning import (
    CLASSES,
    FOLDER,
    PHRASES,
    WORDS,
    WORDS_BESIDE_ENCODER,
    Judge,
    Scale,
    Vector,
    content_words,
    quantised,
    softmax,
    unit,
)

PATH = Path(__file__).parent / "phrases.toml"

_FOLDS = 5
_NONE = len(CLASSES) - 1
_WORD_DIMENSIONS, _PHRASE_DIMENSIONS = 80, 160
# Chosen by what they do on phrases left out; between half and twice of each it changes by a hundredth.
_WORDS_REACH, _WORDS_SAY = 0.045, 0.25
_ENCODER_REACH, _ENCODER_SAY = 0.055, 0.5

Numbers = npt.NDArray[np.int64]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Phrases:
    """The training's phrases: words, and the number in ``CLASSES`` of what they mean."""

    words: tuple[tuple[str, ...], ...]
    labels: Numbers
    folds: Numbers
    """Which fifth a phrase belongs to: 0..4, each look spread evenly."""


@dataclass(frozen=True)
class Accuracy:
    """How one way to read phrases did on phrases that it was not fitted to; shares, 0..1."""

    looks: float
    """Phrases of looks whose look came first among the looks."""
    worst: tuple[str, float]
    """The look that did worst, and its share."""
    none: float
    """Phrases that mean no look and were taken for such."""
    confident: float
    """Phrases of looks that were not taken to mean none."""


@dataclass(frozen=True)
class Report:
    """What came out of a fit."""

    phrases: int
    words: int
    table: Accuracy
    encoder: Accuracy
    bytes: tuple[int, int]
    """Sizes of the word table and of the encoder's phrases."""


def fit(out: Path = FOLDER, progress: Progress | None = None, *, seed: int = 1, cache: Path | None = None) -> Report:
    """Fit both ways to read phrases and write ``words.npz`` and ``phrases.npz`` into ``out``, in one move each.

    ``progress`` hears the stage and how much of it is done, 0..1. ``cache`` is a file that keeps embeddings from one
    fit to the next. Raises `MirageRuntimeError` where the encoder is not installed.
    """
    report = progress or (lambda _stage, _done: None)
    reader = encoder.installed()
    if not isinstance(reader, encoder.Encoder):
        raise MirageRuntimeError(f"words are distilled from the text encoder: {reader}")
    phrases = read(seed)
    words = _table_words(reader, phrases)
    texts = [" ".join(phrase) for phrase in phrases.words]
    embedded = _embed(reader, [*texts, *words], cache, lambda done: report("embed", done))
    of_phrases, of_words = embedded[: len(texts)], embedded[len(texts) :]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of sums, and with it the result, must not depend on the machine's cores
    try:
        common = {"looks": _packed(layout.LOOK_NAMES), "digest": _packed([digest()])}
        table, by_words = _fit_table(phrases, words, of_words, lambda done: report("table", done))
        judged, by_encoder = _fit_encoder(phrases, of_phrases, lambda done: report("encoder", done))
    finally:
        torch.set_num_threads(threads)
    scale, measured = _measure(by_words, phrases.labels)
    both_scale, both_measured = _measure(by_encoder + WORDS_BESIDE_ENCODER * by_words, phrases.labels)
    out.mkdir(parents=True, exist_ok=True)
    sizes = (
        _write(out / WORDS, common | table | {"scale": _numbers(scale)}),
        _write(out / PHRASES, common | judged | {"scale": _numbers(both_scale)}),
    )
    return Report(len(texts), len(words), measured, both_measured, sizes)


def read(seed: int = 1) -> Phrases:
    """Read the phrases of the training and those of the vocabulary, each once, in the order of the files."""
    told = vocabulary.read()
    found: dict[tuple[str, ...], str] = {**told.weak, **told.looks}
    for name, text in tomllib.loads(PATH.read_text(encoding="utf-8")).items():
        split = (tuple(vocabulary.words(phrase)) for phrase in re.split(r"[,\n]", text))
        found |= {words: name for words in split if words and words not in told.looks}
    labels = np.array([CLASSES.index(name) for name in found.values()])
    folds = np.zeros(len(labels), np.int64)
    generator = np.random.default_rng(seed)
    for number in range(len(CLASSES)):
        (places,) = np.nonzero(labels == number)
        folds[generator.permutation(places)] = np.arange(len(places)) % _FOLDS
    return Phrases(tuple(found), labels, folds)


def digest() -> str:
    """Return a fingerprint of the phrases and of the vocabulary's looks: of what a table was fitted to."""
    looks = repr(sorted(vocabulary.table()["looks"].items()))
    content = PATH.read_text(encoding="utf-8") + looks
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _table_words(reader: encoder.Encoder, phrases: Phrases) -> list[str]:
    whole = {piece for piece in reader.pieces if piece.isascii() and piece.isalpha() and len(piece) > 1}
    told = vocabulary.read()
    used = {word for words in phrases.words for word in words}
    return sorted(word for word in whole | used if word in used or not told.function_word(word))


def _embed(
    reader: encoder.Encoder, texts: Sequence[str], cache: Path | None, progress: Callable[[float], None]
) -> Vector:
    """Embed texts, f32 ``(n, 384)``, but for those that the cache has."""
    kept: dict[str, Vector] = {}
    if cache is not None and cache.exists():
        with np.load(cache) as file:
            kept = dict(zip(bytes(file["texts"]).decode().split("\n"), file["vectors"], strict=True))
    missing = [text for text in dict.fromkeys(texts) if text not in kept]
    for number, text in enumerate(missing):
        kept[text] = reader.embed(text)
        if number % 100 == 0:
            progress(number / len(missing))
    if cache is not None and missing:
        cache.parent.mkdir(parents=True, exist_ok=True)
        _write(cache, {"texts": _packed(kept, "\n"), "vectors": np.stack(list(kept.values()))})
    progress(1.0)
    return np.stack([kept[text] for text in texts])


def _fit_table(
    phrases: Phrases, words: list[str], embedded: Vector, progress: Callable[[float], None]
) -> tuple[dict[str, Any], Vector]:
    """Fit the word table; return its arrays and the logits of every phrase, each by a judge that never saw it."""
    vectors = quantised((embedded - embedded.mean(axis=0)) @ _basis(embedded)[:, :_WORD_DIMENSIONS])
    directions = unit(vectors.astype(np.float32))
    numbers = {word: number for number, word in enumerate(words)}
    members = [[numbers[word] for word in content_words(phrase)] for phrase in phrases.words]
    means = unit(np.stack([directions[phrase].sum(axis=0) for phrase in members]))
    judge, logits = _judge(means, phrases, _WORDS_REACH, _WORDS_SAY, progress)
    packed = judge.pack() | {
        "examples": np.zeros((0, _WORD_DIMENSIONS), np.int8),  # the means of their words, made when it is loaded
        "members": np.array([number for phrase in members for number in phrase], np.uint16),
        "lengths": np.array([len(phrase) for phrase in members], np.uint8),
        "words": _packed(words),
        "vectors": vectors,
    }
    return packed, logits


def _fit_encoder(
    phrases: Phrases, embedded: Vector, progress: Callable[[float], None]
) -> tuple[dict[str, Any], Vector]:
    """Fit the judge of the encoder's directions; see `_fit_table`."""
    mean, basis = embedded.mean(axis=0), _basis(embedded)[:, :_PHRASE_DIMENSIONS].astype(np.float16)
    directions = unit((embedded - mean) @ basis.astype(np.float32))
    judge, logits = _judge(directions, phrases, _ENCODER_REACH, _ENCODER_SAY, progress)
    return judge.pack() | {"mean": mean, "basis": basis}, logits


def _basis(embedded: Vector) -> Vector:
    """Principal directions f32 ``(384, 384)``, the strongest first, each with the sign of its largest number."""
    centred = (embedded - embedded.mean(axis=0)).astype(np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    directions = directions[:, ::-1]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    result: Vector = (directions * np.sign(largest)).astype(np.float32)
    return result


def _judge(
    directions: Vector, phrases: Phrases, reach: float, say: float, progress: Callable[[float], None]
) -> tuple[Judge, Vector]:
    """Fit a judge, and once more without each fifth; return it and the logits of the fifths, f32 ``(n, classes)``."""
    logits = np.zeros((len(directions), len(CLASSES)), np.float32)
    for fold in range(_FOLDS):
        left_out = phrases.folds == fold
        known, labels = directions[~left_out], phrases.labels[~left_out]
        logits[left_out] = Judge(known, labels, *_reading(known, labels), reach, say).logits(directions[left_out])
        progress((fold + 1) / (_FOLDS + 1))
    judge = Judge(directions, phrases.labels, *_reading(directions, phrases.labels), reach, say)
    progress(1.0)
    return judge, logits


def _reading(directions: Vector, labels: Numbers) -> tuple[Vector, Vector]:
    """Fit the linear reading, a multinomial logistic regression: f32 ``(d, classes)`` and ``(classes,)``."""
    inputs, targets = torch.from_numpy(directions), torch.from_numpy(labels)
    head = torch.zeros(directions.shape[1], len(CLASSES), requires_grad=True)
    bias = torch.zeros(len(CLASSES), requires_grad=True)
    optimiser = torch.optim.LBFGS([head, bias], max_iter=100, line_search_fn="strong_wolfe", tolerance_change=1e-6)
    counts = np.maximum(np.bincount(labels, minlength=len(CLASSES)), 1)
    balance = torch.from_numpy(np.sqrt(counts.mean() / counts).astype(np.float32))

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(inputs @ head + bias, targets, balance)
        value = value + 0.1 * head.square().sum() / len(inputs)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return head.detach().numpy(), bias.detach().numpy()


def _measure(logits: Vector, labels: Numbers) -> tuple[Scale, Accuracy]:
    """Choose the sharpness that makes left-out phrases likeliest, and the level that parts looks from none best."""
    own = np.arange(len(labels))
    candidates = np.linspace(0.3, 2.0, 35)
    sharpness = float(
        min(candidates, key=lambda s: -np.log(softmax(logits * np.float32(s))[own, labels] + 1e-9).mean())
    )
    sure = 1 - softmax(logits * np.float32(sharpness))[:, _NONE]
    is_look = labels != _NONE
    levels = np.linspace(0.2, 0.95, 76)
    level = float(max(levels, key=lambda t: (sure[is_look] >= t).mean() + (sure[~is_look] < t).mean()))
    right = logits[:, :_NONE].argmax(axis=1) == labels
    each = {name: float(right[labels == number].mean()) for number, name in enumerate(layout.LOOK_NAMES)}
    worst = min(each.items(), key=lambda item: item[1])
    none, confident = float((sure[~is_look] < level).mean()), float((sure[is_look] >= level).mean())
    accuracy = Accuracy(float(right[is_look].mean()), worst, none, confident)
    return Scale(sharpness, math.log(level / (1 - level))), accuracy


def _numbers(scale: Scale) -> Vector:
    return np.array(astuple(scale), np.float32)


def _packed(texts: Iterable[str], separator: str = " ") -> npt.NDArray[np.uint8]:
    return np.frombuffer(separator.join(texts).encode(), np.uint8)


def _write(path: Path, arrays: dict[str, Any]) -> int:
    """Write arrays in one move; return the file's size in bytes."""
    partial = path.with_name(path.stem + ".part.npz")
    np.savez_compressed(partial, **arrays)
    partial.replace(path)
    return path.stat().st_size
