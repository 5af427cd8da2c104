"""DExperts: a language model steered by an expert against an anti-expert (Liu et al. 2021).

    p(v | x)  ~  exp( z(v) + alpha (z+(v) - z-(v)) ),     v in the base model's nucleus,

where z are the logits of the base model, z+ of an expert, z- of an anti-expert. The expert is the
model fine-tuned on the control. The paper trains the anti-expert on texts with the opposite
attribute; these controls have no opposite, so that the base model, which follows none, stands for
it. What then differs from classifier-free guidance is that words outside the base model's nucleus
are left out before anything is added, which keeps a large alpha from unlikely words. With the whole
vocabulary and alpha = 1 it is the expert. A composition's experts add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.settings import SampleSettings, probability
from baselines.steering import Contrast, Contrasted, SteeringCard
from models.nets.recipes import FINETUNED
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    from torch import Tensor

    from models.nets.decoding import Experts


@dataclass(frozen=True)
class DExpertsSettings(SampleSettings):
    """DExperts (paper, section 3; alpha is its choice for toxicity, it takes 3.2 for sentiment)."""

    #: weight of the expert against the anti-expert; 0: the base model
    alpha: float = ranged(2.0, least=0, most=1e3)
    #: probability of the base model's words among which experts choose
    base_top_p: float = probability(0.9)


CARD = SteeringCard(
    "dexperts",
    "baselines.dexperts:DExperts",
    label="DExperts",
    paper="Liu et al. 2021, DExperts: Decoding-Time Controlled Text Generation with Experts and "
    "Anti-Experts",
    order=115,
    Settings=DExpertsSettings,
    brings=(FINETUNED,),
    trained=True,
    tradeoff="alpha",
    ranges={"alpha": ("1", "2", "3.2"), "base_top_p": ("0.9", "1")},
)


class Opposed(Contrast):
    def __init__(self, experts: Experts, settings: DExpertsSettings) -> None:
        super().__init__(experts)
        self.settings = settings

    def mix(self, base: Tensor, said: Tensor) -> Tensor:
        from models.nets.decoding import truncate

        nucleus = truncate(base, 1.0, 0, self.settings.base_top_p)
        return nucleus + self.settings.alpha * (said - base).sum(0)


class DExperts(Contrasted):
    card: ClassVar[SteeringCard] = CARD

    def contrast(self, experts: Experts) -> Contrast:
        return Opposed(experts, self.settings)
