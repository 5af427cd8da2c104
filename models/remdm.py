"""Masked diffusion whose words may be masked again (ReMDM, Wang et al. 2025).

It decodes the network of masked diffusion: every marginal is kept, so nothing is trained anew.
Shapes: B batch, L length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordsSettings
from models.diffusion.words.masked import MASKED, NETWORK
from models.diffusion.words.method import WordDiffusion
from tasks.common.ranges import share

if TYPE_CHECKING:
    from torch import Tensor

    from models.diffusion.words.orders import Decided


@dataclass(frozen=True)
class ReMDMSettings(WordsSettings):
    #: chance that a word is masked again, as a share of the largest that keeps the marginals (their
    #: rescaled schedule); 0 is ancestral sampling
    eta: float = share(0.1)


CARD = WordsCard(
    "remdm",
    "models.remdm:ReMDM",
    label="ReMDM",
    paper="Wang et al. 2025, Remasking Discrete Diffusion Models with Inference-Time Scaling",
    order=67,
    Settings=ReMDMSettings,
    brings=(MASKED, CLASSIFIER),
    network=NETWORK,
)


def chances(now: float, before: float, eta: float) -> tuple[float, float]:
    """(a mask becomes a word, a word becomes a mask) in a step from alpha_t = ``now`` to alpha_s =
    ``before``: sigma = eta min(1, (1 - alpha_s) / alpha_t), and
    (alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t) (their equations 6 and 7)."""
    sigma = eta * min(1.0, (1 - before) / now) if now > 0 else 0.0
    return (before - (1 - sigma) * now) / (1 - now), sigma


class ReMDM(WordDiffusion):
    card: ClassVar[WordsCard] = CARD

    def process(self, free: Tensor) -> Any:
        import torch

        from models.diffusion.words.orders import Unmasking

        steps, eta = self.settings.steps, self.settings.eta

        def lift(move: Decided, which: Tensor, word: Tensor) -> Tensor:
            up, down = chances(1 - (move.t + 1) / steps, 1 - move.t / steps, eta)
            x = move.words(move.open & (which < up), word)
            return torch.where(free & ~move.open & (which < down), move.process.mask, x)

        return Unmasking(self.decoder.reader.words, free, steps, lift)
