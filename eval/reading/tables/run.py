"""The tables that a run itself prints and stores, one task after another: every metric of every
method with all that is known of its cell, then each method against the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from eval.reading.measured import Measured
from eval.reading.notes import AT_CHANCE
from eval.reading.paired import LM, Comparison
from eval.reading.rows import Number, Row
from eval.reading.tables.entries import Footnotes, published, span
from eval.reading.tables.grid import Column, Entry, Grid, entry, markdown, plain, without
from tasks.common.files import json_text, write_text

COLUMNS = (
    Column("method", right=False),
    Column("stored in", right=False),
    Column("metric", right=False),
    Column("ctrl paper", drop=2),
    Column("ctrl"),
    Column("diff", drop=6, called="ctrl less the paper's"),
    Column("95 % interval", drop=1, called="95 % interval of ctrl"),
    Column("lm paper", drop=4),
    Column("lm"),
    Column("diff", drop=7, called="lm less the paper's"),
    Column("95 % interval", drop=3, called="95 % interval of lm"),
    Column("distinct-2", drop=8),
    Column("entropy", drop=10),
    Column("repeats", drop=9),
    Column("length", drop=9),
    Column("copied", drop=5),
    Column("released", drop=8, called="released (ctrl of whole samples)"),
    Column("log Z", drop=8),
    Column("outside"),
    Column("lm (subwords)"),
    Column("95 % interval", drop=2, called="95 % interval of lm (subwords)"),
)
#: where a row is from, which is said where not all are of the run
STORED = 1
#: how reasons begin
NA = "n/a: "
#: in the table of differences: how many targets both have, where that is not all
TARGETS = 3
#: how the table of what became of edited samples is called, behind its task
REPAIRS = "-repairs"
#: columns of what most sets do not have: they stand where they hold something
OPTIONAL = 6


def run_tables(measured: Measured) -> list[Grid]:
    """The figures of one task, and below them the paired differences where there are any; the notes
    stand below the last."""
    rows = list(map(_cells, measured.rows))
    ordinary = len(COLUMNS) - OPTIONAL
    kept = [i for i in range(len(COLUMNS)) if i < ordinary or any(row[i] for row in rows)]
    rows, shown = [[row[i] for i in kept] for row in rows], [COLUMNS[i] for i in kept]
    grids = [Grid(measured.task, measured.task, shown, rows, typed=True)]
    if measured.paired:
        columns = [
            Column(f"less {measured.against}", right=False),
            Column("stored in", right=False),
            Column("metric", right=False),
            Column("targets"),
            Column("difference"),
            Column("95 % interval", drop=1, called="95 % interval of the difference"),
            Column("p"),
        ]
        differences = list(map(_difference, measured.paired))
        paired = Grid(f"{measured.task}-paired", "", columns, differences, typed=True)
        subset = any(one.targets for one in measured.paired)
        grids.append(paired if subset else without(paired, [TARGETS]))
    if measured.repairs:
        grids.append(_repairs(measured))
    if not any(row.stored for row in measured.rows):
        grids = [grid if grid.name.endswith(REPAIRS) else without(grid, [STORED]) for grid in grids]
    last, always = grids[-1], frozenset(measured.stored)
    notes = [*measured.stored, *measured.notes, *last.notes]
    grids[-1] = dataclasses.replace(last, notes=notes, always=always)
    return grids


def _repairs(measured: Measured) -> Grid:
    """What became of the samples of each method that another edited."""
    rows = []
    for one in measured.repairs:
        ends = [measured.first(name) for name in (one.method, one.repaired)]
        lm = [end.lm.ours if end and end.lm else None for end in ends]
        rows.append(
            [
                entry(one.repaired),
                entry(_of(one.mended, one.failures)),
                entry(_of(one.broken, one.successes)),
                entry(_of(one.unchanged, one.samples)),
                *(entry("" if figure is None else f"{figure:.2f}") for figure in lm),
            ]
        )
    columns = [
        Column("edited", right=False),
        Column("failures repaired"),
        Column("successes broken"),
        Column("unchanged", drop=1),
        Column("lm before"),
        Column("lm after"),
    ]
    note = (
        "failures repaired: samples that miss something of what is asked and do all of it once "
        "edited, of all that miss something; successes broken: the other way round."
    )
    return Grid(f"{measured.task}{REPAIRS}", "", columns, rows, [note], typed=True)


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({100 * part / whole:.1f} %)" if whole else "")


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
        "" if row.length is None else f"{row.length:.1f}",
    ]
    own, whole = row.subwords, row.released
    teachers = [
        entry("" if row.copied is None else f"{row.copied:.1f} %"),
        entry("" if whole is None or whole.ours is None else f"{whole.ours:.1f}"),
        entry("" if row.log_z is None else f"{row.log_z:.2f}"),
        entry("" if row.outside is None else f"{row.outside:.1f} %"),
        entry("" if own is None or own.ours is None else f"{own.ours:.2f}"),
        span(own, 2),
    ]
    mark = entry(f" {AT_CHANCE}") if row.at_chance else ()
    names = [(*entry(row.method), *mark), entry(row.stored), entry(row.metric)]
    return [*names, *ctrl, *lm, *map(entry, diversity), *teachers]


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
        entry(one.stored),
        entry(one.metric),
        entry(str(one.targets or "")),
        entry(f"{difference.value:+.{digits}f}"),
        entry(interval, "muted"),
        entry(f"{one.holm:.4f}"),
    ]


def brief(grid: Grid) -> Grid:
    """For a terminal: without columns that are empty throughout, and without that of the metric
    where there is but one; why a cell is empty stands below the table."""
    footnotes = Footnotes()

    def short(cell: Entry) -> Entry:
        return (
            entry(f"n/a {footnotes.mark(text)}") if (text := plain(cell)).startswith(NA) else cell
        )

    rows = [list(map(short, row)) for row in grid.rows]
    notes = [*footnotes.notes, *grid.notes]
    grid = dataclasses.replace(grid, rows=rows, notes=notes)
    columns = [[plain(row[i]) for row in grid.rows] for i in range(len(grid.columns))]
    idle = [
        i
        for i, texts in enumerate(columns)
        if not any(texts) or (grid.columns[i].title == "metric" and len(set(texts)) == 1)
    ]
    return without(grid, idle)


def store(folder: Path, tables: Sequence[Measured], legend: Sequence[str]) -> None:
    """Writes ``table.md`` and ``table.json``; ``legend``: what holds for all of them."""
    text = "\n".join(markdown(grid) for measured in tables for grid in run_tables(measured))
    write_text(folder / "table.md", text + "\n" + "".join(f"- {note}\n" for note in legend))
    data = {"tables": [measured.as_json() for measured in tables], "legend": list(legend)}
    write_text(folder / "table.json", json_text(data, indent=1))
