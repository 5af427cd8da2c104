"""Sequential Monte Carlo under the task's own rule (Lew et al. 2023; twisted, Zhao et al. 2024).

The final potential of a text is 1 where it satisfies the control and 0 elsewhere, so that a sample
comes from the language model's own

    p(y) 1[y satisfies the control] / Z,      Z = p(control),

as K grows, where rejection would come to one text in 1 / Z. What guides the particles on the way is
the discriminator of prefixes, phi_t = p(control | y_1..t)^lam: twists, which the final potential
divides out, so that a poor discriminator costs particles and no bias: the mean weight is an
unbiased estimate of Z for any of them. Without twists (lam = 0, no discriminator is needed)
particles have equal weights until they end. K = 1 is the language model, which is then asked alone.

Where no particle satisfies the control, the estimate of Z is 0 and the text any of the last ones.
It knows the rule that it is measured by; tasks that an oracle judges have none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from baselines.autoregressive import Heads
from baselines.filtering import Filtered, ParticleSettings
from baselines.rules import no_rule, satisfied
from baselines.steering import JUDGE, SteeringCard
from models.nets.recipes import DISCRIMINATOR
from tasks.base import Task

if TYPE_CHECKING:
    from models.jobs import Job


@dataclass(frozen=True)
class SMCRuleSettings(ParticleSettings):
    """Sequential Monte Carlo under the rule; lam=0: without a discriminator. With particles=1 it is
    the language model."""


@dataclass(frozen=True)
class SMCRuleCard(SteeringCard):
    def refuses(self, task: Task) -> str | None:
        return super().refuses(task) or no_rule(task)

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        asked = settings is None or settings.lam
        return super().needs(task, settings) if asked else ("lm",)


CARD = SMCRuleCard(
    "smc_rule",
    "baselines.smc_rule:SMCRule",
    label="SMC (rule)",
    paper="Lew et al. 2023, Sequential Monte Carlo Steering of Large Language Models",
    order=141,
    Settings=SMCRuleSettings,
    role=JUDGE,
    brings=(DISCRIMINATOR,),
    knows_rule=True,
    tradeoff="particles",
    ranges={"particles": ("8", "32"), "lam": ("0", "1", "2")},
)


class SMCRule(Filtered):
    card: ClassVar[SteeringCard] = CARD

    @property
    def judged(self) -> bool:
        return super().judged and self.particles > 1

    def closing(self, job: Job[Heads], ids: list[int]) -> float:
        right = satisfied(self.task, job.target, self.codec.words(ids))
        return 0.0 if right else -math.inf
