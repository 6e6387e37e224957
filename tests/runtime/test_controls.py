"""Parameters over time."""

import pytest

from mirage_runtime.controls import Controls, describe


def test_defaults_are_the_tables():
    settings = Controls().resolve(0.0)
    assert (settings.prompts, settings.strength, settings.steps, settings.seed) == ((("oil painting", 1.0),), 1.0, 1, 0)


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
    assert controls.resolve(2.0).seed == 3
