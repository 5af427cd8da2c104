"""AR-infilling's card, and the recipe of its language model."""

from __future__ import annotations

from collections.abc import Iterable

from baselines.ar_infilling.settings import ARInfillingSettings
from models.base import INFILLING, Card, Plan, Role
from models.nets.config import LMConfig
from models.nets.recipes import NATS, plain_lm
from tasks.base import Text, Words
from tasks.common.recipe import Recipe
from tasks.infilling import reordered


def reordered_lm(plan: Plan, task: str) -> Recipe:
    """Reads left context, right context, middle."""

    def middles_last(texts: Iterable[Text]) -> list[Words]:
        return [reordered(triple) for triple in plan.seen_triples(texts)]

    title = "train the language model of reordered stories"
    config, seed = plan.config.lm.fresh, plan.config.train_seed
    return plain_lm(plan, "reordered_lm", title, middles_last, config=config, seed=seed)


CARD = Card(
    "ar_infilling",
    "baselines.ar_infilling.method:ARInfilling",
    label="AR",
    paper="Li et al. 2022, Diffusion-LM, section 6.4",
    order=70,
    Settings=ARInfillingSettings,
    uses=("reordered_lm",),
    brings=(
        Role(
            "reordered_lm",
            "baselines.ar_infilling.card:reordered_lm",
            Config=LMConfig,
            title="AR-infilling's LM",
            curve=("valid_nll",),
            curve_label=NATS,
        ),
    ),
    tables=frozenset({INFILLING}),
)
