"""Every table of a result set, and their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.reading.results import ResultSet
from eval.reading.tables.control import compare_tasks, table2, table4
from eval.reading.tables.examples import example_tables
from eval.reading.tables.grid import Grid, csv_text, latex, latex_document, markdown
from eval.reading.tables.infilling import table5
from eval.reading.tables.others import speed, table6, table7
from tasks.common.files import write_text


def all_tables(results: ResultSet, targets: int) -> list[Grid]:
    """In the paper's order; ``targets``: how many each table of samples shows."""
    tasks = compare_tasks(results)
    figures = [table2(results, tasks), table4(results, tasks), table5(results, tasks)]
    figures += [table6(results), table7(results), speed(results)]
    return [*figures, *example_tables(results, targets)]


def write_tables(grids: Sequence[Grid], folder: Path) -> None:
    """``NAME.md``, ``NAME.csv`` and ``NAME.tex`` for each, and ``all.tex`` that holds them all."""
    folder.mkdir(parents=True, exist_ok=True)
    for grid in grids:
        write_text(folder / f"{grid.name}.md", markdown(grid))
        write_text(folder / f"{grid.name}.csv", csv_text(grid))
        write_text(folder / f"{grid.name}.tex", latex(grid))
    write_text(folder / "all.tex", latex_document(grid.name for grid in grids))
