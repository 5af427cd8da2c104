"""The role of the control classifiers of a diffusion network, and their recipe."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from models.base import Plan, Role
from models.diffusion.classifiers.kinds import KINDS
from models.diffusion.config import ClassifierConfig
from models.nets.recipes import for_task, single
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.corpora.stored import held_out, read_corpus


def classifiers(
    source: str,
    space: str,
    name: str = "classifier",
    Config: type[ClassifierConfig] = ClassifierConfig,
    **more: Any,
) -> Role:
    """The role ``name`` of classifiers that read the noisy latents of what role ``source`` holds,
    a network or a vocabulary; ``space``: "module:function" of its (folder, settings of the
    classifier, device) -> :class:`models.diffusion.classifiers.base.Space`. ``more``: further
    fields of the role."""
    return Role(
        name,
        partial(classifier, source=source, space=space, name=name),
        section=name,
        Config=Config,
        per_task=True,
        curve=("valid_loss", "train_loss"),
        curve_label="loss",
        log_scale=True,
        **{"title": "classifiers", **more},
    )


def classifier(plan: Plan, task: str, *, source: str, space: str, name: str) -> Recipe:
    """The recipe of the classifier of ``task``, as of :func:`classifiers`."""
    single(task, "classifier")
    control = plan.task(task)
    config, seed = getattr(plan.config, name), plan.config.train_seed

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from models.diffusion.classifiers.training import train_classifier

        module, function = space.split(":")
        load = getattr(importlib.import_module(module), function)
        corpus = read_corpus(deps["texts"])
        train_classifier(
            folder,
            task,
            load(deps[source], config, plan.device),
            corpus.train,
            held_out(corpus),
            config,
            seed=seed,
            progress=progress,
            examples=lambda texts: control.examples(texts, seed),
        )

    return recipe(
        name,
        f"train the classifier of {task} on noisy texts",
        build,
        read_by(task, for_task(plan, config, control)),
        deps={source: plan.role(source), "texts": plan.texts_for(task)},
        pace=config,
    )


def read_by(task: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A classifier's settings without those that only other tasks' classifiers read."""
    others = {field for kind in KINDS if kind.name != task for field in kind.fields}
    return {name: value for name, value in config.items() if name not in others}
