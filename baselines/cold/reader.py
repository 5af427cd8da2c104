"""A causal language model behind contexts of unlike lengths, which it reads once.

COLD's contexts stay the same over thousands of iterations, so their keys and values are cached.
Contexts are padded on the left up to a multiple of ``BUCKET`` that each one's own length decides,
masked, and every real token keeps the position it would have alone: rows of unlike contexts then
run together, and yet what a row computes depends on its own item only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.soft import SoftReader
from models.nets.backbones import Past

#: lengths of contexts are rounded up to a multiple of this; most of aNLG's fit in one
BUCKET = 16
#: stands where there is no token
NONE = -1


def rounded(length: int) -> int:
    """``length``, at least 1, up to a multiple of ``BUCKET``."""
    return -(-max(1, length) // BUCKET) * BUCKET


def before(ids: Sequence[int]) -> tuple[int, ...]:
    """``ids`` behind as many ``NONE`` as its bucket asks for."""
    return (*[NONE] * (rounded(len(ids)) - len(ids)), *ids)


def after(ids: Sequence[int]) -> tuple[int, ...]:
    """``ids`` with the ``NONE`` of its bucket behind it."""
    return (*ids, *[NONE] * (rounded(len(ids)) - len(ids)))


@dataclass(frozen=True)
class State:
    """What a network has read: its cache, which entries of it are tokens (R, n) and how many they
    are (R,), and its hidden state at the last one (R, D)."""

    past: Past
    mask: Tensor
    count: Tensor
    last: Tensor


class Reader:
    """One language model, with frozen weights, that continues :class:`State`."""

    def __init__(self, soft: SoftReader) -> None:
        self.soft = soft

    def start(self, ids: Tensor) -> State:
        """Reads contexts (R, M), ``NONE`` on the left of the shorter ones, of at least a token."""
        mask = ids >= 0
        positions = mask.cumsum(1) - 1
        hidden, past = self._run(self.soft.embed_ids(ids.clamp(min=0)), (), mask, positions)
        return State(past, mask, mask.sum(1), hidden[:, -1])

    def read(self, embeds: Tensor, state: State) -> tuple[Tensor, State]:
        """``embeds`` (R, n, D) behind ``state`` -> hidden states (R, n + 1, D), of the state's last
        token and of these, and the state that follows. ``state`` can be used again."""
        rows, n = embeds.shape[:2]
        if not n:
            return state.last[:, None], state
        mask = torch.cat([state.mask, state.mask.new_ones(rows, n)], 1)
        positions = state.count[:, None] + torch.arange(n, device=embeds.device)
        hidden, past = self._run(embeds, state.past, mask, positions)
        following = State(past, mask, state.count + n, hidden[:, -1])
        return torch.cat([state.last[:, None], hidden], 1), following

    def _run(
        self, embeds: Tensor, past: Past, mask: Tensor, positions: Tensor
    ) -> tuple[Tensor, Past]:
        # what lies beyond the last position is padding, whose result is never used
        inside = positions.clamp(0, self.soft.positions - 1)
        return self.soft.model.read(embeds, past, mask=mask.long(), positions=inside)
