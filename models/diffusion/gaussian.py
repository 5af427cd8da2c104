"""The Gaussian diffusion process: noising, and one denoising step as a pure function.

Every function takes cumulative products ``alpha_bar`` as numbers or tensors that broadcast over
(batch, length, dim); t is the current noise level and s the next lower one (alpha_bar 1: clean).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Step(NamedTuple):
    """``x_s`` drawn from N(``mean``, ``std``^2); ``mean`` has the shape of x."""

    x_s: Tensor
    mean: Tensor
    std: float


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


def ancestral_step(
    x_t: Tensor, x0_hat: Tensor, alpha_bar_t: float, alpha_bar_s: float, noise: Tensor
) -> Step:
    """One DDPM step with the posterior variance (``sigma_small`` in the reference code)."""
    on_x0, on_xt, std = posterior_coefficients(alpha_bar_t, alpha_bar_s)
    mean = on_x0 * x0_hat + on_xt * x_t
    return Step(mean + std * noise, mean, std)


def ddim_step(
    x_t: Tensor,
    x0_hat: Tensor,
    alpha_bar_t: float,
    alpha_bar_s: float,
    noise: Tensor,
    eta: float = 1.0,
) -> Step:
    """One DDIM step (Song et al., 2021, equation 12); at eta=1 its std is the posterior's."""
    variance = (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)
    std = eta * math.sqrt(variance)
    # The noise that x_t holds if x0_hat is right, not the network's own estimate of it: after
    # clamping only this one is consistent with x0_hat.
    eps = (x_t - math.sqrt(alpha_bar_t) * x0_hat) / math.sqrt(1 - alpha_bar_t)
    direction = math.sqrt(max(0.0, 1 - alpha_bar_s - std**2))
    mean = math.sqrt(alpha_bar_s) * x0_hat + direction * eps
    return Step(mean + std * noise, mean, std)


def x0_from_eps(x_t: Tensor, eps: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """The x_0 estimate that a noise prediction implies."""
    a = torch.as_tensor(alpha_bar, dtype=x_t.dtype, device=x_t.device)
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


def x0_from_mu(x_t: Tensor, mu: Tensor, on_x0: Tensor | float, on_xt: Tensor | float) -> Tensor:
    """The x_0 estimate that a prediction of the posterior mean implies."""
    return (mu - on_xt * x_t) / on_x0
