"""The figures of every task of a set: the rows of its table with their paired tests and notes, from
stored scores and samples alone.

Every table and figure takes them from here, so that each is computed once and in one way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from eval.reading.names import (
    REFERENCES,
    TaskTraits,
    paper_compositions,
    paper_tasks,
    reference,
)
from eval.reading.notes import chance_notes, end_notes, task_notes, teacher_notes
from eval.reading.paired import Comparison, Side, Unfit, compare
from eval.reading.repairs import Repair, repairs
from eval.reading.results import CellFiles, ResultSet
from eval.reading.rows import (
    Row,
    ceiling,
    copies_row,
    floor_row,
    method_rows,
    own_texts,
)
from eval.reading.sweeps import sweep_notes
from eval.running.cells import external
from models.base import CONTROL
from tasks.common.errors import UserError


@dataclass(frozen=True)
class Measured:
    """One task: a row for each method and metric, the human ceiling and the floor; and every method
    against one. ``stored``: what is to be said of rows of other result sets. ``repairs``: what
    became of the samples of rows that others are edited from."""

    traits: TaskTraits
    metrics: Mapping[str, str]
    rows: Sequence[Row]
    notes: Sequence[str]
    paired: Sequence[Comparison] = ()
    against: str = ""
    stored: Sequence[str] = ()
    repairs: Sequence[Repair] = ()

    @property
    def task(self) -> str:
        return self.traits.name

    @property
    def ctrl(self) -> tuple[str, ...]:
        """The metrics that the paper's tables show (:attr:`TaskTraits.ctrl`)."""
        return self.traits.ctrl

    @property
    def methods(self) -> list[str]:
        return [m for m in dict.fromkeys(row.method for row in self.rows) if m not in REFERENCES]

    def row(self, method: str, metric: str) -> Row | None:
        rows = (r for r in self.rows if (r.method, r.metric) == (method, metric))
        return next(rows, None)

    def first(self, method: str) -> Row | None:
        """The row of a method that has its lm-score, diversity and cost."""
        return next((row for row in self.rows if row.method == method), None)

    def p(self, method: str, metric: str) -> float | None:
        """Of the paired test under a metric, corrected for the tests beside it; None where there is
        none."""
        comparisons = (c for c in self.paired if (c.method, c.metric) == (method, metric))
        return next((c.holm for c in comparisons), None)

    def as_json(self) -> dict[str, Any]:
        """Plain data, as ``table.json`` holds it; of other result sets where a row is of one."""
        data = {
            "task": self.task,
            "metrics": dict(self.metrics),
            "rows": [_plain(row, "stored", "at_chance", "log_z") for row in self.rows],
            "notes": [*self.stored, *self.notes],
            "paired": [_plain(one, "stored", "targets") for one in self.paired],
        }
        if self.repairs:
            data["repairs"] = [_plain(one) for one in self.repairs]
        usual = self.against in ("", reference().name)
        return data if usual else {**data, "against": self.against}


def _plain(one: Row | Comparison | Repair, *optional: str) -> dict[str, Any]:
    """As plain data, without those of the ``optional`` fields that are empty."""
    fields = dataclasses.asdict(one).items()
    return {k: v for k, v in fields if v or isinstance(v, float) or k not in optional}


@dataclass(frozen=True)
class Guest:
    """A row from another result set, ``stored`` by name; ``cell``: what it holds of the targets
    that both have."""

    method: str
    stored: str
    cell: CellFiles


@lru_cache(maxsize=4)
def measured_tasks(results: ResultSet) -> dict[str, Measured]:
    """Every task of the paper or of the set whose metrics are known, whether it was run or not.

    Raises ``UserError`` for scores of another version that lack a metric of this one.
    """
    measured: dict[str, Measured] = {}
    asked = (*paper_tasks(CONTROL), *paper_compositions(), *results.tasks)
    for task in map(results.task, dict.fromkeys(asked)):
        if not task.metrics:
            continue
        for cell in results.cells(task.name):
            _ = cell.samples, cell.scores  # says which line of which file is of another version
        measured[task.name] = measure(
            results,
            task,
            results.method_order(results.methods(task.name)),
            refused=results.refused,
            corpus=results.corpus,
        )
    return measured


