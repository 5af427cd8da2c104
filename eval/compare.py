"""``python -m eval.compare A B``: two result sets, or a method of each, on the same targets, by a
paired tests."""

from __future__ import annotations

import math
import sys
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eval.reading.beside import terms
from eval.reading.equivalence import Equivalence, Margins, of_records
from eval.reading.intervals import Difference, holm
from eval.reading.paired import LM, difference
from eval.reading.results import ResultSet
from eval.reading.rows import NO_CODE
from eval.reading.shipped import find
from eval.reading.tables.grid import Column, Entry, Grid, Style, entry, without
from eval.run import guarded
from tasks.common.errors import UserError, unknown

USAGE = """\
usage: python -m eval.compare A[:METHOD] B[:METHOD] [key=value ...]

Compares the result set B with A, task by task and method by method, on the targets that both have,
with paired tests. With a method after each set, those two are compared,
whatever they are called, on every task that both have. A set is a folder, or the name of one that
comes with the program. Needs no models.

  python -m eval.compare results/demo results/run-demo-grammar
  python -m eval.compare demo:diffusion_lm out:mine
  python -m eval.compare demo:fudge demo:ft_sample
  python -m eval.compare out:diffusion_lm out:diffusion_lm_fast equivalence=true
"""
LEVEL = 0.05
MARGINS = Margins().margin, Margins().lm_margin
#: the column of the methods' names, which a comparison of two says in its title
METHOD = 1


@dataclass(frozen=True)
class CompareOptions(Margins):
    """Where to write, and what to test; the two sets come first, without a key."""

    #: folder for the comparison as Markdown, CSV and LaTeX; nothing is written without it
    out: str | None = None
    #: auto: the printed table has the columns that the terminal is wide enough for; all: every one
    columns: Literal["auto", "all"] = "auto"
    #: short: the table is printed without what its columns mean; full: with it
    legend: Literal["short", "full"] = "short"
    #: also test whether the second set is as good as the first within ``margin`` and ``lm_margin``
    equivalence: bool = False


def main(given: Sequence[str]) -> None:
    from eval.reading.tables.build import write_tables
    from eval.reading.tables.terminal import View, show
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
    if len(named) != 2:
        raise UserError(f"two result sets are compared, not {len(named)}: eval.compare A B")
    (first, one), (second, other) = map(opened, named)
    if bool(one) != bool(other):
        raise UserError(f"{named[0]} {named[1]}: name a method of both sets, or of neither")
    if not chosen.equivalence and (chosen.margin, chosen.lm_margin) != MARGINS:
        raise UserError("margin= and lm_margin= are those of equivalence=true")
    margins = chosen if chosen.equivalence else None
    grid = compare(first, second, (one, other) if one and other else None, margins)
    file = f"{chosen.out}/{grid.name}.md" if chosen.out else ""
    show([grid], view=View(chosen.columns, chosen.legend, file))
    if chosen.out:
        write_tables([grid], Path(chosen.out))
        print(f"comparison: {chosen.out}/")


def opened(given: str) -> tuple[ResultSet, str]:
    """A result set, and the method that is named after a colon; empty where none is. Raises
    ``UserError`` for a set or a method that is not there."""
    folder, colon, method = given.rpartition(":")
    if not colon or is_folder(given, ()):
        return ResultSet(find(given)[1]), ""
    results = ResultSet(find(folder)[1])
    there = {name for task in results.tasks for name in results.methods(task)}
    if method not in there:
        raise unknown(f"method of {results.folder}", method, there)
    return results, method


def is_folder(part: str, own: Container[str]) -> bool:
    """Whether an argument with ``=`` in it is a folder rather than a key and its value."""
    try:
        return part.partition("=")[0] not in own and Path(part).is_dir()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class Pair:
    """One metric of one cell in both sets. ``difference``: the second set less the first; None
    where they share no scored target, and ``reason`` says why. ``other``: what the method is called
    in the second set."""

    task: str
    method: str
    metric: str
    targets: int
    difference: Difference | None
    reason: str = ""
    other: str = ""
    #: where it was asked for, and the metric is no pooled one
    equivalence: Equivalence | None = None


