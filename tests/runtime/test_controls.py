"""Parameters over time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_runtime.controls import Controls, describe
from mirage_runtime.models import Settings


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
