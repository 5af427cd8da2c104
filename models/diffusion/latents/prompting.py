"""The networks of latents behind prompts, free of torch until they are trained: for each task one,
which is trained on from a family's own network, p(word | x_t), as a language model is fine-tuned,
until it says p(word | x_t, control); some prompts are emptied, so that it still knows the former.

Word embeddings and noise levels stay those of the network that it starts from, so that networks of
several tasks speak of the same latents.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.base import Plan, Role
from models.diffusion.config import SamplingConfig
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.role import DEMO, TRAIN
from models.nets.config import TrainConfig
from models.nets.presets import sized
from models.nets.recipes import examples, for_task, single
from tasks.common.progress import Progress
from tasks.common.ranges import Checked, ranged, share
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.corpora.stored import read_corpus, read_vocabulary


@dataclass(frozen=True)
class PromptedLatentConfig(Checked):
    """A family's network, for each task one that reads prompts."""

    #: share of training texts whose prompt is emptied, so that texts without a control are learnt
    drop: float = share(0.1)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(ema=0.9999))


@dataclass(frozen=True)
class PromptedLatentSettings(Checked):
    """Classifier-free guidance (Ho and Salimans 2022, equation 6)."""

    #: w of (1 + w) x_0(x_t, control) - w x_0(x_t): 0 is the network under its prompt, which costs
    #: one evaluation a step, others two
    weight: float = ranged(1.0, least=0, most=1e3)
    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(steps=100, clamp=False))


def prompted_role(name: str, network: str, *, title: str) -> Role:
    """The role of the networks behind prompts that are trained from the role ``network``."""

    def of_task(plan: Plan, task: str) -> Recipe:
        single(task, name)
        ours, seed = getattr(plan.config, name), plan.config.train_seed
        base: DiffusionConfig = getattr(plan.config, network)

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.diffusion.latents.prompted_training import train_behind

            asked = plan.task(task)
            train_behind(
                folder,
                deps[network],
                asked,
                ours,
                seed,
                texts=read_corpus(deps["texts"]).train,
                pairs=examples(asked, deps, seed),
                vocabulary=read_vocabulary(deps["vocabulary"]),
                device=plan.device,
                progress=progress,
            )

        deps = {
            "texts": plan.texts_for(task),
            "vocabulary": plan.role("vocabulary"),
            network: plan.role(network),
        }
        options = for_task(plan, ours, plan.task(task))
        pace = replace(base, train=ours.train)
        return recipe(name, f"train {title} of {task}", build, options, deps=deps, pace=pace)

    def preset(preset: str, run: Any) -> PromptedLatentConfig:
        if preset == "paper":
            return PromptedLatentConfig(train=sized(preset).train)
        return PromptedLatentConfig(train=DEMO if preset == "demo" else TRAIN)

    return Role(
        name, of_task, name, PromptedLatentConfig, preset, title=title,
        curve=("valid_loss",), log_scale=True, per_task=True,
    )  # fmt: skip
