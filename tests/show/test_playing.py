"""A show on the running daemon: cues and what becomes of frames, MIDI over a socket, sound from a file, a kill."""

import itertools
import signal
import sys
import time
import wave

import numpy as np
import pytest

import mirage

GREY = np.full((16, 16, 3), 128, np.uint8)

TEN = """
name = "Ten"
[presets.clear]
strength = 0.0
prompt = "ink"
[presets.lava]
strength = 1.0
prompt = "lava"
seed = 7
[presets.ice]
prompt = "ice"
[presets.half]
strength = 0.5
[presets.both]
prompts = [{ text = "lava", weight = 3 }, { text = "ice", weight = 1 }]
coherence = 0.5
steps = 2
[presets.elsewhere.left]
seed = 5
"""
PRESETS = ["clear", "lava", "ice", "half", "both", "clear", "lava", "ice", "elsewhere", "clear"]
TEN += "".join(f'[[cues]]\npreset = "{name}"\n' for name in PRESETS)


@pytest.mark.timeout(120)
def test_ten_cues_and_their_frames(daemon_factory, show, source, console):
    daemon = daemon_factory("--show", str(show(TEN)))
    stream, faders = source(daemon, transport="websocket"), console(daemon)
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    values = {"strength": 1.0, "prompt": "oil painting", "seed": 0, "coherence": 1.0, "steps": 1}
    named = {"clear": {"strength": 0.0, "prompt": "ink"}, "lava": {"strength": 1.0, "prompt": "lava", "seed": 7}}
    named |= {"ice": {"prompt": "ice"}, "half": {"strength": 0.5}, "both": {"coherence": 0.5, "steps": 2}}
    for place, preset in enumerate(PRESETS, 1):
        faders.send("/mirage/cue/go")
        until(lambda place=place: stream.show().current == str(place))
        values |= named.get(preset, {})
        result = stream.transform(picture)
        assert {name: result.parameters[name] for name in values} == values
        prompts = {part["text"]: part["weight"] for part in result.parameters["prompts"]}
        assert prompts == ({"lava": 0.75, "ice": 0.25} if preset == "both" else {values["prompt"]: 1.0})
        difference = np.abs(result.image.astype(int) - picture).mean()
        assert difference == 0.0 if values["strength"] == 0.0 else difference > 5.0
    assert source(daemon, "left", role="controller").parameters["seed"] == 5
    faders.send("/mirage/cue/go")
    assert "that was the last cue" in faders.hear("/mirage/error")[0]


def until(condition, patience=30.0):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


FADES = """
[presets.dark]
strength = 0.0
coherence = 0.0
prompt = "ink"
seed = 1
[presets.bright]
strength = 1.0
coherence = 1.0
prompt = "lava"
seed = 2
[[cues]]
preset = "dark"
[[cues]]
number = 1.5
preset = "bright"
fade = 1.0
curve = "ease-in"
osc = "/show/bright"
[[cues]]
preset = "dark"
follow = 0.3
[[cues]]
preset = "bright"
name = "end"
"""


@pytest.mark.timeout(120)
def test_a_fade_travels_each_parameter_in_its_own_way(daemon_factory, show, source, record, console, value):
    daemon = daemon_factory("--model", "echo", "--show", str(show(FADES)))
    stream, faders = source(daemon), console(daemon)
    stream.play("go")
    assert record(stream)["strength"] == 0.0
    faders.send("/mirage/subscribe")
    faders.hear("/mirage/main/state")
    faders.send("/show/bright", 0)  # a button is let go: nothing
    faders.send("/show/bright", 1)
    until(lambda: record(stream)["strength"] > 0.0)
    seen = [record(stream)]
    while seen[-1]["strength"] < 1.0:
        seen.append(record(stream))
        time.sleep(0.01)
    assert len(seen) > 8
    strengths = [each["strength"] for each in seen]
    assert strengths == sorted(strengths)
    assert strengths == [each["coherence"] for each in seen]
    for each in seen:
        prompts = {part["text"]: part["weight"] for part in each["prompts"]}
        assert prompts.get("lava", 0.0) == pytest.approx(each["strength"], abs=0.01)
        assert sum(part["weight"] ** 2 for part in each["seeds"]) == pytest.approx(1.0)
    assert [seed["seed"] for seed in seen[-1]["seeds"]] == [2]
    moved = [arguments[0] for address, arguments in faders.everything(0.5) if address == "/mirage/main/strength"]
    assert len(moved) > 8  # a motor fader follows
    assert moved == sorted(moved)
    assert moved[-1] == 1.0
    assert value(daemon, "/mirage/cue/current") == "1.5"
    stream.play("goto", cue="4")
    assert faders.hear("/mirage/cue/current") == ["4"]
    assert faders.hear("/mirage/cue/next") == [""]


