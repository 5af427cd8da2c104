"""Random numbers of training, drawn on the CPU.

Shapes: B batch, L length.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: share of times that are drawn log-uniformly
LOG_UNIFORM = 0.3


def spread_times(rows: int, rng: torch.Generator | None, least: float = 1e-3) -> Tensor:
    """Low-discrepancy times (B,) in [least, 1]: one in each of B equal slices, in random order
    (Sahoo et al. 2024, section 3.5), fp32."""
    slices = torch.randperm(rows, generator=rng)
    t = (slices + torch.rand(rows, generator=rng)) / rows
    # fp32 may round a time up to 1, which is no time of a slice that ends there
    return least + (1 - least) * t.clamp(max=1 - 2**-24)


def weighted_times(
    rows: int, rng: torch.Generator | None, least: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """Times (B,) in [least, 1], and the weights that make a mean over them an integral over t,
    float64. Some of them are drawn log-uniformly: what a text costs at a small t is a few times
    1 / t and mostly nothing, and uniform times would leave a batch to those few.

    What is cut off below ``least`` is least * log(W / least) nats or so a word of W words, 2e-4 of
    800 (at a least time of 1e-3, as in the references, a bound on log 821 would lack 0.014)."""
    u = spread_times(rows, rng, 0.0).double()
    span, flat = -math.log(least), 1 - LOG_UNIFORM
    grid = torch.logspace(math.log10(least), 0.0, 4096, dtype=torch.float64)
    mass = flat * (grid - least) / (1 - least) + LOG_UNIFORM * (1 + grid.log() / span)
    at = torch.searchsorted(mass, u).clamp(1, len(grid) - 1)
    low, high = mass[at - 1], mass[at]
    t = grid[at - 1] + (grid[at] - grid[at - 1]) * ((u - low) / (high - low)).clamp(0, 1)
    density = flat / (1 - least) + LOG_UNIFORM / (span * t)
    return t, 1 / density


def hit(free: Tensor, chance: Tensor, rng: torch.Generator | None) -> Tensor:
    """Which ``free`` positions (B, L) noise hits, each with its row's ``chance`` (B,)."""
    return (torch.rand(free.shape, generator=rng) < chance[:, None]) & free


def some(free: Tensor, count: Tensor, rng: torch.Generator | None) -> Tensor:
    """``count`` (B,) of each row's ``free`` positions (B, L), every choice as likely."""
    keys = torch.rand(free.shape, generator=rng).masked_fill(~free, torch.inf)
    return keys.argsort(1).argsort(1) < count[:, None]


def mask_some(free: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Which ``free`` positions (B, L) are masked: a number of them, every one as likely, evenly
    spread over the batch; and what share of a row's they are, (B,)."""
    words = free.sum(1)
    count = (spread_times(len(free), rng, 0.0) * words).floor().long() + 1
    return some(free, count, rng), count / words


def replaced(ids: Tensor, where: Tensor, words: Tensor, rng: torch.Generator | None) -> Tensor:
    """``ids`` with one of ``words`` (W,), each as likely, at the positions ``where``."""
    return torch.where(where, words[torch.randint(len(words), ids.shape, generator=rng)], ids)


def by_row(values: Tensor, where: Tensor) -> Tensor:
    """The sums over rows (B,) of ``values`` (M,), those of the positions ``where`` (B, L)."""
    rows = torch.arange(len(where), device=where.device)[:, None].expand_as(where)[where]
    return values.new_zeros(len(where)).index_add(0, rows, values)


def weighted_steps(rows: int, steps: int, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Steps (B,) of ``steps``, counted from 0, and weights (B,), float64, that make a mean over
    them a sum over all steps; half of them drawn as 1 / (step + 1), as :func:`weighted_times`."""
    each = 1 / torch.arange(1, steps + 1, dtype=torch.float64)
    chance = 0.5 / steps + 0.5 * each / each.sum()
    u = spread_times(rows, rng, 0.0).double()
    step = torch.searchsorted(chance.cumsum(0), u, right=True).clamp(max=steps - 1)
    return step, 1 / chance[step]
