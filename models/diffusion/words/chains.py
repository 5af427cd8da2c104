"""Words replaced by words: the uniform chain, in which every word may change in every step.

alpha_t is the chance that a word is still its own, else it is any of the W words, its own among
them. Shapes: B batch, L length, V ids, of which W are words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.loop import Draw
from models.nets.decoding import draw

#: how an estimate of the clean words becomes a step. plug_in: as if x_0 were drawn from the
#: estimate given the *other* words, which is what bounds on the likelihood teach (D3PM's code,
#: multinomial diffusion, UDLM, Tweedie's step of SEDD); mixture: the mean of the true reverse steps
#: over p(x_0 | x_t), which plain cross-entropy teaches; euler: the jump rates of the plug-in over a
#: step, the last one, to clean words, being the plug-in (SEDD, as released)
Form = Literal["plug_in", "mixture", "euler"]


class Replaced(NamedTuple):
    """x_s from x_t: ``logits`` (B, L, V), up to a constant a position; ``x`` (B, L): x_t; ``open``
    (B, L): where it is a word; ``left``: the share of words that are noise at s; ``share``: of the
    words, those that may change, the others staying."""

    logits: Tensor
    x: Tensor
    open: Tensor
    left: float
    share: float = 1.0

    @property
    def noise(self) -> Tensor:
        """``left`` of every text, (B,)."""
        return torch.full((len(self.x),), self.left, device=self.x.device)

    def draw(self, noise: Draw) -> Tensor:
        which, word = noise().unbind(1)
        changed, x = self.open & (which < self.share), self.x.clone()
        if bool(changed.any()):
            x[changed] = draw(self.logits[changed], word[changed])
        return x


class Uniform:
    """The chain over ``words`` (W,) of V ids. ``keep``: alpha after each of its steps, as of
    :meth:`models.diffusion.words.levels.Levels.grid`; ``rates``: for euler, the rate of loss over
    each step, dt * d sigma / dt."""

    def __init__(
        self, keep: Sequence[float], words: Tensor, form: Form, rates: Sequence[float] | None = None
    ) -> None:
        self.steps, self.words, self.form = len(keep), words, form
        self.keep = [*keep, 1.0]  # level -1 (clean) is the last entry
        self.rates = rates

    def prior(self, z: Tensor) -> Tensor:
        """Words drawn uniformly, (B, L), from uniforms (B, 2, L)."""
        words = self.words.to(z.device)
        return words[(z[:, 1] * len(words)).long()]

    def corrupt(self, state: Tensor, level: Tensor | int, noise: Tensor) -> Tensor:
        """``noise``: uniforms (B, 2, L)."""
        levels = torch.as_tensor(level, device=state.device).expand(len(state))
        keep = torch.tensor(self.keep, dtype=torch.float64, device=state.device)[levels]
        return torch.where(noise[:, 0] < keep[:, None], state, self.prior(noise))

    def move(self, x: Tensor, estimate: Tensor, t: int) -> Replaced:
        now, before = self.keep[t], self.keep[t - 1]
        step = now / before if before else 0.0
        clean = estimate.softmax(-1)
        limit = clean.new_zeros(clean.shape[-1])
        limit[self.words.to(x.device)] = 1 / len(self.words)
        here = F.one_hot(x, clean.shape[-1]).to(clean.dtype)
        if self.form == "euler" and t:
            assert self.rates is not None
            at = now * clean + (1 - now) * limit
            score = at / at.gather(2, x[..., None])  # p_t(y) / p_t(x_t)
            moved = self.rates[t] * limit * score * (1 - here)
            chance = moved + here * (1 - moved.sum(-1, keepdim=True)).clamp(min=0)
        else:
            if self.form == "mixture":  # p(x_0 | x_t) over q(x_t | x_0)
                share = clean / (now * here + (1 - now) * limit[x][..., None])
                lower = before * share + (1 - before) * limit * share.sum(-1, keepdim=True)
            else:
                lower = before * clean + (1 - before) * limit
            chance = (step * here + (1 - step) * limit[x][..., None]) * lower
        return Replaced(chance.log(), x, here[..., self.words.to(x.device)].any(-1), 1 - before)

    def time(self, x: Tensor, t: int) -> Tensor:
        """What a network is told, (B,)."""
        return torch.full((len(x),), (t + 1) / self.steps, device=x.device)


class Redraw:
    """Every step draws a share of the words again from the estimate of the clean text (SUNDAE,
    Savinov et al. 2022, section 2.3), the first step all of them: of noise nothing is kept."""

    def __init__(self, steps: int, words: Tensor, share: float) -> None:
        self.steps, self.words, self.share = steps, words, share

    def prior(self, z: Tensor) -> Tensor:
        words = self.words.to(z.device)
        return words[(z[:, 1] * len(words)).long()]

    def corrupt(self, state: Tensor, level: Tensor | int, noise: Tensor) -> Tensor:
        """Each word replaced with chance (level + 1) / steps; ``noise``: uniforms (B, 2, L)."""
        levels = torch.as_tensor(level, device=state.device).expand(len(state))
        hit = noise[:, 0] < ((levels + 1) / self.steps)[:, None]
        return torch.where(hit, self.prior(noise), state)

    def move(self, x: Tensor, estimate: Tensor, t: int) -> Replaced:
        share = self.share if t < self.steps - 1 else 1.0
        words = torch.isin(x, self.words.to(x.device))
        return Replaced(estimate, x, words, t / self.steps, share)

    def time(self, x: Tensor, t: int) -> Tensor:
        """There is none."""
        return torch.zeros(len(x), device=x.device)


def step_cost(logits: Tensor, clean: Tensor, x: Tensor, now: Tensor, before: Tensor) -> Tensor:
    """KL(q(x_s | x_t, x_0) || plug-in reverse), (B, L) nats, from alpha_t = ``now`` to alpha_s =
    ``before`` (B, 1), float64; at alpha_s = 1 the negative log-likelihood of x_0 (Austin et al.
    2021, equation 1; Hoogeboom et al. 2021, equation 15). ``logits`` (B, L, W): the estimate over
    the words, which ``clean`` and ``x`` (B, L) count from 0."""
    words, kind = logits.shape[-1], logits.dtype
    now, before = now[..., None], before[..., None]
    # what is lost is a small difference, taken before it is rounded
    step, lost = (now / before).to(kind), (1 - now / before).to(kind) / words
    kept, noise = before.to(kind), (1 - before).to(kind) / words
    reached = step * F.one_hot(x, words) + lost
    true = reached * (kept * F.one_hot(clean, words) + noise)
    true = true / true.sum(-1, keepdim=True)
    # in logarithms: a clean word that the estimate denies keeps its gradient
    said = torch.logaddexp(kept.log() + logits.log_softmax(-1), noise.log()) + reached.log()
    return (torch.special.xlogy(true, true) - true * said.log_softmax(-1)).sum(-1)
