"""Masked diffusion (MDLM, Sahoo et al. 2024): words are masked one by one and read back.

Shapes: B batch, L length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from models.base import CONTROL, GUIDED, PLAIN, Card
from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import OrderSettings, StepSettings, WordsSettings
from models.diffusion.words.masked import MASKED, NETWORK
from models.diffusion.words.method import WordDiffusion
from tasks.base import Task

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
    corner=("masked diffusion", GUIDED),
    network=NETWORK,
)


@dataclass(frozen=True)
class MDLMPlainSettings(OrderSettings, StepSettings):
    """Both together."""


@dataclass(frozen=True)
class PlainCard(WordsCard):
    """Nothing guides it; a text has as many words as its control says, where it says that."""

    def refuses(self, task: Task) -> str | None:
        return Card.refuses(self, task)

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        return (self.network,)

    def resolve(self, settings: Any, task: Task | None) -> Any:
        return settings


MDLM_PLAIN = PlainCard(
    "mdlm_plain",
    "models.mdlm:MDLMPlain",
    label="MDLM, no control",
    paper=CARD.paper,
    order=64,
    Settings=MDLMPlainSettings,
    brings=(MASKED,),
    tables=frozenset({CONTROL}),
    group="two_by_two",
    corner=("masked diffusion", PLAIN),
    tradeoff="",
    ranges={"temperature": ("0.7", "1")},
    network=NETWORK,
)
CARDS = (CARD, MDLM_PLAIN)


class MDLM(WordDiffusion):
    card: ClassVar[WordsCard] = CARD

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.orders import unmasking

        return unmasking(self.decoder.reader.words, free, self.settings)


class MDLMPlain(MDLM):
    """Samples that are told nothing of the control but the number of their words."""

    card: ClassVar[WordsCard] = MDLM_PLAIN
