"""NADO's card, and the recipe of its success function."""

from __future__ import annotations

from pathlib import Path

from baselines.lm_samples import LM_SAMPLES
from baselines.nado.config import NADOSettings, SuccessConfig, preset
from baselines.nado.labels import annotated, pairs
from baselines.steering import SteeringCard
from models.base import Plan, Role
from models.nets.config import long_enough
from models.nets.recipes import NATS, for_task, prompted_codec, readable, single
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.corpora.stored import read_corpus, words_of

NAME = "success"


def success(plan: Plan, task: str) -> Recipe:
    single(task, NAME)
    control, seed = plan.task(task), plan.config.train_seed
    config, base = long_enough(plan.config.success, control), plan.config.lm
    control = control.laid(config.layout)

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from baselines.nado.training import train_success

        codec = prompted_codec(control, deps, base)
        human, own = read_corpus(deps["texts"]).train, read_corpus(deps[LM_SAMPLES.name])
        train, held = (
            (readable(pairs(control, texts, human, seed), codec), words_of(texts))
            for texts in (own.train, own.valid)
        )
        if not train[0]:
            raise UserError(
                f"none of {len(own.train)} texts of the language model satisfies a control of "
                f"{task}: {NAME} has nothing to learn from"
            )
        train_success(
            folder,
            deps["lm"],
            codec,
            train,
            held,
            config,
            seed=seed,
            evenly=control.attributes,
            device=plan.device,
            progress=progress,
        )

    return recipe(
        NAME,
        f"train NADO's success function of {task}",
        build,
        for_task(plan, config, control) | {"pretrained": base.pretrained},
        deps={
            "lm": plan.role("lm"),
            LM_SAMPLES.name: annotated(plan, control),
            "texts": plan.texts_for(task),
            "vocabulary": plan.role("vocabulary"),
        },
        pace=config,
    )


CARD = SteeringCard(
    "nado",
    "baselines.nado.method:NADO",
    label="NADO",
    paper="Meng et al. 2022, Controllable Text Generation with Neurally-Decomposed Oracle",
    order=125,
    Settings=NADOSettings,
    role=NAME,
    brings=(
        LM_SAMPLES,
        Role(
            NAME,
            "baselines.nado.card:success",
            section=NAME,
            Config=SuccessConfig,
            preset=preset,
            title="NADO's success functions",
            per_task=True,
            curve=("valid_nll",),
            curve_label=NATS,
        ),
    ),
    trained=True,
    tradeoff="weight",
    ranges={"weight": ("0.5", "1", "2")},
)
