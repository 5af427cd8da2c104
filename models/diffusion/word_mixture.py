"""Vectors of words averaged under a softmax over the vocabulary, without all logits at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from models.diffusion.rounding import CPU_ROWS, row_parts
from models.nets.precision import product_dtype


def mixture(
    query: Tensor, shrink: Tensor, table: Tensor, norms: Tensor, prior: Tensor, values: Tensor
) -> Tensor:
    """sum_w p(w) v_w with p = softmax_w(query . k_w + prior_w - shrink n_w).

    ``query`` (..., K), ``shrink`` (...), ``table`` (V, K), ``norms`` (V,) and ``values`` (V, M) of
    constants, ``prior`` (V,) -> (..., M), fp32. No gradient reaches constants or ``shrink``.
    Products are in the dtype of autocast, where it is on, and otherwise in that of ``table``. Some
    rows at a time; the backward pass takes their logits again instead of keeping them. A row's
    result does not depend on the rows beside it.
    """
    rows, shrinks = query.flatten(0, -2), shrink.flatten()
    count = len(rows)
    if query.device.type == "cpu":
        # products of fewer rows may take another kernel, with another order of summation
        lacking = -count % CPU_ROWS
        rows, shrinks = pad(rows, (0, 0, 0, lacking)), pad(shrinks, (0, lacking))
    mixed: Tensor = _Mixture.apply(
        rows, shrinks, prior, table.detach(), norms.detach(), values.detach()
    )
    return mixed[:count].view(*query.shape[:-1], values.shape[1])


class _Mixture(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        shrink: Tensor,
        prior: Tensor,
        table: Tensor,
        norms: Tensor,
        values: Tensor,
    ) -> Tensor:
        kind = query.device.type
        dtype = product_dtype(kind, table.dtype)
        ctx.rows = CPU_ROWS if kind == "cpu" else max(1, len(query))
        ctx.dtype = query.dtype
        with torch.autocast(kind, enabled=False):
            rows, keys, vectors = query.to(dtype), table.to(dtype), values.to(dtype)
            bias = prior.float()
            out = torch.empty(len(query), values.shape[1], device=query.device)
            for part in row_parts(len(rows), ctx.rows):
                p = _probabilities(rows[part], keys, bias, shrink[part], norms)
                out[part] = (p.to(dtype) @ vectors).float()
        ctx.save_for_backward(rows, keys, vectors, bias, shrink, norms, out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, keys, vectors, bias, shrink, norms, out = ctx.saved_tensors
        gradient = gradients[0].float()
        by_query = torch.empty(rows.shape, device=rows.device)
        by_prior = torch.zeros_like(bias)
        centre = (gradient * out).sum(1, keepdim=True)
        for part in row_parts(len(rows), ctx.rows):
            p = _probabilities(rows[part], keys, bias, shrink[part], norms)
            # d out / d logit_w = p_w (v_w - out)
            p *= (gradient[part].to(vectors.dtype) @ vectors.T).float().sub_(centre[part])
            by_prior += p.sum(0)
            by_query[part] = (p.to(keys.dtype) @ keys).float()
        return by_query.to(ctx.dtype), None, by_prior, None, None, None


def _probabilities(
    rows: Tensor, keys: Tensor, bias: Tensor, shrink: Tensor, norms: Tensor
) -> Tensor:
    logits = (rows @ keys.T).float() + bias
    return logits.sub_(shrink.float()[:, None] * norms).softmax(-1)
