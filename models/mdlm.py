"""Masked diffusion (MDLM, Sahoo et al. 2024): words are masked one by one and read back.

Shapes: B batch, L length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import OrderSettings, WordsSettings
from models.diffusion.words.masked import MASKED, NETWORK
from models.diffusion.words.method import WordDiffusion

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MDLMSettings(OrderSettings, WordsSettings):
    """Both together."""


CARD = WordsCard(
    "mdlm",
    "models.mdlm:MDLM",
    label="MDLM",
    paper="Sahoo et al. 2024, Simple and Effective Masked Diffusion Language Models",
    order=65,
    colour=6,
    Settings=MDLMSettings,
    brings=(MASKED, CLASSIFIER),
    network=NETWORK,
)


class MDLM(WordDiffusion):
    card: ClassVar[WordsCard] = CARD

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.orders import unmasking

        return unmasking(self.decoder.reader.words, free, self.settings)