def pairs(
    first: ResultSet,
    second: ResultSet,
    methods: tuple[str, str] | None = None,
    margins: Margins | None = None,
) -> Iterator[Pair]:
    """Every metric of every cell that either set has; of two ``methods``, one of each set, those of
    every task that both have. Raises ``UserError`` where a target of one name has another control
    in each set, and where the two methods have no task in common. ``margins``: of the tests of
    equivalence."""
    if methods:
        sides = list(zip((first, second), methods, strict=True))
        tasks = [t for t in first.tasks if all(m in results.methods(t) for results, m in sides)]
        if not tasks:
            raise UserError(
                f"{first.folder}:{methods[0]} and {second.folder}:{methods[1]} have no task in "
                "common"
            )
        for task in tasks:
            _check_targets(first, second, task)
            yield from _cell(first, second, task, *methods, margins)
        return
    for task in [*first.tasks, *(t for t in second.tasks if t not in first.tasks)]:
        _check_targets(first, second, task)
        there = {m for results in (first, second) for m in results.methods(task)}
        for method in (m for m in first.method_order(there) if m in there):
            yield from _cell(first, second, task, method, method, margins)


def _check_targets(first: ResultSet, second: ResultSet, task: str) -> None:
    if task in first.tasks and task in second.tasks:
        controls = {target.id: target.control for target in first.targets(task)}
        for target in second.targets(task):
            if controls.get(target.id, target.control) != target.control:
                raise UserError(
                    f"target {target.id} of {task} is another control in {second.folder} than in "
                    f"{first.folder}: the sets cannot be compared"
                )


def _cell(
    first: ResultSet,
    second: ResultSet,
    task: str,
    method: str,
    other: str,
    margins: Margins | None,
) -> Iterator[Pair]:
    records = []
    for results, name in ((first, method), (second, other)):
        cell = results.cell(task, name)
        if cell is None or not cell.scored:
            what = f"{results.folder} has no scores of {'it' if method == other else name}"
            yield Pair(task, method, "", 0, None, what, other)
            return
        records.append(cell.scores)
    a, b = ({r["target"] for r in part} for part in records)
    if not a & b:
        yield Pair(task, method, "", 0, None, "the sets share no target", other)
        return
    known = [set().union(*(r["scores"] for r in part)) for part in records]
    metrics = dict.fromkeys(m for r in records[0] for m in r["scores"] if m in known[1])
    pooled = first.task(task).pooled
    for metric in (*metrics, LM) if records[0][0].get("nll") is not None else metrics:
        if metric in pooled and pooled[metric] is None:
            yield Pair(task, method, metric, len(a & b), None, NO_CODE, other)
            continue
        paired = difference(records[1], records[0], metric, pooled.get(metric))
        reason = "" if paired else "no target has it in both sets"
        same = None
        if margins is not None and paired and metric not in pooled:
            same = of_records(records[1], records[0], metric, margins)
        yield Pair(task, method, metric, len(a & b), paired, reason, other, same)


def _judged_otherwise(first: ResultSet, second: ResultSet, pair: Pair) -> str:
    """What the two cells do not have in common although their scores are compared."""
    one, other = first.cell(pair.task, pair.method), second.cell(pair.task, pair.other)
    if one is None or other is None:
        return ""
    why = terms(second, other).unlike(terms(first, one))
    where = f"{second.task_name(pair.task)}, {second.method_name(pair.other)}"
    return why and f"{where}, is not quite like with like in {second.folder}: {why}."


