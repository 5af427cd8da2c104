"""GeDi: a language model steered by a generative discriminator (Krause et al. 2021).

A class-conditional language model tells by Bayes' rule, for every next word v at once, how probable
the control c is after it, and the base model's word is reweighted,

    p(v | x_<t, c)  ~  p(v | x_<t)  P(c | x_<t, v)^weight.

Here the fine-tuned model is p(x | c), and what it is held against, text under no control, is the
base model itself, so that a token costs no evaluation beyond these two. With l = log p(x_1..t | c)
/ p(x_1..t), the evidence so far,

    P = sigmoid(scale / t * l + log prior / (1 - prior))        bayes=normalised
    P = min(1, prior * exp(l))                                  bayes=exact

The first is what is released: the two classes are taken for each other's complement, and the length
is divided out, so that P is no posterior but stays soft on long texts. The second is Bayes' rule
P(c | x) = p(c) p(x | c) / p(x); where p(c) p(x | c) is never above p(x), as it would be of perfect
models, and the weight is 1, texts are drawn from p(x | c) exactly.

Then the words least like the control are left out: in ascending order of P, as long as their share
of the reweighted probability, together, is below ``filter_p``, but none with P of ``target_p`` and
above. The published figures also divide repeated words' logits by 1.2, decode greedily, and learn
scale and prior with the class-conditional model; none of that is done here. Of a composition's
controls, each with a model of its own, P is the product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from baselines.settings import SampleSettings
from baselines.steering import Contrast, Contrasted, SteeringCard
from models.nets.recipes import FINETUNED
from tasks.common.ranges import ranged, share

if TYPE_CHECKING:
    from torch import Tensor

    from models.nets.decoding import Experts


@dataclass(frozen=True)
class GeDiSettings(SampleSettings):
    """GeDi (paper, section 4; the released code's weight and filter)."""

    #: exponent of the control's probability; 0: the base model
    weight: float = ranged(30.0, least=0, most=1e6)
    #: normalised: the evidence is divided by the number of tokens, as released; exact: Bayes' rule
    bayes: Literal["normalised", "exact"] = "normalised"
    #: of bayes=normalised: what the mean evidence a token is multiplied by
    scale: float = ranged(1.0, above=0, most=1e6)
    #: probability of the control before the first word
    prior: float = ranged(0.5, above=0, below=1)
    #: most probability that the words left out have together, after reweighting; 0: none is
    filter_p: float = ranged(0.8, least=0, below=1)
    #: words after which the control is as probable as this are never left out
    target_p: float = share(0.8)


CARD = SteeringCard(
    "gedi",
    "baselines.gedi:GeDi",
    label="GeDi",
    paper="Krause et al. 2021, GeDi: Generative Discriminator Guided Sequence Generation",
    order=110,
    Settings=GeDiSettings,
    brings=(FINETUNED,),
    trained=True,
    tradeoff="weight",
    ranges={"weight": ("3", "10", "30", "100"), "filter_p": ("0", "0.8")},
)


class Discrimination(Contrast):
    """Keeps the evidence for each control, (P, R), of the rows' texts so far."""

    def __init__(self, experts: Experts, settings: GeDiSettings) -> None:
        super().__init__(experts)
        self.settings, self.tokens = settings, 0
        self.evidence: Tensor | None = None

    def mix(self, base: Tensor, said: Tensor) -> Tensor:
        import torch

        options, self.tokens = self.settings, self.tokens + 1
        gain = said - base.masked_fill(base == -torch.inf, 0.0)
        before = 0.0 if self.evidence is None else self.evidence[..., None]
        self.after = before + gain
        log_p = self._posterior(self.after).sum(0)
        mixed = base + options.weight * log_p
        if options.filter_p == 0:
            return mixed
        order = log_p.masked_fill(base == -torch.inf, -torch.inf).argsort(dim=-1, stable=True)
        mass = mixed.softmax(-1).gather(-1, order).cumsum(-1)
        least = mass < options.filter_p * mass[:, -1:]
        left_out = torch.zeros_like(least).scatter(-1, order, least)
        return mixed.masked_fill(left_out & (log_p.exp() < options.target_p), -torch.inf)

    def _posterior(self, evidence: Tensor) -> Tensor:
        """log P of evidence (..., W)."""
        from torch.nn import functional as F

        options = self.settings
        if options.bayes == "exact":
            return (math.log(options.prior) + evidence).clamp(max=0.0)
        odds = math.log(options.prior / (1 - options.prior))
        return F.logsigmoid(options.scale / self.tokens * evidence + odds)

    def keep(self, rows: Tensor) -> None:
        super().keep(rows)
        self.after = self.after[:, rows]

    def advance(self, tokens: Tensor) -> None:
        super().advance(tokens)
        at = tokens[None, :, None].expand(len(self.after), -1, 1)
        self.evidence = self.after.gather(-1, at)[..., 0]


class GeDi(Contrasted):
    card: ClassVar[SteeringCard] = CARD

    def contrast(self, experts: Experts) -> Contrast:
        return Discrimination(experts, self.settings)
