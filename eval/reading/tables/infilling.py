"""Table 5 of the paper, and one like it for each other task of sentence infilling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eval.reading import paper
from eval.reading.in_context import readers, story
from eval.reading.measured import Measured
from eval.reading.names import OWN, REFERENCES, TaskTraits, paper_tasks
from eval.reading.results import ResultSet
from eval.reading.rows import Number
from eval.reading.schema import Ratings
from eval.reading.tables.entries import Footnotes, short, span
from eval.reading.tables.grid import Column, Entry, Grid, entry
from eval.reading.tables.in_context import MEANING
from eval.running.cells import CONFIG, read_config
from models.base import INFILLING
from tasks.common.schema import read_json

RATINGS = "human_ratings.json"
RATED = "human"
#: as the paper writes metrics here
TITLES = {
    "bleu4": "BLEU-4",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr",
    "bertscore": "BERTScore",
    RATED: "human",
}
#: of middles in their stories, where a language model read them
CONTEXT = "in_context"


def infilling_tables(results: ResultSet, tasks: Mapping[str, Measured]) -> Iterator[Grid]:
    """Table 5, whether the set has the task or not, and those of the set's other tasks."""
    printed = paper_tasks(INFILLING)
    others = (name for name, one in tasks.items() if one.traits.table == INFILLING)
    for name in dict.fromkeys([*printed, *others]):
        task, known = results.task(name), tasks.get(name)
        label = task.label[:1].lower() + task.label[1:]
        if name in printed:
            title = f"Table 5: sentence {label}"
            yield _InfillingTable(results, task, known).grid("table5", title)
        else:
            yield _InfillingTable(results, task, known).grid(f"table-{name}", f"Table of {label}")


class _InfillingTable:
    """The paper's figures, and ours where the set has the task: each with its 95 % interval, the
    references held against each other, and the floor."""

    def __init__(self, results: ResultSet, task: TaskTraits, measured: Measured | None) -> None:
        self.results, self.task, self.measured = results, task, measured
        self.paper, self.footnotes = paper.values(task.name), Footnotes()
        path = results.folder / task.name / RATINGS
        self.ratings: dict[str, Any] = read_json(path, Ratings)["methods"] if path.exists() else {}
        rated = [RATED] if self.paper or self.ratings else []
        self.reader = next(iter(readers(results, task.name)), None)
        self.metrics = [*task.ctrl, *rated, *([CONTEXT] if self.reader else [])]

    def grid(self, name: str, title: str) -> Grid:
        columns = [Column("method", right=False), Column("", right=False)]
        columns += [
            Column("in context ↓" if metric == CONTEXT else f"{TITLES.get(metric, metric)} ↑")
            for metric in self.metrics
        ]
        rows, rules, records = list[list[Entry]](), list[int](), list[dict[str, Any]]()
        for method in self._methods():
            rules.append(len(rows))
            ours, spans = list[Entry](), list[Entry]()
            for metric in self.metrics:
                number, reason = self._ours(method, metric)
                digits = 2 if metric in (RATED, CONTEXT) else 1
                if number is None:
                    ours.append(entry(self.footnotes.mark(reason), "muted") if reason else ())
                else:
                    ours.append(entry(f"{number.ours:.{digits}f}"))
                spans.append(span(number, digits, "{} to {}"))
                records.append(
                    {
                        "method": method,
                        "metric": metric,
                        "ours": short(number.ours) if number else "",
                        "low": short(number.low) if number else "",
                        "high": short(number.high) if number else "",
                        "paper": short(self.paper.get(method, {}).get(metric)),
                        "reason": reason,
                    }
                )
            rows.append([entry(self.results.method_name(method), "bold"), entry("ours"), *ours])
            if any(spans):
                rows.append([(), entry("95 %", "muted"), *spans])
            printed = [short(self.paper.get(method, {}).get(metric)) for metric in self.metrics]
            if any(printed):
                rows.append([(), entry("paper", "muted"), *(entry(p, "muted") for p in printed)])
        where = [f"Paper: {paper.table(self.task.name)['where']}."] if self.paper else []
        notes = [*self.footnotes.notes, *where, *self._definitions()]
        return Grid(name, title, columns, rows, notes, frozenset(rules[1:]), records=records)

    def _methods(self) -> list[str]:
        """The paper's in its order, then the set's others, then what is no method."""
        if not self.measured:
            return list(self.paper)
        stored = self.results.methods(self.task.name)
        return [
            *self.paper,
            *(m for m in stored if m not in self.paper),
            *(m for m in REFERENCES if m != OWN),
        ]

    def _ours(self, method: str, metric: str) -> tuple[Number | None, str]:
        """Our figure, or why there is none."""
        if metric == RATED:
            rating = self.ratings.get(method)
            if rating is None:
                return None, ""  # nobody was asked, which is no lack of a method
            return Number(None, rating["score"], rating["low"], rating["high"]), ""
        if metric == CONTEXT and self.reader is not None:
            command = f"python -m eval.in_context run={self.results.named}"
            reason = self.reader.skipped.get(method, f"n/a: not read: {command}")
            cell = REFERENCES.get(method, method)
            return self.reader.perplexity(cell, story), self._unread(method, reason)
        row = self.measured.row(method, metric) if self.measured else None
        if row is not None and row.ctrl.ours is not None:
            return row.ctrl, ""
        if method in REFERENCES and row is None:
            return None, self._skipped(REFERENCES[method], metric) or "n/a: not run"
        if row is not None and not row.note.startswith("n/a: not run"):
            return None, self._skipped(method, metric) or row.note
        reason = self.results.reason(self.task.name, method)
        return None, self._skipped(method, metric) or reason

    def _unread(self, method: str, reason: str) -> str:
        """Why the stories of a row were not read; what the set lacks altogether says it itself."""
        return reason if self.results.cell(self.task.name, method) else ""

    def _config(self, method: str) -> dict[str, Any]:
        return read_config(self.results.folder / self.task.name / method / CONFIG)

    def _skipped(self, method: str, metric: str) -> str:
        """Why a metric could not be computed when the cell was scored."""
        return str(self._config(method).get("skipped", {}).get(metric, ""))

    def _definitions(self) -> list[str]:
        """What the metrics of the scored cells are exactly."""
        stored = self.results.methods(self.task.name) if self.measured else []
        for method in stored:
            if described := self._config(method).get("metrics", {}):
                return [*(f"{name}: {text}" for name, text in described.items()), *self._read()]
        return self._read()

    def _read(self) -> list[str]:
        return [*MEANING[:1], f"in context, by: {self.reader.model}"] if self.reader else []
