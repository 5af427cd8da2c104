"""The Gaussian diffusion process: noising, and one denoising step as a pure function.

Every function takes cumulative products ``alpha_bar`` as numbers or tensors that broadcast over
(batch, length, dim); t is the current noise level and s the next lower one (alpha_bar 1: clean).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from models.diffusion.config import Sampler
from models.diffusion.loop import Draw, normal
from models.diffusion.schedule import Schedule


class Normal(NamedTuple):
    """N(``mean``, ``std``^2); ``mean`` has the shape of x."""

    mean: Tensor
    std: float

    def draw(self, noise: Draw) -> Tensor:
        """From standard normal noise like ``mean``; the mean itself where ``std`` is 0."""
        return self.mean + self.std * noise() if self.std else self.mean


class Gaussian:
    """Latents under Gaussian noise, denoised by ancestral or DDIM steps (paper, section 3.2)."""

    #: a classifier is told the level, and reads latents and not ids
    told, ids = True, 0

    def __init__(
        self,
        schedule: Schedule,
        sampler: Sampler = "ddim",
        eta: float = 1.0,
    ) -> None:
        self.schedule, self.sampler = schedule, sampler
        self.eta = 0.0 if sampler in ("euler", "dpmpp_2m") else eta
        self.name, self.steps = schedule.name, schedule.steps
        self._previous = schedule.alpha_bar_prev
        # level -1 (clean) is looked up as the last entry
        self._alpha_bar = torch.tensor([*schedule.alpha_bar, 1.0], dtype=torch.float32)
        self._copies: dict[torch.device, Tensor] = {self._alpha_bar.device: self._alpha_bar}

    def signal(self, level: int) -> float:
        """alpha_bar, the share of signal variance at a level; 1 at -1."""
        return float(self._alpha_bar[level])

    def prior(self, z: Tensor) -> Tensor:
        """x_T ~ N(0, I): standard normal noise (B, L, D) itself."""
        return z

    def corrupt(self, state: Tensor, level: Tensor | int, noise: Tensor) -> Tensor:
        """x_t ~ q(x_t | x_0) of latents ``state`` (B, ..., D) at ``level`` (one, or (B,); -1:
        clean), on their device; ``noise``: standard normal, like ``state``."""
        # looked up where the state is: fetching levels from a device waits for all that it does
        if state.device not in self._copies:
            self._copies[state.device] = self._alpha_bar.to(state.device)
        levels = torch.as_tensor(level).to(state.device, non_blocking=True)
        alpha_bar = self._copies[state.device][levels]
        if levels.dim():
            alpha_bar = alpha_bar.view(-1, *[1] * (state.dim() - 1))
        return q_sample(state, alpha_bar, noise.to(state.device, non_blocking=True))

    def noise_for(self, ids: Tensor, table: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """The noise that :meth:`latents` takes, on the CPU."""
        return normal((*ids.shape, table.shape[1]), rng)

    def latents(self, ids: Tensor, table: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """(B, ..., D): the embeddings ``table`` (V, D) of ``ids`` (B, ...), noised to levels
        (B,); what a classifier reads."""
        return self.corrupt(table[ids.to(table.device, non_blocking=True)], level, noise)

    def move(self, x: Tensor, estimate: Tensor, t: int) -> Normal:
        """``estimate``: x_0 (B, L, D). At t = 0 it is the estimate itself."""
        if t == 0:
            return Normal(estimate, 0.0)
        levels = float(self.schedule.alpha_bar[t]), float(self._previous[t])
        if self.sampler == "ancestral":
            return ancestral_step(x, estimate, *levels)
        return ddim_step(x, estimate, *levels, self.eta)


def q_sample(x0: Tensor, alpha_bar: Tensor | float, noise: Tensor) -> Tensor:
    """x_t ~ q(x_t | x_0) = N(sqrt(alpha_bar) x_0, (1 - alpha_bar) I). Paper, section 3.2."""
    a = torch.as_tensor(alpha_bar, dtype=x0.dtype, device=x0.device)
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


def posterior_coefficients(alpha_bar_t: float, alpha_bar_s: float) -> tuple[float, float, float]:
    """(on x_0, on x_t, std) of q(x_s | x_t, x_0). Ho et al. (2020), equations 6 and 7."""
    beta = 1 - alpha_bar_t / alpha_bar_s
    on_x0 = math.sqrt(alpha_bar_s) * beta / (1 - alpha_bar_t)
    on_xt = math.sqrt(1 - beta) * (1 - alpha_bar_s) / (1 - alpha_bar_t)
    return on_x0, on_xt, math.sqrt(beta * (1 - alpha_bar_s) / (1 - alpha_bar_t))


def ancestral_step(x_t: Tensor, x0_hat: Tensor, alpha_bar_t: float, alpha_bar_s: float) -> Normal:
    """One DDPM step with the posterior variance (``sigma_small`` in the reference code)."""
    on_x0, on_xt, std = posterior_coefficients(alpha_bar_t, alpha_bar_s)
    return Normal(on_x0 * x0_hat + on_xt * x_t, std)


def ddim_step(
    x_t: Tensor, x0_hat: Tensor, alpha_bar_t: float, alpha_bar_s: float, eta: float = 1.0
) -> Normal:
    """One DDIM step (Song et al., 2021, equation 12); at eta=1 its std is the posterior's."""
    variance = (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)
    std = eta * math.sqrt(variance)
    # The noise that x_t holds if x0_hat is right, not the network's own estimate of it: after
    # clamping only this one is consistent with x0_hat.
    eps = (x_t - math.sqrt(alpha_bar_t) * x0_hat) / math.sqrt(1 - alpha_bar_t)
    direction = math.sqrt(max(0.0, 1 - alpha_bar_s - std**2))
    return Normal(math.sqrt(alpha_bar_s) * x0_hat + direction * eps, std)
