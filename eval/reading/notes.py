"""What stands below tables: definitions, judges, and what could not be computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.reading import paper
from eval.reading.names import TaskTraits
from eval.reading.paired import note
from eval.reading.results import ResultSet
from models.base import INFILLING
from tasks.corpora import label


def task_notes(results: ResultSet, task: TaskTraits, metrics: Mapping[str, str]) -> list[str]:
    """Of one task: its metrics, the paper's definition, the judges, and metrics left out."""
    notes = [f"ctrl, {name}: {text}, in percent." for name, text in metrics.items()]
    defined = paper.control()["ctrl"]
    for name in task.name.split("+"):
        if name in defined:
            notes.append(f"Paper's ctrl, {name}: {defined[name]['definition']}.")
    configs = results.configs(task.name)
    judges: Mapping[str, Any] = next((j for c in configs if (j := c.get("oracles"))), {})
    skipped: dict[str, str] = {}
    for config in configs:
        skipped |= config.get("skipped", {})
    return [
        *notes,
        *(f"{role}: {judge_text(facts['id'], facts)}" for role, facts in judges.items()),
        *(f"{metric}: {reason}" for metric, reason in skipped.items()),
    ]


def judge_text(name: str, facts: Mapping[str, Any]) -> str:
    """A judge's name with what is known of how good it is."""
    known = {key: value for key, value in facts.items() if key != "id"}
    shown = [f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in known.items()]
    return name + (f" ({', '.join(shown)})" if shown else "")


def legend(corpus: str, fluency: bool = True) -> list[str]:
    """What holds for every table of a result set; ``fluency``: whether any has lm-scores."""
    published = paper.control()
    if not fluency:
        source = published["source"].partition(", Tables")[0]
        return [
            f"Paper: {source}, {paper.table(INFILLING)['where']}.",
            "* the paper's figure is of other networks, items and BERTScore scales than ours.",
            "95 % interval: bootstrap over items.",
            "human text: the human middles of an item held against each other, where it has two or "
            "more. unconditional: first sentences of samples without any context. left context: the"
            " sentence on the left, given as the answer.",
            note().replace("then over samples; ", ""),
        ]
    theirs = published["corpus"]
    where = "" if corpus == theirs else f" (theirs is for E2E, ours for {label(corpus)})"
    return [
        f"Paper: {published['source']}.",
        "* the paper's figure has another definition, corpus or teacher than ours" + where + ".",
        "lm: perplexity under a teacher trained here: exp of the NLL a token, averaged over the "
        f"samples of a target, then over targets. Paper's lm: {published['lm']}.",
        "95 % interval: bootstrap over targets, then over samples within each.",
        "human text: the texts that the targets were taken from, or, for semantic content, the "
        "validation texts whose meaning has the asked value; its lm is that of validation "
        "texts. unconditional: samples without control, each held against every target.",
        "distinct-2: distinct word pairs over all; entropy: of the words of all samples, in bits; "
        "repeats: samples equal to an earlier one of the same target.",
        note(),
    ]
