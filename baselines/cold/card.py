"""COLD's card, and the recipe of its right-to-left language model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from baselines.cold.settings import ColdSettings
from models.base import INFILLING, Card, Plan, Role
from models.nets.config import LMConfig
from models.nets.recipes import NATS, plain_lm
from tasks.base import Task, Text, Words
from tasks.common.recipe import Recipe


def backward_lm(plan: Plan, task: str) -> Recipe:
    """Reads texts from right to left."""

    def backwards(texts: Iterable[Text]) -> list[Words]:
        return [words[::-1] for words in plan.seen(texts)]

    title = "train the right-to-left language model"
    config, seed = plan.config.lm, plan.config.train_seed + 2
    return plain_lm(plan, "backward_lm", title, backwards, config=config, seed=seed, reverse=True)


@dataclass(frozen=True)
class ColdCard(Card):
    """Without weight on fluency from right to left, no right-to-left model is asked."""

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        return ("lm",) if settings.left_right == 1 else ("lm", "backward_lm")

    def samples(self, settings: Any, asked: int) -> int:
        return min(settings.chains or asked, asked)


CARD = ColdCard(
    "cold",
    "baselines.cold.method:Cold",
    label="COLD",
    paper="Qin et al. 2022, COLD Decoding",
    order=30,
    Settings=ColdSettings,
    brings=(
        Role(
            "backward_lm",
            "baselines.cold.card:backward_lm",
            Config=LMConfig,
            title="right-to-left LM",
            curve=("valid_nll",),
            curve_label=NATS,
        ),
    ),
    tables=frozenset({INFILLING}),
)
