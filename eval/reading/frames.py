"""A result set as pandas data frames: one row a sample, and one row a cell with its intervals.

The figures are those of the tables (:mod:`eval.reading.measured`), in the same units.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.reading.measured import Measured, measured_tasks
from eval.reading.names import REFERENCES
from eval.reading.results import CellFiles, ResultSet, stored
from eval.reading.rows import Row
from eval.running.cells import is_answer, share
from tasks.metrics.text import detokenize

if TYPE_CHECKING:
    from pandas import DataFrame

#: what a row of each frame says before its figures
SAMPLE = ("task", "method", "target", "index", "control", "text", "answer")
FIGURES = ("nll", "tokens", "lm", "nfe", "seconds")
CELL = ("task", "method", "metric", "ctrl", "ctrl_low", "ctrl_high", "lm", "lm_low", "lm_high")
COST = ("distinct2", "entropy", "duplicates", "length", "targets", "samples", "nfe", "seconds")
PAIRED = ("task", "method", "metric", "difference", "low", "high", "p", "p_holm")


@dataclasses.dataclass(frozen=True)
class Results:
    """A result set. Each frame is made when it is first asked for. Raises ``UserError``, when it
    is, for files of the set that are damaged, naming file, line and field."""

    set: ResultSet

    def __repr__(self) -> str:
        return f"Results({str(self.set.folder)!r}: {', '.join(self.set.tasks)})"

    def read(self) -> Results:
        """Makes all frames now, so that the files are no longer needed."""
        _ = self.samples, self.metrics, self.paired
        return self

    @cached_property
    def samples(self) -> DataFrame:
        """One row a sample, of all methods and tasks.

        ``task``, ``method``, ``target`` (its id) and ``index`` name it; ``control`` says in a few
        words what was asked, ``text`` is what came, and ``answer`` whether it is the one that the
        method answers with where it picks among candidates (elsewhere always true). Each metric of
        the tasks is a column of shares in [0, 1], empty where a task has no such metric; those of a
        whole set (BLEU, CIDEr) have no value for one sample. ``nll``: the teacher's nats over
        ``tokens`` predicted tokens; ``lm``: their perplexity. ``nfe``: network evaluations;
        ``seconds``: its share of the wall time.
        """
        return _frame(
            (row for cell in self.set.cells() for row in self._samples(cell)), SAMPLE, FIGURES
        )

    def _samples(self, cell: CellFiles) -> Iterator[dict[str, Any]]:
        asked = {target.id: target.control.brief() for target in self.set.targets(cell.task)}
        judged = {(record["target"], record["index"]): record for record in cell.scores}
        for record in cell.samples:
            found = judged.get((record["target"], record["index"]), {})
            nll, tokens = found.get("nll"), found.get("tokens")
            yield {
                "task": cell.task,
                "method": cell.method,
                "target": record["target"],
                "index": record["index"],
                "control": asked.get(record["target"], ""),
                "text": detokenize(record["words"]),
                "answer": "chosen" not in record or is_answer(record),
                "nll": nll,
                "tokens": tokens,
                "lm": None if nll is None or not tokens else math.exp(nll / tokens),
                "nfe": record.get("nfe"),
                "seconds": record.get("seconds"),
                **{name: share(score) for name, score in _single(found.get("scores", {}))},
            }

    @cached_property
    def cells(self) -> DataFrame:
        """One row a cell: the metric that the tables show, of each method and of the references
        (human text and the floor). A composition has a row for each of its controls.

        ``ctrl``: success in percent, with its 95 % interval ``ctrl_low``, ``ctrl_high``; ``lm``:
        perplexity under the teacher, with its own. ``targets``, ``samples``: how many there are;
        ``nfe`` and ``seconds``: a sample's, on average. ``note``: why there is no figure.
        """
        headlines = {(name, metric) for name, one in self._measured.items() for metric in one.ctrl}
        keep = [key in headlines for key in zip(self.metrics["task"], self.metrics["metric"])]
        return self.metrics[keep].reset_index(drop=True)

    @cached_property
    def metrics(self) -> DataFrame:
        """As :attr:`cells`, with one row for each metric of a task."""
        rows = (row for one in self._measured.values() for row in self._rows(one))
        return _frame(rows, CELL, (*COST, "note"))

    def _rows(self, measured: Measured) -> Iterator[dict[str, Any]]:
        """Of the cells that the set has or had to leave out, not of all methods that there are."""
        task = measured.task
        known = {*self.set.methods(task), *(m for t, m in self.set.refused if t == task)}
        firsts = {row.method: row for row in reversed(measured.rows)}
        for row in measured.rows:
            if row.method in known or (row.method in REFERENCES and not row.note):
                yield _cell(task, row, firsts[row.method])

    @cached_property
    def paired(self) -> DataFrame:
        """Each method less the reference method on the same targets, one row a metric: the
        ``difference`` in the units of :attr:`cells`, its 95 % interval and the two-sided ``p``."""
        rows = (
            {"task": name, "method": one.method, "metric": one.metric}
            | {"difference": one.difference.value, "low": one.difference.low}
            | {"high": one.difference.high, "p": one.difference.p}
            | {"p_holm": one.holm}
            for name, measured in self._measured.items()
            for one in measured.paired
        )
        return _frame(rows, PAIRED)

    @property
    def _measured(self) -> Mapping[str, Measured]:
        return {n: one for n, one in measured_tasks(self.set).items() if n in self.set.tasks}


def results(folder: str | Path) -> Results:
    """The result set in ``folder``. Raises ``UserError`` where it is none."""
    return Results(stored(str(folder)))


def _single(scores: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Scores that say something of one sample: figures, and ratios of two; no counts."""
    for name, score in scores.items():
        if not isinstance(score, Sequence) or len(score) == 2:
            yield name, score


def _cell(task: str, row: Row, first: Row) -> dict[str, Any]:
    """``first``: the row of the method that has what is of the whole cell."""
    lm = first.lm
    return {
        "task": task,
        "method": row.method,
        "metric": row.metric,
        "ctrl": row.ctrl.ours,
        "ctrl_low": row.ctrl.low,
        "ctrl_high": row.ctrl.high,
        "lm": lm and lm.ours,
        "lm_low": lm and lm.low,
        "lm_high": lm and lm.high,
        **{name: getattr(first, name) for name in COST},
        "note": row.note,
    }


def _frame(
    rows: Iterator[dict[str, Any]], first: Sequence[str], last: Sequence[str] = ()
) -> DataFrame:
    """The columns ``first``, those that only the rows know, and ``last``."""
    import pandas as pd

    records = list(rows)
    named = {*first, *last}
    own = dict.fromkeys(name for row in records for name in row if name not in named)
    return pd.DataFrame(records, columns=[*first, *own, *last])
