"""A GPT-2 read by its own layers, without what its library does around them.

At a token a step and with small networks, most of a step's time is the library's bookkeeping:
masks, records of outputs, settings looked up. The operations on numbers are the same, in the same
order, and so are all results, bit for bit.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Model


class Cache(Protocol):
    """What a reading goes on from; :mod:`models.nets.backbones.caches` has two."""

    def get_seq_length(self) -> int:
        """How many tokens have been read."""

    def update(self, keys: Tensor, values: Tensor, layer: int, /) -> tuple[Tensor, Tensor]:
        """Adds those of new tokens (R, heads, n, D / heads); gives those of all tokens."""


def is_plain(body: nn.Module) -> bool:
    """Whether :func:`states` says what ``body`` does in eval mode."""
    if type(body) is not GPT2Model:
        return False
    config = body.config
    eager = config._attn_implementation == "eager" and not config.reorder_and_upcast_attn
    scaled = config.scale_attn_weights and not config.scale_attn_by_inverse_layer_idx
    return bool(eager and scaled and not config.add_cross_attention)


def states(
    body: GPT2Model,
    embeds: Tensor,
    cache: Cache,
    mask: Tensor | None = None,
    positions: Tensor | None = None,
) -> Tensor:
    """``embeds`` (R, n, D) behind ``cache``, which grows -> hidden states (R, n, D); ``mask`` and
    ``positions`` as of :meth:`models.nets.backbones.Decoder.read`."""
    rows, n, width = embeds.shape
    before = cache.get_seq_length()
    if positions is None:
        positions = torch.arange(before, before + n, device=embeds.device)[None]
    hidden: Tensor = embeds + F.embedding(positions, body.wpe.weight)
    unseen = None if n == 1 and mask is None else _unseen(hidden, before, mask)
    blocks: Any = body.h
    for i, block in enumerate(blocks):
        attention = block.attn
        parts = attention.c_attn(block.ln_1(hidden)).split(width, 2)
        query, key, value = (
            part.view(rows, n, attention.num_heads, -1).transpose(1, 2) for part in parts
        )
        key, value = cache.update(key, value, i)
        weights = torch.matmul(query, key.transpose(-1, -2)) * query.shape[-1] ** -0.5
        if unseen is not None:
            weights = weights + unseen
        seen = torch.matmul(weights.softmax(-1), value).transpose(1, 2).reshape(rows, n, width)
        hidden = attention.c_proj(seen) + hidden
        hidden = hidden + block.mlp(block.ln_2(hidden))
    last: Tensor = body.ln_f(hidden)
    return last


def _unseen(hidden: Tensor, before: int, mask: Tensor | None) -> Tensor:
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
