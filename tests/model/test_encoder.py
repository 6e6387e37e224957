"""The sentence encoder: against its card and torch, without it, and the training of the tables that stand in for it."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mirage_runtime.models.lsd import encoder, meaning, understand
from mirage_runtime.training import words as trainer


def test_the_encoder_is_the_one_of_its_card(text_encoder: encoder.Encoder) -> None:
    person, dog, very, day = map(
        text_encoder.embed,
        ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"],
    )
    assert np.linalg.norm(person) == pytest.approx(1, abs=1e-5)
    # As the model's card on its authors' site has them.
    assert [person @ dog, person @ very, person @ day] == pytest.approx([0.695, 0.943, 0.257], abs=1e-3)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("A volcano, at night!", "a volcano , at night !"),
        ("Van Gogh's café", "van gogh ' s cafe"),
        ("bioluminescence", "bio ##lum ##ines ##cence"),
        ("x" * 101, "[UNK]"),
        ("火山 fire", "火 山 fire"),
        ("", ""),
    ],
)
def test_word_pieces(text_encoder: encoder.Encoder, text: str, pieces: str) -> None:
    assert [text_encoder.pieces[number] for number in text_encoder.tokens(text)] == pieces.split()


def test_the_encoder_agrees_with_torch(text_encoder: encoder.Encoder) -> None:
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(np.array(value)) for name, value in text_encoder._tensors.items()}
    layers = []
    for number in range(6):
        prefix = f"encoder.layer.{number}."
        own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        layer = torch.nn.TransformerEncoderLayer(384, 12, 1536, 0.0, "gelu", 1e-12, batch_first=True).eval()
        state = {
            f"self_attn.in_proj_{kind}": torch.cat(
                [own[f"attention.self.{p}.{kind}"] for p in ("query", "key", "value")]
            )
            for kind in ("weight", "bias")
        }
        parts = {
            "self_attn.out_proj": "attention.output.dense",
            "linear1": "intermediate.dense",
            "linear2": "output.dense",
            "norm1": "attention.output.LayerNorm",
            "norm2": "output.LayerNorm",
        }
        state |= {f"{new}.{kind}": own[f"{old}.{kind}"] for new, old in parts.items() for kind in ("weight", "bias")}
        layer.load_state_dict(state)
        layers.append(layer)
    for text in ("a volcano at night", "Übermensch in an overgrown cathedral, 1905", "x"):
        pieces = [101, *text_encoder.tokens(text), 102]
        hidden = tensors["embeddings.word_embeddings.weight"][pieces]
        hidden = hidden + tensors["embeddings.position_embeddings.weight"][: len(pieces)]
        hidden = hidden + tensors["embeddings.token_type_embeddings.weight"][0]
        norm = [tensors[f"embeddings.LayerNorm.{kind}"] for kind in ("weight", "bias")]
        hidden = torch.nn.functional.layer_norm(hidden, (384,), *norm, 1e-12)[None]
        with torch.no_grad():
            for layer in layers:
                hidden = layer(hidden)
        expected = torch.nn.functional.normalize(hidden[0].mean(0), dim=0).numpy()
        assert text_encoder.embed(text) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("damage", ["absent", "empty", "cut short", "another model"])
def test_without_a_sound_encoder_the_table_serves(
    damage: str, named_folder: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "encoder"
    if damage != "absent":
        folder.mkdir()
    if damage in ("cut short", "another model"):
        (folder / "vocab.txt").write_text("[CLS]\n[SEP]\n[UNK]\n")
        header = b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
        data = len(header).to_bytes(8, "little") + header + bytes(8 if damage == "another model" else 4)
        (folder / "model.safetensors").write_bytes(data)
    named_folder(folder)
    assert dict(understand("a mermaid among anemones").looks) == {"coral": 1.0}
    assert "table" in meaning.describe()
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert str(folder) in line
    assert "\n" not in line


def test_training_words_needs_the_encoder(named_folder: Callable[[Path], None], tmp_path: Path) -> None:
    named_folder(tmp_path)
    with pytest.raises(trainer.MirageRuntimeError, match=re.escape(str(tmp_path))):
        trainer.fit(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("text_encoder")
def test_training_words_makes_the_tables_again(tmp_path: Path) -> None:
    # One thread: a library that spreads products this small over cores spends its time waiting for them.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mirage_runtime", "train", "words", "--output", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stderr
    table, with_encoder = (float(share) for share in re.findall(r"([0-9.]+)%", done.stderr.replace("\n", " "))[-2:])
    assert 75 < table < with_encoder
    for name in (meaning.WORDS, meaning.PHRASES):
        made, shipped = meaning.read(tmp_path / name), meaning.read(meaning.FOLDER / name)
        assert made.keys() == shipped.keys()
        for key, array in made.items():
            # Another machine adds up in another order: the last of eight bits may differ.
            apart = np.abs(array.astype(np.float64) - shipped[key].astype(np.float64)).max(initial=0.0)
            assert apart <= (1 if array.dtype == np.int8 else 0.02), (name, key)
            assert not math.isnan(apart)
