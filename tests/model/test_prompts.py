"""What words mean: a table of prompts, and what must hold for any prompt."""

from __future__ import annotations

import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_runtime.models.lsd import DESCRIPTIONS, LOOKS, understand

TABLE: list[tuple[str, dict[str, float], dict[str, float], tuple[str, ...]]] = [
    ("an ink drawing of my dog, warm", {"ink": 1}, {"temperature": 0.7}, ("dog",)),
    ("pencil drawing", {"sketch": 1}, {}, ()),
    ("a drawing", {"sketch": 1}, {}, ()),
    ("a volcano at night", {"lava": 1}, {"brightness": -0.6}, ()),
    ("watercolor", {"watercolour": 1}, {}, ()),
    ("Water-Colours!", {"watercolour": 1}, {}, ()),
    ("neno", {"neon": 1}, {}, ()),
    ("skecth", {"sketch": 1}, {}, ()),
    ("watercolur", {"watercolour": 1}, {}, ()),
    ("oil on canvas, very vivid", {"oil": 1}, {"vividness": 1}, ()),
    ("Van Gogh's style", {"oil": 1}, {}, ()),
    ("lava and ice", {"lava": 0.5, "ice": 0.5}, {}, ()),
    ("ice, ice, moss", {"ice": 0.5, "moss": 0.5}, {}, ()),
    ("", {"photo": 1}, {}, ()),
    ("dark", {"photo": 1}, {"brightness": -0.6}, ()),
    ("my dog", {"photo": 1}, {}, ("dog",)),
    ("no lava, only snow", {"ice": 1}, {}, ()),
    ("neon without warm", {"neon": 1}, {}, ()),
    ("slightly dark jungle", {"moss": 1}, {"brightness": -0.3}, ()),
    ("warm and cold ink", {"ink": 1}, {}, ()),
    ("a photo turned into ice", {"ice": 1}, {}, ()),
    ("pastel", {"photo": 1}, {"softness": 0.5, "brightness": 0.3}, ()),
    ("frosted Übermensch", {"ice": 1}, {}, ("ubermensch",)),
    ("火山", {"photo": 1}, {}, ("火山",)),
    ("winner", {"photo": 1}, {}, ("winner",)),
]


@pytest.mark.parametrize(("prompt", "looks", "modifiers", "unknown"), TABLE, ids=[row[0] for row in TABLE])
def test_table(prompt: str, looks: dict[str, float], modifiers: dict[str, float], unknown: tuple[str, ...]) -> None:
    result = understand(prompt)
    assert dict(result.looks) == looks
    assert dict(result.modifiers) == pytest.approx(modifiers)
    assert result.unknown_words == unknown


@pytest.mark.parametrize("look", LOOKS)
def test_a_looks_own_name_means_it(look: str) -> None:
    assert dict(understand(look).looks) == {look: 1.0}
    assert DESCRIPTIONS[look]


@given(st.text(max_size=200))
def test_any_text_is_understood(prompt: str) -> None:
    result = understand(prompt)
    assert sum(result.looks.values()) == pytest.approx(1)
    assert set(result.looks) <= set(LOOKS)
    for name, value in result.modifiers.items():
        assert (-1 if name in ("temperature", "brightness") else 0) <= value <= 1


nonsense = st.text("qxz0123456789", min_size=1, max_size=9).filter(lambda word: any(c in "qxz" for c in word))


@given(st.sampled_from(LOOKS[1:]), st.lists(nonsense, max_size=6), st.randoms())
def test_unknown_words_never_dilute(look: str, words: list[str], random: object) -> None:
    mixed = [*words, look]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    result = understand(" ".join(mixed))
    assert dict(result.looks) == {look: 1.0}
    assert set(result.unknown_words) == set(words)


@given(st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=12), max_size=8))
def test_unknown_words_are_the_prompts_own(words: list[str]) -> None:
    result = understand(" ".join(words))
    assert set(result.unknown_words) <= set(words)
    assert len(set(result.unknown_words)) == len(result.unknown_words)


def test_understanding_imports_no_engine() -> None:
    code = (
        "import sys; from mirage_runtime.models.lsd import understand; understand('ink'); "
        "sys.exit(any(m in sys.modules for m in ('openvino', 'torch', 'cv2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
