"""A comparison table for the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.reading import paired
from eval.reading.table import Number, Row, Table
from tasks.common.files import write_text

HEADER = (
    "method",
    "metric",
    "ctrl paper",
    "ctrl",
    "diff",
    "95 % interval",
    "lm paper",
    "lm",
    "diff",
    "95 % interval",
    "distinct-2",
    "entropy",
    "repeats",
)


def cells(row: Row) -> list[str]:
    """The row as text, one string a column of ``HEADER``."""
    ctrl = [_paper(row.ctrl, 1), row.note, "", ""] if row.note else _number(row.ctrl, 1)
    lm = _number(row.lm, 2) if row.lm else [""] * 4
    rest = [
        "" if row.distinct2 is None else f"{row.distinct2:.3f}",
        "" if row.entropy is None else f"{row.entropy:.2f}",
        "" if row.duplicates is None else f"{100 * row.duplicates:.1f} %",
    ]
    return [row.method, row.metric, *ctrl, *lm, *rest]


def _paper(number: Number, digits: int) -> str:
    if number.paper is None:
        return ""
    return f"{number.paper:.{digits}f}" + ("" if number.same_definition else "*")


def _number(number: Number, digits: int) -> list[str]:
    if number.ours is None:
        return [_paper(number, digits), "", "", ""]
    gap = number.difference
    span = (
        ""
        if number.low is None or number.high is None
        else f"[{number.low:.{digits}f}, {number.high:.{digits}f}]"
    )
    return [
        _paper(number, digits),
        f"{number.ours:.{digits}f}",
        "" if gap is None else f"{gap:+.{digits}f}",
        span,
    ]


def markdown(table: Table) -> str:
    """A Markdown table with its notes."""
    lines = [f"### {table.task}", "", *_grid(HEADER, [cells(row) for row in table.rows]), ""]
    if table.paired:
        lines += [*_grid(paired.HEADER, paired.rows(table.paired)), ""]
    lines += [f"- {note}" for note in table.notes]
    return "\n".join(lines) + "\n"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = "|" + "---|" * 2 + "---:|" * (len(header) - 2)
    return ["| " + " | ".join(header) + " |", rule, *("| " + " | ".join(r) + " |" for r in rows)]


def rich_tables(table: Table) -> list[Any]:
    """The same for a terminal: the comparison with the paper, then that between methods."""
    single = len(table.metrics) == 1
    found = [_rich(table.task, HEADER, [cells(row) for row in table.rows], single)]
    if table.paired:
        found.append(_rich("", paired.HEADER, paired.rows(table.paired), False))
    return found


def _rich(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], single: bool) -> Any:
    """Columns that are empty throughout are left out, and the metric's where there is one."""
    from rich import box
    from rich.table import Table as RichTable

    out = RichTable(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    used = [i for i in range(len(header)) if any(r[i] for r in rows) and not (single and i == 1)]
    for i in used:
        out.add_column(header[i], justify="left" if i < 2 else "right", no_wrap=True)
    for row in rows:
        out.add_row(*[row[i] for i in used])
    return out


def store(folder: Path, tables: Sequence[Table], notes_below: Sequence[str]) -> None:
    """Writes ``table.md`` and ``table.json``."""
    notes = "".join(f"- {note}\n" for note in notes_below)
    text = "\n".join(markdown(table) for table in tables)
    write_text(folder / "table.md", f"{text}\n{notes}")
    data = {"tables": [asdict(table) for table in tables], "legend": list(notes_below)}
    write_text(folder / "table.json", json.dumps(data, indent=1, ensure_ascii=False))
