"""Every table of a result set, and their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.reading.measured import measured_tasks
from eval.reading.results import ResultSet
from eval.reading.tables.budget import budget
from eval.reading.tables.control import table2, table4
from eval.reading.tables.examples import example_tables
from eval.reading.tables.grid import Grid, csv_text, latex, latex_document, markdown
from eval.reading.tables.hyperparameters import table6
from eval.reading.tables.in_context import in_context_tables
from eval.reading.tables.infilling import infilling_tables
from eval.reading.tables.likelihood import table7
from eval.reading.tables.speed import speed
from tasks.common.files import write_text


def all_tables(results: ResultSet, targets: int) -> list[Grid]:
    """In the paper's order; ``targets``: how many each table of samples shows."""
    tasks = measured_tasks(results)
    figures = [table2(results, tasks), table4(results, tasks), *infilling_tables(results, tasks)]
    figures += in_context_tables(results)
    figures += [table6(results), table7(results), speed(results)]
    figures += [made for made in [budget(results)] if made.rows]
    return [*figures, *example_tables(results, targets)]


def write_tables(grids: Sequence[Grid], folder: Path) -> None:
    """``NAME.md``, ``NAME.csv`` and ``NAME.tex`` for each, and ``all.tex`` that holds them all."""
    folder.mkdir(parents=True, exist_ok=True)
    for grid in grids:
        write_text(folder / f"{grid.name}.md", markdown(grid))
        write_text(folder / f"{grid.name}.csv", csv_text(grid))
        write_text(folder / f"{grid.name}.tex", latex(grid))
    write_text(folder / "all.tex", latex_document(grid.name for grid in grids))
