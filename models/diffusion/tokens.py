"""Words under discrete noise, as processes of :func:`models.diffusion.loop.walk`.

Shapes: B batch, L length, V ids. The state is ids (B, L), an estimate log p(x_0 | x_t) (B, L, V),
up to a constant a position, and noise one uniform in [0, 1) a position. Levels are t = 0 to T-1,
and -1 is clean, as for latents. Where the estimate is the true posterior, every move is the true
reverse step, sum over x_0 of q(x_s | x_t, x_0) p(x_0 | x_t) (Austin et al. 2021, section 3; Sahoo
et al. 2024, equation 7), of each position on its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.loop import Draw, uniform
from models.nets.decoding import draw


class Categorical(NamedTuple):
    """Each position on its own; ``logits`` (B, L, V), up to a constant a position."""

    logits: Tensor

    def draw(self, noise: Draw) -> Tensor:
        """Ids (B, L) from one uniform a position, by the inverse of the distribution function."""
        z = noise()
        return draw(self.logits.flatten(0, 1), z.flatten()).view(z.shape)


class Tokens(ABC):
    """What token processes share; a subclass says how likely ids are under its noise.

    ``limit`` (V,): the probabilities of pure noise. ``drawing``: the noise of a sample, for
    :class:`models.diffusion.loop.Noise`, one number a position.
    """

    name: str
    steps: int
    limit: Tensor

    drawing = staticmethod(uniform)
    #: a classifier sees the level by the text itself
    told = False

    @property
    def ids(self) -> int:
        return len(self.limit)

    @abstractmethod
    def signal(self, level: int) -> float:
        """The chance that an id is still its own at a level, noise that hits it aside; 1 at -1."""

    @abstractmethod
    def noised(self, ids: Tensor, level: Tensor) -> Tensor:
        """q(x_t | x_0) of ``ids`` (B, ...) at levels (B,): probabilities (B, ..., V)."""

    @abstractmethod
    def move(self, x: Tensor, estimate: Tensor, t: int) -> Categorical:
        """From ids at level ``t`` to level ``t`` - 1."""

    def prior(self, z: Tensor) -> Tensor:
        """Ids of pure noise (B, L), from uniforms (B, L)."""
        edges = self.limit.to(z.device, torch.float64).cumsum(0)
        return torch.searchsorted(edges / edges[-1], z, right=True).clamp(max=len(edges) - 1)

    def corrupt(self, state: Tensor, level: Tensor | int, noise: Tensor) -> Tensor:
        """x_t ~ q(x_t | x_0) of ids ``state`` (B, ...) at ``level`` (one, or (B,); -1: clean);
        ``noise``: uniforms like ``state``."""
        levels = torch.as_tensor(level, device=state.device).expand(len(state))
        chances = self.noised(state, levels).flatten(0, -2).log()
        return draw(chances, noise.to(state.device).flatten()).view(state.shape)

    def noise_for(self, ids: Tensor, table: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """The noise that :meth:`latents` takes, on the CPU."""
        return uniform(tuple(ids.shape), rng)

    def latents(self, ids: Tensor, table: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """(B, ..., D): the embeddings ``table`` (V, D) of ``ids`` (B, ...) under noise of levels
        (B,); what a classifier reads."""
        return table[self.corrupt(ids.to(table.device), level.to(table.device), noise)]


class Interpolating(Tokens):
    """q(x_t | x_0) = keep[t] x_0 + (1 - keep[t]) limit: a word is kept, or is drawn anew.

    Absorbing and uniform diffusion, and any other limit (Austin et al. 2021, appendix A.2; Sahoo et
    al. 2024, equation 3). ``keep``: the chances of levels 0 to T-1, falling; a last one of 0 makes
    the walk start from pure noise.
    """

    def __init__(self, name: str, keep: Sequence[float], limit: Tensor) -> None:
        self.name, self.steps, self.limit = name, len(keep), limit
        self._keep = [*keep, 1.0]  # level -1 (clean) is the last entry

    def signal(self, level: int) -> float:
        return float(self._keep[level])

    def noised(self, ids: Tensor, level: Tensor) -> Tensor:
        keep = torch.tensor(self._keep, dtype=torch.float64, device=ids.device)[level]
        keep = keep.view(-1, *[1] * ids.dim())
        return keep * F.one_hot(ids, len(self.limit)) + (1 - keep) * self.limit.to(ids.device)

    def move(self, x: Tensor, estimate: Tensor, t: int) -> Categorical:
        limit = self.limit.to(x.device, estimate.dtype)
        now, before = self.signal(t), self.signal(t - 1)
        here = F.one_hot(x, len(limit)).to(estimate.dtype)
        chance = limit[x][..., None]  # of the id that is here, if it is noise
        # p(x_0 | x_t) / q(x_t | x_0); what cannot have become x_t has no share
        reached = now * here + (1 - now) * chance
        share = torch.where(reached > 0, estimate.softmax(-1) / reached, 0.0)
        total = share.sum(-1, keepdim=True)
        lower = before * share + (1 - before) * limit * total  # sum over x_0 of q(x_s | x_0) share
        step = now / before if before else 0.0
        moved = (step * here + (1 - step) * chance) * lower  # q(x_t | x_s) of each x_s
        # an id that noise never gives is the word itself, whatever the estimate says
        return Categorical(torch.where(chance > 0, moved, here).log())


def linear(steps: int) -> list[float]:
    """The chances 1 - (t + 1) / T of a log-linear schedule (Lou et al. 2024; Sahoo et al. 2024)."""
    return [1 - (t + 1) / steps for t in range(steps)]


def absorbing(keep: Sequence[float], ids: int, mask: int) -> Interpolating:
    """Every word that is lost becomes ``mask``, one of ``ids`` (Austin et al. 2021; MDLM)."""
    return Interpolating("absorbing", keep, F.one_hot(torch.tensor(mask), ids).double())


def uniform_tokens(keep: Sequence[float], ids: int) -> Interpolating:
    """Every word that is lost becomes any of ``ids`` (multinomial diffusion, Hoogeboom et al.
    2021)."""
    return Interpolating("uniform", keep, torch.full((ids,), 1 / ids, dtype=torch.float64))


class Transitions(Tokens):
    """Any transition matrices (T, V, V): ``steps[t][i, j]`` = q(x_t = j | x_{t-1} = i), rows of sum
    1 (D3PM, Austin et al. 2021, equations 1 to 3). ``limit``: where they lead."""

    def __init__(self, name: str, steps: Tensor, limit: Tensor) -> None:
        self.name, self.steps, self.limit = name, len(steps), limit
        self._steps = steps.double()
        products = [torch.eye(steps.shape[1], dtype=torch.float64)]
        for matrix in self._steps:
            products.append(products[-1] @ matrix)
        # level -1 (clean) is the last entry
        self._products = torch.stack([*products[1:], products[0]])

    def signal(self, level: int) -> float:
        return float(self._products[level].diagonal().mean())

    def noised(self, ids: Tensor, level: Tensor) -> Tensor:
        levels = level.view(-1, *[1] * (ids.dim() - 1)).expand(ids.shape)
        return self._products.to(ids.device)[levels, ids]

    def move(self, x: Tensor, estimate: Tensor, t: int) -> Categorical:
        now, before, step = (
            matrix.to(x.device)
            for matrix in (self._products[t], self._products[t - 1], self._steps[t])
        )
        reached = now.T[x]  # (B, L, V): q(x_t | x_0) of each x_0
        share = torch.where(reached > 0, estimate.double().softmax(-1) / reached, 0.0)
        return Categorical((step.T[x] * (share @ before)).log())
