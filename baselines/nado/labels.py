"""Which controls the language model's own texts satisfy, by the rule or the oracle of a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baselines.lm_samples import LM_SAMPLES
from baselines.rules import holds
from models.base import Plan
from models.nets.recipes import Pairs
from tasks.base import Annotation, Target, Task, Text
from tasks.common import stop
from tasks.common.recipe import Recipe
from tasks.controls import Control

#: what a task's score reads -> the role of the oracle that says it
ORACLES = {"tree": "parser", "tags": "tagger"}


def annotated(plan: Plan, task: Task) -> Recipe:
    """The language model's texts with what the oracles say of them, as far as ``task`` is scored by
    it: a run whose corpus they are."""
    samples = plan.role(LM_SAMPLES.name)
    if not task.needs:
        return samples
    outer: Any = plan
    oracles = {ORACLES[need]: plan.role(ORACLES[need]) for need in sorted(task.needs)}
    inner: Plan = type(outer)(plan.config, {**outer.given, "corpus": samples, **oracles})
    role = "texts" if "tree" in task.needs else "corpus"
    return inner.role("tagged_" + role if "tags" in task.needs else role)


def pairs(task: Task, texts: Sequence[Text], human: Sequence[Text], seed: int) -> Pairs:
    """(prompt, words) of the language model's ``texts`` and controls that they satisfy: those that
    the task itself reads from an annotated text; of a task of attributes, which a text without its
    meaning says nothing of, those of the controls of ``human`` texts that its rule finds."""
    if not task.attributes or task.needs:
        return [(task.prompt(one), words) for one, words in task.examples(texts, seed)]
    known: dict[tuple[str, ...], Control] = {}
    for control, _ in task.examples(human, seed):
        known.setdefault(tuple(task.prompt(control)), control)
    found: Pairs = []
    for text in texts:
        stop.check()
        said = Annotation(text.words)
        for prompt, control in known.items():
            if holds(task, Target("", control), said):
                found.append((list(prompt), text.words))
    return found
