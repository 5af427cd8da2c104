"""The density of noised texts, its gradient, and the dynamics that follow it from much noise to
little (Jayaram and Thickstun 2021, section 3).

Shapes: B batch, L length, D dimension of embeddings, V words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from models.nets.finite import Watch, sizes
from tasks.common.progress import Progress
from tasks.common.progress import silent as no_progress


class Noisy(Protocol):
    """What is sampled: :class:`baselines.langevin.network.NoisyLM`."""

    @property
    def table(self) -> Tensor: ...

    def __call__(self, y: Tensor, noise: Tensor) -> Tensor: ...


def joint(network: Noisy, y: Tensor, noise: float) -> Tensor:
    """log p(w | y_<i) N(y_i; e_w, noise^2), up to a constant, of every position but the first of
    texts y (B, L, D): (B, L - 1, V)."""
    table = network.table
    said = network(y[:, :-1], torch.full((len(y),), noise, dtype=y.dtype, device=y.device))
    later = y[:, 1:]
    apart = later.square().sum(-1, keepdim=True) - 2 * later @ table.T + table.square().sum(-1)
    return said.to(y.dtype).log_softmax(-1) - apart / (2 * noise**2)


def score(network: Noisy, y: Tensor, noise: float) -> Tensor:
    """grad log p_s(y), (B, L, D)."""
    with torch.enable_grad():
        y = y.detach().requires_grad_(True)
        total = joint(network, y, noise).logsumexp(-1).sum()
        (gradient,) = torch.autograd.grad(total, y)
    return gradient


def anneal(
    network: Noisy, ids: Tensor, free: Tensor, levels: Sequence[float], settings: Any,
    noise: Callable[[], Tensor], *, silent: Sequence[int] = (), on_step: Progress = no_progress,
) -> Tensor:  # fmt: skip
    """Words (B, L) where texts are ``free`` (B, L), and ``ids`` where they are pinned. ``levels``:
    the standard deviations, descending; ``noise`` gives standard normal (B, L, D); ``silent``: ids
    that no free position ends as.

    Raises ``NotFinite`` for a row whose embeddings are not.
    """
    fixed, open_ = network.table[ids], free[..., None]
    watch, done = Watch(), 0
    y = torch.where(open_, noise().to(fixed) * (levels[0] ** 2 + 1) ** 0.5, fixed)
    for level in levels:
        eta = settings.step * level**2
        for _ in range(settings.updates):
            moved = y + eta * score(network, y, level) + (2 * eta) ** 0.5 * noise().to(fixed)
            y = torch.where(open_, moved, fixed)
            watch(sizes(y), "the embeddings")
            on_step(done := done + 1, len(levels) * settings.updates)
    watch.close()
    words, said = ids.clone(), joint(network, y, levels[-1])
    said[..., list(silent)] = -torch.inf
    words[:, 1:] = said.argmax(-1)
    return torch.where(free, words, ids)
