"""Score entropy discrete diffusion (SEDD, Lou et al. 2024), absorbing and uniform.

The network says concrete scores s_y, of p_t(x with y in place) / p_t(x). Shapes: B batch, L length,
V words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordsConfig, WordsSettings
from models.diffusion.words.method import WordDiffusion
from models.diffusion.words.objective import WordsObjective
from models.diffusion.words.role import words_role

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Absorbing(WordsObjective[WordsConfig]):
    """Denoising score entropy where words are masked (equation 5 under definition 3.3): with scores
    c_y / (e^sigma - 1), which scaling by sigma gives (appendix C.2), a masked word costs
    sum_y c_y - log c_x - 1, weighed as the masked cross-entropy is; where the c_y sum to 1 it is
    that. The integral over time is the sum over how many words are masked."""

    def nats(self, ids: Tensor, free: Tensor, rng: torch.Generator | None) -> Tensor:
        from models.diffusion.words.noise import by_row, mask_some

        (masked, share), device = mask_some(free, rng), self.module.device
        x, where = ids.masked_fill(masked, self.mask).to(device), masked.to(device)
        time = share.to(device)
        log_c = self.module(x, time, where)[:, self.words.to(device)]
        log_c = log_c - math.log(len(self.words))
        own = (self.words.to(device)[:, None] == ids.to(device)[where]).T
        cost = log_c.exp().sum(-1) - log_c.masked_fill(~own, 0.0).sum(-1) - 1
        return by_row(cost, where) / time


class Uniform(WordsObjective[WordsConfig]):
    """Denoising score entropy where words are replaced by words (equation 5), log-linear noise."""

    def nats(self, ids: Tensor, free: Tensor, rng: torch.Generator | None) -> Tensor:
        import torch

        from models.diffusion.words.levels import LogLinear
        from models.diffusion.words.noise import hit, replaced, weighted_times

        noise, device = LogLinear(), self.module.device
        t, weight = weighted_times(len(ids), rng)
        alpha, rate = noise.alpha(t), noise.rate(t)
        x = replaced(ids, hit(free, 1 - alpha, rng), self.words, rng).to(device)
        log_s = self.module(x, t.to(device))[..., : self.mask].float()
        words, e = self.words.to(device), (1 / alpha - 1).float().to(device)[:, None]
        cost = score_entropy(log_s[..., words], words, ids.to(device), x, e)
        scale = (weight * rate).float().to(device) / len(words)
        return torch.where(free.to(device), cost, 0.0).sum(1) * scale


def score_entropy(log_s: Tensor, words: Tensor, clean: Tensor, x: Tensor, e: Tensor) -> Tensor:
    """sum over y != x of s_y - r_y log s_y + r_y (log r_y - 1), (B, L), for the exact ratios r
    given the clean words: of a replaced one 1 + W / e at y = x_0 and 1 elsewhere, of one that is
    its own e / (e + W); ``e`` (B, 1): e^sigma - 1. ``log_s`` (B, L, W) of ``words`` (W,)."""
    import torch

    count = len(words)
    own, here = words == clean[..., None], words == x[..., None]
    same = (clean == x)[..., None]
    ratio = torch.where(
        same, (e / (e + count))[..., None], torch.where(own, 1 + count / e[..., None], 1.0)
    )
    log_r = ratio.log()
    cost = log_s.exp() - ratio * log_s + ratio * (log_r - 1)
    return cost.masked_fill(here, 0.0).sum(-1)


@dataclass(frozen=True)
class SEDDSettings(WordsSettings):
    #: tweedie: the analytic step, best among those that move words independently (theorem 4.2);
    #: euler: tau-leaping
    sampler: Literal["tweedie", "euler"] = "tweedie"


NETWORKS = {
    kind: words_role(
        f"scores_{kind}", WordsConfig, f"models.sedd:{kind.capitalize()}", title=f"SEDD, {kind}",
        time=kind == "uniform",
    )
    for kind in ("absorbing", "uniform")
}  # fmt: skip
CARDS = tuple(
    WordsCard(
        f"sedd_{kind}",
        f"models.sedd:SEDD{kind.capitalize()}",
        label=role.title,
        paper="Lou et al. 2024, Discrete Diffusion Modeling by Estimating the Ratios of the Data",
        order=order,
        Settings=SEDDSettings,
        brings=(role, CLASSIFIER),
        network=role.name,
    )
    for order, (kind, role) in enumerate(NETWORKS.items(), 70)
)
ABSORBING, UNIFORM = CARDS


class SEDDAbsorbing(WordDiffusion):
    """Log-linear noise, of which Tweedie's and Euler's steps are the same: a masked word is decided
    with chance (t - s) / t."""

    card: ClassVar[WordsCard] = ABSORBING

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.orders import Unmasking, independently

        return Unmasking(self.decoder.reader.words, free, self.settings.steps, independently)


class SEDDUniform(WordDiffusion):
    card: ClassVar[WordsCard] = UNIFORM

    def process(self, free: Tensor) -> Any:
        import torch

        from models.diffusion.words.chains import Uniform as Chain
        from models.diffusion.words.frame import word_ids
        from models.diffusion.words.levels import LogLinear

        steps, noise = self.settings.steps, LogLinear()
        words = word_ids(self.decoder.reader.words)
        times = torch.arange(1, steps + 1, dtype=torch.float64) / steps
        rates = (noise.rate(times) / steps).tolist()
        euler = self.settings.sampler == "euler"
        return Chain(noise.grid(steps), words, "euler" if euler else "plug_in", rates)

    def estimate(self, logits: Tensor, x: Tensor, time: Tensor) -> Tensor:
        """log p(x_0 | the other words) of scores: of them follows p_t, up to a factor, and p_0 is
        that less what noise gives every word, (p_t - (1 - alpha) / W) / alpha."""
        import torch

        from models.diffusion.words.frame import word_ids
        from models.diffusion.words.levels import LogLinear

        words = word_ids(self.decoder.reader.words).to(x.device)
        alpha = LogLinear().alpha(time).clamp(min=1e-3)[:, None, None].to(x.device)
        scores = logits[..., words].double().clamp(max=50).exp()
        scores = torch.where(words == x[..., None], 1.0, scores)
        noised = scores / scores.sum(-1, keepdim=True).clamp(min=1e-300)
        clean = ((noised - (1 - alpha) / len(words)) / alpha).clamp(min=1e-12)
        return torch.full_like(logits, -torch.inf).index_copy(2, words, clean.log().float())
