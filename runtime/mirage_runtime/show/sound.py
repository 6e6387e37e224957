"""What is heard in sound, as features of 0 to 1, and what makes a parameter's value of one of them.

Pure: samples go in, features come out, and nothing here knows where sound comes from or what time it is.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mirage_protocol import ParameterValue
from mirage_runtime.show.document import Route

Floats = NDArray[np.float32]

_HOP = 512 / 48_000  # seconds
_HOPS_A_WINDOW = 4
_LOWEST_RATE = 8_000
_LOUDEST = 8.0  # samples beyond are clipped; full scale is 1

_BANDS = ((20.0, 250.0), (250.0, 2_000.0), (2_000.0, 10_000.0))  # hertz: low, mid, high
_HIGHEST = 10_000.0  # hertz: above, nothing tells of onsets
_FINE_BANDS = 40

# Decibels, 0 for a sine at full scale.
_RANGE = 48.0  # that much below, a feature is 0
_NOTHING = -120.0
_SILENCE = -60.0  # below, the automatic gain learns nothing
_TARGET = -6.0  # where it brings the loud
_GAIN = (-30.0, 30.0)
_GAIN_DOWN = 0.2  # seconds in which it comes within 1/e of what has become louder
_GAIN_UP = 1.0  # decibels a second for what has become quieter

_FLUX_FLOOR = -60.0  # decibels after the gain: what is quieter does not rise or fall
_FLUX_LAG = 2  # hops that are compared across: one alone is a quarter of the window, and rises too little
_THRESHOLD = (2.0, 1.5)  # decibels, and times the recent median
_THRESHOLD_OVER = 1.0  # seconds
_APART = 0.08  # seconds between onsets at least: sixteenths at 180 BPM
_ONSET_DECAY = 0.12  # seconds to 1/e

_SLOWEST, _FASTEST = 60.0, 180.0  # BPM
_USUAL = 120.0
_OCTAVES = 0.9  # how far from the usual tempo is one standard deviation
_HEARD = 8.0  # seconds that tempo is found in
_HEARD_LEAST = 4.0
_ESTIMATE_EVERY = 0.5  # seconds
_ONSETS_LEAST = 5
_PERIODIC = 0.2  # of the autocorrelation at lag 0: less is chance
_SAME_TEMPO = 0.04
_LOYAL = 1.2  # times that the tempo there is counts for more: half and double are often as good
_AGREE = (2, 4)  # estimates that must agree for the first tempo, and for another one
_DELAY = 1.5  # hops by which the flux comes behind the sound
_NEAR_BEAT = 0.15  # of a beat: an onset farther off is on no beat
_PULLS = (0.5, 0.3)  # share of the beat's error that an estimate and an onset take back


@dataclass(frozen=True)
class Features:
    """What one hop of sound was like; every feature of `document.FEATURES` is 0 to 1.

    ``level`` is of all that sounds, ``low`` of 20 to 250 Hz, ``mid`` to 2 kHz and ``high`` to 10 kHz: 1 for a sine at
    full scale, 0 for 48 dB less, straight in decibels. ``onset`` is 1 where something begins, and decays. ``beat`` is
    the phase from one beat (0) to the next, 0 while there is no tempo. ``tempo`` is 0 at 60 BPM and 1 at 180; ``bpm``
    is the same in BPM, 0 where none was found yet (which takes 4 to 6 seconds); what is faster than 140 or slower than
    70 may be taken for its half or its double. ``struck``: an onset began in this hop.
    """

    level: float
    low: float
    mid: float
    high: float
    onset: float
    beat: float
    tempo: float
    bpm: float
    struck: bool


class Analyser:
    """Hears features in sound, one set for each hop of 10.7 ms, from the window of 43 ms that ends with it.

    The same samples give the same features however they are cut into blocks. ``hop`` is in samples, ``seconds`` is
    how long one lasts.
    """

    def __init__(self, rate: int, gain: float = 0.0) -> None:
        """Begin in silence.

        ``rate`` is in hertz, 8,000 at least; ``gain`` multiplies the samples, and 0 follows the sound: what is loud for
        it comes to 6 dB below full scale, with 30 dB of gain at most. Raises ``ValueError`` for others.
        """
        if rate < _LOWEST_RATE:
            raise ValueError(f"sound of {rate} Hz is not heard: {_LOWEST_RATE} Hz is the least")
        if not 0.0 <= gain < math.inf:
            raise ValueError(f"a gain is 0 or more, not {gain}")
        self.hop = round(rate * _HOP)
        self.seconds = self.hop / rate
        self._window = self.hop * _HOPS_A_WINDOW
        self._spectrum = _Spectrum(rate, self._window)
        self._gain = _Gain(gain, self.seconds)
        self._onsets = _Onsets(self.seconds)
        self._pulse = _Pulse(self.seconds)
        self._held = np.zeros(self._window - self.hop, np.float32)

    def feed(self, samples: ArrayLike) -> list[Features]:
        """Hear the next samples, f32 ``(any,)`` of full scale 1; return the features of each hop that they complete.

        What is not finite counts as silence. Raises ``ValueError`` for more than one channel.
        """
        given = np.asarray(samples)
        if given.ndim != 1:
            raise ValueError(f"sound is heard as one channel, not as {given.shape}")
        sane = np.nan_to_num(given, nan=0.0, posinf=0.0, neginf=0.0).clip(-_LOUDEST, _LOUDEST)
        held = np.concatenate((self._held, sane.astype(np.float32)))
        ends = range(self._window, len(held) + 1, self.hop)
        result = [self._hear(held[end - self._window : end]) for end in ends]
        self._held = held[len(ends) * self.hop :].copy()  # a view would keep all of a huge block
        return result

    def _hear(self, window: Floats) -> Features:
        power = self._spectrum.power(window)
        level, *bands = self._spectrum.levels(power)
        gain = self._gain.follow(level)
        flux, onset, struck = self._onsets.step(self._spectrum.fine(power), _FLUX_FLOOR - gain)
        bpm, beat = self._pulse.step(flux, struck)
        low, mid, high = (_height(band + gain) for band in bands)
        tempo = _unit((bpm - _SLOWEST) / (_FASTEST - _SLOWEST))
        return Features(_height(level + gain), low, mid, high, onset, beat, tempo, bpm, struck)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _height(decibels: float) -> float:
    return _unit(1.0 + decibels / _RANGE)


def _share(seconds: float, constant: float) -> float:
    """How much of the way is gone in ``seconds`` by what comes within 1/e in ``constant``."""
    return 1.0 if constant <= 0.0 else -math.expm1(-max(seconds, 0.0) / constant)


class _Spectrum:
    """How much energy a window of sound has, and at what frequencies."""

    def __init__(self, rate: int, window: int) -> None:
        self._hann = np.hanning(window + 1)[:-1].astype(np.float32)
        self._sum = float(self._hann.sum())
        # A sine's lobe sums to (amplitude / 2)^2 times this: 1 is a sine at full scale.
        self._scale = np.float32(4.0 / (window * float(np.square(self._hann).sum())))
        bin_width, count = rate / window, window // 2 + 1

        def first(hertz: float) -> int:
            return min(math.ceil(hertz / bin_width), count)

        self._parts = [slice(first(_BANDS[0][0]), count), *(slice(first(low), first(high)) for low, high in _BANDS)]
        highest = min(_HIGHEST, rate / 2)
        mels = np.linspace(_mel(_BANDS[0][0]), _mel(highest), _FINE_BANDS + 1)
        edges = [first(700.0 * math.expm1(mel / 1127.0)) for mel in mels]
        self._end = edges[-1]
        self._edges = np.unique(edges[:-1])

    def power(self, window: Floats) -> Floats:
        """Return the power of each frequency. A constant has none, however large: it would leak into the bass."""
        steady = np.float32(float(self._hann @ window) / self._sum)
        spectrum = np.fft.rfft((window - steady) * self._hann)
        return np.asarray((np.square(spectrum.real) + np.square(spectrum.imag)) * self._scale, np.float32)

    def levels(self, power: Floats) -> list[float]:
        """Return the decibels of everything, low, mid and high."""
        return [_decibels(float(power[part].sum())) for part in self._parts]

    def fine(self, power: Floats) -> Floats:
        """Return the decibels of some 40 bands, equally wide to the ear (mel), up to 10 kHz."""
        sums = np.add.reduceat(power[: self._end], self._edges)
        return np.asarray(10.0 * np.log10(sums + np.float32(1e-12)), np.float32)


def _mel(hertz: float) -> float:
    return 1127.0 * math.log1p(hertz / 700.0)


def _decibels(power: float) -> float:
    return 10.0 * math.log10(power) if power > 1e-12 else _NOTHING


class _Gain:
    """The gain in decibels: as it was set, or such that the loud comes to where it is wanted."""

    def __init__(self, gain: float, seconds: float) -> None:
        self._fixed = 20.0 * math.log10(gain) if gain > 0.0 else None
        self._down = _share(seconds, _GAIN_DOWN)
        self._up = _GAIN_UP * seconds
        self._loud: float | None = None

    def follow(self, level: float) -> float:
        """Return the gain for a hop of that level; silence leaves it where it was."""
        if self._fixed is not None:
            return self._fixed
        if level > _SILENCE:
            self._loud = level if self._loud is None else self._followed(self._loud, level)
        if self._loud is None:
            return 0.0
        return min(max(_TARGET - self._loud, _GAIN[0]), _GAIN[1])

    def _followed(self, loud: float, level: float) -> float:
        return loud + (level - loud) * self._down if level > loud else max(level, loud - self._up)


class _Onsets:
    """Finds where something begins: spectral flux above what is usual of late, with no look ahead.

    The flux is the mean rise of mel bands in decibels (Ellis 2007, below); it is compared with a constant and a
    multiple of its recent median (Bello et al., A Tutorial on Onset Detection in Music Signals, IEEE Trans. Speech and
    Audio Processing 13(5), 2005), and onsets keep apart (Boeck, Krebs and Schedl, Evaluating the Online Capabilities
    of Onset Detection Methods, ISMIR 2012).
    """

    def __init__(self, seconds: float) -> None:
        self._before: deque[Floats] = deque(maxlen=_FLUX_LAG)
        self._recent: deque[float] = deque([0.0], maxlen=round(_THRESHOLD_OVER / seconds))
        self._apart = round(_APART / seconds)
        self._since = self._apart
        self._armed = True
        self._decay = 1.0 - _share(seconds, _ONSET_DECAY)
        self._onset = 0.0

    def step(self, bands: Floats, floor: float) -> tuple[float, float, bool]:
        """Return the flux in decibels, the feature ``onset``, and whether one begins. ``floor`` is in decibels."""
        before = self._before[0] if self._before else np.full_like(bands, _NOTHING)
        rise = np.maximum(bands, floor) - np.maximum(before, floor)
        flux = float(np.maximum(rise, 0.0).mean())
        above = flux > _THRESHOLD[0] + _THRESHOLD[1] * median(self._recent)
        struck = above and self._armed and self._since >= self._apart
        self._before.append(bands)
        self._recent.append(flux)
        self._since = 1 if struck else self._since + 1
        self._armed = not above
        self._onset = 1.0 if struck else max(self._onset * self._decay - 1e-4, 0.0)
        return flux, self._onset, struck


class _Pulse:
    """Finds tempo, and where in the beat we are.

    Tempo is the peak of the flux's autocorrelation, weighted towards 120 BPM on a logarithmic scale (Ellis, Beat
    Tracking by Dynamic Programming, Journal of New Music Research 36(1), 2007). The beat's phase is that of the flux
    at the tempo's frequency (Grosche and Mueller, Extracting Predominant Local Pulse Information from Music
    Recordings, IEEE Trans. Audio, Speech and Language Processing 19(6), 2011). The beat itself runs on by the tempo
    and is sped up or held back until it agrees: it never runs backwards, so that no beat comes twice.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._flux: deque[float] = deque(maxlen=round(_HEARD / seconds))
        self._struck: deque[bool] = deque(maxlen=self._flux.maxlen)
        self._every = round(_ESTIMATE_EVERY / seconds)
        self._hops = 0
        self._bpm = 0.0
        self._beat = 0.0
        self._owed = 0.0
        self._candidate = (0.0, 0)

    def step(self, flux: float, struck: bool) -> tuple[float, float]:
        """Go on by a hop; return BPM (0: none yet) and the phase, 0 to below 1."""
        self._flux.append(flux)
        self._struck.append(struck)
        self._hops += 1
        pace = self._bpm / 60.0 * self._seconds
        pull = min(max(self._owed, -pace / 2), pace / 2)
        self._owed -= pull
        self._beat = (self._beat + pace + pull) % 1.0
        if struck and self._bpm:
            behind = _turned(self._delay() - self._beat)
            if abs(behind) < _NEAR_BEAT:
                self._owed = behind * _PULLS[1]
        if self._hops % self._every == 0 and len(self._flux) * self._seconds >= _HEARD_LEAST:
            self._estimate()
        return self._bpm, self._beat

    def _delay(self) -> float:
        return _DELAY * self._seconds * self._bpm / 60.0

    def _estimate(self) -> None:
        if sum(self._struck) < _ONSETS_LEAST:
            return
        flux = np.array(self._flux)
        flux -= flux.mean()
        period = _period(flux, self._seconds, self._bpm)
        if not period:
            return
        first = not self._bpm
        self._consider(60.0 / (period * self._seconds))
        if self._bpm:
            error = _turned(_phase(flux, 60.0 / (self._bpm * self._seconds)) + self._delay() - self._beat)
            if first:
                self._beat = (self._beat + error) % 1.0
            else:
                self._owed = error * _PULLS[0]

    def _consider(self, found: float) -> None:
        """Follow a tempo that is near; go over to another one when it has been found a few times in a row."""
        if self._bpm and abs(found / self._bpm - 1.0) < _SAME_TEMPO:
            self._bpm += (found - self._bpm) * 0.25
            self._candidate = (0.0, 0)
            return
        before, times = self._candidate
        times = times + 1 if before and abs(found / before - 1.0) < _SAME_TEMPO else 1
        self._candidate = (found, times)
        if times >= _AGREE[bool(self._bpm)]:
            self._bpm = found


