"""Sequential Monte Carlo steering (Lew et al. 2023; with learnt twists, Zhao et al. 2024).

A sample is drawn from the posterior

    p(y) p(control | y)^lam / Z,      Z = E_p [ p(control | y)^lam ],

of the language model p by K particles: each goes on with a token of the language model, and gets
the weight phi_t / phi_(t-1), phi_t = p(control | y_1..t)^lam by the discriminator of each prefix
(phi_0 = 1; a composition's multiply). Where the effective number of particles, (sum w)^2 / sum w^2,
falls below a share of K, they are resampled (systematically), so that hopeless beginnings are given
up early; the text is one of the last particles, by weight. The intermediate phi_t divide out:
whatever they are, the particles' mean weight is an unbiased estimate of Z, and as K grows the text
comes from the posterior. K = 1 is the language model.

Particles with one beginning are one text, so a sample costs K texts and gives one. Each has random
numbers of its own, and those of a sample depend on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from baselines.filtering import Filtered, ParticleSettings
from baselines.steering import JUDGE, SteeringCard
from models.nets.recipes import DISCRIMINATOR


@dataclass(frozen=True)
class SMCSettings(ParticleSettings):
    """Sequential Monte Carlo. With lam=0 it is the language model, with one particle."""


CARD = SteeringCard(
    "smc",
    "baselines.smc:SMC",
    label="SMC",
    paper="Lew et al. 2023, Sequential Monte Carlo Steering of Large Language Models",
    order=140,
    Settings=SMCSettings,
    role=JUDGE,
    brings=(DISCRIMINATOR,),
    tradeoff="lam",
    ranges={"lam": ("1", "2", "4", "8"), "particles": ("8", "32")},
)


class SMC(Filtered):
    card: ClassVar[SteeringCard] = CARD

    @property
    def particles(self) -> int:
        return super().particles if self.judged else 1
