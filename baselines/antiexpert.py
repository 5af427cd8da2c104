"""The anti-expert's network: a language model of texts that lack a control (Liu et al. 2021).

It is trained as the fine-tuned model is, with its settings, on the same texts behind controls that
they do not satisfy: each text comes with one control of another text, drawn once. Where controls
are drawn alike for all texts it is p(text | not control).
"""

from __future__ import annotations

from pathlib import Path

from models.base import Plan, Role, stream_seed
from models.nets.config import LMConfig, long_enough
from models.nets.recipes import (
    NATS,
    Pairs,
    examples,
    for_task,
    prompted_codec,
    readable,
    single,
)
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe

NAME = "antiexpert"


def mismatched(pairs: Pairs, seed: int) -> Pairs:
    """(prompt, words): the texts of ``pairs``, each with a prompt of another that it is not paired
    with; without those that every drawn prompt holds of."""
    import numpy as np

    from models.nets.discriminator import Mismatches

    rng = np.random.default_rng(stream_seed(seed, NAME, "controls"))
    draws = Mismatches(pairs, near=0.0, near_words=0)
    drawn = ((draws.draw(rng, i), words) for i, (_, words) in enumerate(pairs))
    return [(list(prompt), words) for prompt, words in drawn if prompt is not None]


def antiexpert(plan: Plan, task: str) -> Recipe:
    single(task, NAME)
    control = plan.task(task)
    config, seed = long_enough(plan.config.finetune, control), plan.config.train_seed
    start = {} if config.pretrained else {"lm": plan.role("lm")}

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from models.nets.causal import train_lm

        codec = prompted_codec(control, deps, config)
        train, valid = (mismatched(pairs, seed) for pairs in examples(control, deps, seed))
        train_lm(
            folder,
            train,
            readable(valid, codec),
            codec,
            config,
            seed,
            device=plan.device,
            progress=progress,
            init=deps.get("lm"),
        )

    return recipe(
        NAME,
        f"train an anti-expert for {task}",
        build,
        for_task(plan, config, control),
        deps={"texts": plan.texts_for(task), "vocabulary": plan.role("vocabulary"), **start},
        parallel=True,
        pace=config,
    )


ANTIEXPERT = Role(
    NAME,
    "baselines.antiexpert:antiexpert",
    section="finetune",
    Config=LMConfig,
    title="anti-experts",
    per_task=True,
    curve=("valid_nll",),
    curve_label=NATS,
)
