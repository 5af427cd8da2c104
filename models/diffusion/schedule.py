"""Noise schedules: the cumulative products and what follows from them, as data (float64)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.diffusion.config import LINEAR_TOO_SHORT
from tasks.common.errors import UserError, unknown

Array = np.ndarray


def _sqrt(s: float) -> float:
    # Paper, appendix A; at s=0 this is 0.99, so the first step already adds noise of std 0.1.
    return 1 - math.sqrt(s + 1e-4)


def _cosine(s: float) -> float:
    # Nichol and Dhariwal (2021), equation 17.
    return math.cos((s + 0.008) / 1.008 * math.pi / 2) ** 2


def _betas_from(alpha_bar: Callable[[float], float], steps: int) -> Array:
    """Betas whose cumulative product follows ``alpha_bar``, each clipped to 0.999."""
    s = np.arange(steps + 1) / steps
    values = np.array([alpha_bar(v) for v in s])
    return np.minimum(1 - values[1:] / values[:-1], 0.999)


def _linear_betas(steps: int) -> Array:
    # Ho et al. (2020) at 1000 steps; scaled so that other step counts end at the same noise.
    scale = 1000 / steps
    return np.linspace(scale * 1e-4, scale * 0.02, steps, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Schedule:
    """T diffusion steps, t = 0 (least noise) to T-1.

    ``alpha_bar``: (T,) cumulative products of 1 - beta, decreasing. ``model_time``: (T,) what the
    denoiser is told at each step, on the training scale [0, 1000). ``train_index``: (T,) the
    training step with the same noise level. ``factor``: what the noise was multiplied by
    (:func:`louder`).
    """

    name: str
    alpha_bar: Array
    model_time: Array
    train_index: Array
    factor: float = 1.0

    @property
    def steps(self) -> int:
        return len(self.alpha_bar)

    @property
    def alpha_bar_prev(self) -> Array:
        """(T,) the cumulative product one step earlier; 1 before step 0."""
        return np.append(1.0, self.alpha_bar[:-1])

    @property
    def betas(self) -> Array:
        return 1 - self.alpha_bar / self.alpha_bar_prev

    @property
    def std(self) -> Array:
        """(T,) standard deviation of the noise in x_t."""
        return np.sqrt(1 - self.alpha_bar)

    @property
    def sigma(self) -> Array:
        """(T,) standard deviation of the noise as a multiple of the signal's, increasing."""
        return np.sqrt((1 - self.alpha_bar) / self.alpha_bar)

    @property
    def log_snr(self) -> Array:
        """(T,) the logarithm of signal variance over noise variance, decreasing."""
        return np.log(self.alpha_bar / (1 - self.alpha_bar))

    @property
    def posterior_std(self) -> Array:
        """(T,) standard deviation of q(x_{t-1} | x_t, x_0); 0 at t=0."""
        return np.sqrt(self.betas * (1 - self.alpha_bar_prev) / (1 - self.alpha_bar))


def louder(alpha_bar: Array, factor: float) -> Array:
    """The cumulative products whose signal-to-noise ratio is that of noise ``factor`` times as
    large, at unit variance (Gao et al. 2022, noise factor F, rescaled): a / (F^2 - (F^2 - 1) a).
    """
    return alpha_bar / (factor**2 - (factor**2 - 1) * alpha_bar)


