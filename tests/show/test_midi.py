"""What MIDI messages mean: from bytes, through mido's parser, to what a show is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_runtime.show.document import MIDI_KINDS, Binding
from mirage_runtime.show.midi import (
    Learner,
    Map,
    Message,
    Pressed,
    Target,
    Turned,
    feedback,
    fraction_of,
    lasting_name,
    value_of,
)

mido = pytest.importorskip("mido")

PORT = "nanoKONTROL2:nanoKONTROL2 _ CTRL 20:0"

KNOB = Binding("control", 7, parameter="strength")
WHEEL = Binding("pitchwheel", None, parameter="strength")
PAD = Binding("note", 36, parameter="coherence")
GO = Binding("control", 41, action="go")

places = st.integers(0, 127)
numbers = st.floats(-(2.0**32), 2.0**32)
fractions = st.floats(0.0, 1.0)
bindings = st.builds(
    Binding,
    st.sampled_from(MIDI_KINDS),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(1, 16),
    st.sampled_from([None, "", "NANO", "other"]),
    parameter=st.sampled_from([None, "strength"]),
    low=numbers,
    high=numbers,
    action=st.just("go"),
)


def control(number: int, value: int, channel: int = 0) -> Message:
    return mido.Message("control_change", channel=channel, control=number, value=value)


def halves(values: Iterable[int]) -> list[Message]:
    """14 bits of controller 7, upper half first."""
    return [half for value in values for half in (control(7, value >> 7), control(39, value & 127))]


def fractions_of(show: Map, *messages: Message, port: str = PORT) -> list[float]:
    events = [event for message in messages for event in show.events(port, message)]
    return [event.fraction for event in events if isinstance(event, Turned)]


def pressed(show: Map, *messages: Message) -> list[int]:
    """How often each message presses."""
    return [sum(isinstance(event, Pressed) for event in show.events(PORT, message)) for message in messages]


@pytest.mark.parametrize(
    ("binding", "data", "fraction"),
    [
        (KNOB, "B0 07 00", 0.0),
        (KNOB, "B0 07 40", 64 / 127),
        (KNOB, "B0 07 7F", 1.0),
        (WHEEL, "E0 00 00", 0.0),
        (WHEEL, "E0 00 40", 8192 / 16383),
        (WHEEL, "E0 7F 7F", 1.0),
        (PAD, "90 24 7F", 1.0),
        (PAD, "90 24 01", 1 / 127),
        (PAD, "90 24 00", 0.0),
        (PAD, "80 24 40", 0.0),
        (Binding("program", 3, parameter="strength"), "C0 03", 1.0),
    ],
)
def test_a_control_turns_a_parameter(binding: Binding, data: str, fraction: float):
    assert Map([binding]).events(PORT, mido.Message.from_hex(data)) == [Turned(binding, fraction)]


@pytest.mark.parametrize("data", ["B0 08 40", "90 07 40", "E0 00 40", "C0 07", "A0 07 40", "D0 07", "F8", "F0 07 F7"])
def test_what_is_not_bound_means_nothing(data: str):
    assert Map([KNOB]).events(PORT, mido.Message.from_hex(data)) == []


def test_a_binding_may_be_for_one_channel_of_16():
    show = Map([Binding("control", 7, channel=16, parameter="strength")])
    assert fractions_of(show, control(7, 127, channel=15)) == [1.0]
    assert fractions_of(show, control(7, 127, channel=14)) == []


@pytest.mark.parametrize(("part", "matches"), [(None, True), ("NANOkontrol", True), ("20:0", True), ("Launch", False)])
def test_a_binding_may_be_for_one_device(part: str | None, matches: bool):
    show = Map([Binding("control", 7, port=part, parameter="strength")])
    assert bool(show.events(PORT, control(7, 1))) == matches


def test_a_message_may_mean_several_things_in_the_bindings_order():
    other = Binding("control", 7, parameter="coherence")
    assert Map([KNOB, PAD, other]).events(PORT, control(7, 127)) == [Turned(KNOB, 1.0), Turned(other, 1.0)]


@pytest.mark.parametrize("does", [{"action": "go"}, {"cue": "1.5"}, {"preset": "storm"}])
def test_a_note_or_a_program_presses(does: dict[str, str]):
    note, program = Binding("note", 60, **does), Binding("program", 3, **does)
    show = Map([note, program])
    assert show.events(PORT, mido.Message("note_on", note=60, velocity=1)) == [Pressed(note)]
    assert show.events(PORT, mido.Message("note_on", note=60, velocity=0)) == []
    assert show.events(PORT, mido.Message("note_off", note=60, velocity=64)) == []
    assert show.events(PORT, mido.Message("program_change", program=3)) == [Pressed(program)]
    assert show.events(PORT, mido.Message("program_change", program=3)) == [Pressed(program)]


def test_a_control_presses_when_it_comes_to_its_upper_half():
    values = [0, 63, 64, 127, 64, 63, 64, 0, 127]
    assert pressed(Map([GO]), *[control(41, value) for value in values]) == [0, 0, 1, 0, 0, 0, 1, 0, 1]


def test_a_button_presses_with_its_first_message_and_on_each_device_alone():
    show = Map([GO])
    assert show.events("one", control(41, 127)) == [Pressed(GO)]
    assert show.events("two", control(41, 127)) == [Pressed(GO)]
    assert show.events("one", control(41, 127, channel=1)) == [Pressed(GO)]
    assert show.events("one", control(41, 127)) == []


def test_a_wheel_that_goes_back_to_its_centre_does_not_press():
    show = Map([Binding("pitchwheel", None, action="go")])
    pitches = [0, -8192, 0, 8191, 0, 8191]
    assert pressed(show, *[mido.Message("pitchwheel", pitch=pitch) for pitch in pitches]) == [0, 0, 0, 1, 0, 1]


def test_fourteen_bits_refine_seven():
    assert fractions_of(Map([KNOB]), control(7, 64), control(39, 5)) == [64 / 127, (64 * 128 + 5) / 16383]


@pytest.mark.parametrize("values", [range(0, 16384, 40), range(16383, -1, -40), [128, 130, 127, 129, 16383, 0, 1]])
def test_a_control_of_fourteen_bits_is_heard_exactly(values: Sequence[int]):
    seen = fractions_of(Map([KNOB]), *halves(values))
    assert seen[1::2] == [value / 16383 for value in values]


@pytest.mark.parametrize("values", [range(128, 127 * 128, 40), range(127 * 128 - 1, 127, -40)])
def test_a_control_of_fourteen_bits_moves_steadily(values: range):
    seen = fractions_of(Map([KNOB]), *halves(values))[1:]  # its very first half could not know better
    assert seen == sorted(seen, reverse=values.step < 0)


def test_both_ends_of_fourteen_bits_are_reached_with_the_upper_half_alone():
    known = [control(7, 64), control(39, 5)]
    assert fractions_of(Map([KNOB]), *known, control(7, 127))[-1] == 1.0
    assert fractions_of(Map([KNOB]), *known, control(7, 0))[-1] == 0.0


def test_a_lower_half_may_come_alone_once_it_is_known():
    seen = fractions_of(Map([KNOB]), control(7, 64), control(39, 5), control(39, 6), control(39, 0))
    assert seen[1:] == [(8192 + lower) / 16383 for lower in (5, 6, 0)]


def test_a_button_beside_a_knob_is_no_lower_half():
    # As a nanoKONTROL2 has it: sliders on 0 to 7, buttons on 32 to 39.
    show = Map([KNOB])
    assert fractions_of(show, control(7, 127), control(0, 3), control(39, 127), control(39, 0)) == [1.0]
    assert fractions_of(show, control(7, 126)) == [126 / 127]


def test_a_lower_half_belongs_to_its_port_and_channel():
    show = Map([KNOB])
    assert fractions_of(show, control(7, 64), control(39, 5, channel=1)) == [64 / 127]
    assert fractions_of(show, control(7, 64), port="one") == [64 / 127]
    assert fractions_of(show, control(39, 5), port="two") == []


def test_what_is_bound_itself_is_no_lower_half():
    button = Binding("control", 39, action="go")
    show = Map([KNOB, button])
    assert show.events(PORT, control(7, 64)) == [Turned(KNOB, 64 / 127)]
    assert show.events(PORT, control(39, 127)) == [Pressed(button)]


def test_one_upper_half_without_a_lower_ends_the_fourteen_bits():
    show = Map([KNOB])
    fractions_of(show, control(7, 64), control(39, 5), control(7, 65))
    assert fractions_of(show, control(7, 66), control(8, 1), control(39, 9)) == [66 / 127]


@given(st.lists(bindings, max_size=6), st.binary(max_size=200))
def test_no_bytes_are_too_bad(some: list[Binding], data: bytes):
    show, learner = Map(some), Learner()
    learner.start("main", "strength", 0.0, 1.0)
    for message in mido.Parser(data):
        for event in show.events(PORT, message):
            assert event.binding in some
            assert isinstance(event, Pressed) or 0.0 <= event.fraction <= 1.0
        learner.hear(PORT, message)


@given(st.lists(st.tuples(st.sampled_from([7, 39, 8, 40]), places, st.integers(0, 1)), max_size=40))
def test_a_control_never_means_more_than_a_step_off(sent: list[tuple[int, int, int]]):
    show, upper = Map([KNOB]), {0: 0, 1: 0}
    for number, value, channel in sent:
        if number == 7:
            upper[channel] = value
        for fraction in fractions_of(show, control(number, value, channel)):
            assert abs(fraction - upper[channel] / 127) <= 1 / 127


@given(numbers, numbers, fractions)
def test_a_value_comes_back_as_the_fraction_it_was(low: float, high: float, fraction: float):
    binding = Binding("control", 7, parameter="strength", low=low, high=high)
    value = value_of(binding, fraction)
    assert min(low, high) <= value <= max(low, high)
    if abs(high - low) > 1e-6 * max(abs(low), abs(high), 1e-6):
        assert fraction_of(binding, value) == pytest.approx(fraction, abs=1e-6)


@given(numbers, numbers, st.floats())
def test_whatever_the_value_is_the_fraction_is_one(low: float, high: float, value: float):
    binding = Binding("control", 7, parameter="strength", low=low, high=high)
    assert 0.0 <= fraction_of(binding, value) <= 1.0
    assert min(low, high) <= value_of(binding, value) <= max(low, high)


@given(numbers, numbers)
def test_the_ends_are_exact(low: float, high: float):
    binding = Binding("control", 7, parameter="strength", low=low, high=high)
    assert (value_of(binding, 0.0), value_of(binding, 1.0)) == (low, high)
    assert (value_of(binding, -1.0), value_of(binding, 2.0)) == (low, high)


def test_low_may_be_the_greater():
    binding = Binding("control", 7, parameter="strength", low=4.0, high=0.0)
    assert (value_of(binding, 0.25), fraction_of(binding, 3.0), fraction_of(binding, 9.0)) == (3.0, 0.25, 0.0)


def test_a_range_without_extent_has_one_value():
    binding = Binding("control", 7, parameter="strength", low=0.3, high=0.3)
    assert (value_of(binding, 0.7), fraction_of(binding, 0.3)) == (0.3, 0.0)


@given(fractions, st.sampled_from([KNOB, WHEEL, PAD]), st.none() | st.integers(1, 16))
def test_what_is_sent_back_says_what_would_be_heard(fraction: float, binding: Binding, channel: int | None):
    binding = Binding(binding.kind, binding.number, channel, parameter="strength")
    answer = feedback(binding, fraction)
    assert answer is not None
    (event,) = Map([binding]).events(PORT, mido.Message(**answer))
    assert isinstance(event, Turned)
    assert event.fraction == pytest.approx(fraction, abs=0.51 / (16383 if binding.kind == "pitchwheel" else 127))


def test_what_is_sent_back_in_bytes():
    def sent(binding: Binding, fraction: float) -> str:
        answer = feedback(binding, fraction)
        assert answer is not None
        return str(mido.Message(**answer).hex())

    assert sent(KNOB, 1.0) == "B0 07 7F"
    assert sent(KNOB, float("nan")) == "B0 07 00"
    assert sent(WHEEL, 1.0) == "E0 7F 7F"
    assert sent(WHEEL, -1.0) == "E0 00 00"
    assert sent(Binding("note", 36, 10, parameter="strength"), 0.5) == "99 24 40"


def test_nothing_is_sent_back_to_a_program_or_for_an_action():
    assert feedback(Binding("program", 3, parameter="strength"), 1.0) is None
    assert feedback(GO, 1.0) is None


@pytest.mark.parametrize(
    ("name", "lasting"),
    [(PORT, "nanoKONTROL2:nanoKONTROL2 _ CTRL"), ("nanoKONTROL2 1", "nanoKONTROL2 1"), ("a 1:2 b 128:10", "a 1:2 b")],
)
def test_alsas_number_is_no_part_of_a_lasting_name(name: str, lasting: str):
    assert lasting_name(name) == lasting


def learning() -> Learner:
    learner = Learner()
    learner.start("wall", "strength", 0.2, 0.8)
    return learner


def learnt(*messages: Message) -> list[Binding]:
    learner = learning()
    return [binding for message in messages if (binding := learner.hear(PORT, message)) is not None]


def bound(kind: str, number: int | None, channel: int) -> Binding:
    port = "nanoKONTROL2:nanoKONTROL2 _ CTRL"
    return Binding(kind, number, channel, port, "wall", "strength", 0.2, 0.8)  # type: ignore[arg-type]


def test_a_control_binds_when_it_has_moved_far_enough():
    learner = learning()
    assert learner.waiting == Target("wall", "strength", 0.2, 0.8)
    heard = [learner.hear(PORT, control(7, value, channel=2)) for value in (60, 61, 59, 63, 64)]
    assert heard == [None, None, None, None, bound("control", 7, 3)]
    assert learner.waiting is None
    assert learner.hear(PORT, control(7, 0, channel=2)) is None


def test_a_control_that_jitters_does_not_bind_and_others_still_do():
    jitter = [control(7, value) for value in (60, 63, 57, 60, 63) * 20]
    assert learnt(*jitter) == []
    assert learnt(*jitter, control(8, 10), control(8, 6)) == [bound("control", 8, 1)]


def test_the_same_number_elsewhere_is_another_control():
    assert learnt(control(7, 0, channel=0), control(7, 127, channel=1)) == []
    learner = learning()
    assert learner.hear("one", control(7, 0)) is None
    assert learner.hear("two", control(7, 127)) is None


def test_the_wheel_binds_when_it_has_moved_far_enough():
    def wheel(*pitches: int) -> list[Binding]:
        return learnt(*[mido.Message("pitchwheel", channel=15, pitch=pitch) for pitch in pitches])

    assert wheel(0, 500, -500) == []
    assert wheel(0, 516) == [bound("pitchwheel", None, 16)]


def test_a_note_binds_at_once_but_not_by_being_let_go():
    assert learnt(mido.Message("note_off", note=36), mido.Message("note_on", note=36, velocity=0)) == []
    assert learnt(mido.Message("note_on", channel=9, note=36, velocity=1)) == [bound("note", 36, 10)]


def test_of_fourteen_bits_the_upper_half_binds():
    assert learnt(*halves(range(8000, 9000, 50))) == [bound("control", 7, 1)]


def test_programs_clock_and_touch_bind_nothing():
    assert learnt(*[mido.Message.from_hex(data) for data in ("C0 03", "F8", "A0 24 7F", "D0 7F", "F0 01 F7")]) == []


def test_learning_can_be_cancelled_and_begun_again():
    learner = learning()
    learner.hear(PORT, control(7, 0))
    learner.cancel()
    assert learner.waiting is None
    assert learner.hear(PORT, control(7, 127)) is None
    learner.start("main", "coherence", 1.0, 0.0)
    assert learner.hear(PORT, control(7, 127)) is None  # where it was before is forgotten
    heard = learner.hear(PORT, control(7, 100))
    assert heard is not None
    assert (heard.stream, heard.parameter, heard.low, heard.high) == ("main", "coherence", 1.0, 0.0)
