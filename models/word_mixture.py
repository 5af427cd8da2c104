"""Word embeddings averaged under a softmax over the vocabulary, without all logits at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from models.precision import product_dtype
from models.rounding import CPU_ROWS, row_parts


def mixture(query: Tensor, shrink: Tensor, table: Tensor, prior: Tensor) -> Tensor:
    """sum_w p(w) e_w with p = softmax_w(query . e_w + prior_w - shrink |e_w|^2).

    ``query`` (..., D), ``shrink`` (...), ``table`` (V, D) of constants, ``prior`` (V,) -> (..., D),
    fp32. No gradient reaches ``table`` or ``shrink``. Products are in the dtype of autocast, where
    it is on, and otherwise in that of ``table``. Some rows at a time; the backward pass takes their
    logits again instead of keeping them. A row's result does not depend on the rows beside it.
    """
    rows, shrinks = query.flatten(0, -2), shrink.flatten()
    count = len(rows)
    if query.device.type == "cpu":
        # products of fewer rows may take another kernel, with another order of summation
        lacking = -count % CPU_ROWS
        rows, shrinks = pad(rows, (0, 0, 0, lacking)), pad(shrinks, (0, lacking))
    found: Tensor = _Mixture.apply(rows, shrinks, table.detach(), prior)
    return found[:count].view(query.shape)


class _Mixture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, shrink: Tensor, table: Tensor, prior: Tensor) -> Tensor:
        kind = query.device.type
        dtype = product_dtype(kind, table.dtype)
        ctx.rows = CPU_ROWS if kind == "cpu" else max(1, len(query))
        ctx.dtype = query.dtype
        with torch.autocast(kind, enabled=False):
            rows, words, bias = query.to(dtype), table.to(dtype), prior.float()
            norms = table.float().square().sum(1)
            out = torch.empty(query.shape, device=query.device)
            for part in row_parts(len(rows), ctx.rows):
                p = _probabilities(rows[part], words, bias, shrink[part], norms)
                out[part] = (p.to(dtype) @ words).float()
        ctx.save_for_backward(rows, words, bias, shrink, norms, out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, words, bias, shrink, norms, out = ctx.saved_tensors
        gradient = gradients[0].float()
        by_query = torch.empty(rows.shape, device=rows.device)
        by_prior = torch.zeros_like(bias)
        centre = (gradient * out).sum(1, keepdim=True)
        for part in row_parts(len(rows), ctx.rows):
            p = _probabilities(rows[part], words, bias, shrink[part], norms)
            # d out / d logit_w = p_w (e_w - out)
            p *= (gradient[part].to(words.dtype) @ words.T).float().sub_(centre[part])
            by_prior += p.sum(0)
            by_query[part] = (p.to(words.dtype) @ words).float()
        return by_query.to(ctx.dtype), None, None, by_prior


def _probabilities(
    rows: Tensor, words: Tensor, bias: Tensor, shrink: Tensor, norms: Tensor
) -> Tensor:
    logits = (rows @ words.T).float() + bias
    return logits.sub_(shrink.float()[:, None] * norms).softmax(-1)
