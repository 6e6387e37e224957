"""What is heard in sound that was made for it, and what routes make of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_runtime.show.document import FEATURES, Feature, Route
from mirage_runtime.show.sound import Analyser, Features, Follower, _period

RATE = 48_000
SILENT = Features(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, False)
SECONDS = 512 / RATE


def sine(hertz: float, seconds: float = 1.0, amplitude: float = 0.5, rate: int = RATE) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def noise(seconds: float, amplitude: float, rate: int = RATE) -> np.ndarray:
    return np.random.default_rng(5).normal(0, amplitude, round(seconds * rate))


def clicks(
    bpm: float, seconds: float, amplitude: float = 0.8, floor: float = 1e-4, rate: int = RATE
) -> tuple[np.ndarray, list[float]]:
    """A click a beat over a floor of noise, and the seconds at which they begin."""
    sound = noise(seconds, floor, rate)
    click = noise(0.02, 0.3, rate)
    click *= amplitude * np.exp(-np.arange(len(click)) / (0.004 * rate))
    times = list(np.arange(0.25, seconds - 0.1, 60 / bpm))
    for time in times:
        sound[round(time * rate) : round(time * rate) + len(click)] += click
    return sound, times


def heard(sound: np.ndarray, rate: int = RATE, gain: float = 0.0) -> list[Features]:
    return Analyser(rate, gain).feed(sound.astype(np.float32))


def strikes(features: list[Features], seconds: float = SECONDS) -> list[float]:
    return [(hop + 1) * seconds for hop, each in enumerate(features) if each.struck]


def mean(features: Iterable[Features], name: str) -> float:
    return float(np.mean([getattr(each, name) for each in features]))


def test_there_is_a_field_for_each_feature() -> None:
    names = [field.name for field in dataclasses.fields(Features)]
    assert names == [*FEATURES, "bpm", "struck"]


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize(
    ("hertz", "band"),
    [(40, "low"), (100, "low"), (150, "low"), (350, "mid"), (1_700, "mid"), (2_400, "high"), (7_000, "high")],
)
def test_a_sine_raises_its_band_and_no_other(rate: int, hertz: float, band: str) -> None:
    last = heard(sine(hertz, rate=rate), rate, gain=1.0)[-1]
    # Half of full scale is 6 dB less.
    assert last.level == pytest.approx(1 - 6.02 / 48, abs=0.01)
    for name in ("low", "mid", "high"):
        assert getattr(last, name) == pytest.approx(last.level if name == band else 0.0, abs=0.02), name


def test_the_highest_counts_for_the_level_alone() -> None:
    last = heard(sine(14_000), gain=1.0)[-1]
    assert last.level > 0.8
    assert max(last.low, last.mid, last.high) < 0.01


def test_level_grows_with_amplitude() -> None:
    amplitudes = [0.0, 0.005, 0.01, 0.05, 0.2, 0.5, 1.0]
    levels = [heard(sine(500, 0.2, amplitude), gain=1.0)[-1].level for amplitude in amplitudes]
    assert levels[0] == 0.0
    assert levels[-1] == pytest.approx(1.0, abs=0.01)
    assert all(one < two for one, two in pairwise(levels))


def test_a_gain_that_is_set_multiplies() -> None:
    once = heard(sine(500, 0.2, 0.4), gain=1.0)[-1]
    assert heard(sine(500, 0.2, 0.1), gain=4.0)[-1].level == pytest.approx(once.level, abs=1e-3)


@pytest.mark.parametrize("seconds", [0.5, 3.0])
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_hop_is_about_ten_milliseconds_whatever_the_rate(rate: int, seconds: float) -> None:
    analyser = Analyser(rate)
    assert analyser.seconds == pytest.approx(0.01067, rel=0.01)
    assert analyser.hop / rate == analyser.seconds
    assert len(analyser.feed(np.zeros(round(seconds * rate)))) == round(seconds * rate) // analyser.hop


def test_automatic_gain_makes_quiet_and_loud_recordings_alike() -> None:
    song = clicks(110, 12, 0.5, 0)[0] + sine(100, 12, 0.2) + sine(800, 12, 0.1) + sine(5_000, 12, 0.05)
    loud, quiet = (heard(song * scale)[-500:] for scale in (1.0, 0.08))
    for name in ("level", "low", "mid", "high"):
        assert mean(quiet, name) == pytest.approx(mean(loud, name), abs=0.04), name
        assert mean(loud, name) > 0.3, name
    fixed = heard(song * 0.08, gain=1.0)[-500:]
    assert mean(fixed, "level") < mean(quiet, "level") - 0.3


def test_automatic_gain_follows_down_at_once_and_up_slowly() -> None:
    quiet, loud = sine(500, 30, 0.02), sine(500, 3, 0.6)
    features = heard(np.concatenate((quiet[: 3 * RATE], loud, quiet)))
    per_second = round(1 / SECONDS)
    wanted = features[2 * per_second].level
    assert features[5 * per_second].level == pytest.approx(wanted, abs=0.02)
    assert features[8 * per_second].level < wanted - 0.4
    assert features[-1].level > wanted - 0.15


def test_a_pause_does_not_change_the_gain() -> None:
    song, pause = sine(500, 3, 0.05), noise(25, 1e-4)
    features = heard(np.concatenate((song, pause, song)))
    per_second = round(1 / SECONDS)
    assert features[28 * per_second + 20].level == pytest.approx(features[2 * per_second].level, abs=0.02)


def test_a_faint_noise_stays_near_nothing() -> None:
    """-80 dBFS, alone, and after music that made the gain go up."""
    hiss = noise(10, 1e-4)
    assert max(each.level for each in heard(hiss)) < 0.05
    after = heard(np.concatenate((sine(500, 5, 0.01), hiss)))[-800:]
    assert max(max(each.level, each.low, each.mid, each.high) for each in after) < 0.05


@pytest.mark.parametrize("sound", [np.zeros(RATE), np.full(RATE, 0.7), np.full(RATE, -3e30)])
def test_silence_and_a_constant_are_nothing(sound: np.ndarray) -> None:
    features = heard(sound)
    settled = features[10:]
    assert len(settled) > 80
    assert max(max(each.level, each.low, each.mid, each.high) for each in settled) < 0.01
    assert not any(each.struck for each in settled)
    assert features[-1].bpm == features[-1].beat == features[-1].tempo == 0.0
    assert heard(np.zeros(RATE))[-1] == SILENT


def test_what_is_not_finite_is_silence() -> None:
    sound = noise(2, 0.1).astype(np.float32)
    broken, patched = sound.copy(), sound.copy()
    for start, value in ((5_000, np.nan), (30_000, np.inf), (60_000, -np.inf)):
        broken[start : start + 700] = value
        patched[start : start + 700] = 0
    assert heard(broken) == heard(patched)
    assert heard(np.full(RATE, np.nan)) == heard(np.zeros(RATE))


@pytest.mark.parametrize("scale", [1.0, 50.0, 1e30])
def test_features_stay_in_their_range_however_loud(scale: float) -> None:
    sound, _ = clicks(128, 6, 0.9, 0.01)
    clipped = (sound * scale).clip(-1, 1) if scale == 50.0 else sound * scale
    for each in heard(clipped):
        assert all(0.0 <= getattr(each, name) <= 1.0 for name in FEATURES)
        assert each.beat < 1.0


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 30_000), max_size=40), rate=st.sampled_from([8_000, 44_100, 48_000]))
def test_however_it_is_cut_it_sounds_the_same(cuts: list[int], rate: int) -> None:
    sound = clicks(140, 30_000 / rate, 0.7, 0.003, rate)[0].astype(np.float32)
    whole = Analyser(rate).feed(sound)
    analyser = Analyser(rate)
    parts = [each for block in np.split(sound, sorted(cuts)) for each in analyser.feed(block)]
    assert parts == whole
    assert len(whole) > 50


def test_single_samples_and_empty_blocks_are_blocks() -> None:
    sound = noise(0.05, 0.1).astype(np.float32)
    analyser = Analyser(RATE)
    assert analyser.feed([]) == []
    singles = [each for sample in sound for each in analyser.feed(sample[None])]
    assert singles == heard(sound)
    assert len(singles) == 4


def test_whole_numbers_are_samples_too() -> None:
    assert Analyser(RATE).feed(np.array([0, 1, -1, 0] * 512)) == heard(np.array([0.0, 1.0, -1.0, 0.0] * 512))


def test_what_cannot_be_heard_is_refused() -> None:
    with pytest.raises(ValueError, match="8000 Hz is the least"):
        Analyser(4_000)
    for gain in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="a gain is 0 or more"):
            Analyser(RATE, gain)
    with pytest.raises(ValueError, match="one channel"):
        Analyser(RATE).feed(np.zeros((512, 2)))


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("amplitude", [0.05, 0.8])
def test_every_click_is_an_onset_and_nothing_else_is(amplitude: float, rate: int) -> None:
    sound, times = clicks(128, 12, amplitude, 1e-4, rate)
    analyser = Analyser(rate)
    found = strikes(analyser.feed(sound), analyser.seconds)
    assert len(found) == len(times) == 25
    assert all(0 <= late - time < 0.03 for late, time in zip(found, times, strict=True))


def test_steady_noise_is_one_onset_at_its_beginning() -> None:
    found = strikes(heard(np.concatenate((np.zeros(RATE), noise(30, 0.1)))))
    assert len([time for time in found if time > 2.0]) == 0
    assert found[0] == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(("apart", "onsets"), [(0.06, 1), (0.12, 2)])
def test_onsets_keep_apart(apart: float, onsets: int) -> None:
    sound = np.zeros(RATE)
    for time in (0.5, 0.5 + apart):
        sound[round(time * RATE)] = 0.8
    assert len(strikes(heard(sound))) == onsets


def test_what_goes_on_rising_is_one_onset() -> None:
    swell = noise(3, 0.3) * 10 ** np.interp(np.arange(3 * RATE) / RATE, [1.0, 1.5], [-3, 0])
    found = strikes(heard(swell, gain=1.0))
    assert len([time for time in found if time > 0.5]) == 1


def test_an_onset_jumps_to_one_and_decays() -> None:
    features = heard(clicks(60, 3, 0.5, 0)[0])
    first = next(hop for hop, each in enumerate(features) if each.struck)
    assert all(each.onset == 0.0 for each in features[:first])
    assert features[first].onset == 1.0
    fading = [each.onset for each in features[first : first + 80]]
    assert all(one > two or two == 0.0 for one, two in pairwise(fading))
    assert fading[round(0.12 / SECONDS)] == pytest.approx(1 / math.e, abs=0.03)
    assert fading[-1] < 0.01


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("bpm", [90, 100, 120, 127.5, 140])
def test_tempo_and_beat_of_clicks(bpm: float, rate: int) -> None:
    analyser = Analyser(rate)
    sound, times = clicks(bpm, 20, rate=rate)
    features = analyser.feed(sound)
    assert features[-1].bpm == pytest.approx(bpm, abs=0.5)
    assert features[-1].tempo == pytest.approx((bpm - 60) / 120, abs=0.01)
    beats = [features[int(time / analyser.seconds)].beat for time in times if time > 8]
    assert len(beats) >= 15
    assert max(abs((beat + 0.5) % 1.0 - 0.5) for beat in beats) < 0.06


def test_no_tempo_is_found_too_early_or_where_there_is_none() -> None:
    features = heard(clicks(120, 6)[0])
    known = [each.bpm > 0 for each in features]
    assert not any(known[: round(4 / SECONDS)])
    assert all(known[round(5.5 / SECONDS) :])
    assert heard(noise(20, 0.1))[-1].bpm == 0.0


def test_beats_run_on_in_silence_and_never_back() -> None:
    features = heard(np.concatenate((clicks(100, 10)[0], np.zeros(10 * RATE), clicks(104, 10)[0])))
    steps = np.diff([each.beat for each in features if each.bpm]) % 1.0
    pace = 100 / 60 * SECONDS
    assert steps.min() > 0.4 * pace
    assert steps.max() < 1.7 * pace
    silent = features[round(13 / SECONDS) : round(19 / SECONDS)]
    assert {round(each.bpm) for each in silent} == {100}
    assert sum(np.diff([each.beat for each in silent]) < 0) == 10


def test_another_tempo_is_gone_over_to() -> None:
    features = heard(np.concatenate((clicks(100, 12)[0], clicks(130, 16)[0])))
    assert features[round(11 / SECONDS)].bpm == pytest.approx(100, abs=1)
    assert features[-1].bpm == pytest.approx(130, abs=1)


@pytest.mark.parametrize("bpm", [75, 150])
def test_of_two_tempos_as_good_the_one_there_is_stays(bpm: int) -> None:
    """Loud and soft by turns, 150 a minute: half of that is as good a tempo."""
    hops = 93.75 * 60 / 150 * np.arange(20)
    flux = sum(
        loud * np.exp(-0.5 * np.square(np.arange(750) - hop)) for hop, loud in zip(hops, [1.0, 0.55] * 10, strict=True)
    )
    period = _period(flux - np.mean(flux), SECONDS, bpm)
    assert 60 / (period * SECONDS) == pytest.approx(bpm, abs=0.5)


def test_a_busy_bar_does_not_hide_its_beat() -> None:
    """Kick and snare by turns, hats in eighths, some offbeat: loud and soft onsets at 2.5 a beat."""
    bpm, seconds, rng = 122, 24, np.random.default_rng(2)
    sound, beat, ages = np.zeros((seconds + 1) * RATE), 60 / 122, np.arange(RATE // 4) / RATE
    fade = np.minimum(1, (0.25 - ages) / 0.01)
    kick = 0.8 * np.sin(2 * np.pi * (50 * ages + 3 * (1 - np.exp(-ages * 30)))) * np.exp(-ages / 0.08) * fade
    for number in range(int(seconds / beat)):
        snare = 0.4 * rng.normal(0, 1, len(ages)) * np.exp(-ages / 0.05) * fade
        hat = 0.1 * np.diff(rng.normal(0, 1, len(ages)), prepend=0) * np.exp(-ages / 0.02)
        parts = [(0.0, snare if number % 2 else kick), (0.0, hat), (0.5, hat)]
        parts += [(0.75, kick * 0.7)] if rng.random() < 0.3 else []
        for where, part in parts:
            start = round((number + where) * beat * RATE)
            sound[start : start + len(part)] += part
    features = heard(sound)
    assert features[-1].bpm == pytest.approx(bpm, abs=1)
    phases = [features[int(number * beat / SECONDS)].beat for number in range(24, 44)]
    assert max(abs((phase + 0.5) % 1.0 - 0.5) for phase in phases) < 0.08


def stepped(
    follower: Follower, feature: Feature, height: float, steps: int, seconds: float = SECONDS
) -> list[float | None]:
    features = dataclasses.replace(SILENT, **{feature: height})
    return [follower.step(features, seconds) for _ in range(steps)]  # type: ignore[misc]


def last(values: list[float | None]) -> float:
    return [value for value in values if value is not None][-1]


@pytest.mark.parametrize("hop", [0.001, 0.0107])
@pytest.mark.parametrize(("attack", "release"), [(0.1, 0.5), (0.3, 0.05)])
def test_attack_and_release_are_the_times_to_one_over_e(attack: float, release: float, hop: float) -> None:
    follower = Follower(Route("low", "strength", attack=attack, release=release))
    rise = stepped(follower, "low", 1.0, round(attack / hop), hop)
    assert last(rise) == pytest.approx(1 - 1 / math.e, abs=0.04)
    stepped(follower, "low", 1.0, 5_000, hop)
    fall = stepped(follower, "low", 0.0, round(release / hop), hop)
    assert last(fall) == pytest.approx(1 / math.e, abs=0.04)


def test_one_long_step_is_as_good_as_many_short_ones() -> None:
    route = Route("level", "strength", attack=0.2)
    one = stepped(Follower(route), "level", 0.8, 1, 0.3)[-1]
    assert stepped(Follower(route), "level", 0.8, 30, 0.01)[-1] == pytest.approx(one, abs=1e-9)


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.6), (0.9, 0.1), (-40, 200)])
def test_the_range_is_the_routes_own_either_way(low: float, high: float) -> None:
    follower = Follower(Route("mid", "strength", low=low, high=high, attack=0.0, release=0.0))
    assert stepped(follower, "mid", 0.0, 1) == [low]
    assert stepped(follower, "mid", 0.25, 1) == [pytest.approx(low + (high - low) / 4)]
    assert stepped(follower, "mid", 1.0, 1) == [pytest.approx(high)]


def test_a_change_too_small_to_matter_is_none() -> None:
    follower = Follower(Route("level", "strength", low=0.0, high=500.0, attack=0.0, release=0.0))
    assert stepped(follower, "level", 0.5, 3) == [250.0, None, None]
    assert stepped(follower, "level", 0.5009, 1) == [None]
    assert stepped(follower, "level", 0.5018, 1) == [pytest.approx(250.9)]
    # What creeps is heard of in the end.
    crept = [stepped(follower, "level", 0.5018 + step / 5_000, 1)[0] for step in range(1, 51)]
    assert 8 <= sum(value is not None for value in crept) <= 10


def test_a_range_of_nothing_is_said_once() -> None:
    follower = Follower(Route("level", "strength", low=0.3, high=0.3))
    assert stepped(follower, "level", 1.0, 3) == [0.3, None, None]


def test_onsets_go_from_value_to_value_and_round() -> None:
    follower = Follower(Route("onset", "look", values=("ink", "neon", "lava")))
    struck = dataclasses.replace(SILENT, onset=1.0, struck=True)
    fading = dataclasses.replace(SILENT, onset=0.9)
    given = [follower.step(each, SECONDS) for each in (SILENT, fading, *[struck, fading] * 4)]
    assert given == [None, None, "ink", None, "neon", None, "lava", None, "ink", None]


def test_one_value_is_gone_to_once() -> None:
    follower = Follower(Route("onset", "look", values=("ink",)))
    struck = dataclasses.replace(SILENT, struck=True)
    assert [follower.step(struck, SECONDS) for _ in range(3)] == ["ink", None, None]


def test_an_onset_without_values_is_a_height_like_any() -> None:
    follower = Follower(Route("onset", "strength", attack=0.0, release=0.0))
    assert stepped(follower, "onset", 0.7, 2) == [pytest.approx(0.7), None]


def test_height_picks_a_value() -> None:
    follower = Follower(Route("high", "steps", values=(1, 2, 4, 8), attack=0.0, release=0.0))
    heights = [0.0, 0.1, 0.4, 0.6, 0.9, 1.0, 0.0]
    assert [stepped(follower, "high", height, 1)[0] for height in heights] == [1, None, 2, 4, 8, None, 1]


def test_values_do_not_chatter_at_a_border() -> None:
    follower = Follower(Route("level", "look", values=("a", "b"), attack=0.0, release=0.0))
    wobble = [0.2, *[0.49, 0.51] * 20]
    assert [stepped(follower, "level", height, 1)[0] for height in wobble] == ["a", *[None] * 40]
    assert stepped(follower, "level", 0.6, 1) == ["b"]
    assert [stepped(follower, "level", height, 1)[0] for height in wobble[1:]] == [None] * 40
    assert stepped(follower, "level", 0.4, 1) == ["a"]


def test_a_beat_drives_a_parameter_from_sound() -> None:
    """From samples to values: each click brings it up, and by the next it has come down."""
    sound, times = clicks(120, 8)
    analyser, follower = Analyser(RATE), Follower(Route("onset", "strength", low=0.2, high=0.9))
    values: list[float] = []
    for each in analyser.feed(sound):
        value = follower.step(each, analyser.seconds)
        values.append(values[-1] if value is None else float(value))  # type: ignore[arg-type]
    for time in times[1:]:
        hop = round(time / SECONDS)
        assert values[hop - 2] < 0.4
        assert max(values[hop : hop + 8]) > 0.7
