"""Uniform diffusion in continuous time (UDLM, Schiff et al. 2024).

Shapes: B batch, L length, W words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordsConfig, WordsSettings
from models.diffusion.words.method import WordDiffusion
from models.diffusion.words.objective import WordsObjective
from models.diffusion.words.role import words_role

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def bound(log_x: Tensor, own: Tensor, here: Tensor, t: Tensor) -> Tensor:
    """The bound's integrand where alpha = 1 - t (their equation 18), (B, L) nats.

    ``log_x`` (B, L, W): log-probabilities of the clean word given the *other* words; ``own`` and
    ``here`` (B, L): the clean word and the one that is there, counted from 0; ``t`` (B, 1),
    float64.
    """
    import torch

    words = log_x.shape[-1]
    a, rest = (words * (1 - t)).to(log_x.dtype), t.to(log_x.dtype)
    said = a[..., None] * log_x.exp() + rest[..., None]
    said_here = said.gather(2, here[..., None])[..., 0]
    said_own = said.gather(2, own[..., None])[..., 0]
    true_here = torch.where(own == here, a + rest, rest)
    # sum over words of x_j log x_j, and of x_j log said_j, where x is a + rest at the clean word
    # and rest elsewhere
    entropy = (words - 1) * torch.special.xlogy(rest, rest)
    entropy = entropy + torch.special.xlogy(a + rest, a + rest)
    cross = rest * said.log().sum(-1) + a * said_own.log()
    ratio = words * (said_here.log() - true_here.log()) + entropy - cross
    return -(words / true_here - words / said_here - ratio / true_here) / a


class Bound(WordsObjective[WordsConfig]):
    """alpha_t = 1 - t."""

    def nats(self, ids: Tensor, free: Tensor, rng: torch.Generator | None) -> Tensor:
        import torch

        from models.diffusion.words.noise import hit, replaced, weighted_times

        t, weight = weighted_times(len(ids), rng)
        t = t.clamp(max=1 - 1e-3)  # the integrand has a limit at pure noise, 0 / 0 there
        x = replaced(ids, hit(free, t, rng), self.words, rng)
        device = self.module.device
        log_x = self.module(x.to(device), t.to(device))[..., self.words.to(device)]
        own, here = self.counted(ids).to(device), self.counted(x).to(device)
        cost = bound(log_x.log_softmax(-1), own, here, t[:, None].to(device))
        return torch.where(free.to(device), cost, 0.0).sum(1) * weight.float().to(device)


UNIFORM = words_role("uniform", WordsConfig, "models.udlm:Bound", title="UDLM", time=True)
CARD = WordsCard(
    "udlm",
    "models.udlm:UDLM",
    label="UDLM",
    paper="Schiff et al. 2024, Simple Guidance Mechanisms for Discrete Diffusion Models",
    order=75,
    Settings=WordsSettings,
    brings=(UNIFORM, CLASSIFIER),
    network=UNIFORM.name,
)


class UDLM(WordDiffusion):
    card: ClassVar[WordsCard] = CARD

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.chains import Uniform
        from models.diffusion.words.frame import word_ids
        from models.diffusion.words.levels import LogLinear

        words = word_ids(self.decoder.reader.words)
        return Uniform(LogLinear(0.0).grid(self.settings.steps), words, "plug_in")
