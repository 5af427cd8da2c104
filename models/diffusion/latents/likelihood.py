"""The end-to-end variational bound on a text's likelihood under Diffusion-LM.

Equation 2 of the paper and its expansion in appendix E, in nats a sequence, as an upper bound on
-log p(w). With q(x_0 | w) = N(EMB(w), sigma_0^2) and T noise levels t = 0 (least noise) to T-1:

- ``prior``: KL(q(x_{T-1} | x_0) || N(0, I)), in closed form;
- ``denoising``: the sum over t = 1..T-1 of KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), each in
  closed form given x_t, where p has the posterior's variance and the mean that the network's x_0
  estimate implies;
- ``start``: log q(x_0 | w) - log p(x_0 | x_{t=0}), with p = N(x_0 estimate, sigma_0^2);
- ``rounding``: -log p(w | x_0).

Their sum is an unbiased estimate of the bound under one draw of x_0 and of each x_t.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.gaussian import q_sample
from models.diffusion.latents.network import initial_std
from models.diffusion.schedule import Schedule

TERMS = ("prior", "denoising", "start", "rounding")


class Latent(Protocol):
    """What the bound asks of a model: a ``Denoiser``, or a toy whose likelihood is known."""

    @property
    def schedule(self) -> Schedule: ...
    @property
    def embedding(self) -> Callable[[Tensor], Tensor]: ...
    def x0(self, x_t: Tensor, index: Tensor) -> Tensor: ...
    def logits(self, x: Tensor) -> Tensor: ...


class Chosen(NamedTuple):
    """Noise levels to evaluate, and the share of each in the estimate of the sum over all; both
    (count, rows)."""

    levels: np.ndarray
    shares: np.ndarray


def step_weights(schedule: Schedule) -> np.ndarray:
    """(T,) w_t with KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) = w_t |x_0 - x0_hat|^2, which is
    half the loss of signal-to-noise ratio from t-1 to t; 0 at t = 0, which is the ``start`` term.
    """
    ratio = schedule.alpha_bar / (1 - schedule.alpha_bar)
    return np.append(0.0, (ratio[:-1] - ratio[1:]) / 2)


def choose_steps(weights: np.ndarray, count: int, rows: int, rng: np.random.Generator) -> Chosen:
    """``count`` of the levels 1..T-1 for each of ``rows`` sequences, for an unbiased estimate of
    the sum of their terms; all of them where ``count`` is at least T-1. ``weights``: w_t, (T,).

    One draw from each of ``count`` equal slices of probability (systematic sampling, each row with
    an offset of its own). Half the probability goes as w_t, as the terms do where the network's
    error is that of x_0's own noise, and half as sqrt(w_t), for the levels where its error is
    large and w_t small.
    """
    every = np.arange(1, len(weights))
    if count >= len(every):
        levels = np.repeat(every[:, None], rows, axis=1)
        return Chosen(levels, np.ones(levels.shape))
    w_t = weights[1:]
    chance = w_t / w_t.sum() / 2 + np.sqrt(w_t) / np.sqrt(w_t).sum() / 2
    places = (np.arange(count)[:, None] + rng.random(rows)) / count
    at = np.minimum(np.searchsorted(np.cumsum(chance), places, side="right"), len(every) - 1)
    return Chosen(every[at], 1 / (count * chance[at]))


def bound_terms(
    model: Latent, ids: Tensor, count: int, rng: np.random.Generator, noise: torch.Generator | None
) -> dict[str, Tensor]:
    """The four terms for each sequence of ``ids`` (B, L), float64 (B,), in nats.

    ``count`` noise levels are evaluated for each sequence, chosen by ``rng``; ``noise`` draws x_0
    and every x_t (None: torch's global state). Differentiable in the model's parameters.
    """
    schedule = model.schedule
    mean = model.embedding(ids).float()  # (B, L, D)
    device = mean.device

    def draw() -> Tensor:
        return torch.randn(mean.shape, generator=noise).to(device)

    sigma = initial_std(schedule)
    x0 = mean + sigma * draw()
    denoising = torch.zeros(len(ids), dtype=torch.float64, device=device)
    weights = step_weights(schedule)
    chosen = choose_steps(weights, count, len(ids), rng)
    for levels, shares in zip(chosen.levels, chosen.shares, strict=True):
        error = _squared(x0 - _estimate(model, x0, levels, draw()))
        denoising += torch.from_numpy(shares * weights[levels]).to(device) * error
    first = _estimate(model, x0, np.zeros(len(ids), dtype=np.int64), draw())
    start = (_squared(x0 - first) - _squared(x0 - mean)) / (2 * sigma**2)
    logits = model.logits(x0)
    rounding = F.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none")
    return {
        "prior": prior_term(x0, float(schedule.alpha_bar[-1])),
        "denoising": denoising,
        "start": start,
        "rounding": rounding.view_as(ids).double().sum(1),
    }


def prior_term(x0: Tensor, alpha_bar: float) -> Tensor:
    """KL(N(sqrt(alpha_bar) x_0, 1 - alpha_bar) || N(0, 1)) summed over positions and dimensions;
    (B,), float64."""
    variance = 1 - alpha_bar
    constant = variance - 1 - float(np.log(variance))
    return 0.5 * (alpha_bar * x0.double().square() + constant).sum((1, 2))


def _estimate(model: Latent, x0: Tensor, levels: np.ndarray, noise: Tensor) -> Tensor:
    alpha_bar = torch.from_numpy(model.schedule.alpha_bar[levels]).to(x0.device, x0.dtype)
    x_t = q_sample(x0, alpha_bar[:, None, None], noise)
    return model.x0(x_t, torch.from_numpy(levels).to(x0.device))


def _squared(x: Tensor) -> Tensor:
    return x.double().square().sum((1, 2))
