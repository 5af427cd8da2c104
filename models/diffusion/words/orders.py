"""Masked text, lifted in an order: a process of :func:`models.diffusion.loop.walk` whose steps
decide some of the masked words and leave the rest.

The absorbing process decides each masked word with chance (alpha_s - alpha_t) / (1 - alpha_t),
independently of the others and of what it becomes (Sahoo et al. 2024, equation 7); other orders
take other words. Shapes: B batch, L length, V words. Noise is (B, 2, L): uniforms that choose
positions, and uniforms that draw words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.diffusion.loop import Draw
from models.nets.decoding import draw


class Decided(NamedTuple):
    """x_s from x_t, to be drawn at the masked positions that the order takes.

    ``logits`` (B, L, V) of words, up to a constant a position; ``x`` (B, L): x_t; ``open``
    (B, L): where it has no word yet; ``t``: the level, 0 in the last step.
    """

    process: Unmasking
    logits: Tensor
    x: Tensor
    open: Tensor
    t: int

    def draw(self, noise: Draw) -> Tensor:
        which, word = noise().unbind(1)
        return self.process.lift(self, which, word)

    @property
    def noise(self) -> Tensor:
        """The share of a text's words, (B,), that are noise once one more is decided."""
        return (self.open.sum(1) - 1).clamp(min=0) / self.process.free.sum(1).clamp(min=1)

    def words(self, where: Tensor, uniforms: Tensor) -> Tensor:
        """x_t with words drawn at the positions ``where`` (B, L), by ``uniforms`` (B, L)."""
        x = self.x.clone()
        if bool(where.any()):
            x[where] = draw(self.logits[where], uniforms[where])
        return x


#: (move, uniforms (B, L) that choose, uniforms (B, L) that draw) -> x_s (B, L)
Lift = Callable[[Decided, Tensor, Tensor], Tensor]
#: uniforms (B, L) -> keys (B, L), the least of which comes first
Rank = Callable[[Tensor], Tensor]


class Unmasking:
    """``mask``: the id of the mask; ``free`` (B, L): positions that have no word at first;
    ``steps``: how many, at most one for each word of the longest text where ``rank`` orders them.

    ``place`` (B, L): where in the order a position comes, counted from 0 in each row.
    """

    place: Tensor

    def __init__(
        self, mask: int, free: Tensor, steps: int, lift: Lift, rank: Rank | None = None
    ) -> None:
        self.mask, self.free, self.lift, self.rank = mask, free, lift, rank
        self.steps = min(steps, int(free.sum(1).max())) if rank else steps

    def prior(self, z: Tensor) -> Tensor:
        """Masks everywhere, (B, L)."""
        if self.rank is not None:
            self.place = places(self.rank(z[:, 0]).masked_fill(~self.free, torch.inf))
        return torch.full_like(z[:, 0], self.mask, dtype=torch.long)

    def corrupt(self, state: Tensor, level: Tensor | int, noise: Tensor) -> Tensor:
        """Each free word masked with chance (level + 1) / steps; ``noise``: uniforms
        (B, 2, L)."""
        levels = torch.as_tensor(level, device=state.device).expand(len(state))
        hit = noise[:, 0] < ((levels + 1) / self.steps)[:, None]
        return torch.where(hit & self.free, self.mask, state)

    def time(self, x: Tensor, t: int) -> Tensor:
        """What a network is told, (B,): the share of each row's words that are masked, whatever the
        order, so that a row's time does not depend on those beside it."""
        masked = ((x == self.mask) & self.free).sum(1)
        return masked / self.free.sum(1).clamp(min=1)

    def move(self, x: Tensor, estimate: Tensor, t: int) -> Decided:
        return Decided(self, estimate, x, (x == self.mask) & self.free, t)


def places(keys: Tensor) -> Tensor:
    """The rank of each key (B, L) in its row, from 0; ties by position."""
    return keys.argsort(stable=True, dim=1).argsort(stable=True, dim=1)


def in_turn(move: Decided, which: Tensor, word: Tensor) -> Tensor:
    """Position by position, in the order of ``place``: one word a step, or as many as it takes to
    be done in time."""
    process = move.process
    words, done = process.free.sum(1, keepdim=True), process.steps - move.t
    until = (-(-words * done // process.steps)).clamp(min=done)
    return move.words(move.open & (process.place < until), word)


def independently(move: Decided, which: Tensor, word: Tensor) -> Tensor:
    """Each masked word for itself, alpha_t = 1 - t: ancestral sampling."""
    return move.words(move.open & (which < 1 / (move.t + 1)), word)


def unmasking(mask: int, free: Tensor, settings: Any) -> Unmasking:
    """The order that :class:`models.diffusion.words.config.OrderSettings` name, in ``steps``."""
    if settings.sampler == "ancestral":
        return Unmasking(mask, free, settings.steps, independently)
    block = (free.cumsum(1) - 1).clamp(min=0) // settings.block
    ranks: dict[str, Rank] = {
        "first_hitting": lambda z: z,
        "semi_autoregressive": lambda z: block + z,
        "left_to_right": lambda z: free.cumsum(1).to(z.dtype),
    }
    return Unmasking(mask, free, settings.steps, in_turn, ranks[settings.sampler])
