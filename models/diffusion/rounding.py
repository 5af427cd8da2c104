"""Cross-entropy of words under the rounding of latents, without all logits at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.nets.precision import product_dtype

#: rows of a CPU's turn: their logits over some thousands of words stay in its cache
CPU_ROWS = 64


def rounding_nll(x: Tensor, table: Tensor, bias: Tensor, ids: Tensor) -> Tensor:
    """-log softmax(x E^T + b) at each word (paper, equation 2; reference notes, section 2.4).

    ``x`` (..., D) latents, ``table`` (V, D) embeddings, ``bias`` (V,), ``ids`` (...) words ->
    (...), fp32. Products are in the dtype of autocast, where it is on. Some rows at a time, the
    backward pass takes their logits again instead of keeping them: three times as fast on a CPU
    for 5,000 words, and the memory of a few rows.
    """
    rows = _RoundingNLL.apply(x.flatten(0, -2), table, bias, ids.flatten())
    return rows.view(ids.shape)


class _RoundingNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, bias: Tensor, ids: Tensor) -> Tensor:
        kind = x.device.type
        dtype = product_dtype(kind, torch.float32)
        ctx.rows = CPU_ROWS if kind == "cpu" else len(x)
        with torch.autocast(kind, enabled=False):
            xs, words = x.to(dtype), table.to(dtype)
            total, gold = torch.empty(len(x), device=x.device), torch.empty(len(x), device=x.device)
            for part in row_parts(len(x), ctx.rows):
                logits = (xs[part] @ words.T).float() + bias
                total[part] = logits.logsumexp(-1)
                gold[part] = logits.gather(-1, ids[part, None])[:, 0]
        ctx.save_for_backward(xs, words, bias, ids, total)
        ctx.dtypes = x.dtype, table.dtype
        return total - gold

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        xs, words, bias, ids, total = ctx.saved_tensors
        by_x = torch.empty(xs.shape, device=xs.device)
        by_table = torch.zeros(words.shape, device=xs.device)
        by_bias = torch.zeros_like(bias)
        for part in row_parts(len(xs), ctx.rows):
            p = ((xs[part] @ words.T).float() + bias).sub_(total[part, None]).exp_()
            p[torch.arange(len(p), device=p.device), ids[part]] -= 1
            p *= gradients[0][part, None]
            by_bias += p.sum(0)
            p = p.to(xs.dtype)
            by_x[part] = (p @ words).float()
            by_table += (p.T @ xs[part]).float()
        return by_x.to(ctx.dtypes[0]), by_table.to(ctx.dtypes[1]), by_bias, None


def row_parts(count: int, rows: int) -> list[slice]:
    """``count`` rows, ``rows`` at a time."""
    return [slice(i, i + rows) for i in range(0, count, rows)]