def measure(
    results: ResultSet,
    task: TaskTraits,
    methods: Sequence[str],
    *,
    refused: Mapping[tuple[str, str], str],
    corpus: str,
    guests: Sequence[Guest] = (),
    stand_in: bool = False,
    count: int | None = None,
) -> Measured:
    """The figures of one task. ``guests``: rows of other result sets. ``stand_in``: where the
    reference method has no scores, paired tests are against the first row that has. ``count``: of
    so many samples distinct-2 is; by default of as many as the fewest that a row has. Raises
    ``UserError`` for scores of another version that lack a metric of this one."""
    cells = [(method, "", results.cell(task.name, method)) for method in methods]
    cells += [(guest.method, guest.stored, guest.cell) for guest in guests]
    try:
        metrics = _used(results, task)
        counts = _counts(results, [cell for _, _, cell in cells])
        fewest = min(counts, default=0) if count is None else count
        rows = [
            dataclasses.replace(row, stored=stored)
            for method, stored, cell in cells
            for row in method_rows(
                cell,
                task,
                method,
                metrics=metrics,
                refused=None if stored else refused.get((task.name, method)),
                corpus=corpus,
                count=fewest,
            )
        ]
        floor = partial(floor_row, count=fewest)
        for reference in (ceiling, own_texts, floor, copies_row):
            rows += reference(results, task, metrics)
        sides = [
            Side(method, cell.scores if cell else (), stored) for method, stored, cell in cells
        ]
        against = _against(sides, stand_in)
        paired = compare(task, sides, against)
    except KeyError as error:
        raise UserError(
            f"the scores of {results.folder / task.name} have no {error}: another version of this "
            "program made them. Judge the samples again: "
            + results.command(task.name, ",".join(results.methods(task.name)))
        ) from None
    except Unfit as error:
        raise UserError(f"{results.folder / task.name}: {error}: judge the samples again") from None
    meanings = {metric: task.metrics[metric] for metric in metrics}
    if not (any(row.outside for row in rows) or external(results.folder / task.name)):
        rows = [dataclasses.replace(row, outside=None) for row in rows]
    notes = [*task_notes(results, task, meanings), *teacher_notes(rows)]
    if count is None and len(counts) > 1:
        notes.append(
            f"distinct-2: of {fewest} samples of each row, as many as the fewest that any has,"
            " in expectation over which (rarefaction)."
        )
    notes += sweep_notes(results, task.name, methods)
    notes += chance_notes([cell for _, _, cell in cells if cell])
    notes += end_notes([cell for _, _, cell in cells if cell], partial(results.command, task.name))
    edited = list(repairs(results, task, methods))
    return Measured(task, meanings, rows, notes, paired, against.method, repairs=edited)


def equal_count(results: ResultSet, task: str) -> int:
    """Of how many samples of each row distinct-2 is in a task's table; 0 where none is judged."""
    return min(_counts(results, list(results.cells(task))), default=0)


def _counts(results: ResultSet, cells: Sequence[CellFiles | None]) -> set[int]:
    """How many samples the rows of a table have."""
    scored = [len(cell.samples) for cell in cells if cell is not None and cell.scored]
    return {count for count in (*scored, len(results.floor_samples)) if count}


def _against(sides: Sequence[Side], stand_in: bool) -> Side:
    """The row that others are compared with: that of the reference method, a stored one where the
    set has none."""
    name = reference().name
    scored = [side for side in sides if side.scores]
    named = sorted((side for side in scored if side.method == name), key=lambda s: bool(s.stored))
    others = scored if stand_in else []
    return next(iter([*named, *others]), Side(name, ()))


def _used(results: ResultSet, task: TaskTraits) -> list[str]:
    """The metrics of a task without those that no scored target of this set has, such as agreement
    with a released list where targets are drawn from validation texts."""
    cells = results.scored_cells(task.name)
    scored = {m for name in cells for r in results.scores(task.name, name) for m in r["scores"]}
    return [metric for metric in task.metrics if metric in scored or not scored]
