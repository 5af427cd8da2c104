"""Every table of a result set, and their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.results import ResultSet
from eval.store import write_text
from eval.tables.control import compare_tasks, table2, table4
from eval.tables.examples import example_tables
from eval.tables.grid import Grid, csv_text, latex, latex_document, markdown
from eval.tables.infilling import table5
from eval.tables.others import speed, table6, table7


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
