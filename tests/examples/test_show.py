"""The show that comes with Mirage is whole, as long as it says, and its sound does what it is there for."""

from __future__ import annotations

import re
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mirage
from mirage_runtime.models.lsd.prompts import understand
from mirage_runtime.show.document import Show
from mirage_runtime.show.listening import FileInput, open_input
from mirage_runtime.show.reading import read
from mirage_runtime.show.sound import Analyser, Features, Follower

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDER = EXAMPLES / "show"
TEXT = (FOLDER / "tides.toml").read_text(encoding="utf-8")
WORDS = {"eight": 8}


@pytest.fixture(scope="module")
def show() -> Show:
    return read(TEXT, "tides.toml")


def samples(path: Path) -> tuple[NDArray[np.float32], int]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return data.astype(np.float32) / 32768, file.getframerate()


def test_it_plays_by_itself_for_ever_and_is_as_long_as_it_says(show: Show) -> None:
    assert show.autostart
    assert show.loop
    assert all(cue.follow is not None for cue in show.cues)
    said = re.search(r"(\w+) cues, (\d+) seconds", TEXT)
    assert said
    assert len(show.cues) == WORDS[said[1].lower()]
    assert sum(cue.fade + (cue.follow or 0.0) for cue in show.cues) == float(said[2])


def test_its_cues_have_names_and_its_presets_are_used(show: Show) -> None:
    assert all(cue.name for cue in show.cues)
    assert {cue.preset for cue in show.cues} == show.presets.keys()
    moved = {route.parameter for route in show.sound.routes} if show.sound else set()
    for preset in show.presets.values():
        for values in preset.streams.values():
            assert moved.isdisjoint(values), "the sound would take it back at once"


def test_the_model_understands_every_word(show: Show) -> None:
    for preset in show.presets.values():
        for values in preset.streams.values():
            blend: Any = values.get("prompts", [{"text": values.get("prompt", "")}])
            for part in blend:
                understood = understand(part["text"])
                assert understood.unknown_words == ()
                assert understood.confidence > 0.9


def test_what_it_shows_of_midi_is_right_too() -> None:
    uncommented = re.sub(r"^# {5}", "", TEXT[TEXT.index("# MIDI:") :], flags=re.MULTILINE)
    bindings = read(TEXT + uncommented, "tides.toml").midi
    assert [(each.kind, each.parameter, each.action, each.cue) for each in bindings] == [
        ("control", "coherence", None, None),
        ("note", None, "go", None),
        ("note", None, None, "6"),
    ]


def test_its_sound_is_there_and_small(show: Show) -> None:
    assert show.sound
    path = FOLDER / show.sound.input
    assert path.stat().st_size < 150_000
    opened = open_input(show.sound, FOLDER)
    assert isinstance(opened, FileInput)
    assert opened.path == path


def test_the_program_makes_the_sound_again(tmp_path: Path) -> None:
    output = tmp_path / "waves.wav"
    subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / "make_waves.py"), "--output", str(output)], check=True, timeout=60
    )
    (kept, rate), (again, rate_again) = samples(FOLDER / "waves.wav"), samples(output)
    assert (len(kept), rate) == (len(again), rate_again)
    assert np.abs(kept - again).max() <= 2 / 32768  # another processor's sine may round otherwise


def test_the_sound_goes_on_where_it_began() -> None:
    kept, _ = samples(FOLDER / "waves.wav")
    steps = np.abs(np.diff(kept))
    assert abs(kept[0] - kept[-1]) <= np.quantile(steps, 0.999)


def test_each_wave_is_one_onset_and_moves_the_strength(show: Show) -> None:
    kept, rate = samples(FOLDER / "waves.wav")
    analyser = Analyser(rate)
    first: list[Features] = analyser.feed(np.tile(kept, 2))  # the gain finds its place
    heard: list[Features] = analyser.feed(np.tile(kept, 2))
    assert sum(features.struck for features in heard) == 4
    assert show.sound
    swell, texture = (Follower(route) for route in show.sound.routes)
    strengths = [swell.step(features, analyser.seconds) for features in first + heard]
    moved = [value for value in strengths if isinstance(value, float)][len(first) // 2 :]
    assert max(moved) - min(moved) > 0.1
    assert min(moved) > 0.7, "a look that is hardly there"
    seeds = [texture.step(features, analyser.seconds) for features in first + heard]
    assert len([seed for seed in seeds if seed is not None]) >= 8


def test_a_daemon_plays_it(daemon_factory: Any, wait_for: Any) -> None:
    daemon = daemon_factory("--model", "echo", "--show", str(FOLDER / "tides.toml"))
    with mirage.connect(daemon.url, role="controller") as stream:
        state = stream.show()
        assert (state.name, state.problems) == ("Tides", ())
        assert state.current is not None, "nobody had to press GO"
        assert state.following is not None
        wait_for(lambda: stream.parameters["strength"] < 1.0, "the sound moves the strength")
        stream.play("goto", cue="2")
        wait_for(lambda: stream.parameters["prompts"], "the second cue blends two looks")
        stream.play("goto", cue="4")
        wait_for(lambda: stream.parameters["prompt"] == "coral reef, soft", "the fourth is one")
        assert stream.parameters["prompts"] == []


def faders(port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "osc_faders.py"), "--port", str(port), "--seconds", "2"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_osc_faders(daemon_factory: Any) -> None:
    daemon = daemon_factory("--model", "echo")
    ended = faders(daemon.osc_port)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert "/mirage/main/prompt oil painting" in lines
    strengths = [float(line.split()[1]) for line in lines if line.startswith("/mirage/main/strength ")]
    assert strengths[0] == strengths[-1] == 1.0
    assert min(strengths) == pytest.approx(0.3)
    assert len(strengths) > 4, "the fader is told of on its way"
    with mirage.connect(daemon.url, role="controller") as stream:
        assert (stream.parameters["strength"], stream.parameters["transition"]) == (1.0, 1.0)


def test_osc_faders_without_a_daemon_says_so() -> None:
    ended = faders(1)
    assert ended.returncode == 1
    assert "start one with `mirage serve`" in ended.stderr
