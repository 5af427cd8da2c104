"""An answer is one line: nothing but the end comes behind it.

Shapes: R rows, V ids.
"""

from __future__ import annotations

import torch
from torch import Tensor


class OneLine:
    """A :class:`models.nets.decoding.Reweighting` that leaves ``end`` alone behind the first line
    that is not empty. ``visible``, ``breaks`` (V,): which tokens have letters or marks, and which
    end a line."""

    def __init__(self, visible: Tensor, breaks: Tensor, end: int) -> None:
        self.visible, self.breaks, self.end = visible, breaks, end
        self.begun: Tensor | None = None
        self.done: Tensor | None = None

    def logits(self, logits: Tensor) -> Tensor:
        if self.done is None:
            return logits
        only = torch.full_like(logits, -torch.inf)
        only[:, self.end] = 0.0
        return torch.where(self.done[:, None], only, logits)

    def keep(self, rows: Tensor) -> None:
        if self.begun is not None and self.done is not None:
            self.begun, self.done = self.begun[rows], self.done[rows]

    def advance(self, tokens: Tensor) -> None:
        if self.begun is None or self.done is None:
            self.begun = self.done = torch.zeros_like(tokens, dtype=torch.bool)
        self.begun = self.begun | self.visible[tokens]
        self.done = self.done | (self.begun & self.breaks[tokens])
