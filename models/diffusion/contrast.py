"""What classifier-free guidance makes of a network under prompts and under none (Ho and Salimans
2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def mixed(said: Sequence[Tensor], empty: Sequence[Tensor], gamma: float) -> Tensor:
    """Logits (..., V) of guided words, up to a constant a position, from those of each part under
    its control and under no control; what a control rules out stays out."""
    total = torch.stack(tuple(empty)).mean(0) if len(empty) > 1 else empty[0]
    impossible = torch.zeros_like(total, dtype=torch.bool)
    for control, none in zip(said, empty, strict=True):
        impossible = impossible | (control == -torch.inf)
        total = total + gamma * (control - none)
    return total.masked_fill(impossible, -torch.inf)
