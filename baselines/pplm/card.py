"""PPLM's card, and the recipe of its attribute head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from baselines.pplm.settings import PPLMSettings
from models.base import Card, Plan, Role
from models.nets.config import AttributeHeadConfig
from models.nets.recipes import for_task
from tasks.base import Task
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.corpora.stored import held_out, read_corpus


def attribute_head(plan: Plan, task: str) -> Recipe:
    config, seed, control = plan.config.attribute_head, plan.config.train_seed, plan.task(task)

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from baselines.pplm.head import train_attribute_head

        corpus = read_corpus(deps["texts"])
        train, valid = (
            list(control.examples(texts, seed)) for texts in (corpus.train, held_out(corpus))
        )
        lm = deps["lm"]
        train_attribute_head(
            folder, lm, train, valid, config, seed, device=plan.device, progress=progress
        )

    return recipe(
        "attribute_head",
        f"train PPLM's attribute head of {task}",
        build,
        for_task(plan, config, control),
        deps={"texts": plan.texts_for(task), "lm": plan.role("lm")},
        pace=config,
    )


@dataclass(frozen=True)
class PPLMCard(Card):
    """A head of field values, which knows nothing of positions (paper, section 6.3)."""

    def refuses(self, task: Task) -> str | None:
        return None if task.attributes else "PPLM has no positional control"


CARD = PPLMCard(
    "pplm",
    "baselines.pplm.method:PPLM",
    label="PPLM",
    paper="Dathathri et al. 2020, Plug and Play Language Models",
    order=40,
    colour=4,
    Settings=PPLMSettings,
    uses=("lm", "attribute_head"),
    brings=(
        Role(
            "attribute_head",
            "baselines.pplm.card:attribute_head",
            section="attribute_head",
            Config=AttributeHeadConfig,
            title="PPLM's attribute head",
            per_task=True,
        ),
    ),
    tradeoff="steps",
    step_size="step_size",
    ranges={"steps": ("10", "30")},
)
