"""A table as data, and how it reads in Markdown, CSV, LaTeX and HTML (terminals: ``terminal.py``).

Every table of the project is one :class:`Grid`, so that each format is written once.
"""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import groupby
from typing import Any, Literal

from tasks.common.shown import visible
from tasks.common.spreadsheet import guarded

#: good: what was asked for; bad: what violates it; best: the best of a column; muted: beside the
#: point; aside: said, in the first column, of what the row above is called
Style = Literal["", "bold", "best", "good", "bad", "muted", "aside"]


@dataclass(frozen=True)
class Segment:
    """Text in one style."""

    text: str
    style: Style = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text))


#: one cell: its segments stand side by side
Entry = tuple[Segment, ...]


@dataclass(frozen=True)
class Column:
    """``group``: a heading that neighbouring columns share. ``wide``: running text, which wraps.

    For terminals that are too narrow: ``drop`` above 0 may be left out, the highest first, and is
    then ``called`` so (by default as its headings say); ``heads``: each of its values heads a table
    of its own, whose rows are those from one of the grid's ``rules`` to the next.
    """

    title: str
    group: str = ""
    wide: bool = False
    right: bool = True
    _: KW_ONLY
    drop: int = 0
    called: str = ""
    heads: bool = False

    def __post_init__(self) -> None:
        for name in ("title", "group"):
            object.__setattr__(self, name, visible(getattr(self, name)))


@dataclass(frozen=True)
class Grid:
    """A table. ``name`` is its file name; ``rules``: rows that begin a new block; ``records``: the
    same figures in full, one mapping a number, for CSV. ``typed``: its names are to be read as one
    types them, so that Markdown escapes nothing but what would end a cell. ``always``: those of the
    notes that a terminal shows unasked, such as why a cell is empty."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Entry]]
    notes: Sequence[str] = ()
    rules: frozenset[int] = frozenset()
    _: KW_ONLY
    records: Sequence[Mapping[str, Any]] = ()
    typed: bool = False
    always: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", visible(self.title))
        object.__setattr__(self, "always", frozenset(map(visible, self.always)))
        object.__setattr__(self, "notes", list(map(visible, self.notes)))

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Heading of each run of neighbouring columns, and its width in columns."""
        return [(name, len(list(run))) for name, run in groupby(c.group for c in self.columns)]

    @property
    def long(self) -> bool:
        """Whether it holds running text."""
        return any(column.wide for column in self.columns)


def entry(text: str, style: Style = "") -> Entry:
    """A cell in one style; no segments for an empty text."""
    return (Segment(text, style),) if text else ()


def plain(cell: Entry) -> str:
    """The text without its styles."""
    return "".join(segment.text for segment in cell)


def without(grid: Grid, indices: Sequence[int]) -> Grid:
    """The table without some of its columns."""
    kept = [i for i in range(len(grid.columns)) if i not in indices]
    rows = [[row[i] for i in kept] for row in grid.rows]
    return dataclasses.replace(grid, columns=[grid.columns[i] for i in kept], rows=rows)


def full_title(column: Column) -> str:
    """Both headings of a column in one line."""
    return ": ".join(filter(None, (column.group, column.title)))


def _full_titles(grid: Grid) -> list[str]:
    return list(map(full_title, grid.columns))


# Markdown

MARKDOWN: Mapping[Style, str] = {
    "": "{}",
    "bold": "**{}**",
    "best": "**{}**",
    "good": "**{}**",
    "bad": "***✗ {}***",
    "muted": "{}",
    "aside": "{}",
}


