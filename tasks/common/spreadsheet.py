"""Cells of CSV files that spreadsheets open: a text that one would take for a formula is guarded.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end is run by spreadsheets. An
apostrophe before it makes it a text; one more is put before apostrophes that stand there already,
so that :func:`unguarded` gives back exactly what was written. Numbers stay numbers.
"""

from __future__ import annotations

import re

_RUN = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    return f"'{text}" if _RUN.match(text) and not _NUMBER.fullmatch(text) else text


def unguarded(cell: str) -> str:
    """The text behind a cell."""
    return cell[1:] if cell.startswith("'") and _RUN.match(cell) else cell
