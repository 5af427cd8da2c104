"""The noise of words' logits, and the projections of what a network says of them (Han et al. 2023,
section 3).

Shapes: B batch, K places of a block, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.gaussian import Normal
from models.nets.decoding import draw

#: of the cosine schedule
OFFSET = 1e-4


def alpha_bar(share: float) -> float:
    """What is left of the signal's variance after a ``share`` of all steps (Nichol and Dhariwal
    2021, equation 17)."""

    def cosine(at: float) -> float:
        return math.cos((at + OFFSET) / (1 + OFFSET) * math.pi / 2) ** 2

    return cosine(share) / cosine(0.0)


class Simplex:
    """Logits of words, ``scale`` at the word and minus that elsewhere, under Gaussian noise of
    standard deviation ``scale``. Level t of ``steps`` is (t + 1) / ``steps`` of the way."""

    def __init__(self, steps: int, scale: float, vocabulary: int) -> None:
        self.steps, self.scale, self.vocabulary = steps, scale, vocabulary
        self.alpha_bar = torch.tensor([*(alpha_bar((t + 1) / steps) for t in range(steps)), 1.0])

    def hot(self, ids: Tensor) -> Tensor:
        """The logits (..., V) of words ``ids`` (...)."""
        return self.scale * (2 * F.one_hot(ids, self.vocabulary).float() - 1)

    def prior(self, z: Tensor) -> Tensor:
        return self.scale * z

    def corrupt(self, state: Tensor, level: Tensor | int, noise: Tensor) -> Tensor:
        """Logits (B, K, V) at ``level``, one or (B,), -1 for none, from standard normal noise."""
        a = self.alpha_bar.to(state.device)[torch.as_tensor(level, device=state.device)]
        a = a.view(-1, 1, 1)
        return a.sqrt() * state + (1 - a).sqrt() * self.scale * noise

    def move(self, x: Tensor, estimate: Tensor, t: int) -> Normal:
        """To level t - 1: ``estimate``, logits of words, under fresh noise, as released."""
        a = float(self.alpha_bar[t - 1]) if t else 1.0
        return Normal(math.sqrt(a) * estimate, self.scale * math.sqrt(1 - a))


def nucleus(logits: Tensor, top_p: float) -> Tensor:
    """Which words (..., V) are the likeliest ones that have a mass of ``top_p`` together, one at
    least; none of those at -inf."""
    mass, order = logits.softmax(-1).sort(-1, descending=True)
    before = mass.cumsum(-1) - mass
    kept = (before < top_p) & (mass > 0)
    kept[..., 0] = True
    return torch.zeros_like(kept).scatter(-1, order, kept)


def drawn(logits: Tensor, top_p: float, u: Tensor) -> Tensor:
    """Words (B, K) of the nucleus, by uniforms ``u`` (B, K)."""
    left = logits.masked_fill(~nucleus(logits, top_p), -torch.inf)
    return draw(left.flatten(0, 1), u.flatten()).view(u.shape)
