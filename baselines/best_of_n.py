"""Best of n: n texts of the language model, of which the one is kept that the control's
discriminator finds the most probable to satisfy it (Stiennon et al. 2020).

The discriminator is the network that steers token by token elsewhere, never the judge; here it
reads whole texts. A composition's log-probabilities add up. The text kept departs from the language
model by at most log n - (n - 1) / n nats, whatever the scores (Beirami et al. 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from baselines.several import RANGES, Ranked, SeveralSettings
from baselines.steering import JUDGE, SteeringCard
from models.nets.recipes import DISCRIMINATOR

if TYPE_CHECKING:
    from baselines.autoregressive import Heads
    from models.jobs import Job


class BestOfNSettings(SeveralSettings):
    """Best of n; n = 1 is the language model."""


CARD = SteeringCard(
    "best_of_n",
    "baselines.best_of_n:BestOfN",
    label="Best of n",
    paper="Stiennon et al. 2020, Learning to summarize from human feedback",
    order=130,
    Settings=BestOfNSettings,
    role=JUDGE,
    brings=(DISCRIMINATOR,),
    tradeoff="n",
    ranges=RANGES,
)


class BestOfN(Ranked):
    """Network evaluations: the tokens of all n texts, and one of each discriminator a text."""

    card: ClassVar[SteeringCard] = CARD

    @property
    def readers(self) -> int:
        return len(self.others)

    def scores(self, jobs: Sequence[Job[Heads]], texts: Sequence[list[int]]) -> list[float]:
        """log p(control | text), summed over the parts of a composition."""
        import torch

        from models.nets.decoding import stack
        from models.nets.discriminator import PrefixScorer

        with torch.inference_mode():
            last = stack([ids[-1:] for ids in texts], self.model.device)
            total = torch.zeros(len(texts), dtype=torch.float64, device=last.device)
            for network, heads in zip(self.others, self.prompts(jobs), strict=True):
                rows = [[*head, *ids[:-1]] for head, ids in zip(heads, texts, strict=True)]
                total += PrefixScorer(network, rows).log_prob(last)[: len(texts), 0]
        return [float(x) for x in total]
