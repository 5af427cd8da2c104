"""NADO: a language model steered by a decomposed oracle (Meng et al. 2022).

    p(v | x, c)  ~  p(v | x)  ( R(xv, c) / R(x, c) )^weight,       R(x, c) = E[ C(y, c) | x ],

where C says whether a complete text y satisfies the control c and the expectation is over what the
language model p writes behind x. Of the exact R, sum_v p(v | x) R(xv, c) = R(x, c), so that with
weight 1 nothing is left to renormalise, and texts come from p(y) C(y, c) / p(c): the closest to the
language model that satisfy the control. A network learns R from the language model's own samples,
labelled by the task's rule or by its oracle. Of a composition's controls, each with a network of
its own, the ratios multiply.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from baselines.nado.card import CARD
from baselines.nado.success import load_success
from baselines.steering import Contrast, Contrasted, SteeringCard
from models.nets.codec import Codec
from models.nets.decoding import Experts


class Decomposed(Contrast):
    def __init__(self, experts: Experts, weight: float) -> None:
        super().__init__(experts)
        self.weight = weight

    def mix(self, base: Tensor, said: Tensor) -> Tensor:
        # a prefix's own R is the same for every next word
        return base + self.weight * said.sum(0)


class NADO(Contrasted):
    """Network evaluations: for each token one of the language model and one of each success
    function."""

    card: ClassVar[SteeringCard] = CARD

    @classmethod
    def beside(cls, folder: Path, device: torch.device) -> tuple[Any, Codec]:
        return load_success(folder, device)

    def contrast(self, experts: Experts) -> Contrast:
        return Decomposed(experts, self.settings.weight)
