"""A GPT-2 read by its own layers: the operations on numbers are the library's, in the same order,
and so are all results, bit for bit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Model

from models.nets.backbones.lean import Cache, unseen


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
    """As :class:`models.nets.backbones.lean.Reading`."""
    rows, n, width = embeds.shape
    before = cache.get_seq_length()
    if positions is None:
        positions = torch.arange(before, before + n, device=embeds.device)[None]
    hidden: Tensor = embeds + F.embedding(positions, body.wpe.weight)
    added = None if n == 1 and mask is None else unseen(hidden, before, mask)
    blocks: Any = body.h
    for i, block in enumerate(blocks):
        attention = block.attn
        parts = attention.c_attn(block.ln_1(hidden)).split(width, 2)
        query, key, value = (
            part.view(rows, n, attention.num_heads, -1).transpose(1, 2) for part in parts
        )
        key, value = cache.update(key, value, i)
        weights = torch.matmul(query, key.transpose(-1, -2)) * query.shape[-1] ** -0.5
        if added is not None:
            weights = weights + added
        seen = torch.matmul(weights.softmax(-1), value).transpose(1, 2).reshape(rows, n, width)
        hidden = attention.c_proj(seen) + hidden
        hidden = hidden + block.mlp(block.ln_2(hidden))
    last: Tensor = body.ln_f(hidden)
    return last
