"""The tables that a run itself prints and stores, one task after another: every metric of every
method with all that is known of its cell, then each method against the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from eval.reading.measured import Measured, Number, Row
from eval.reading.names import reference
from eval.reading.paired import LM, Comparison
from eval.reading.tables.entries import published, span
from eval.reading.tables.grid import Column, Entry, Grid, entry, markdown, plain
from tasks.common.files import json_text, write_text

COLUMNS = (
    Column("method", right=False),
    Column("metric", right=False),
    Column("ctrl paper"),
    Column("ctrl"),
    Column("diff"),
    Column("95 % interval"),
    Column("lm paper"),
    Column("lm"),
    Column("diff"),
    Column("95 % interval"),
    Column("distinct-2"),
    Column("entropy"),
    Column("repeats"),
    Column("outside"),
    Column("lm (subwords)"),
    Column("95 % interval"),
)
METRIC = 1
#: columns of what most sets do not have: they stand where they hold something
OPTIONAL = 3


def run_tables(measured: Measured) -> list[Grid]:
    """The figures of one task, and below them the paired differences where there are any; the notes
    stand below the last."""
    rows = list(map(_cells, measured.rows))
    always = len(COLUMNS) - OPTIONAL
    kept = [i for i in range(len(COLUMNS)) if i < always or any(row[i] for row in rows)]
    rows, shown = [[row[i] for i in kept] for row in rows], [COLUMNS[i] for i in kept]
    grids = [Grid(measured.task, measured.task, shown, rows, typed=True)]
    if measured.paired:
        titles = ("metric", "difference", "95 % interval", "p")
        columns = [Column(f"less {reference().name}", right=False)]
        columns += [Column(title, right=title != "metric") for title in titles]
        differences = list(map(_difference, measured.paired))
        grids.append(Grid(f"{measured.task}-paired", "", columns, differences, typed=True))
    grids[-1] = dataclasses.replace(grids[-1], notes=measured.notes)
    return grids


def _cells(row: Row) -> list[Entry]:
    if row.note:
        ctrl = [entry(published(row.ctrl, 1)), entry(row.note), (), ()]
    else:
        ctrl = list(_number(row.ctrl, 1))
    lm = list(_number(row.lm, 2)) if row.lm else [()] * 4
    diversity = [
        "" if row.distinct2 is None else f"{row.distinct2:.3f}",
        "" if row.entropy is None else f"{row.entropy:.2f}",
        "" if row.duplicates is None else f"{100 * row.duplicates:.1f} %",
    ]
    own = row.subwords
    teachers = [
        entry("" if row.outside is None else f"{row.outside:.1f} %"),
        entry("" if own is None or own.ours is None else f"{own.ours:.2f}"),
        span(own, 2),
    ]
    return [entry(row.method), entry(row.metric), *ctrl, *lm, *map(entry, diversity), *teachers]


def _number(number: Number, digits: int) -> Iterator[Entry]:
    """The paper's, ours, their difference, the interval."""
    yield entry(published(number, digits))
    yield entry("" if number.ours is None else f"{number.ours:.{digits}f}")
    gap = number.difference
    yield entry("" if gap is None else f"{gap:+.{digits}f}")
    yield () if number.ours is None else span(number, digits)


def _difference(one: Comparison) -> list[Entry]:
    difference, digits = one.difference, 2 if one.metric == LM else 1
    interval = f"[{difference.low:+.{digits}f}, {difference.high:+.{digits}f}]"
    return [
        entry(one.method),
        entry(one.metric),
        entry(f"{difference.value:+.{digits}f}"),
        entry(interval, "muted"),
        entry(f"{difference.p:.4f}"),
    ]


def brief(grid: Grid) -> Grid:
    """For a terminal: without columns that are empty throughout, and without that of the metric
    where there is but one."""
    texts = [[plain(cell) for cell in row] for row in grid.rows]
    kept = [
        i
        for i in range(len(grid.columns))
        if any(row[i] for row in texts)
        and not (i == METRIC and len({row[i] for row in texts}) == 1)
    ]
    columns, rows = (
        [grid.columns[i] for i in kept],
        [[row[i] for i in kept] for row in grid.rows],
    )
    return dataclasses.replace(grid, columns=columns, rows=rows)


def store(folder: Path, tables: Sequence[Measured], legend: Sequence[str]) -> None:
    """Writes ``table.md`` and ``table.json``; ``legend``: what holds for all of them."""
    text = "\n".join(markdown(grid) for measured in tables for grid in run_tables(measured))
    write_text(folder / "table.md", text + "\n" + "".join(f"- {note}\n" for note in legend))
    data = {"tables": [measured.as_json() for measured in tables], "legend": list(legend)}
    write_text(folder / "table.json", json_text(data, indent=1))
