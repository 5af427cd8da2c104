"""Time warping: how often each noise level is trained on, and at which levels decoding stops, from
losses that are measured along the way (Dieleman et al. 2022, section 3.4).

Levels 0 (least noise) to T-1 lie in equal ratios of sigma; u in [0, 1] is warped time. What was
measured is kept in buffers, so that a training that was killed goes on with it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.diffusion.config import LevelsConfig
from models.nets import parallel
from tasks.common.errors import UserError

#: Euler's constant: the mean of a standard Gumbel law
EULER = 0.5772156649015329
#: the largest u of a Gumbel law that is cut at both ends (LangFlow's released code)
CUT = 1e-5


class Warp(nn.Module):
    """A law of the levels, piecewise constant on ``config.bins`` equal intervals of log sigma.

    Uniform until every interval has been measured. All arithmetic is in float64.
    """

    counts: Tensor
    sums: Tensor
    squares: Tensor

    def __init__(self, config: LevelsConfig, steps: int) -> None:
        """``steps``: T. Raises ``UserError`` for fewer levels than intervals."""
        super().__init__()
        if steps < config.bins:
            raise UserError(f"{steps} noise levels cannot fill {config.bins} bins (levels.bins)")
        self.config, self.steps = config, steps
        for name in ("counts", "sums", "squares"):
            self.register_buffer(name, torch.zeros(config.bins, dtype=torch.float64))

    def bins(self, levels: Tensor) -> Tensor:
        """The interval of each level."""
        return levels * self.config.bins // self.steps

    @torch.no_grad()
    def observe(self, levels: Tensor, losses: Tensor) -> None:
        """Takes down the losses (B,) of a training step at ``levels`` (B,); those of all processes
        count alike."""
        bins, losses = self.bins(levels), losses.double()
        found = [
            torch.zeros_like(self.counts).index_add(0, bins, one)
            for one in (torch.ones_like(losses), losses, losses.square())
        ]
        parallel.average(found)
        for kept, new in zip((self.counts, self.sums, self.squares), found, strict=True):
            kept.mul_(self.config.memory).add_(new)

    def density(self) -> Tensor:
        """The probability of each interval, (bins,)."""
        config, even = self.config, torch.full_like(self.counts, 1 / self.config.bins)
        if config.warp == "none":
            return even
        means = self.sums / self.counts
        if config.warp == "variance":
            wanted = smoothed((self.squares / self.counts).sqrt())
        else:
            wanted = growth(means)
            if config.warp == "gumbel":
                wanted = gumbel(wanted)
        total = wanted.sum()
        mixed = (1 - config.floor) * wanted / total + config.floor * even
        ready = (self.counts > 0).all() & (total > 0) & mixed.isfinite().all()
        return torch.where(ready, mixed, even)

    def chances(self) -> Tensor:
        """The probability of each level, (T,)."""
        bins = self.bins(torch.arange(self.steps, device=self.counts.device))
        each = torch.bincount(bins, minlength=self.config.bins)
        return (self.density() / each)[bins]

    def levels(self, u: Tensor) -> Tensor:
        """The level at each warped time u in [0, 1), the inverse of the law's distribution
        function."""
        edges = self.chances().cumsum(0)
        found = torch.searchsorted(edges / edges[-1], u.double(), right=True)
        return found.clamp(max=self.steps - 1)

    def times(self, levels: Tensor) -> Tensor:
        """Warped time in the middle of each level, the distribution function."""
        chances = self.chances()
        return (chances.cumsum(0) - chances / 2)[levels]

    def stops(self, count: int) -> Tensor:
        """``count`` levels for decoding, in equal steps of u, increasing, both ends among them.
        Raises ``UserError`` for more than there are."""
        if not 1 <= count <= self.steps:
            raise UserError(f"{count} decoding steps; there are {self.steps} trained levels")
        wanted = torch.linspace(0, 1, count, dtype=torch.float64).to(self.counts.device)
        if count == 1:
            wanted = wanted + 1
        levels = self.levels(wanted.clamp(max=1 - 1e-12))
        # no level twice: each is at least one above the one before and leaves room for the rest
        order = torch.arange(count, device=levels.device)
        levels = torch.cummax(levels - order, 0).values + order
        return torch.minimum(levels, self.steps - count + order)


def spread(count: int, generator: torch.Generator | None = None) -> Tensor:
    """``count`` warped times, evenly spread with one offset for all, in random order, float64
    (low-discrepancy draws, Kingma et al. 2021, appendix I.1)."""
    offset = torch.rand((), dtype=torch.float64, generator=generator)
    u = (torch.arange(count, dtype=torch.float64) / count + offset) % 1
    return u[torch.randperm(count, generator=generator)]


def smoothed(values: Tensor) -> Tensor:
    """Each value with half the weight and its neighbours with a quarter each."""
    padded = torch.cat([values[:1], values, values[-1:]])
    return padded[:-2] / 4 + padded[1:-1] / 2 + padded[2:] / 4


def growth(means: Tensor) -> Tensor:
    """How much a loss grows in each interval, where it only grows: ``means`` (bins,) of what was
    measured there. The first, which is all that is below, counts as the largest of the next three
    at most."""
    rising = torch.cummax(means, 0).values
    first = torch.minimum(rising[:1], rising.diff()[:3].amax().view(1))
    return smoothed(torch.cat([first, rising.diff()]))


def gumbel(weights: Tensor) -> Tensor:
    """The probabilities of equal intervals under the Gumbel law with the mean and the variance of
    ``weights``, cut where its distribution function is :data:`CUT` and 1 - :data:`CUT`."""
    places = torch.arange(len(weights), device=weights.device, dtype=weights.dtype) + 0.5
    p = weights / weights.sum()
    mean = (p * places).sum()
    scale = (p * (places - mean).square()).sum().clamp(min=1.0).sqrt() * math.sqrt(6) / math.pi
    edges = torch.arange(len(weights) + 1, device=weights.device, dtype=weights.dtype)
    below = (-(-(edges - (mean - EULER * scale)) / scale).exp()).exp()
    return below.clamp(CUT, 1 - CUT).diff()


def gumbel_quantile(q: float, loc: float, scale: float) -> float:
    """Where a Gumbel law's distribution function is ``q``."""
    return loc - scale * math.log(-math.log(q))
