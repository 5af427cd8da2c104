"""Tables 2 and 4: control success and fluency of every method, the paper's figures beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eval.reading.paired import LM, REFERENCE
from eval.reading.results import (
    PAPER_TASKS,
    ResultSet,
    known_task,
    method_name,
    method_order,
    task_name,
)
from eval.reading.table import Number, Row, Table, build, legend
from eval.reading.tables.grid import Column, Entry, Grid, Segment, Style, entry
from tasks import load_task
from tasks.base import Task
from tasks.common.errors import UserError

PAPER_COMPOSITIONS = ("semantic_content+syntax_tree", "semantic_content+parts_of_speech")
#: trained on the very control, so the paper sets them apart; none is the best of its column
ORACLES = ("ft_sample", "ft_search")
REFERENCES = ("human text", "unconditional")
#: of the paired tests whose results are marked
LEVEL = 0.05
#: how notes on columns begin that these tables do not have
ELSEWHERE = ("distinct-2", "less ")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Compared:
    """The comparison of one task. ``ctrl``: the metrics of the paper's own definition, one for
    each part of a composition."""

    table: Table
    ctrl: tuple[str, ...]

    def row(self, method: str, metric: str) -> Row | None:
        found = (r for r in self.table.rows if (r.method, r.metric) == (method, metric))
        return next(found, None)

    def p(self, method: str, metric: str) -> float | None:
        """Of the paired test against :data:`REFERENCE` under a metric; None where there is none."""
        found = (c for c in self.table.paired if (c.method, c.metric) == (method, metric))
        return next((c.difference.p for c in found), None)

    @property
    def methods(self) -> list[str]:
        own = dict.fromkeys(r.method for r in self.table.rows)
        return [m for m in own if m not in (*REFERENCES, "left context")]


@lru_cache(maxsize=4)
def compare_tasks(results: ResultSet) -> dict[str, Compared]:
    """Every task of the paper or of the set that this version knows, whether it was run or not.

    Raises ``UserError`` for scores of another version that lack a metric of this one.
    """
    found: dict[str, Compared] = {}
    for name in dict.fromkeys((*PAPER_TASKS, *PAPER_COMPOSITIONS, *results.tasks)):
        if known_task(name):
            task = load_task(name)
            ctrl = tuple(metric for metric in task.metrics if metric in task.paper_metrics)
            found[name] = Compared(_build(results, task), ctrl)
    return found


def _build(results: ResultSet, task: Task) -> Table:
    methods = method_order(set(results.methods(task.name)))
    for cell in (c for c in results.cells() if c.task == task.name):
        _ = cell.samples, cell.scores  # says which line of which file is of another version
    try:
        return build(results.folder, task, methods, results.refused, results.corpus)
    except KeyError as error:
        raise UserError(
            f"the scores of {results.folder / task.name} have no {error}: another version of this "
            "program made them. Judge the samples again: "
            + results.command(task.name, ",".join(results.methods(task.name)))
        ) from None


@dataclass(frozen=True)
class Quantity:
    """One column: a metric of a task, or (``lm``) its lm-score."""

    task: str
    title: str
    metric: str
    lm: bool = False

    @property
    def digits(self) -> int:
        return 2 if self.lm else 1


def _quantities(name: str, compared: Compared | None) -> list[Quantity]:
    """ctrl under the paper's definition, for a composition that of each part, and lm."""
    if compared is None:
        parts = name.split("+")
        titles = [f"{task_name(part)} ↑" for part in parts] if len(parts) > 1 else ["ctrl ↑"]
        return [Quantity(name, t, "") for t in titles] + [Quantity(name, "lm ↓", "", True)]
    shown = []
    for metric in compared.ctrl:
        part, dot, _ = metric.partition(".")
        shown.append(Quantity(name, f"{task_name(part)} ↑" if dot else "ctrl ↑", metric))
    return [*shown, Quantity(name, "lm ↓", next(iter(compared.table.metrics)), True)]


