"""``python -m eval.tables run=results/SET``: the paper's tables from stored results alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eval.run import guarded
from tasks.common.ranges import Checked, ranged

USAGE = """\
usage: python -m eval.tables key=value ...

Prints the paper's tables with a result set's figures beside the paper's, and writes each as
Markdown, CSV and LaTeX (booktabs). Needs no GPU and no models.

  python -m eval.tables run=results/demo
"""


@dataclass(frozen=True)
class TablesOptions(Checked):
    """What to read and where to write."""

    #: folder of the result set
    run: str = "results/demo"
    #: folder of the tables; by default RUN/tables
    out: str | None = None
    #: targets that each table of samples shows
    targets: int = ranged(6, least=1, most=10**6)
    #: print the tables
    show: bool = True
    #: auto: printed tables have the columns that the terminal is wide enough for; all: every one
    columns: Literal["auto", "all"] = "auto"
    #: short: tables are printed without what their columns, marks and judges mean; full: with it
    legend: Literal["short", "full"] = "short"


def main(given: Sequence[str]) -> None:
    from eval.reading.results import stored
    from eval.reading.tables.build import all_tables, write_tables
    from eval.running.options import options

    chosen = options(TablesOptions, given, USAGE)
    if chosen is None:
        return
    grids = all_tables(stored(chosen.run), chosen.targets)
    folder = Path(chosen.out or f"{chosen.run}/tables")
    write_tables(grids, folder)
    if chosen.show:
        from eval.reading.tables.terminal import View, show

        show(grids, view=View(chosen.columns, chosen.legend, f"{folder}/*.md"))
    print(f"{len(grids)} tables as Markdown, CSV and LaTeX: {folder}/")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
