"""Rejection: texts of the language model until one satisfies the control by the task's own rule.

What is accepted is drawn from p(text | control) of the language model exactly, at the price of
1 / p(control) texts on average, and knows the rule that it is measured by. A sample that n texts do
not find keeps the first of them. Tasks that an oracle judges have no rule that a text decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.autoregressive import Heads
from baselines.rules import no_rule, satisfied
from baselines.several import RANGES, OfSeveral, SeveralSettings
from baselines.steering import SteeringCard
from tasks.base import Task

if TYPE_CHECKING:
    from baselines.autoregressive import Decoded
    from models.jobs import Job


class RejectionSettings(SeveralSettings):
    """Rejection by the task's rule; n is the most texts a sample, and 1 is the language model."""


@dataclass(frozen=True)
class RejectionCard(SteeringCard):
    def refuses(self, task: Task) -> str | None:
        return super().refuses(task) or no_rule(task)


CARD = RejectionCard(
    "rejection",
    "baselines.rejection:Rejection",
    label="Rejection",
    paper="von Neumann 1951, Various techniques used in connection with random digits",
    order=137,
    Settings=RejectionSettings,
    role="",
    knows_rule=True,
    tradeoff="n",
    ranges=RANGES,
)


class Rejection(OfSeveral):
    """Network evaluations: the tokens of every text up to the accepted one."""

    card: ClassVar[SteeringCard] = CARD

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        waiting, spent = list(range(len(jobs))), [0] * len(jobs)
        kept: list[list[int]] = [[] for _ in jobs]
        for j in range(self.settings.n):
            drawn = self.candidates([jobs[i] for i in waiting], seed, limit, [j])
            rest = []
            for i, (ids,) in zip(waiting, drawn, strict=True):
                spent[i] += len(ids)
                if satisfied(self.task, jobs[i].target, self.codec.words(ids)):
                    kept[i] = ids
                else:
                    kept[i] = kept[i] or ids
                    rest.append(i)
            if not (waiting := rest):
                break
        return [(ids, float(nfe)) for ids, nfe in zip(kept, spent, strict=True)]