class Footnotes:
    """Reasons, each under one letter."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def mark(self, reason: str) -> str:
        if reason not in self._letters:
            turn, at = divmod(len(self._letters), len(LETTERS))
            self._letters[reason] = LETTERS[at] + (str(turn + 1) if turn else "")
        return f"[{self._letters[reason]}]"

    @property
    def notes(self) -> list[str]:
        return [f"[{letter}] {reason}" for reason, letter in self._letters.items()]


def table2(results: ResultSet, tasks: Mapping[str, Compared]) -> Grid:
    """Single controls. A task of the paper that the set lacks keeps its columns."""
    others = (t for t in tasks if "+" not in t and t != "infilling")
    names = dict.fromkeys([*PAPER_TASKS, *others])
    title = "Table 2: control success and fluency"
    return _ControlTable(results, tasks, list(names)).grid("table2", title)


def table4(results: ResultSet, tasks: Mapping[str, Compared]) -> Grid:
    """Compositions of two controls."""
    names = dict.fromkeys([*PAPER_COMPOSITIONS, *(t for t in tasks if "+" in t)])
    title = "Table 4: compositions of controls"
    return _ControlTable(results, tasks, list(names)).grid("table4", title)


class _ControlTable:
    """Three lines a method: ours, its 95 % interval, the paper's."""

    def __init__(
        self, results: ResultSet, tasks: Mapping[str, Compared], names: Sequence[str]
    ) -> None:
        self.results, self.tasks, self.names = results, tasks, names
        self.quantities = [q for name in names for q in _quantities(name, tasks.get(name))]
        self.best = {q: self._best(q) for q in self.quantities}
        self.footnotes = Footnotes()

    def grid(self, name: str, title: str) -> Grid:
        rows, rules, records = list[list[Entry]](), list[int](), list[dict[str, Any]]()
        for method in [*self._methods(), *REFERENCES]:
            rules.append(len(rows))
            found = [self._row(q, method) for q in self.quantities]
            pairs = list(zip(self.quantities, found, strict=True))
            ours = [self._ours(q, method, row) for q, row in pairs]
            rows.append([entry(method_name(method), "bold"), entry("ours"), *ours])
            spans = [_span(q, row) for q, row in pairs]
            if any(spans):
                rows.append([(), entry("95 %", "muted"), *spans])
            paper = [_paper(q, row) for q, row in pairs]
            if any(paper):
                rows.append([(), entry("paper", "muted"), *paper])
            records += [self._record(q, method, row) for q, row in pairs]
        columns = [Column("method", right=False), Column("", right=False)]
        columns += [Column(q.title, task_name(q.task)) for q in self.quantities]
        notes = [*self.footnotes.notes, *self._notes()]
        return Grid(name, title, columns, rows, notes, frozenset(rules[1:]), records)

    def _methods(self) -> list[str]:
        """Those that the paper or the set has a figure of, for any of the columns."""
        known = {m for name in self.names if name in self.tasks for m in self.tasks[name].methods}
        kept = []
        for method in method_order(known):
            rows = [self._row(q, method) for q in self.quantities]
            if any(
                row and (_number(q, row) or _none).paper is not None
                for q, row in zip(self.quantities, rows, strict=True)
            ) or any(row and not row.note for row in rows):
                kept.append(method)
        return kept

    def _row(self, q: Quantity, method: str) -> Row | None:
        compared = self.tasks.get(q.task)
        return compared.row(method, q.metric) if compared else None

    def _best(self, q: Quantity) -> str | None:
        """The best method of a column among those that were not trained on the control."""
        values: dict[str, float] = {}
        for method in self.tasks[q.task].methods if q.task in self.tasks else ():
            number = _number(q, self._row(q, method))
            if method not in ORACLES and number is not None and number.ours is not None:
                values[method] = -number.ours if q.lm else number.ours
        return max(values, key=values.__getitem__) if len(values) > 1 else None

    def _ours(self, q: Quantity, method: str, row: Row | None) -> Entry:
        number = _number(q, row)
        if number is not None and number.ours is not None:
            style: Style = "best" if self.best[q] == method else ""
            p = self._p(q, method)
            mark = "†" if p is not None and p < LEVEL else ""
            return (*entry(_show(number.ours, q.digits), style), *entry(mark))
        reason = self._reason(q, method, row)
        kind = "not run" if reason.startswith("not ") else reason.partition(":")[0]
        return (Segment(f"{kind} {self.footnotes.mark(reason)}", "muted"),)

    def _reason(self, q: Quantity, method: str, row: Row | None) -> str:
        if q.task not in self.results.tasks:
            return self.results.reason(q.task, REFERENCE)
        if row is not None and row.note and "not run" not in row.note:
            return row.note
        if method in REFERENCES:
            return row.note if row and row.note else "n/a: the set has no such texts for this task"
        return self.results.reason(q.task, method)

    def _record(self, q: Quantity, method: str, row: Row | None) -> dict[str, Any]:
        number = _number(q, row) or _none
        missing, compared = number.ours is None, self.tasks.get(q.task)
        # a task's first row alone counts them
        counted = compared.row(method, next(iter(compared.table.metrics))) if compared else None
        return {
            "task": q.task,
            "method": method,
            "quantity": "lm" if q.lm else "ctrl",
            "metric": "ppl" if q.lm else q.metric,
            "ours": _full(number.ours),
            "low": _full(number.low),
            "high": _full(number.high),
            "paper": _full(number.paper),
            "difference": _full(number.difference),
            "same definition": number.same_definition,
            f"p against {REFERENCE}": _full(self._p(q, method)),
            "targets": counted.targets if counted and not missing else "",
            "samples": counted.samples if counted and not missing else "",
            "reason": self._reason(q, method, row) if missing else "",
        }

    def _p(self, q: Quantity, method: str) -> float | None:
        compared = self.tasks.get(q.task)
        return compared.p(method, LM if q.lm else q.metric) if compared else None

    def _notes(self) -> list[str]:
        notes = [
            f"{task_name(name)}: {note}"
            for name in self.names
            if name in self.tasks and name in self.results.tasks
            for note in self.tasks[name].table.notes
        ]
        marks = (
            f"† differs from {method_name(REFERENCE)}, p < {LEVEL:g}. Bold: the best of those that "
            "were not trained on the control."
        )
        general = [n for n in legend(self.results.corpus) if not n.startswith(ELSEWHERE)]
        return [marks, *dict.fromkeys(notes), *general]


_none = Number(None, None)


def _number(q: Quantity, row: Row | None) -> Number | None:
    if row is None:
        return None
    return row.lm if q.lm else row.ctrl


def _show(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"


def _span(q: Quantity, row: Row | None) -> Entry:
    number = _number(q, row)
    if number is None or number.low is None or number.high is None:
        return ()
    return entry(f"[{_show(number.low, q.digits)}, {_show(number.high, q.digits)}]", "muted")


def _paper(q: Quantity, row: Row | None) -> Entry:
    number = _number(q, row)
    if number is None or number.paper is None:
        return ()
    return entry(_show(number.paper, q.digits) + ("" if number.same_definition else "*"), "muted")


def _full(value: float | None) -> str:
    """Six significant digits: the same bytes wherever the last bits differ."""
    return "" if value is None or math.isnan(value) else f"{value:.6g}"
