"""Every method against one other on the same targets (reference notes, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eval.reading.intervals import Difference, Total, holm, paired, paired_pooled
from eval.reading.names import TaskTraits, reference
from eval.running.cells import as_ratio
from tasks.common.errors import UserError

#: the metric of fluency, beside a task's headlines
LM = "lm"

Records = Sequence[Mapping[str, Any]]
#: values and weights of each target
Columns = tuple[Any, Any]


@dataclass(frozen=True)
class Comparison:
    """``method`` less the reference method (by default ``names.reference``) under one metric:
    percentage points of a task's headline, or perplexity for :data:`LM`. ``stored``: as of a
    :class:`Side`. ``targets``: how many both have, where either has others; else 0. ``holm``: p,
    corrected for all tests of its table (:func:`eval.reading.intervals.holm`)."""

    method: str
    metric: str
    difference: Difference
    stored: str = ""
    targets: int = 0
    holm: float = 1.0


@dataclass(frozen=True)
class Side:
    """The scores of one row of a table. ``stored``: the result set that they are read from, where
    that is another than the table's."""

    method: str
    scores: Records
    stored: str = ""

    def is_row(self, other: Side) -> bool:
        """Whether both are the same row."""
        return (self.method, self.stored) == (other.method, other.stored)


def compare(task: TaskTraits, sides: Sequence[Side], other: Side) -> list[Comparison]:
    """The paired differences of the rows of one task to ``other``, by the targets that both have
    scores of; none where that has no scores."""
    # the paper's own definition too, where it is not the headline
    metrics = dict.fromkeys((*task.headlines, *sorted(task.paper_metrics), LM))
    theirs, comparisons = _targets(other), []
    for side in sides if other.scores else ():
        if side.is_row(other) or not side.scores:
            continue
        ours = _targets(side)
        targets = 0 if ours == theirs else len(ours & theirs)
        for metric in metrics:
            if task.pooled.get(metric, compare) is None:
                continue
            one = difference(side.scores, other.scores, metric, task.pooled.get(metric))
            if one is not None:
                comparisons.append(Comparison(side.method, metric, one, side.stored, targets))
    corrected = holm([one.difference.p for one in comparisons])
    return [replace(one, holm=p) for one, p in zip(comparisons, corrected, strict=True)]


def _targets(side: Side) -> set[str]:
    return {record["target"] for record in side.scores}


def difference(
    first: Records, second: Records, metric: str, total: Total | None = None
) -> Difference | None:
    """``first`` less ``second``, score records of two cells, over the targets that both have;
    None where they share none. ctrl in percentage points, :data:`LM` in perplexity. ``total``: of
    a pooled metric (``Task.pooled``)."""
    if total is not None:
        a, b = ({r["target"]: r["scores"][metric] for r in side} for side in (first, second))
        both = [target for target in b if target in a]
        if not both:
            return None
        return paired_pooled([a[t] for t in both], [b[t] for t in both], percent_of(total))
    both_sides = sides(first, second, metric)
    if both_sides is None:
        return None
    if metric == LM:
        return paired(*both_sides, np.exp, share=False)
    return paired(*both_sides, _percent)


def sides(first: Records, second: Records, metric: str) -> tuple[Columns, Columns] | None:
    """(values, weights) of two cells over the targets that both have, as ``intervals.paired`` takes
    them; None where they share none."""
    groups, other = _shared(_groups(first, metric), _groups(second, metric))
    return (_columns(groups), _columns(other)) if groups else None


class Unfit(UserError):
    """Stored counts are not those of their metric."""


def percent_of(total: Total) -> Callable[[Sequence[float]], float]:
    """A pooled metric in percent. Raises :class:`Unfit` for counts of another kind."""

    def percent(sums: Sequence[float]) -> float:
        try:
            return 100 * total(sums)
        except (TypeError, ValueError, LookupError, ArithmeticError):
            raise Unfit("the stored counts are not those of their metric") from None

    return percent


def _percent(means: Any) -> Any:
    return 100 * means


Groups = dict[str, list[tuple[float, float]]]


def _groups(records: Records, metric: str) -> Groups:
    """Target -> (numerator, denominator) of each of its samples."""
    groups: Groups = {}
    for record in records:
        if metric == LM:
            if record.get("nll") is None:
                continue
            value = record["nll"] / record["tokens"], 1.0
        elif metric in record["scores"]:
            value = as_ratio(record["scores"][metric])
        else:
            continue
        groups.setdefault(record["target"], []).append(value)
    return groups


def _shared(first: Groups, second: Groups) -> tuple[list[Any], list[Any]]:
    both = [target for target in second if target in first]
    return [first[target] for target in both], [second[target] for target in both]


def _columns(groups: Sequence[Sequence[tuple[float, float]]]) -> Columns:
    """Values and weights; weights of 1 make plain means of the values."""
    return [[v for v, _ in row] for row in groups], [[w for _, w in row] for row in groups]


def note(against: Sequence[str] = ()) -> str:
    """What the figures mean. ``against``: the methods that others are compared with."""
    return (
        f"less {' or '.join(against) or reference().name}: on the same targets; ctrl in "
        "percentage points, lm in perplexity; p is two-sided, of exchanging the two methods' "
        "targets at random, and corrected for all tests of its table (Holm)."
    )