def compare(
    first: ResultSet,
    second: ResultSet,
    methods: tuple[str, str] | None = None,
    margins: Margins | None = None,
) -> Grid:
    """The comparison as a table: of all cells, or of two ``methods`` (:func:`pairs`); with
    ``margins``, also by tests of equivalence."""
    rows, rules, records, last = list[list[Entry]](), list[int](), list[dict[str, Any]](), ""
    unlike = dict[str, None]()
    found = list(pairs(first, second, methods, margins))
    corrected = iter(holm([pair.difference.p for pair in found if pair.difference]))
    for pair in found:
        if pair.task != last:
            rules.append(len(rows))
            last = pair.task
        named = first if first.cell(pair.task, pair.method) else second
        p = next(corrected) if pair.difference else math.nan
        more = () if margins is None else _shown(pair)
        rows.append([*_row(pair, named, p), *more])
        record = _record(pair, p) | ({} if margins is None else _stored(pair))
        records.append(record | ({"other": pair.other} if methods else {}))
        if pair.difference is not None:
            unlike[_judged_otherwise(first, second, pair)] = None
    columns = [
        Column("task", right=False, heads=True),
        Column("method", right=False),
        Column("metric", right=False),
        Column("targets", drop=1),
        Column("difference"),
        Column("95 %"),
        Column("p"),
    ]
    if margins is not None:
        columns += [Column("p worse"), Column("p unequal")]
    names = [f"{results.folder}" for results in (first, second)]
    title = f"{second.name} against {first.name}"
    if methods:
        names = [f"{folder}:{name}" for folder, name in zip(names, methods, strict=True)]
        title = f"{second.name}:{methods[1]} against {first.name}:{methods[0]}"
    always = [why for why in unlike if why]
    notes = [
        *always,
        f"{names[1]} less {names[0]}; scores in percentage points, lm in perplexity.",
        "Over the targets that both have; p is two-sided, of exchanging the two sides' targets at "
        f"random, and corrected for all tests of this table (Holm). Bold: p < {LEVEL:g}.",
    ]
    if margins is not None:
        notes.append(
            "p worse: of the hypothesis that it is worse by the margin or more, in a one-sided "
            "paired test on targets; p unequal: that it is worse or better by the margin or more "
            f"(two one-sided tests, Schuirmann 1987). Margins: {margins.margin:g} percentage "
            f"points, and {margins.lm_margin:g} % of perplexity. Bold: p < {LEVEL:g}, not "
            "corrected: a claim about several rows needs all of them."
        )
    starts, shown = frozenset(rules[1:]), frozenset(always)
    grid = Grid("compare", title, columns, rows, notes, starts, records=records, always=shown)
    return without(grid, [METHOD]) if methods else grid


def _row(pair: Pair, results: ResultSet, p: float) -> list[Entry]:
    """``results``: the set that says how task and method are called; ``p``: corrected."""
    labels = results.task_name(pair.task), results.method_name(pair.method), pair.metric
    names = list(map(entry, labels))
    if pair.difference is None:
        return [*names, (), entry(pair.reason, "muted"), (), ()]
    paired, digits = pair.difference, 2 if pair.metric == LM else 1
    style: Style = "bold" if p < LEVEL else ""
    span = f"[{paired.low:+.{digits}f}, {paired.high:+.{digits}f}]"
    return [
        *names,
        entry(str(pair.targets)),
        entry(f"{paired.value:+.{digits}f}", style),
        entry(span, "muted"),
        entry(f"{p:.4f}"),
    ]


def _shown(pair: Pair) -> list[Entry]:
    if pair.equivalence is None:
        return [(), ()]
    both = pair.equivalence.worse, pair.equivalence.p
    return [entry(f"{p:.4f}", "bold" if p < LEVEL else "") for p in both]


def _stored(pair: Pair) -> dict[str, Any]:
    one = pair.equivalence
    if one is None:
        return {"p_worse": "", "p_unequal": ""}
    return {"p_worse": f"{one.worse:.6g}", "p_unequal": f"{one.p:.6g}"}


def _record(pair: Pair, p: float) -> dict[str, Any]:
    paired = pair.difference
    figures = (
        {
            "difference": paired.value,
            "low": paired.low,
            "high": paired.high,
            "p": paired.p,
            "p_holm": p,
        }
        if paired
        else {}
    )
    return {
        "task": pair.task,
        "method": pair.method,
        "metric": pair.metric,
        "targets": pair.targets,
        **{
            k: f"{figures[k]:.6g}" if paired else ""
            for k in ("difference", "low", "high", "p", "p_holm")
        },
        "reason": pair.reason,
    }


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
