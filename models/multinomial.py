"""Multinomial diffusion (Hoogeboom et al. 2021): words replaced by words in discrete time.

Where the paper draws steps by a running record of their losses, they are drawn with fixed chances
here, so that a resumed training is the same. Shapes: B batch, L length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordsConfig, WordsSettings
from models.diffusion.words.method import WordDiffusion
from models.diffusion.words.objective import WordsObjective
from models.diffusion.words.role import words_role
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class MultinomialConfig(WordsConfig):
    #: steps of the chain
    T: int = ranged(1000, least=1, most=10**6)


class Bound(WordsObjective[MultinomialConfig]):
    """The KL divergence of each step's reverse, under their schedule (section 4)."""

    def nats(self, ids: Tensor, free: Tensor, rng: torch.Generator | None) -> Tensor:
        import torch

        from models.diffusion.words.chains import step_cost
        from models.diffusion.words.levels import SqrtCosine
        from models.diffusion.words.noise import hit, replaced, weighted_steps

        device, steps = self.module.device, self.config.T
        keep = torch.tensor([*SqrtCosine(steps).grid(steps), 1.0], dtype=torch.float64)
        t, weight = weighted_steps(len(ids), steps, rng)
        x = replaced(ids, hit(free, 1 - keep[t], rng), self.words, rng)
        logits = self.module(x.to(device), ((t + 1) / steps).float().to(device))
        cost = step_cost(
            logits[..., self.words.to(device)],
            self.counted(ids).to(device),
            self.counted(x).to(device),
            keep[t][:, None].to(device),
            keep[t - 1][:, None].to(device),
        )
        return torch.where(free.to(device), cost, 0.0).sum(1) * weight.float().to(device)


MULTINOMIAL = words_role(
    "steps_multinomial",
    MultinomialConfig,
    "models.multinomial:Bound",
    title="multinomial diffusion",
    time=True,
)
CARD = WordsCard(
    "multinomial",
    "models.multinomial:Multinomial",
    label="Multinomial",
    paper="Hoogeboom et al. 2021, Argmax Flows and Multinomial Diffusion",
    order=74,
    Settings=WordsSettings,
    brings=(MULTINOMIAL, CLASSIFIER),
    network=MULTINOMIAL.name,
)


class Multinomial(WordDiffusion):
    card: ClassVar[WordsCard] = CARD

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.chains import Uniform
        from models.diffusion.words.frame import word_ids
        from models.diffusion.words.levels import SqrtCosine

        words, steps = word_ids(self.decoder.reader.words), self.settings.steps
        return Uniform(SqrtCosine(steps).grid(steps), words, "plug_in")