def markdown(grid: Grid) -> str:
    """Markdown has no colours: what was asked for is bold, what violates it bold with a ✗."""
    escape = _md_cell if grid.typed else _md_escape
    lines = [f"### {grid.title}", ""] if grid.title else []
    lines += [
        "| " + " | ".join(map(escape, _full_titles(grid))) + " |",
        "|" + "".join("---:|" if c.right else "---|" for c in grid.columns),
    ]
    for row in grid.rows:
        cells = ["".join(_md(segment, escape) for segment in cell) for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    notes = grid.notes if grid.typed else map(_md_escape, grid.notes)
    lines += [""] + [f"- {note}" for note in notes]
    return "\n".join(lines).rstrip() + "\n"


def _md_escape(text: str) -> str:
    return re.sub(r"([\\|*_<`])", r"\\\1", text)


def _md_cell(text: str) -> str:
    return text.replace("|", r"\|")


def _md(segment: Segment, escape: Callable[[str], str]) -> str:
    # emphasis must hug its text, or it is read as asterisks
    inner = segment.text.strip()
    if not inner or not segment.style:
        return escape(segment.text)
    lead, _, tail = segment.text.partition(inner)
    return lead + MARKDOWN[segment.style].format(escape(inner)) + tail


# CSV


def csv_text(grid: Grid) -> str:
    """``records`` where there are any, else the cells as text; a header line either way."""
    out = io.StringIO()
    if grid.records:
        names = list(dict.fromkeys(name for record in grid.records for name in record))
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _csv_cell(v) for k, v in one.items()} for one in grid.records)
    else:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(map(guarded, _full_titles(grid)))
        rows.writerows([guarded(plain(cell)) for cell in row] for row in grid.rows)
    return out.getvalue()


def _csv_cell(value: Any) -> Any:
    return guarded(visible(value)) if isinstance(value, str) else value


# LaTeX

LATEX: Mapping[Style, str] = {
    "": "{}",
    "bold": r"\textbf{{{}}}",
    "best": r"\textbf{{{}}}",
    "good": r"\textbf{{\textcolor{{good}}{{{}}}}}",
    "bad": r"\textbf{{\textcolor{{bad}}{{{}}}}}",
    "muted": r"{{\small\textcolor{{muted}}{{{}}}}}",
    "aside": r"{{\small\textcolor{{muted}}{{{}}}}}",
}
_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "⏎": r"$\hookleftarrow$",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "\N{MINUS SIGN}": r"$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "→": r"$\rightarrow$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "λ": r"$\lambda$",
    "\N{GREEK SMALL LETTER SIGMA}": r"$\sigma$",
    "\N{EN DASH}": "--",
    "…": r"\ldots{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "✗": r"$\times$",
    **{c: "\\" + c for c in "&%$#_"},
}

#: letters below U+0180 without a glyph
_NOT_IN_T1 = frozenset("ĦħĸĿŀŉŦŧſ\N{CEDILLA}")

PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{booktabs,longtable,xcolor,graphicx,textcomp}
\definecolor{good}{HTML}{006B4F}
\definecolor{bad}{HTML}{B3261E}
\definecolor{muted}{HTML}{5F6368}
\begin{document}
"""


def tex_escape(text: str) -> str:
    """Text as pdflatex reads it; a character that it cannot set becomes ``[U+XXXX]``."""
    return "".join(_TEX.get(c) or (c if _sets(c) else f"[U+{ord(c):04X}]") for c in text)


def _sets(char: str) -> bool:
    """Whether the T1 encoding and ``textcomp`` have a character: no controls, and of Latin
    Extended-A what has a glyph or is one with an accent."""
    return char.isprintable() and ord(char) < 0x180 and char not in _NOT_IN_T1


def _tex_row(cells: Iterable[str]) -> str:
    """A row of a table. What follows a line end in brackets, or as a star, would be its option."""
    row = " & ".join(cells)
    return ("{}" if row.lstrip().startswith(("[", "*")) else "") + row + r" \\"


def latex(grid: Grid) -> str:
    """A booktabs table to ``\\input``; running text becomes a ``longtable``, which may break over
    pages. Needs what :data:`PREAMBLE` loads and the colours that it defines."""
    share = 0.84 / max(1, sum(c.wide for c in grid.columns))
    kinds = ["r" if c.right else "l" for c in grid.columns]
    for i, column in enumerate(grid.columns):
        if column.wide:
            kinds[i] = rf"p{{{share:.2f}\linewidth}}"
    head = _tex_head(grid)
    body = []
    for i, row in enumerate(grid.rows):
        if i in grid.rules:
            body.append(r"\midrule")
        cells = ["".join(_tex(segment) for segment in cell) for cell in row]
        body.append(_tex_row(cells))
    caption = tex_escape(grid.title)
    notes = [rf"\par\noindent {tex_escape(note)}" for note in grid.notes]
    spec = "@{}" + "".join(kinds) + "@{}"
    if grid.long:
        lines = [
            r"\begingroup\footnotesize",
            rf"\begin{{longtable}}{{{spec}}}",
            rf"\caption{{{caption}}}\\ \toprule",
            *head,
            r"\midrule \endhead",
            *body,
            r"\bottomrule",
            r"\end{longtable}",
            *notes,
            r"\par\endgroup",
        ]
    else:
        lines = [
            r"\begin{table}[htbp]\centering\footnotesize",
            rf"\caption{{{caption}}}",
            rf"\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{"
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            *head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            *notes,
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


def _tex(segment: Segment) -> str:
    return LATEX[segment.style].format(tex_escape(segment.text))


def _tex_head(grid: Grid) -> list[str]:
    titles = _tex_row(tex_escape(c.title) for c in grid.columns)
    if not any(name for name, _ in grid.groups):
        return [titles]
    spans, rules, at = [], [], 1
    for name, width in grid.groups:
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{tex_escape(name)}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
        at += width
    return [" & ".join(spans) + r" \\", " ".join(rules), titles]


def latex_document(names: Iterable[str]) -> str:
    """A document that holds the tables ``NAME.tex`` beside it."""
    parts = [f"\\input{{{name}}}\n\\clearpage\n" for name in names]
    return PREAMBLE + "".join(parts) + "\\end{document}\n"


# HTML


def html_table(grid: Grid) -> str:
    """A ``table`` element, each block of rows a ``tbody``; styles are classes, and what is bad is
    told by more than its colour."""
    out = ['<table class="grid">', f'<caption class="hidden">{html.escape(grid.title)}</caption>']
    out.append("<thead>")
    if any(name for name, _ in grid.groups):
        spans = "".join(_heading(name, n) for name, n in grid.groups)
        out.append(f'<tr class="groups">{spans}</tr>')
    sides = ["right" if c.right else "left" for c in grid.columns]
    titles = zip(sides, grid.columns, strict=True)
    heads = "".join(_head(side, column) for side, column in titles)
    out += [f"<tr>{heads}</tr>", "</thead>", "<tbody>"]
    for i, row in enumerate(grid.rows):
        cells = zip(sides, row, strict=True)
        inner = "".join(f'<td class="{s}">{html_cell(cell)}</td>' for s, cell in cells)
        if i in grid.rules:
            out.append("</tbody><tbody>")
        out.append(f"<tr>{inner}</tr>")
    out += ["</tbody>", "</table>"]
    return "\n".join(out)


def _heading(name: str, width: int) -> str:
    """Of neighbouring columns; one without a name is no heading."""
    if not name:
        return f'<td colspan="{width}"></td>'
    return f'<th colspan="{width}" scope="colgroup">{html.escape(name)}</th>'


def _head(side: str, column: Column) -> str:
    if not column.title:
        return f'<td class="{side}"></td>'
    return f'<th class="{side}" scope="col">{html.escape(column.title)}</th>'


def html_cell(cell: Entry) -> str:
    """The segments of a cell as HTML."""
    return "".join(
        f'<span class="{s.style}">{html.escape(s.text)}</span>' if s.style else html.escape(s.text)
        for s in cell
    )
