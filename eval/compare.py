"""``python -m eval.compare A B``: two result sets on the same targets, by a paired bootstrap."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.reading.measured import NO_CODE
from eval.reading.paired import LM, difference
from eval.reading.results import ResultSet, stored
from eval.reading.stats import Difference
from eval.reading.tables.grid import Column, Entry, Grid, Style, entry
from eval.run import guarded
from tasks.common.errors import UserError

USAGE = """\
usage: python -m eval.compare A B [key=value ...]

Compares the result set B with A, task by task and method by method, on the targets that both have:
paired bootstrap over targets, then samples. Needs no models.

  python -m eval.compare results/demo results/run-demo-grammar
"""
LEVEL = 0.05


@dataclass(frozen=True)
class CompareOptions:
    """Where to write; the two sets come first, without a key."""

    #: folder for the comparison as Markdown, CSV and LaTeX; nothing is written without it
    out: str | None = None


def main(given: Sequence[str]) -> None:
    from eval.reading.tables.build import write_tables
    from eval.reading.tables.terminal import show
    from eval.running.keys import keys
    from eval.running.options import options

    own = keys(CompareOptions)
    # a folder may be called lr=0.1
    named = [
        part
        for part in given
        if not part.startswith("-") and ("=" not in part or is_folder(part, own))
    ]
    chosen = options(CompareOptions, [part for part in given if part not in named], USAGE)
    if chosen is None:
        return
    if any(not part.strip() or "\0" in part for part in named):
        raise UserError("a result set has a name")
    if len(named) != 2:
        raise UserError(f"two result sets are compared, not {len(named)}: eval.compare A B")
    first, second = map(stored, named)
    grid = compare(first, second)
    show([grid])
    if chosen.out:
        write_tables([grid], Path(chosen.out))
        print(f"comparison: {chosen.out}/")


def is_folder(part: str, own: Container[str]) -> bool:
    """Whether an argument with ``=`` in it is a folder rather than a key and its value."""
    try:
        return part.partition("=")[0] not in own and Path(part).is_dir()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class Pair:
    """One metric of one cell in both sets. ``difference``: the second set less the first; None
    where they share no scored target, and ``reason`` says why."""

    task: str
    method: str
    metric: str
    targets: int
    difference: Difference | None
    reason: str = ""


def pairs(first: ResultSet, second: ResultSet) -> Iterator[Pair]:
    """Every metric of every cell that either set has. Raises ``UserError`` where a target of one
    name has another control in each set."""
    for task in [*first.tasks, *(t for t in second.tasks if t not in first.tasks)]:
        _check_targets(first, second, task)
        methods = {m for results in (first, second) for m in results.methods(task)}
        for method in (m for m in first.method_order(methods) if m in methods):
            yield from _cell(first, second, task, method)


def _check_targets(first: ResultSet, second: ResultSet, task: str) -> None:
    if task in first.tasks and task in second.tasks:
        controls = {target.id: target.control for target in first.targets(task)}
        for target in second.targets(task):
            if controls.get(target.id, target.control) != target.control:
                raise UserError(
                    f"target {target.id} of {task} is another control in {second.folder} than in "
                    f"{first.folder}: the sets cannot be compared"
                )


def _cell(first: ResultSet, second: ResultSet, task: str, method: str) -> Iterator[Pair]:
    records = []
    for results in (first, second):
        cell = results.cell(task, method)
        if cell is None or not cell.scored:
            yield Pair(task, method, "", 0, None, f"{results.folder} has no scores of it")
            return
        records.append(cell.scores)
    a, b = ({r["target"] for r in part} for part in records)
    if not a & b:
        yield Pair(task, method, "", 0, None, "the sets share no target")
        return
    known = [set().union(*(r["scores"] for r in part)) for part in records]
    metrics = dict.fromkeys(m for r in records[0] for m in r["scores"] if m in known[1])
    pooled = first.task(task).pooled
    for metric in (*metrics, LM) if records[0][0].get("nll") is not None else metrics:
        if metric in pooled and pooled[metric] is None:
            yield Pair(task, method, metric, len(a & b), None, NO_CODE)
            continue
        paired = difference(records[1], records[0], metric, pooled.get(metric))
        reason = "" if paired else "no target has it in both sets"
        yield Pair(task, method, metric, len(a & b), paired, reason)


def compare(first: ResultSet, second: ResultSet) -> Grid:
    """The comparison as a table."""
    rows, rules, records, last = list[list[Entry]](), list[int](), list[dict[str, Any]](), ""
    for pair in pairs(first, second):
        if pair.task != last:
            rules.append(len(rows))
            last = pair.task
        named = first if first.cell(pair.task, pair.method) else second
        rows.append(_row(pair, named))
        records.append(_record(pair))
    columns = [
        Column("task", right=False),
        Column("method", right=False),
        Column("metric", right=False),
        Column("targets"),
        Column("difference"),
        Column("95 %"),
        Column("p"),
    ]
    notes = [
        f"{second.folder} less {first.folder}; scores in percentage points, lm in perplexity.",
        "Paired bootstrap over the targets that both have, then over samples; p is two-sided and "
        f"not corrected for the number of tests. Bold: p < {LEVEL:g}.",
    ]
    title = f"{second.name} against {first.name}"
    return Grid("compare", title, columns, rows, notes, frozenset(rules[1:]), records=records)


def _row(pair: Pair, results: ResultSet) -> list[Entry]:
    """``results``: the set that says how task and method are called."""
    labels = results.task_name(pair.task), results.method_name(pair.method), pair.metric
    names = list(map(entry, labels))
    if pair.difference is None:
        return [*names, (), entry(pair.reason, "muted"), (), ()]
    paired, digits = pair.difference, 2 if pair.metric == LM else 1
    style: Style = "bold" if paired.p < LEVEL else ""
    span = f"[{paired.low:+.{digits}f}, {paired.high:+.{digits}f}]"
    return [
        *names,
        entry(str(pair.targets)),
        entry(f"{paired.value:+.{digits}f}", style),
        entry(span, "muted"),
        entry(f"{paired.p:.4f}"),
    ]


def _record(pair: Pair) -> dict[str, Any]:
    paired = pair.difference
    figures = (
        {"difference": paired.value, "low": paired.low, "high": paired.high, "p": paired.p}
        if paired
        else {}
    )
    return {
        "task": pair.task,
        "method": pair.method,
        "metric": pair.metric,
        "targets": pair.targets,
        **{k: f"{figures[k]:.6g}" if paired else "" for k in ("difference", "low", "high", "p")},
        "reason": pair.reason,
    }


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
