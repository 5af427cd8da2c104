"""Networks read by their own layers, without what their library does around them.

At a token a step, much of a step's time is the library's bookkeeping (masks, records of outputs,
settings looked up) and copies that it makes of keys and values.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class Cache(Protocol):
    """What a reading goes on from; :mod:`models.nets.backbones.caches` has two."""

    def get_seq_length(self) -> int:
        """How many tokens have been read."""

    def update(self, keys: Tensor, values: Tensor, layer: int, /) -> tuple[Tensor, Tensor]:
        """Adds those of new tokens (R, heads, n, D / heads); gives those of all tokens but the
        ones of :meth:`front`."""

    def front(self, layer: int, /) -> tuple[Tensor, Tensor] | None:
        """Keys and values (heads, n, D / heads) of tokens in front of those of every row."""


class Reading(Protocol):
    """``embeds`` (R, n, D) behind ``cache``, which grows -> hidden states (R, n, D); ``mask`` and
    ``positions`` as of :meth:`models.nets.backbones.Decoder.read`."""

    def __call__(
        self,
        body: Any,
        embeds: Tensor,
        cache: Cache,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor: ...


def unseen(hidden: Tensor, before: int, mask: Tensor | None) -> Tensor:
    """What is added to attention, (n, before + n) or (R, 1, n, before + n): 0 where a token sees
    another, behind it and in ``mask``, and the lowest number elsewhere."""
    at = torch.arange(before + hidden.shape[1], device=hidden.device)
    seen = at <= at[before:, None]
    if mask is not None:
        seen = seen & mask[:, None, None].bool()
    lowest = torch.finfo(hidden.dtype).min
    return torch.zeros(seen.shape, dtype=hidden.dtype, device=hidden.device).masked_fill(
        ~seen, lowest
    )
