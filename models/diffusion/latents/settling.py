"""Texts that end before the last step, once their words stay the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from models.diffusion.schedule import Schedule


class Keeps(Protocol):
    """What holds something of each row of a batch."""

    def keep(self, rows: Tensor) -> None:
        """From now on of the rows ``rows`` (N,) of the batch alone."""


class Settling:
    """The *leave* hook of :func:`models.diffusion.loop.walk` for one batch of ``rows`` texts: one
    ends when the words of its estimate are those of the ``patience`` steps before, at levels where
    signal outweighs noise. Rows do not see each other.

    ``words``: estimates (B, L, D) -> the ids (B, L) that they are rounded to. ``evaluations``: what
    guidance has cost each row so far. ``holders`` let go of a row that ends, unless it is the last.
    """

    def __init__(
        self,
        rows: int,
        patience: int,
        schedule: Schedule,
        words: Callable[[Tensor], Tensor],
        evaluations: Callable[[], int],
    ) -> None:
        self.patience, self.schedule, self.words = patience, schedule, words
        self.evaluations = evaluations
        self.holders: list[Keeps] = []
        #: network evaluations of each text that has ended
        self.spent: dict[int, float] = {}
        self._places = torch.arange(rows)
        self._ids: Tensor | None = None
        self._run = torch.zeros(rows, dtype=torch.long)

    def __call__(self, clean: Tensor, t: int) -> Tensor | None:
        if self.schedule.alpha_bar[t] <= 0.5:
            return None
        ids = self.words(clean)
        if self._ids is not None:
            same = (ids == self._ids).all(1).cpu()
            self._run = torch.where(same, self._run + 1, 0)
        self._ids = ids
        going = (self._run < self.patience).nonzero()[:, 0]
        if len(going) == len(ids):
            return None
        cost = float(self.schedule.steps - t + self.evaluations())
        ended = self._places[self._run >= self.patience].tolist()
        self.spent |= dict.fromkeys(ended, cost)
        self._places, self._run = self._places[going], self._run[going]
        self._ids = ids[going]
        rows = going.to(clean.device)
        for one in self.holders if len(going) else ():  # of no rows nothing can be made
            one.keep(rows)
        return rows

    def costs(self, rows: int, whole: float) -> Sequence[float]:
        """Network evaluations of each of the ``rows`` texts; ``whole``: of one that never ended
        early."""
        return [self.spent.get(row, whole) for row in range(rows)]