def test_a_cue_is_followed_and_goto_and_back_find_theirs(daemon_factory, show, source, console, value):
    daemon = daemon_factory("--model", "echo", "--show", str(show(FADES)))
    stream, faders = source(daemon, role="controller"), console(daemon)
    faders.send("/mirage/cue/goto", 3)
    until(lambda: value(daemon, "/mirage/cue/current") == "4")
    until(lambda: stream.parameters["strength"] == 1.0)
    faders.send("/mirage/cue/back")
    until(lambda: stream.parameters["strength"] == 0.0)
    faders.send("/mirage/cue/goto", 1.5)
    until(lambda: value(daemon, "/mirage/cue/current") == "1.5")
    faders.send("/mirage/cue/goto", "1.6")
    assert "there is no cue '1.6'" in faders.hear("/mirage/error")[0]
    faders.send("/mirage/preset", "dark", 0.5)
    until(lambda: stream.parameters["prompt"] == "ink")
    assert stream.show().current == "1.5"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_show_comes_back_at_its_cue(daemon_factory, show, source, record, value, number):
    daemon = daemon_factory("--model", "echo", "--show", str(show(FADES)))
    stream = source(daemon, timeout=60.0)
    stream.play("go")
    stream.play("go")
    record(stream)
    until(lambda: value(daemon, "/mirage/cue/current") == "1.5")
    time.sleep(0.3)  # until the place is on the disk
    daemon.stop(number)
    daemon.restart()
    daemon.wait_healthy()
    assert value(daemon, "/mirage/cue/current") == "1.5"
    assert value(daemon, "/mirage/cue/next") == "3"
    with mirage.connect(daemon.url, take_over=True) as again:
        found = again.transform(GREY).parameters
    assert (found["strength"], found["prompt"], found["seed"]) == (1.0, "lava", 2)


def test_a_show_is_taken_again_when_its_file_is_changed(daemon_factory, show, source, console):
    path = show(FADES)
    daemon = daemon_factory("--model", "echo", "--show", str(path))
    stream, faders = source(daemon, role="controller"), console(daemon)
    stream.play("go")
    faders.send("/mirage/subscribe")
    faders.hear("/mirage/main/state")
    path.write_text(FADES.replace('preset = "dark"', 'preset = "drak"', 1))
    assert (
        "show.toml, line 13, column 1: there is no preset 'drak': did you mean 'dark'?"
        in faders.hear("/mirage/error")[0]
    )
    until(lambda: stream.show().problems)
    assert [cue["number"] for cue in stream.show().cues] == ["1", "1.5", "3", "4"]
    path.write_text(FADES.replace("number = 1.5", "number = 2"))
    until(lambda: [cue["number"] for cue in stream.show().cues] == ["1", "2", "3", "4"])
    assert (stream.show().current, stream.show().problems) == ("1", ())
    path.write_text(FADES + "".join(f"[presets.dark.s{number}]\nseed = 1\n" for number in range(40)))
    until(lambda: any("names 41 streams" in problem for problem in stream.show().problems))
    assert stream.show().current == "1"


