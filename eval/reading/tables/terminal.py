"""Tables in a terminal, no line wider than it.

The width is the terminal's; what ``COLUMNS`` says comes first, and where the output is none and
nothing says a width, it is 80. Files hold the whole tables whatever was printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from eval.reading.tables.fit import Block, Fit, breaks, fit, folded
from eval.reading.tables.grid import Entry, Grid, Style
from tasks.common.shown import visible

#: what is narrower counts as so wide
NARROWEST = 20
#: what notes and the lines that go on with another are indented by
INDENT = 2
STYLES: Mapping[Style, str] = {
    "": "",
    "bold": "bold",
    "best": "bold",
    "good": "bold green",
    "bad": "bold red",
    "muted": "dim",
    "aside": "dim",
}
#: a note that says what a mark in a cell stands for
_FOOTNOTE = re.compile(r"\[[a-z]+\d*\] ")


@dataclass(frozen=True)
class View:
    """How tables are printed. ``columns``: those that fit, or all whatever the width; ``legend``:
    only what cells refer to, or every note; ``file``: what holds all of it. ``hint``: whether to
    say below the tables how to see the notes that were left out."""

    columns: Literal["auto", "all"] = "auto"
    legend: Literal["short", "full"] = "short"
    file: str = ""
    hint: bool = True


def show(grids: Sequence[Grid], console: Console | None = None, view: View | None = None) -> None:
    """Prints each table with those of its notes that ``view`` asks for, and what was left out."""
    console, view = console or Console(highlight=False), view or View()
    for grid in grids:
        for number, one in enumerate(fit(grid, None if view.columns == "all" else width(console))):
            if number:
                console.print()
            _print(one, console, view)
        console.print()
    if view.hint and view.legend == "short" and any(map(_hidden, grids)):
        hint(console, view)


def width(console: Console) -> int:
    """How many cells a line may take."""
    return max(NARROWEST, console.width)


def hint(console: Console, view: View) -> None:
    """The line that says where the notes are which were not printed."""
    line(f"what columns, marks and judges mean: legend=full{_also(view)}", console)


def line(text: str, console: Console, indent: int = INDENT, style: str = "") -> None:
    """Prints running text, wrapped."""
    padded = Padding(Text(visible(text), style), (0, 0, 0, indent), expand=False)
    with _as_wide(console, width(console)):
        console.print(padded, soft_wrap=False)


def hanging(text: Text, console: Console, indent: int) -> None:
    """Prints a line, wrapped, its further lines indented."""
    lines = text.wrap(console, max(NARROWEST, width(console)) - indent)
    for number, part in enumerate(lines):
        part.rstrip()
        console.print(Text(" " * indent).append(part) if number else part, soft_wrap=True)


def _also(view: View) -> str:
    return f", or {view.file}" if view.file else ""


def _hidden(grid: Grid) -> bool:
    return any(not _asked(grid, note, View()) for note in grid.notes)


def _asked(grid: Grid, note: str, view: View) -> bool:
    return view.legend == "full" or note in grid.always or bool(_FOOTNOTE.match(note))


def _print(one: Fit, console: Console, view: View) -> None:
    grid = one.grid
    if grid.title:
        line(grid.title, console, 0, "bold")
    for number, block in enumerate(one.blocks):
        table = _table(grid, block)
        if number:
            console.print()
        with _as_wide(console, max(width(console), _width(block))):
            console.print(table, soft_wrap=False)
    if one.dropped:
        places = " (columns=all shows them" + (f"; {view.file} has them" if view.file else "") + ")"
        line(f"no room for: {', '.join(one.dropped)}{places}", console)
    for note in grid.notes:
        if _asked(grid, note, view):
            line(note, console)


@contextmanager
def _as_wide(console: Console, cells: int) -> Iterator[None]:
    """For a table wider than the terminal, which was asked for."""
    before = console.width
    console.width = cells
    try:
        yield
    finally:
        console.width = before


def _width(block: Block) -> int:
    return sum(block.widths) + block.gap * (len(block.widths) - 1)


def _table(grid: Grid, block: Block) -> Table:
    """The columns of a block; a group's name stands above its first column."""
    out = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, block.gap - 1, 0, 0),
    )
    for head, size, i in zip(_heads(grid, block), block.widths, block.columns, strict=True):
        column = grid.columns[i]
        justify: Literal["left", "right"] = "right" if column.right else "left"
        if column.wide:
            out.add_column(head, justify=justify, overflow="fold")
        else:
            out.add_column(head, justify=justify, no_wrap=True, width=size)
    for number, row in enumerate(grid.rows):
        sized = zip(block.columns, block.widths, strict=True)
        cells = [_cell(row[i], None if grid.columns[i].wide else size) for i, size in sized]
        out.add_row(*cells, end_section=number + 1 in grid.rules)
    return out


def _heads(grid: Grid, block: Block) -> list[str]:
    """The headings, folded, their last lines beside each other."""
    heads, above = list[list[str]](), list[list[str]]()
    seen = ""
    for i, size in zip(block.columns, block.widths, strict=True):
        column = grid.columns[i]
        heads.append(folded(column.title, size))
        above.append(folded(column.group, size) if column.group not in ("", seen) else [])
        seen = column.group
    lower, upper = (max(map(len, part), default=0) for part in (heads, above))
    return [
        "\n".join([*[""] * (upper - len(a)), *a, *[""] * (lower - len(h)), *h])
        for a, h in zip(above, heads, strict=True)
    ]


def _cell(cell: Entry, size: int | None) -> Text:
    text = Text.assemble(*((s.text, STYLES[s.style]) for s in cell))
    if size is None:
        return text
    lines = text.divide(breaks(text.plain, size))
    for part in lines:
        part.rstrip()
    return Text("\n").join(lines)
