"""Schedules and steps, beside those of diffusers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler, LCMScheduler
from hypothesis import given
from hypothesis import strategies as st

from mirage_runtime.models.diffusion import schedule as sampling
from mirage_runtime.models.diffusion.schedule import Schedule

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SHAPE = (1, 4, 8, 8)


def drawn(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("start", [1.0, 0.7, 0.3, 0.1])
def test_lcm_looks_when_the_reference_does(steps: int, start: float) -> None:
    if round(50 * start) < steps:
        pytest.skip("the reference takes no more steps than it was distilled from")
    reference = LCMScheduler(**BETAS)
    reference.set_timesteps(steps, strength=start)
    assert list(Schedule("lcm").timesteps(steps, start)) == reference.timesteps.tolist()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the reference's own
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_turbo_looks_when_the_reference_does(steps: int) -> None:
    reference = EulerAncestralDiscreteScheduler(**BETAS, timestep_spacing="trailing")
    reference.set_timesteps(steps)
    assert list(Schedule("turbo").timesteps(steps)) == [round(float(each)) for each in reference.timesteps]


@given(st.sampled_from(sampling.KINDS), st.integers(1, 50), st.floats(0.001, 1.0))
def test_timesteps_fall_from_start_to_end(kind: sampling.Kind, steps: int, start: float) -> None:
    found = Schedule(kind).timesteps(steps, start)
    assert len(found) == steps
    assert all(0 <= each < 1000 for each in found)
    assert list(found) == sorted(found, reverse=True)
    assert found[0] <= max(19, round(1000 * start))


def test_noise_is_added_as_the_reference_does() -> None:
    reference, clean, noise = DDIMScheduler(**BETAS), drawn(1), drawn(2)
    for timestep in (0, 250, 999):
        expected = reference.add_noise(clean, noise, torch.tensor([timestep]))
        assert torch.allclose(sampling.noised(Schedule(), clean, noise, timestep), expected, atol=1e-6)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_a_ddim_step_is_the_references(prediction: sampling.Prediction) -> None:
    reference = DDIMScheduler(**BETAS, prediction_type=prediction, clip_sample=False, set_alpha_to_one=True)
    reference.set_timesteps(4)
    ours = Schedule("ddim", prediction)
    latent, predicted = drawn(3), drawn(4)
    for timestep, to in ((751, 501), (501, 251), (1, -1)):
        expected = reference.step(predicted, timestep, latent)
        clean = sampling.denoised(ours, latent, predicted, timestep)
        assert torch.allclose(clean, expected.pred_original_sample, atol=1e-5)
        if to >= 0 and timestep - to == 250:
            assert torch.allclose(
                sampling.stepped(ours, latent, clean, drawn(9), timestep, to), expected.prev_sample, atol=1e-5
            )
    assert torch.equal(sampling.stepped(ours, latent, clean, drawn(9), 1, -1), clean)


def test_an_lcm_step_is_the_references() -> None:
    reference, ours = LCMScheduler(**BETAS), Schedule("lcm")
    reference.set_timesteps(4)
    latent, predicted = drawn(5), drawn(6)
    (timestep, to), *_ = sampling.pairs(ours.timesteps(4))
    again = torch.Generator().manual_seed(11)
    expected = reference.step(predicted, timestep, latent, generator=again)
    clean = sampling.denoised(ours, latent, predicted, timestep)
    assert torch.allclose(clean, expected.denoised, atol=1e-5)
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(11), dtype=torch.float64)
    assert torch.allclose(sampling.stepped(ours, latent, clean, noise, timestep, to), expected.prev_sample, atol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_true_noise_leads_back_to_the_source(prediction: sampling.Prediction) -> None:
    ours, clean, noise = Schedule("turbo", prediction), drawn(1), drawn(2)
    for timestep in (0, 399, 999):
        latent = sampling.noised(ours, clean, noise, timestep)
        alpha = ours.alpha(timestep)
        seen = noise if prediction == "epsilon" else alpha**0.5 * noise - (1 - alpha) ** 0.5 * clean
        assert torch.allclose(sampling.denoised(ours, latent, seen, timestep), clean, atol=1e-6)
        assert torch.allclose(sampling.residual_noise(ours, latent, clean, timestep), noise, atol=1e-6)


def test_guidance_of_one_is_the_prompts_own() -> None:
    one, other = drawn(1), drawn(2)
    assert torch.allclose(sampling.guided(one, other, 1.0), one)
    assert torch.allclose(sampling.guided(one, other, 3.0) - one, 2 * (one - other))


def test_numpys_arrays_do_as_well() -> None:
    clean, noise = np.ones(SHAPE), np.full(SHAPE, 2.0)
    latent = sampling.noised(Schedule(), clean, noise, 500)
    assert isinstance(latent, np.ndarray)
    assert np.allclose(sampling.denoised(Schedule(), latent, noise, 500), clean)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: Schedule("euler"), "turbo, lcm, ddim"),  # type: ignore[arg-type]
        (lambda: Schedule(beta_schedule="cosine"), "cosine"),
        (lambda: Schedule().timesteps(0), "steps"),
        (lambda: Schedule().timesteps(51), "steps"),
        (lambda: Schedule().timesteps(1, 0.0), "start"),
        (lambda: Schedule().timesteps(1, 1.01), "start"),
    ],
)
def test_what_makes_no_sense_is_refused(call: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_what_leads_to_the_source_is_told_in_the_networks_own_kind(prediction: str) -> None:
    ours = Schedule("turbo", prediction)  # type: ignore[arg-type]
    latent, clean = drawn(3), drawn(4)
    for timestep in (699, 99):
        told = sampling.residual_prediction(ours, latent, clean, timestep)
        assert torch.allclose(sampling.denoised(ours, latent, told, timestep), clean, atol=1e-4)
