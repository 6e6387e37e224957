"""Noise schedules and sampling steps as pure functions: what Stable Diffusion and its few-step students sample with.

A noisy latent is ``x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) noise`` (Ho et al. 2020, arXiv:2006.11239, eq. 4), ``a_t`` being
the cumulative product of ``1 - beta``. Functions that take latents do arithmetic alone, so that NumPy's arrays and
torch's tensors do equally.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Latent = TypeVar("Latent", bound=Any)
Kind = Literal["turbo", "lcm", "ddim"]
Prediction = Literal["epsilon", "v_prediction", "sample"]

KINDS: Final[tuple[Kind, ...]] = ("turbo", "lcm", "ddim")
PREDICTIONS: Final[tuple[Prediction, ...]] = ("epsilon", "v_prediction", "sample")
LCM_STEPS: Final = 50
"""Steps of the teacher's sampler that a latent consistency model was distilled from."""
_SIGMA_DATA: Final = 0.5
_TIME_SCALING: Final = 10.0


@dataclass(frozen=True)
class Schedule:
    """How a model was trained to see noise, and how it is sampled. The defaults are Stable Diffusion's."""

    kind: Kind = "turbo"
    prediction: Prediction = "epsilon"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "scaled_linear"
    train_steps: int = 1000

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a schedule is one of {', '.join(KINDS)}, not {self.kind}")
        if self.beta_schedule not in ("linear", "scaled_linear"):
            raise ValueError(f"betas are linear or scaled_linear, not {self.beta_schedule}")

    def alpha(self, timestep: int) -> float:
        """Return ``a_t`` for a timestep of 0 to ``train_steps`` - 1; -1 stands for no noise at all, 1.0."""
        return 1.0 if timestep < 0 else float(_alphas(self)[timestep])

    def timesteps(self, steps: int, start: float = 1.0) -> tuple[int, ...]:
        """Return the timesteps of ``steps`` (1 to 50) denoising steps, noisiest first.

        ``start``, above 0 and at most 1, is the share of the noise's way that the source is put at: 1 begins with
        noise alone, 0.5 halfway in timesteps (SDEdit, Meng et al. 2022, arXiv:2108.01073).
        """
        if not 1 <= steps <= LCM_STEPS:
            raise ValueError(f"steps must be 1 to {LCM_STEPS}, not {steps}")
        if not 0.0 < start <= 1.0:
            raise ValueError(f"start must be above 0 and at most 1, not {start}")
        highest = max(1, round(start * self.train_steps))
        if self.kind == "lcm":
            # Those of the teacher's sampler (Luo et al. 2023, arXiv:2310.04378, section 4.3), as far as they reach.
            skip = self.train_steps // LCM_STEPS
            known = [number * skip - 1 for number in range(1, LCM_STEPS + 1) if number * skip <= highest] or [skip - 1]
            chosen = [known[-1 - len(known) * step // steps] for step in range(steps)]
            return tuple(chosen)
        # Trailing: the first step is the noisiest of all (Lin et al. 2024, arXiv:2305.08891, table 2).
        return tuple(max(0, round(highest * (steps - step) / steps) - 1) for step in range(steps))


@lru_cache(maxsize=16)
def _alphas(schedule: Schedule) -> NDArray[np.float64]:
    steps, begin, end = schedule.train_steps, schedule.beta_start, schedule.beta_end
    if schedule.beta_schedule == "linear":
        betas = np.linspace(begin, end, steps, dtype=np.float64)
    else:  # latent diffusion's: linear in the square root (Rombach et al. 2022, arXiv:2112.10752, its code)
        betas = np.linspace(begin**0.5, end**0.5, steps, dtype=np.float64) ** 2
    return np.asarray(np.cumprod(1.0 - betas), np.float64)


def noised(schedule: Schedule, clean: Latent, noise: Latent, timestep: int) -> Latent:
    """Return a latent as it is at a timestep (Ho et al. 2020, eq. 4)."""
    alpha = schedule.alpha(timestep)
    noisy: Latent = clean * math.sqrt(alpha) + noise * math.sqrt(1.0 - alpha)
    return noisy


def denoised(schedule: Schedule, latent: Latent, predicted: Latent, timestep: int) -> Latent:
    """Return the clean latent that a prediction means, for a latent at a timestep.

    From noise by Song et al. 2021 (DDIM, arXiv:2010.02502, eq. 9), from v by Salimans and Ho 2022 (arXiv:2202.00512,
    appendix D); a consistency model's lies between that and the latent itself, so that it is the latent where there is
    no noise (Song et al. 2023, arXiv:2303.01469, eq. 5; Luo et al. 2023, section 4.1).
    """
    alpha = schedule.alpha(timestep)
    if schedule.prediction == "epsilon":
        clean = (latent - math.sqrt(1.0 - alpha) * predicted) / math.sqrt(alpha)
    elif schedule.prediction == "v_prediction":
        clean = math.sqrt(alpha) * latent - math.sqrt(1.0 - alpha) * predicted
    else:
        clean = predicted
    if schedule.kind != "lcm":
        return clean  # type: ignore[no-any-return]
    skip, out = boundary(timestep)
    consistent: Latent = skip * latent + out * clean
    return consistent


def boundary(timestep: int) -> tuple[float, float]:
    """Return the weights of the latent and of the estimate in a consistency model (Song et al. 2023, appendix C)."""
    scaled = timestep * _TIME_SCALING
    squared = scaled**2 + _SIGMA_DATA**2
    return _SIGMA_DATA**2 / squared, scaled / math.sqrt(squared)


def stepped(schedule: Schedule, latent: Latent, clean: Latent, noise: Latent, timestep: int, to: int) -> Latent:
    """Return the latent for the next, less noisy timestep ``to``; -1 is the end, and gives ``clean`` back.

    LCM's and Turbo's students go to the clean latent and put noise on it again (Luo et al. 2023, algorithm 3; Sauer et
    al. 2023, arXiv:2311.17042, section 3.2). DDIM goes on with the noise that it sees, and needs none (Song et al.
    2021, eq. 12 with sigma 0).
    """
    if to < 0:
        return clean
    kept = residual_noise(schedule, latent, clean, timestep) if schedule.kind == "ddim" else noise
    return noised(schedule, clean, kept, to)


def guided(conditional: Latent, unconditional: Latent, scale: float) -> Latent:
    """Return the prediction led away from the unconditional one (Ho and Salimans 2022, arXiv:2207.12598, eq. 6).

    ``scale`` 1 is the conditional one alone, in the convention of most programs.
    """
    led: Latent = unconditional + scale * (conditional - unconditional)
    return led


def residual_noise(schedule: Schedule, latent: Latent, clean: Latent, timestep: int) -> Latent:
    """Return the noise that would lead from ``latent`` to ``clean``: what stands for the unconditional prediction.

    Residual classifier-free guidance: no second look of the network is needed where ``clean`` is the source
    (StreamDiffusion, Kodaira et al. 2023, arXiv:2312.12491, section 3.2, eq. 6).
    """
    alpha = schedule.alpha(timestep)
    noise: Latent = (latent - math.sqrt(alpha) * clean) / math.sqrt(1.0 - alpha)
    return noise


def residual_prediction(schedule: Schedule, latent: Latent, clean: Latent, timestep: int) -> Latent:
    """Return what a network that saw that noise would predict, in the schedule's own kind."""
    noise: Latent = residual_noise(schedule, latent, clean, timestep)
    if schedule.prediction == "epsilon":
        return noise
    if schedule.prediction == "sample":
        return clean
    alpha = schedule.alpha(timestep)
    velocity: Latent = noise * math.sqrt(alpha) - clean * math.sqrt(1.0 - alpha)
    return velocity


def pairs(timesteps: Sequence[int]) -> list[tuple[int, int]]:
    """Return each timestep with the one after it; the last leads to -1, no noise."""
    return list(zip(timesteps, [*timesteps[1:], -1], strict=True))
