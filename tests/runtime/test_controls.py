"""Parameters over time."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirage_runtime.controls import CURVES, Controls, Fade, describe
from mirage_runtime.models import Settings

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_defaults_are_the_tables():
    settings = Controls().resolve(0.0)
    assert settings == Settings((("oil painting", 1.0),), strength=1.0, coherence=1.0, steps=1, seeds=((0, 1.0),))


def test_without_a_transition_the_next_frame_is_new():
    controls = Controls()
    controls.set({"prompt": "ink", "strength": 0.5}, now=10.0)
    assert controls.resolve(10.0).prompts == (("ink", 1.0),)
    assert controls.resolve(10.0).strength == 0.5


def test_a_transition_travels_from_where_the_last_one_has_come_to():
    controls = Controls()
    controls.set({"prompt": "ink", "transition": 4.0}, now=0.0)
    assert dict(controls.resolve(1.0).prompts) == pytest.approx({"oil painting": 0.75, "ink": 0.25})
    controls.set({"prompt": "lava", "strength": 0.0}, now=2.0)
    assert dict(controls.resolve(2.0).prompts) == pytest.approx({"oil painting": 0.5, "ink": 0.5})
    assert controls.resolve(2.0).strength == 1.0
    middle = controls.resolve(4.0)
    assert dict(middle.prompts) == pytest.approx({"oil painting": 0.25, "ink": 0.25, "lava": 0.5})
    assert middle.strength == pytest.approx(0.5)
    assert controls.resolve(6.0).prompts == (("lava", 1.0),)
    assert sum(describe(middle, controls.values)["prompts"][n]["weight"] for n in range(3)) == pytest.approx(1.0)


def test_other_parameters_disturb_no_transition():
    controls = Controls()
    controls.set({"prompt": "ink", "transition": 4.0}, now=0.0)
    controls.set({"seed": 3, "transition": 0.0}, now=1.0)
    assert dict(controls.resolve(2.0).prompts) == pytest.approx({"oil painting": 0.5, "ink": 0.5})
    assert controls.resolve(2.0).seeds == ((3, 1.0),)


def test_a_blend_is_used_instead_of_the_prompt():
    controls = Controls()
    controls.set({"prompts": [{"text": "lava", "weight": 3.0}, {"text": "ice", "weight": 1.0}]}, now=0.0)
    assert controls.resolve(0.0).prompts == (("lava", 0.75), ("ice", 0.25))
    controls.set({"prompt": "ink", "prompts": []}, now=1.0)
    assert controls.resolve(1.0).prompts == (("ink", 1.0),)


@unhurried
@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(0, 3), st.floats(0, 5)), min_size=1, max_size=8), st.floats(0, 9)
)
def test_noise_between_seeds_keeps_its_power(changes, later):
    controls, now = Controls(), 0.0
    for seed, wait, transition in changes:
        now += wait
        controls.set({"seed": seed, "transition": transition}, now=now)
        seeds = controls.resolve(now + 0.1).seeds
        assert sum(amplitude**2 for _, amplitude in seeds) == pytest.approx(1.0)
        assert len(dict(seeds)) == len(seeds) <= 3
    assert controls.resolve(now + 5.1 + later).seeds == ((changes[-1][0], 1.0),)


def test_a_seed_travels_without_a_jump():
    controls = Controls()
    controls.set({"seed": 5, "transition": 2.0}, now=0.0)
    last = {0: 1.0}
    for step in range(1, 41):
        seeds = dict(controls.resolve(step / 20).seeds)
        likeness = sum(amplitude * last.get(seed, 0.0) for seed, amplitude in seeds.items())
        assert likeness > 0.995
        last = seeds
    assert last == {5: 1.0}


@pytest.mark.parametrize("curve", CURVES)
def test_a_curve_goes_from_its_one_end_to_the_other_and_never_turns_back(curve):
    heights = [CURVES[curve](step / 1000) for step in range(1001)]
    assert (heights[0], heights[-1]) == (0.0, 1.0)
    assert all(before < after for before, after in pairwise(heights))


@pytest.mark.parametrize(
    ("curve", "quarter", "half", "three_quarters"),
    [
        ("linear", 0.25, 0.5, 0.75),
        ("smooth", 0.15625, 0.5, 0.84375),
        ("ease-in", 0.0625, 0.25, 0.5625),
        ("ease-out", 0.4375, 0.75, 0.9375),
    ],
)
def test_the_course_of_a_fade(curve, quarter, half, three_quarters):
    controls = Controls()
    controls.set({"strength": 0.0, "coherence": 0.0, "prompt": "ink"}, now=10.0, fade=Fade(4.0, curve))
    for now, share in ((10.0, 0.0), (11.0, quarter), (12.0, half), (13.0, three_quarters), (14.0, 1.0), (99.0, 1.0)):
        settings = controls.resolve(now)
        assert settings.strength == settings.coherence == pytest.approx(1.0 - share)
        assert dict(settings.prompts).get("ink", 0.0) == pytest.approx(share)


def test_a_fade_comes_before_the_transition():
    controls = Controls()
    controls.set({"transition": 60.0}, now=0.0)
    controls.set({"strength": 0.0, "prompt": "ink", "seed": 5}, now=0.0, fade=Fade())
    settings = controls.resolve(0.0)
    assert (settings.strength, settings.prompts, settings.seeds) == (0.0, (("ink", 1.0),), ((5, 1.0),))
    controls.set({"strength": 1.0, "coherence": 0.0, "steps": 4}, now=0.0)
    settings = controls.resolve(30.0)
    assert (settings.strength, settings.coherence, settings.steps) == (0.5, 0.0, 4)


def test_a_fade_sets_out_from_where_the_last_one_has_come_to():
    controls = Controls()
    controls.set({"strength": 0.0}, now=0.0, fade=Fade(4.0))
    controls.set({"strength": 1.0}, now=1.0, fade=Fade(2.0, "ease-in"))
    assert controls.resolve(1.0).strength == 0.75
    assert controls.resolve(2.0).strength == pytest.approx(0.8125)
    assert controls.resolve(3.0).strength == 1.0


def test_steps_fade_by_whole_ones():
    controls = Controls()
    controls.set({"steps": 4}, now=0.0, fade=Fade(3.0))
    assert [controls.resolve(now).steps for now in (0.0, 0.4, 0.6, 1.4, 1.6, 2.6, 3.0)] == [1, 1, 2, 2, 3, 4, 4]
    assert [controls.moving(now) for now in (0.6, 1.6, 3.0)] == [{"steps": 2}, {"steps": 3}, {}]


def test_what_can_only_be_one_thing_or_another_changes_at_once():
    controls = Controls()
    controls.set({"mask_ids": [7], "transition": 5.0}, now=0.0, fade=Fade(60.0))
    assert controls.resolve(0.0).mask_ids == (7,)
    assert controls.values["transition"] == 5.0
    assert controls.moving(1.0) == {}


def test_numbers_on_their_way_are_told_until_they_have_arrived():
    controls = Controls()
    assert controls.moving(0.0) == {}
    controls.set({"strength": 0.0, "prompt": "ink", "seed": 3}, now=0.0, fade=Fade(4.0))
    controls.set({"coherence": 0.5}, now=1.0, fade=Fade(2.0, "ease-out"))
    assert controls.moving(0.5) == {"strength": 0.875, "coherence": 1.0}
    assert controls.moving(2.0) == {"strength": 0.5, "coherence": 0.625}
    assert controls.moving(3.0) == {"strength": 0.25}
    assert controls.moving(4.0) == {}
    assert (controls.values["strength"], controls.values["coherence"]) == (0.0, 0.5)


def test_a_change_of_no_time_moves_nothing():
    controls = Controls()
    controls.set({"strength": 0.0, "coherence": 0.0, "steps": 4}, now=1.0)
    assert controls.moving(1.0) == {}


FADES = st.builds(Fade, st.sampled_from([0.0, 1e-9, 0.5, 3.0, 86_400.0]), st.sampled_from(sorted(CURVES)))


@unhurried
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 4), st.floats(0, 5), FADES), min_size=1, max_size=6),
    st.floats(0, 1e5),
)
def test_every_fade_arrives_and_leaves_no_range(changes, later):
    controls, now = Controls(), 0.0
    for strength, steps, wait, fade in changes:
        now += wait
        controls.set({"strength": strength, "steps": steps}, now, fade)
        for moment in (now, now + fade.seconds / 3, now + fade.seconds):
            settings = controls.resolve(moment)
            assert -1e-9 <= settings.strength <= 1.0 + 1e-9
            assert 1 <= settings.steps <= 4
            assert controls.moving(moment).keys() <= {"strength", "steps"}
    strength, steps, _, fade = changes[-1]
    settings = controls.resolve(now + fade.seconds + later + 1e-3)
    assert (settings.strength, settings.steps) == (strength, steps)
    assert controls.moving(now + fade.seconds + later + 1e-3) == {}
