"""Tables in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from eval.reading.tables.grid import Grid, rich_table


def show(grids: Sequence[Grid], console: Console | None = None) -> None:
    """Prints each table with its notes. A table of figures wider than the terminal lets its lines
    wrap rather than lose digits; running text is wrapped to fit."""
    console = console or Console(highlight=False)
    for grid in grids:
        table = rich_table(grid)
        needed = console.measure(table, options=console.options.update(max_width=400)).maximum
        width = console.width if grid.long else max(console.width, needed)
        Console(width=width, highlight=False).print(table)
        for note in grid.notes:
            console.print(f"  {note}", markup=False)
        if grid.notes or not grid.typed:
            console.print()
