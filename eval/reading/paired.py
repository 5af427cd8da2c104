"""Every method against one other on the same targets (reference notes, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.reading.stats import Difference, Total, paired, paired_pooled
from eval.running.cells import SCORES, as_ratio
from tasks.base import Task
from tasks.common.jsonl import read

#: the method that the others are held against
REFERENCE = "diffusion_lm"
#: the metric of fluency, beside a task's headlines
LM = "lm"

Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """``method`` less :data:`REFERENCE` under one metric: percentage points of a task's headline,
    or perplexity for :data:`LM`."""

    method: str
    metric: str
    difference: Difference


def compare(folder: Path, task: Task, methods: Sequence[str]) -> list[Comparison]:
    """The paired differences of the scored cells of one task to that of :data:`REFERENCE`, by the
    targets that both have scores of; none where there is no such cell."""
    stored = {name: read(folder / task.name / name / SCORES) for name in (REFERENCE, *methods)}
    reference = stored[REFERENCE]
    found = []
    for method in methods:
        if method == REFERENCE or not stored[method] or not reference:
            continue
        # the paper's own definition too, where it is not the headline
        ctrl = dict.fromkeys((*task.headlines, *sorted(task.paper_metrics)))
        for metric in (*ctrl, LM):
            own = difference(stored[method], reference, metric, task.pooled.get(metric))
            if own is not None:
                found.append(Comparison(method, metric, own))
    return found


def difference(
    first: Records, second: Records, metric: str, total: Total | None = None
) -> Difference | None:
    """``first`` less ``second``, score records of two cells, over the targets that both have;
    None where they share none. ctrl in percentage points, :data:`LM` in perplexity. ``total``: of
    a pooled metric (``Task.pooled``)."""
    if total is not None:
        a, b = ({r["target"]: r["scores"][metric] for r in side} for side in (first, second))
        both = [target for target in b if target in a]
        return (
            paired_pooled(
                [a[t] for t in both], [b[t] for t in both], lambda sums: 100 * total(sums)
            )
            if both
            else None
        )
    own, other = _shared(_groups(first, metric), _groups(second, metric))
    if not own:
        return None
    return paired(_columns(own), _columns(other), np.exp if metric == LM else _percent)


def _percent(means: Any) -> Any:
    return 100 * means


Groups = dict[str, list[tuple[float, float]]]


def _groups(records: Records, metric: str) -> Groups:
    """Target -> (numerator, denominator) of each of its samples."""
    found: Groups = {}
    for record in records:
        if metric == LM:
            if record.get("nll") is None:
                continue
            value = record["nll"] / record["tokens"], 1.0
        elif metric in record["scores"]:
            value = as_ratio(record["scores"][metric])
        else:
            continue
        found.setdefault(record["target"], []).append(value)
    return found


def _shared(first: Groups, second: Groups) -> tuple[list[Any], list[Any]]:
    both = [target for target in second if target in first]
    return [first[target] for target in both], [second[target] for target in both]


def _columns(groups: Sequence[Sequence[tuple[float, float]]]) -> tuple[Any, Any]:
    """Values and weights; weights of 1 make plain means of the values."""
    return [[v for v, _ in row] for row in groups], [[w for _, w in row] for row in groups]


def rows(comparisons: Sequence[Comparison]) -> list[list[str]]:
    """The comparisons as text, one string a column of :data:`HEADER`."""
    found = []
    for one in comparisons:
        own, digits = one.difference, 2 if one.metric == LM else 1
        span = f"[{own.low:+.{digits}f}, {own.high:+.{digits}f}]"
        found.append([one.method, one.metric, f"{own.value:+.{digits}f}", span, f"{own.p:.4f}"])
    return found


HEADER = (f"less {REFERENCE}", "metric", "difference", "95 % interval", "p")
NOTE = (
    f"less {REFERENCE}: paired bootstrap on the same targets, then over samples; ctrl in "
    "percentage points, lm in perplexity; p is two-sided and not corrected for the number of tests."
)
