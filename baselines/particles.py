"""The weights of particles, and when they are resampled (Del Moral et al. 2006).

Shapes: B samples, each with K particles of its own.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Weights:
    """``log``: log-weights (B, K) since the last resampling, fp64. ``before``: the log of what the
    mean weights came to until then, (B,)."""

    def __init__(self, samples: int, count: int, device: torch.device) -> None:
        self.log = torch.zeros(samples, count, dtype=torch.float64, device=device)
        self.before = self.log.new_zeros(samples)

    @property
    def log_z(self) -> Tensor:
        """log of the mean weight of all steps, (B,): exp of it estimates Z without bias."""
        return self.before + self.log.logsumexp(1) - math.log(self.log.shape[1])

    @property
    def effective(self) -> Tensor:
        """(sum w)^2 / sum w^2, from 1 to K: (B,)."""
        return 1 / self.log.softmax(1).square().sum(1)

    def resampled(self, share: float, among: Tensor, u: Tensor) -> Tensor | None:
        """Which particle each goes on from, (B, K); None where all stay. A sample of ``among`` (B,)
        is resampled where fewer than ``share`` of its particles are effective, by its number of
        ``u`` (B,) in [0, 1); its weights are equal from then on."""
        moves = among & (self.effective < share * self.log.shape[1])
        if not bool(moves.any()):
            return None
        stay = torch.arange(self.log.shape[1], device=u.device).expand_as(self.log)
        origin = torch.where(moves[:, None], systematic(self.log, u), stay)
        self.before = torch.where(moves, self.log_z, self.before)
        self.log = self.log.masked_fill(moves[:, None], 0.0)
        return origin


def systematic(log_weights: Tensor, u: Tensor) -> Tensor:
    """Ancestors (B, K) of particles with ``log_weights`` (B, K), by one number ``u`` (B,) in [0, 1)
    a row: particle k with the share w_k has floor or ceil of K w_k descendants."""
    count = log_weights.shape[1]
    mass = log_weights.softmax(1).cumsum(1)
    at = (torch.arange(count, device=u.device) + u[:, None]) / count * mass[:, -1:]
    return torch.searchsorted(mass, at, right=True).clamp(max=count - 1)