def _turned(beats: float) -> float:
    """The same phase, -0.5 to 0.5."""
    return (beats + 0.5) % 1.0 - 0.5


def _period(flux: NDArray[np.float64], seconds: float, bpm: float) -> float:
    """Return the hops from beat to beat, 0 where the flux (its mean taken off) has no period; ``bpm`` is the last."""
    size = len(flux)
    spectrum = np.fft.rfft(flux, 1 << (2 * size - 1).bit_length())
    alike = np.fft.irfft(np.square(np.abs(spectrum)))[:size] / np.arange(size, 0, -1)
    lags = np.arange(math.floor(60.0 / _FASTEST / seconds), math.ceil(60.0 / _SLOWEST / seconds) + 1)
    prior = np.exp(-0.5 * np.square(np.log2(lags * (seconds * _USUAL / 60.0)) / _OCTAVES))
    prior[np.abs(lags * (seconds * bpm / 60.0) - 1.0) < _SAME_TEMPO] *= _LOYAL
    best = int(lags[np.argmax(alike[lags] * prior)])
    best += int(np.argmax(alike[best - 1 : best + 2])) - 1  # the prior leans: a flat peak's top may be beside
    if alike[best] <= _PERIODIC * alike[0] or alike[best] < max(alike[best - 1], alike[best + 1]):
        return 0.0
    period = _peak(alike, best)
    # Two and four beats on, the same error of reading is a smaller one of the period.
    for beats in (2, 4):
        near = round(beats * period)
        if near + 2 < 0.6 * size:
            period = _peak(alike, near - 2 + int(np.argmax(alike[near - 2 : near + 3]))) / beats
    return min(max(period, 60.0 / _FASTEST / seconds), 60.0 / _SLOWEST / seconds)


