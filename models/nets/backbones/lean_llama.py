"""A Llama read by its own layers; keys and values that several heads share are not copied for
each, and those that all rows share are read once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaModel
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from models.nets.backbones.lean import Cache, unseen
from models.nets.precision import by_token


def is_plain(body: nn.Module) -> bool:
    """Whether :func:`states` says what ``body`` does in eval mode."""
    return type(body) is LlamaModel and body.config._attn_implementation == "eager"


def states(
    body: LlamaModel,
    embeds: Tensor,
    cache: Cache,
    mask: Tensor | None = None,
    positions: Tensor | None = None,
) -> Tensor:
    """As :class:`models.nets.backbones.lean.Reading`."""
    rows, n, _ = embeds.shape
    before = cache.get_seq_length()
    if positions is None:
        positions = torch.arange(before, before + n, device=embeds.device)[None]
    turn = body.rotary_emb(embeds, position_ids=positions)
    added = None if n == 1 and mask is None else unseen(embeds, before, mask)
    hidden = embeds
    blocks: Any = body.layers
    for i, block in enumerate(blocks):
        attention, inner = block.self_attn, block.input_layernorm(hidden)
        query, key, value = (
            by_token(part, inner).view(rows, n, -1, attention.head_dim).transpose(1, 2)
            for part in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        query, key = apply_rotary_pos_emb(query, key, *turn)
        own = cache.update(key, value, i)
        seen = _attended(query * attention.scaling, own, cache.front(i), added)
        hidden = hidden + by_token(attention.o_proj, seen)
        hidden = hidden + by_token(block.mlp, block.post_attention_layernorm(hidden))
    last: Tensor = body.norm(hidden)
    return last


def _attended(
    query: Tensor,
    own: tuple[Tensor, Tensor],
    front: tuple[Tensor, Tensor] | None,
    added: Tensor | None,
) -> Tensor:
    """``query`` (R, heads, n, d); ``own`` (R, groups, T, d) both; ``front`` (groups, P, d) both;
    ``added`` to attention, (n, P + T) or (R, 1, n, P + T). Gives (R, n, heads d)."""
    rows, heads, n, width = query.shape
    groups = own[0].shape[1]
    query = query.reshape(rows, groups, -1, width)  # the heads of a group stand side by side
    weights = query @ own[0].transpose(-1, -2)
    length = 0
    if front is not None:
        length = front[0].shape[1]
        # all rows in one product, which reads the front once
        flat = query.transpose(0, 1).reshape(groups, -1, width)
        said = (flat @ front[0].transpose(-1, -2)).view(groups, rows, -1, length).transpose(0, 1)
        weights = torch.cat([said, weights], -1)
    if added is not None:
        shape = weights.shape
        weights = (weights.view(rows, heads, n, -1) + added).view(shape)
    weights = weights.softmax(-1, dtype=torch.float32).to(query.dtype)
    seen = weights[..., length:] @ own[1]
    if front is not None:
        flat = weights[..., :length].transpose(0, 1).reshape(groups, -1, length)
        seen = seen + (flat @ front[1]).view(groups, rows, -1, width).transpose(0, 1)
    return seen.reshape(rows, heads, n, width).transpose(1, 2).reshape(rows, n, heads * width)
