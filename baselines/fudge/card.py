"""FUDGE's cards: on the language model, and on one that is told the control too."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baselines.fudge.settings import FudgeSettings
from models.base import BOTH, GUIDED, Card, of_parts
from models.nets.recipes import DISCRIMINATOR, FINETUNED
from tasks import parts
from tasks.base import Task
from tasks.common.errors import UserError

#: lambda of the paper's Table 6
LAMBDA: Mapping[str, float] = {
    "semantic_content": 8.0,
    "parts_of_speech": 20.0,
    "syntax_tree": 20.0,
    "syntax_spans": 20.0,
    "length": 2.0,
}
#: the training texts, among which controls are counted
TEXTS = "task_texts"
#: for tasks that are not in it: the middle of the values that the paper tried
OTHER_TASKS = 8.0


def lambdas(settings: FudgeSettings, task: str) -> tuple[float, ...]:
    """The weight of each part's discriminator. Raises ``UserError`` if there are other numbers of
    weights and parts."""
    names = parts(task)
    if len(names) > 1 and settings.lams is not None:
        if len(settings.lams) != len(names):
            raise UserError(f"fudge.lams has {len(settings.lams)} weights; {task} has {len(names)}")
        return settings.lams
    if settings.lam is not None:
        return (settings.lam,) * len(names)
    return tuple(LAMBDA.get(name, OTHER_TASKS) for name in names)


@dataclass(frozen=True)
class FudgeCard(Card):
    """One discriminator for each part of a task."""

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        assert task is not None
        counted = settings is not None and settings.prior == "rate"
        return ("lm", *of_parts("discriminator", task), *([TEXTS] if counted else ()))

    def resolve(self, settings: Any, task: Task | None) -> Any:
        assert task is not None
        lams = lambdas(settings, task.name)
        if len(lams) == 1:
            return dataclasses.replace(settings, lam=lams[0], lams=None)
        return dataclasses.replace(settings, lam=None, lams=lams)


CARD = FudgeCard(
    "fudge",
    "baselines.fudge.method:Fudge",
    label="FUDGE",
    paper="Yang and Klein 2021, FUDGE: Controlled Text Generation With Future Discriminators",
    order=50,
    colour=1,
    Settings=FudgeSettings,
    brings=(DISCRIMINATOR,),
    corner=("autoregressive", GUIDED),
    tradeoff="lam",
    ranges={"lam": ("16", "8", "4", "2")},
)


@dataclass(frozen=True)
class FTFudgeCard(FudgeCard):
    """A fine-tuned model in the language model's place."""

    def refuses(self, task: Task) -> str | None:
        if len(parts(task.name)) > 1:
            return "its language model is fine-tuned on single controls"
        return super().refuses(task)

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        return (FINETUNED.name, DISCRIMINATOR.name)

    def check(self, config: Any, task: Task | None) -> None:
        if config.ft_fudge.prior != "balanced":
            raise UserError(
                f"ft_fudge.prior={config.ft_fudge.prior}: its texts hold the control more often "
                "than training texts do, and nothing counts how often; balanced"
            )


FT_FUDGE = FTFudgeCard(
    "ft_fudge",
    "baselines.fudge.method:FTFudge",
    label="FT + FUDGE",
    paper="Yang and Klein 2021, on a language model that is fine-tuned on the control",
    order=55,
    Settings=FudgeSettings,
    brings=(FINETUNED, DISCRIMINATOR),
    group="two_by_two",
    trained=True,
    corner=("autoregressive", BOTH),
    tradeoff="lam",
    ranges={"lam": ("16", "8", "4", "2")},
)
CARDS = (CARD, FT_FUDGE)
