"""What a network of Gaussian latents predicts, and the x_0 estimate that follows from it.

A network predicts x_0, the noise eps, or the mean mu of the posterior q(x_{t-1} | x_t, x_0) (paper,
section 4.2; Ho et al. 2020, section 3.2). They are converted here and nowhere else. Shapes: B
batch, L length, D embedding dimension; ``t`` (B,) are steps of the schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from models.diffusion.gaussian import posterior_coefficients
from models.diffusion.schedule import Schedule


class Prediction(Protocol):
    """One parametrisation, under a schedule."""

    #: whether a prediction is an x_0 estimate as it stands
    direct: bool

    def x0(self, out: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The x_0 estimate (B, L, D) that a prediction ``out`` implies."""

    def goal(self, x0: Tensor, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """What is to be predicted of ``x0``, (B, L, D); ``noise``: that of x_t."""


class X0:
    """The network predicts x_0."""

    direct = True

    def __init__(self, schedule: Schedule) -> None:
        pass

    def x0(self, out: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        return out

    def goal(self, x0: Tensor, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return x0


class Eps:
    """The network predicts the noise of x_t."""

    direct = False

    def __init__(self, schedule: Schedule) -> None:
        self.alpha_bar = torch.as_tensor(schedule.alpha_bar, dtype=torch.float32)

    def x0(self, out: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        return x0_from_eps(x_t, out, self.alpha_bar[t.cpu()].to(x_t.device)[:, None, None])

    def goal(self, x0: Tensor, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return noise


class Mu:
    """The network predicts the mean of q(x_{t-1} | x_t, x_0)."""

    direct = False

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def x0(self, out: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        return x0_from_mu(x_t, out, *self._coefficients(t))

    def goal(self, x0: Tensor, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        on_x0, on_xt = self._coefficients(t)
        return on_x0 * x0 + on_xt * x_t

    def _coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(on x_0, on x_t) of the posterior mean, (B, 1, 1) each."""
        now, before = self.schedule.alpha_bar, self.schedule.alpha_bar_prev
        rows = [posterior_coefficients(float(now[i]), float(before[i])) for i in t.tolist()]
        table = torch.tensor(rows, dtype=torch.float32, device=t.device)
        return table[:, 0, None, None], table[:, 1, None, None]


PREDICTIONS: Mapping[str, Callable[[Schedule], Prediction]] = {"x0": X0, "eps": Eps, "mu": Mu}


def x0_from_eps(x_t: Tensor, eps: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """The x_0 estimate that a noise prediction implies."""
    a = torch.as_tensor(alpha_bar, dtype=x_t.dtype, device=x_t.device)
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


def x0_from_mu(x_t: Tensor, mu: Tensor, on_x0: Tensor | float, on_xt: Tensor | float) -> Tensor:
    """The x_0 estimate that a prediction of the posterior mean implies."""
    return (mu - on_xt * x_t) / on_x0
