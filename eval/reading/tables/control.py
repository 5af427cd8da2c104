"""Tables 2 and 4: control success and fluency of every method, the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.reading.measured import Measured
from eval.reading.names import OWN, method_name, paper_compositions, paper_tasks, reference
from eval.reading.notes import AT_CHANCE, legend
from eval.reading.paired import LM
from eval.reading.results import ResultSet
from eval.reading.rows import Number, Row
from eval.reading.tables.entries import Footnotes, full, published, span
from eval.reading.tables.grid import Column, Entry, Grid, Segment, Style, entry
from eval.running.scoring import FLOOR, HUMAN
from models.base import CONTROL

#: of the paired tests whose results are marked
LEVEL = 0.05
#: how notes on columns begin that these tables do not have
ELSEWHERE = ("distinct-2", "less ")
#: rows that are no methods
ROWS = (method_name(HUMAN), OWN, method_name(FLOOR))


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


def table2(results: ResultSet, tasks: Mapping[str, Measured]) -> Grid:
    """Single controls. A task of the paper that the set lacks keeps its columns."""
    others = [name for name, one in tasks.items() if one.traits.table == CONTROL]
    names = dict.fromkeys([*paper_tasks(CONTROL), *(name for name in others if "+" not in name)])
    title = "Table 2: control success and fluency"
    return _ControlTable(results, tasks, list(names)).grid("table2", title)


def table4(results: ResultSet, tasks: Mapping[str, Measured]) -> Grid:
    """Compositions of two controls."""
    names = dict.fromkeys([*paper_compositions(), *(name for name in tasks if "+" in name)])
    title = "Table 4: compositions of controls"
    return _ControlTable(results, tasks, list(names)).grid("table4", title)


class _ControlTable:
    """Lines of a method: ours, its 95 % interval, the paper's; success of whole samples, where some
    go on behind END. Below a method's name: whether it was trained on the control or knows the
    rule."""

    def __init__(
        self, results: ResultSet, tasks: Mapping[str, Measured], names: Sequence[str]
    ) -> None:
        self.results, self.tasks, self.names = results, tasks, names
        self.quantities = [quantity for name in names for quantity in self._quantities(name)]
        self.best = {quantity: self._best(quantity) for quantity in self.quantities}
        self.footnotes = Footnotes()

    def _quantities(self, name: str) -> list[Quantity]:
        """ctrl under the paper's definition, for a composition that of each part, and lm."""
        shown = []
        for metric in self.tasks[name].ctrl:
            part, dot, _ = metric.partition(".")
            title = f"{self.results.task_name(part)} ↑" if dot else "ctrl ↑"
            shown.append(Quantity(name, title, metric))
        lm = [Quantity(name, "lm ↓", "", True)] if self.tasks[name].traits.fluency else []
        return [*shown, *lm]

    def grid(self, name: str, title: str) -> Grid:
        rows, rules, records = list[list[Entry]](), list[int](), list[dict[str, Any]]()
        for method in [*self._methods(), *filter(self._stands, ROWS)]:
            rules.append(len(rows))
            names = [entry(self.results.method_name(method), "bold")]
            names.append(entry(self.results.method(method).apart, "aside"))
            for i, line in enumerate(self._lines(method)):
                rows.append([names[i] if i < len(names) else (), *line])
            records += [self._record(q, method) for q in self.quantities]
        columns = [Column("method", right=False), Column("", right=False)]
        columns += [Column(q.title, self.results.task_name(q.task)) for q in self.quantities]
        notes = [*self.footnotes.notes, *self._notes()]
        return Grid(name, title, columns, rows, notes, frozenset(rules[1:]), records=records)

    def _lines(self, method: str) -> Iterator[list[Entry]]:
        """What it is, and a figure or nothing for each column."""
        yield [entry("ours"), *(self._ours(q, method) for q in self.quantities)]
        spans = [span(self._number(q, method), q.digits) for q in self.quantities]
        if any(spans):
            yield [entry("95 %", "muted"), *spans]
        paper = [published(self._number(q, method), q.digits) for q in self.quantities]
        whole = [self._whole(q, method) for q in self.quantities]
        for kind, figures in (("paper", paper), ("released", whole)):
            if any(figures):
                yield [entry(kind, "muted"), *(entry(one, "muted") for one in figures)]

    def _stands(self, reference: str) -> bool:
        """Whether any of the tasks has a row of it; only texts of targets may have none."""
        return reference != OWN or any(self.tasks[name].first(OWN) for name in self.names)

    def _methods(self) -> list[str]:
        """Those that the paper or the set has a figure of, for any of the columns."""
        known = {method for name in self.names for method in self.tasks[name].methods}
        kept = []
        for method in self.results.method_order(known):
            numbers = [self._number(q, method) for q in self.quantities]
            rows = [self._row(q, method) for q in self.quantities]
            printed = any(number and number.paper is not None for number in numbers)
            if printed or any(row and not row.note for row in rows):
                kept.append(method)
        return kept

    def _row(self, q: Quantity, method: str) -> Row | None:
        measured = self.tasks[q.task]
        return measured.first(method) if q.lm else measured.row(method, q.metric)

    def _number(self, q: Quantity, method: str) -> Number | None:
        row = self._row(q, method)
        return None if row is None else row.lm if q.lm else row.ctrl

    def _whole(self, q: Quantity, method: str) -> str:
        row = self._row(q, method)
        number = None if row is None or q.lm else row.released
        return "" if number is None or number.ours is None else f"{number.ours:.{q.digits}f}"

    def _best(self, q: Quantity) -> str | None:
        """The best method of a column among those that contend
        (:attr:`models.base.Card.contends`)."""
        values: dict[str, float] = {}
        for method in self.tasks[q.task].methods:
            number = self._number(q, method)
            if (
                self.results.method(method).contends
                and number is not None
                and number.ours is not None
            ):
                values[method] = -number.ours if q.lm else number.ours
        return max(values, key=values.__getitem__) if len(values) > 1 else None

    def _ours(self, q: Quantity, method: str) -> Entry:
        number = self._number(q, method)
        if number is not None and number.ours is not None:
            style: Style = "best" if self.best[q] == method else ""
            p = self._p(q, method)
            mark = "†" if p is not None and p < LEVEL else ""
            row = self._row(q, method)
            mark += AT_CHANCE if row is not None and row.at_chance else ""
            return (*entry(f"{number.ours:.{q.digits}f}", style), *entry(mark))
        reason = self._reason(q, method)
        kind = "not run" if reason.startswith("not ") else reason.partition(":")[0]
        return (Segment(f"{kind} {self.footnotes.mark(reason)}", "muted"),)

    def _reason(self, q: Quantity, method: str) -> str:
        row = self._row(q, method)
        if q.task not in self.results.tasks:
            return self.results.reason(q.task, reference().name)
        if row is not None and row.note and "not run" not in row.note:
            return row.note
        if method in ROWS:
            return row.note if row and row.note else "n/a: the set has no such texts for this task"
        return self.results.reason(q.task, method)

    def _record(self, q: Quantity, method: str) -> dict[str, Any]:
        number = self._number(q, method) or Number(None, None)
        missing, counted = number.ours is None, self.tasks[q.task].first(method)
        return {
            "task": q.task,
            "method": method,
            "set apart": self.results.method(method).apart,
            "quantity": "lm" if q.lm else "ctrl",
            "metric": "ppl" if q.lm else q.metric,
            "ours": full(number.ours),
            "low": full(number.low),
            "high": full(number.high),
            "released": self._whole(q, method),
            "paper": full(number.paper),
            "difference": full(number.difference),
            "same definition": number.same_definition,
            f"p against {reference().name}": full(self._p(q, method)),
            "targets": counted.targets if counted and not missing else "",
            "samples": counted.samples if counted and not missing else "",
            "reason": self._reason(q, method) if missing else "",
        }

    def _p(self, q: Quantity, method: str) -> float | None:
        return self.tasks[q.task].p(method, LM if q.lm else q.metric)

    def _notes(self) -> list[str]:
        notes = [
            f"{self.results.task_name(name)}: {note}"
            for name in self.names
            if name in self.results.tasks
            for note in self.tasks[name].notes
            if not note.startswith(ELSEWHERE)
        ]
        marks = (
            f"† differs from {reference().label}, p < {LEVEL:g}. Bold: the best of those that ask "
            "for the control and were neither trained on it nor told its rule."
        )
        general = [n for n in legend(self.results.corpus) if not n.startswith(ELSEWHERE)]
        return [marks, *dict.fromkeys(notes), *general]