def _peak(curve: NDArray[np.float64], at: int) -> float:
    """Return where between the samples the peak at ``at`` is: that of the parabola through three."""
    before, top, behind = curve[at - 1 : at + 2]
    bend = before - 2.0 * top + behind
    return at + (float(np.clip((before - behind) / (2.0 * bend), -0.5, 0.5)) if bend < 0.0 else 0.0)


def _phase(flux: NDArray[np.float64], period: float) -> float:
    """Return how much of a beat is gone since the last one, by the flux of the last few seconds."""
    ages = np.arange(len(flux))[::-1]
    turns = np.exp((2j * math.pi / period - 1.0 / (4.0 * period)) * ages)
    return float(np.angle(flux @ turns) / (2.0 * math.pi)) % 1.0


_CHANGE = 1 / 1000  # of the range: less is none
_HYSTERESIS = 0.15  # of a value's share of the height


class Follower:
    """Makes a parameter's value of features, as its route says: smoothed, brought to its range, or chosen from values.

    Before the first step the feature counts as 0.
    """

    def __init__(self, route: Route) -> None:
        self.route = route
        self._height = 0.0
        self._given: float | None = None
        self._place: int | None = None

    def step(self, features: Features, seconds: float) -> ParameterValue | None:
        """Return the value after another ``seconds`` with these features.

        None: nothing changed, or less than a thousandth of the range. Onsets that choose from values are counted, so
        every hop's features must come here. The first onset goes to the first value: until then nothing is chosen.
        """
        route = self.route
        if route.values and route.feature == "onset":
            place = self._place
            return self._chosen((-1 if place is None else place) + 1) if features.struck else None
        target = getattr(features, route.feature)
        constant = route.attack if target > self._height else route.release
        self._height += (target - self._height) * _share(seconds, constant)
        return self._picked() if route.values else self._ranged()

    def _ranged(self) -> float | None:
        low, high = self.route.low, self.route.high
        value = low + (high - low) * self._height
        if self._given is not None and abs(value - self._given) <= abs(high - low) * _CHANGE:
            return None
        self._given = value
        return value

    def _picked(self) -> ParameterValue | None:
        height = self._height * len(self.route.values)
        if self._place is not None and -_HYSTERESIS <= height - self._place <= 1.0 + _HYSTERESIS:
            return None
        return self._chosen(min(int(height), len(self.route.values) - 1))

    def _chosen(self, place: int) -> ParameterValue | None:
        place %= len(self.route.values)
        if place == self._place:
            return None
        self._place = place
        return self.route.values[place]
