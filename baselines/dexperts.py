"""DExperts: a language model steered by an expert against an anti-expert (Liu et al. 2021).

    p(v | x)  ~  exp( z(v) + alpha (z+(v) - z-(v)) ),     v in the base model's nucleus,

where z are the logits of the base model, z+ of an expert, z- of an anti-expert. The expert is the
model fine-tuned on the control. The paper trains the anti-expert on texts with the opposite
attribute; these controls have no opposite, but there are texts that lack them:

    anti=base       the base model, which follows no control, stands for it
    anti=trained    a model fine-tuned on texts behind controls that they do not satisfy

With the first, what differs from classifier-free guidance is that words outside the base model's
nucleus are left out before anything is added, which keeps a large alpha from unlikely words; with
the whole vocabulary and alpha = 1 it is the expert. Of a composition's controls, each with networks
of its own, the differences add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from baselines.antiexpert import ANTIEXPERT
from baselines.autoregressive import prompts
from baselines.settings import SampleSettings, probability
from baselines.steering import Contrast, Contrasted, SteeringCard
from models.base import of_parts
from models.nets.recipes import FINETUNED
from tasks.base import Task
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    from torch import Tensor

    from models.nets.decoding import Experts
    from tasks.controls import Control


@dataclass(frozen=True)
class DExpertsSettings(SampleSettings):
    """DExperts (paper, section 3; alpha is its choice for toxicity, it takes 3.2 for sentiment)."""

    #: weight of the expert against the anti-expert; 0: the base model
    alpha: float = ranged(2.0, least=0, most=1e3)
    #: probability of the base model's words among which experts choose
    base_top_p: float = probability(0.9)
    #: base: the base model is the anti-expert; trained: one of texts that lack the control
    anti: Literal["base", "trained"] = "base"


@dataclass(frozen=True)
class DExpertsCard(SteeringCard):
    """Behind the experts of all parts, their anti-experts."""

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        roles = super().needs(task, settings)
        if task is None or settings is None or settings.anti == "base":
            return roles
        return (*roles, *of_parts(ANTIEXPERT.name, task))


CARD = DExpertsCard(
    "dexperts",
    "baselines.dexperts:DExperts",
    label="DExperts",
    paper="Liu et al. 2021, DExperts: Decoding-Time Controlled Text Generation with Experts and "
    "Anti-Experts",
    order=115,
    Settings=DExpertsSettings,
    brings=(FINETUNED, ANTIEXPERT),
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
        if self.settings.anti == "base":
            return nucleus + self.settings.alpha * (said - base).sum(0)
        experts, against = said.chunk(2)
        return nucleus + self.settings.alpha * (experts - against).sum(0)


class DExperts(Contrasted):
    card: ClassVar[SteeringCard] = CARD

    def _heads(self, control: Control) -> list[list[int]]:
        if self.settings.anti == "base":
            return super()._heads(control)
        half = len(self.codecs) // 2
        both = self.codecs[:half], self.codecs[half:]
        asked = (prompts(self.task, control, codecs) for codecs in both)
        return [self.codec.head(()), *(head for heads in asked for head in heads)]

    def contrast(self, experts: Experts) -> Contrast:
        return Opposed(experts, self.settings)
