"""Classifier-free guidance of a fine-tuned language model (Ho and Salimans 2022; of language models
Sanchez et al. 2023).

The fine-tuned model knows p(word | text, control), the base model that it started from p(word |
text), so no prompt has to be dropped in training. Words are drawn from

    p^gamma(v | x, c)  ~  p(v | x)^(1 - gamma)  p(v | x, c)^gamma

token by token: gamma = 0 is the base model, 1 the fine-tuned one, and above 1 sharpens what the
control changes. Controls c_1 ... c_K of a composition, each with the model of its own task, add up
their contrasts,

    log p(v | x, c_1 ... c_K) = log p(v | x) + gamma sum_k log p(v | x, c_k) / p(v | x) + const.,

at gamma = 1 Bayes' rule where the controls are independent given the word and the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.settings import SampleSettings
from baselines.steering import Contrast, Contrasted, SteeringCard
from models.nets.recipes import FINETUNED
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    from torch import Tensor

    from models.nets.decoding import Experts


@dataclass(frozen=True)
class FTCFGSettings(SampleSettings):
    """Guidance of a fine-tuned model; the sampling options apply to the guided distribution."""

    #: p(word)^(1 - gamma) p(word | control)^gamma: 0 the base model, 1 the fine-tuned one, above
    #: that sharpened
    gamma: float = ranged(1.5, least=0, most=1e3)


CARD = SteeringCard(
    "ft_cfg",
    "baselines.ft_cfg:FTCFG",
    label="FT, CFG",
    paper="Sanchez et al. 2023, Stay on topic with Classifier-Free Guidance",
    order=120,
    Settings=FTCFGSettings,
    brings=(FINETUNED,),
    trained=True,
    tradeoff="gamma",
    ranges={"gamma": ("1", "1.5", "2", "3"), "temperature": ("0.7", "1")},
)


class Guidance(Contrast):
    def __init__(self, experts: Experts, gamma: float) -> None:
        super().__init__(experts)
        self.gamma = gamma

    def mix(self, base: Tensor, said: Tensor) -> Tensor:
        return base + self.gamma * (said - base).sum(0)


class FTCFG(Contrasted):
    card: ClassVar[SteeringCard] = CARD

    def contrast(self, experts: Experts) -> Contrast:
        return Guidance(experts, self.settings.gamma)
