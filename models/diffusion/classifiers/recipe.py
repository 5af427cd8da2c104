"""The role of control classifiers: which task's classifier guides which task, and its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.base import Plan, Role
from models.diffusion.config import ClassifierConfig
from models.nets.recipes import for_task, single
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.corpora.stored import VALID, read_corpus

#: task -> the task whose classifier guides it; none where the denoising network itself does
GUIDED_BY: Mapping[str, str] = {
    "syntax_spans": "syntax_spans",
    "syntax_tree": "syntax_spans",
    "parts_of_speech": "parts_of_speech",
    "semantic_content": "semantic_content",
    "length": "",
}
#: settings that the classifier of one task alone reads
FIELDS = {"span_hidden": "syntax_spans", "noised_attribute": "semantic_content"}


def guides(task: str) -> bool:
    """Whether guidance is defined for a single task."""
    return task in GUIDED_BY


def role_for(task: str) -> str:
    """The role of the classifier that guides a single task, empty where none does."""
    trained = GUIDED_BY[task]
    return f"classifier:{trained}" if trained else ""


def classifier(plan: Plan, task: str) -> Recipe:
    single(task, "classifier")
    control = plan.task(task)
    config, seed = plan.config.classifier, plan.config.train_seed

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from models.diffusion.classifiers.training import train_classifier

        corpus = read_corpus(deps["texts"])
        train_classifier(
            folder,
            deps["diffusion"],
            task,
            corpus.train,
            corpus.valid[:VALID],
            config,
            seed,
            plan.device,
            progress,
            examples=lambda texts: control.examples(texts, seed),
        )

    return recipe(
        "classifier",
        f"train the classifier of {task} on noisy latents",
        build,
        read_by(task, for_task(plan, config, control)),
        deps={"diffusion": plan.role("diffusion"), "texts": plan.texts_for(task)},
        pace=config,
    )


def read_by(task: str, config: dict[str, Any]) -> dict[str, Any]:
    """A classifier's settings without those that only other tasks' classifiers read."""
    return {k: v for k, v in config.items() if FIELDS.get(k, task) == task}


CLASSIFIER = Role(
    "classifier",
    "models.diffusion.classifiers.recipe:classifier",
    section="classifier",
    Config=ClassifierConfig,
    title="classifiers",
    curve=("valid_loss", "train_loss"),
    curve_label="loss",
    log_scale=True,
)
