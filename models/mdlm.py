"""Masked diffusion (MDLM, Sahoo et al. 2024): words are masked one by one and read back.

Shapes: B batch, L length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordsSettings
from models.diffusion.words.masked import MASKED, NETWORK
from models.diffusion.words.method import WordDiffusion
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MDLMSettings(WordsSettings):
    #: first_hitting: a word a step in random order, the law that ancestral steps tend to as they
    #: get smaller (Zheng et al. 2024; ARDM), in at most ``steps``, several words then sharing one;
    #: ancestral: each word for itself in ``steps`` steps (section 4.2), a step that changes
    #: nothing costing nothing; semi_autoregressive: block by block from the left, inside one at
    #: random (section 4.3); left_to_right
    sampler: Literal["first_hitting", "ancestral", "semi_autoregressive", "left_to_right"] = (
        "first_hitting"
    )
    #: words of a block
    block: int = ranged(8, least=1, most=10**6)


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
        from models.diffusion.words.orders import Unmasking, in_turn, independently

        mask, settings = self.decoder.reader.words, self.settings
        if settings.sampler == "ancestral":
            return Unmasking(mask, free, settings.steps, independently)
        block = (free.cumsum(1) - 1).clamp(min=0) // settings.block
        ranks = {
            "first_hitting": lambda z: z,
            "semi_autoregressive": lambda z: block + z,
            "left_to_right": lambda z: free.cumsum(1).to(z.dtype),
        }
        return Unmasking(mask, free, settings.steps, in_turn, ranks[settings.sampler])