def test_a_show_with_a_mistake_does_not_begin(show):
    import subprocess

    path = show("[presets.a]\nstrenght = 1\n")
    command = [sys.executable, "-m", "mirage_runtime", "serve", "--model", "echo", "--port", "0", "--show", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "show.toml, line 2, column 1: there is no parameter 'strenght': did you mean 'strength'?" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_saved_is_there_after_a_restart(daemon_factory, tmp_path, source):
    path = tmp_path / "new.toml"
    daemon = daemon_factory("--model", "echo", "--show", str(path))
    stream = source(daemon, role="controller")
    stream.set(prompt="moss, dark", strength=0.3)
    stream.play("save-preset", preset="forest")
    stream.play("save-cue", preset="forest", name="Into the wood", fade=2, follow=9)
    with pytest.raises(mirage.NotAllowed, match="cue 1 needs the preset"):
        stream.play("delete-preset", preset="forest")
    daemon.stop(signal.SIGKILL)
    daemon.restart()
    daemon.wait_healthy()
    with mirage.connect(daemon.url, role="controller") as again:
        again.play("go")
        assert again.parameters["prompt"] == "moss, dark"
        assert again.parameters["strength"] == pytest.approx(0.3)
        assert again.show().cues[0]["name"] == "Into the wood"
    assert [entry.name for entry in tmp_path.iterdir() if entry.suffix == ".toml"] == ["new.toml"]


def test_without_a_show_file_nothing_is_saved(echo_daemon, source):
    stream = source(echo_daemon, "nowhere", role="controller")
    with pytest.raises(mirage.NotAllowed, match="--show FILE"):
        stream.play("save-preset", preset="x")
    with pytest.raises(mirage.NotAllowed, match="there are no cues"):
        stream.play("go")
    with pytest.raises(mirage.NotAllowed, match="only watch"):
        source(echo_daemon, "nowhere", role="viewer").play("go")


MIDI = """
[presets.storm]
prompt = "lava"
[presets.calm]
prompt = "ink"
[[cues]]
preset = "storm"
[[cues]]
preset = "calm"
[[midi]]
control = 7
channel = 1
parameter = "strength"
[[midi]]
pitchwheel = true
parameter = "transition"
range = [10.0, 0.0]
[[midi]]
note = 60
action = "go"
[[midi]]
program = 3
preset = "calm"
"""


@pytest.mark.timeout(120)
def test_midi_plays_the_show(daemon_factory, show, source, record, midi_controller):
    daemon = daemon_factory("--model", "echo", "--show", str(show(MIDI)), **midi_controller.environment)
    stream = source(daemon)
    until(lambda: midi_controller.connected)
    midi_controller.send(0xB0, 7, 127)
    midi_controller.send(0xB0, 7, 0)
    until(lambda: record(stream)["strength"] == 0.0)
    midi_controller.send(0xB1, 7, 64)  # another channel
    midi_controller.send(0xF0, 1, 2, 3)  # an exclusive message that never ends, and junk
    midi_controller.send(0xFF, 0xFE, 0x90)
    midi_controller.send(0xB0, 7, 64)
    until(lambda: record(stream)["strength"] == pytest.approx(64 / 127))
    midi_controller.send(0xE0, 0x7F, 0x7F)
    until(lambda: stream.parameters["transition"] == 0.0)
    midi_controller.send(0x90, 60, 100)
    until(lambda: record(stream)["prompt"] == "lava")
    midi_controller.send(0x80, 60, 0)
    midi_controller.send(0xC0, 3)
    until(lambda: record(stream)["prompt"] == "ink")
    assert stream.show().current == "1"
    assert stream.show().devices


@pytest.mark.timeout(120)
def test_motor_faders_follow_what_others_do(daemon_factory, show, source, midi_controller):
    daemon = daemon_factory("--model", "echo", "--show", str(show(MIDI)), **midi_controller.environment)
    stream = source(daemon, role="controller")
    until(lambda: midi_controller.connected)
    stream.set(strength=0.5)
    until(
        lambda: any(m.type == "control_change" and m.control == 7 and m.value == 64 for m in midi_controller.received)
    )
    told = len(midi_controller.received)
    midi_controller.send(0xB0, 7, 20)
    until(lambda: stream.parameters["strength"] == pytest.approx(20 / 127))
    assert not [m for m in midi_controller.received[told:] if m.type == "control_change"]  # it is there already


@pytest.mark.timeout(120)
def test_a_control_is_learnt_and_kept(daemon_factory, show, source, midi_controller):
    path = show("# mine\n")
    daemon = daemon_factory("--model", "echo", "--show", str(path), "--midi", "all", **midi_controller.environment)
    stream = source(daemon, role="controller")
    until(lambda: midi_controller.connected)
    with pytest.raises(mirage.InvalidParameter, match="no number"):
        stream.play("learn", parameter="prompt")
    stream.play("learn", parameter="strength")
    assert stream.show().learning == "main/strength"
    for position in (10, 30, 50, 70):
        midi_controller.send(0xB3, 21, position)
    until(lambda: stream.show().bindings)
    assert stream.show().learning is None
    text = path.read_text()
    assert text.startswith("# mine\n")
    assert "control = 21" in text
    midi_controller.send(0xB3, 21, 0)
    until(lambda: stream.parameters["strength"] == 0.0)
    stream.play("forget", parameter="strength")
    assert not stream.show().bindings
    assert "control" not in path.read_text()


SOUND = """
[sound]
input = "beat.wav"
gain = 1.0
[[sound.routes]]
feature = "low"
parameter = "strength"
range = [0.1, 0.9]
attack = 0.0
release = 0.05
[[sound.routes]]
feature = "onset"
parameter = "seed"
values = [11, 22, 33]
"""


@pytest.mark.timeout(120)
def test_sound_drives_parameters(daemon_factory, show, source, record, tmp_path):
    rate = 48_000
    moments = np.arange(2 * rate) / rate
    beats = (moments % 0.5) < 0.12
    samples = np.where(beats, 0.8 * np.sin(2 * np.pi * 80 * moments), 0.0)
    with wave.open(str(tmp_path / "beat.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    daemon = daemon_factory("--model", "echo", "--show", str(show(SOUND)))
    stream = source(daemon)
    strengths, seeds = [], set()
    until(
        lambda: (
            (strengths.append(record(stream)["strength"]) or seeds.add(record(stream)["seed"])) or {11, 22, 33} <= seeds
        )
    )
    until(lambda: strengths.append(record(stream)["strength"]) or (min(strengths) < 0.3 and max(strengths[1:]) > 0.6))
    driven = list(itertools.dropwhile(lambda strength: strength == 1.0, strengths))  # before the sound began
    assert all(0.1 <= strength <= 0.9 for strength in driven)
    assert stream.show().sound == "beat.wav"


def test_sound_that_is_not_there_is_said_and_the_show_goes_on(daemon_factory, show, source):
    daemon = daemon_factory("--model", "echo", "--show", str(show(SOUND)))
    stream = source(daemon, role="controller")
    until(lambda: any("beat.wav" in problem for problem in stream.show().problems))