def make_schedule(name: str, steps: int, factor: float = 1.0) -> Schedule:
    """The ``sqrt``, ``cosine`` or ``linear`` schedule with ``steps`` steps, under noise ``factor``
    times as large.

    Time inputs are 1000/T * t (``rescale_timesteps`` of the reference code). Raises ``UserError``
    for an unknown name, or a linear schedule too short to keep its betas below 1.
    """
    if name == "linear":
        if steps <= LINEAR_TOO_SHORT:
            raise UserError(
                f"a linear schedule needs more than {LINEAR_TOO_SHORT} steps, not {steps}"
            )
        betas = _linear_betas(steps)
    elif name in ("sqrt", "cosine"):
        betas = _betas_from(_sqrt if name == "sqrt" else _cosine, steps)
    else:
        raise unknown("schedule", name, ["sqrt", "cosine", "linear"])
    index = np.arange(steps)
    alpha_bar = np.cumprod(1 - betas)
    if factor != 1:
        alpha_bar = louder(alpha_bar, factor)
    return Schedule(name, alpha_bar, index * (1000.0 / steps), index, factor)


def log_uniform(sigma_min: float, sigma_max: float, steps: int) -> Schedule:
    """``steps`` levels of noise sigma in equal ratios, alpha_bar = 1 / (1 + sigma^2)."""
    index = np.arange(steps)
    log_sigma = np.linspace(np.log(sigma_min), np.log(sigma_max), steps)
    alpha_bar = 1 / (1 + np.exp(2 * log_sigma))
    name = f"log sigma {sigma_min:g} to {sigma_max:g}"
    return Schedule(name, alpha_bar, index * (1000.0 / steps), index)


def chosen(trained: Schedule, index: Array) -> Schedule:
    """The schedule that decodes on the training steps ``index``, increasing."""
    times = trained.model_time[index]
    return Schedule(trained.name, trained.alpha_bar[index], times, index, trained.factor)


def even_in_log_snr(trained: Schedule, steps: int) -> Schedule:
    """``steps`` of the training steps whose logarithms of signal over noise are in equal distances,
    but for the first, the most noise. The ends are those of every k-th step, k = T // ``steps``:
    below them a schedule's ratios go to zero within a few steps of noise that are all alike."""
    most, k = trained.steps, trained.steps // steps
    low, high = trained.log_snr[max(most - 1 - k, k - 1)], trained.log_snr[k - 1]
    index = np.full(steps, most - 1)
    for i, wanted in enumerate(np.linspace(high, low, steps - 1)):
        found = int(np.abs(trained.log_snr - wanted).argmin())
        # no step twice, and room for those to come
        index[i] = min(max(found, index[i - 1] + 1 if i else 0), most - steps + i)
    return chosen(trained, index)


def nearest_levels(decoded: Schedule, known: Schedule) -> list[int]:
    """Of each level of ``decoded``, the level of ``known`` whose signal over noise is nearest."""
    return [int(np.abs(known.log_snr - one).argmin()) for one in decoded.log_snr]


def decoding_schedule(trained: Schedule, steps: int, spacing: str) -> Schedule:
    """The schedule that decodes with ``steps`` steps a model trained under ``trained``.

    With T = k * ``steps``, step t has the noise of training step k*t + k-1 either way (paper,
    appendix C). ``recompute`` evaluates the schedule's formula anew and tells the denoiser
    1000/steps * t, as the reference code does; ``respaced`` tells it that training step's own time.
    ``log_snr``: :func:`even_in_log_snr`. Raises ``UserError`` if ``steps`` does not divide T, which
    ``log_snr`` does not ask for, or exceeds it.
    """
    if steps == trained.steps:
        return trained
    if spacing == "log_snr":
        if not 1 <= steps < trained.steps:
            raise UserError(f"{steps} decoding steps of the {trained.steps} trained ones")
        return even_in_log_snr(trained, steps)
    if steps < 1 or trained.steps % steps:
        raise UserError(f"{steps} decoding steps do not divide the {trained.steps} trained ones")
    k = trained.steps // steps
    index = np.arange(steps) * k + k - 1
    if spacing == "respaced":
        return chosen(trained, index)
    if spacing != "recompute":
        raise unknown("spacing", spacing, ["recompute", "respaced", "log_snr"])
    new = make_schedule(trained.name, steps, trained.factor)
    return Schedule(new.name, new.alpha_bar, new.model_time, index, new.factor)
