"""A table cut to the width of a terminal: labels fold, columns that matter least go, and what is
still too wide is printed in blocks under one another, each with the labels again."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from rich.cells import cell_len

from eval.reading.tables.grid import Column, Grid, full_title, plain

#: cells between columns, where there is room and where there is little
WIDE, NARROW = 2, 1
#: what labels may be folded to: at first, or a share of the width, and where nothing else helps
LABEL, SHARE, SHORTEST = 16, 4, 6
#: what words in a column of figures may be folded to, longer words to the second, and what running
#: text needs at least
REASON, WORD, TEXT = 8, 12, 16
#: a text and what may end a line of it
_PIECES = re.compile(r".*?(?:[ ./_:+\-]+|$)", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Columns that stand beside each other, by their index in the grid, with the width of each."""

    columns: Sequence[int]
    widths: Sequence[int]
    gap: int


@dataclass(frozen=True)
class Fit:
    """How a grid is printed: its blocks, and the columns that found no place."""

    grid: Grid
    blocks: Sequence[Block]
    dropped: Sequence[str] = ()


def fit(grid: Grid, width: int | None) -> list[Fit]:
    """The tables that a grid is printed as, none wider than ``width`` terminal cells; None: one,
    as wide as it is."""
    sizes = _Sizes(grid, max(LABEL, (width or 0) // SHARE))
    everything = list(range(len(grid.columns)))
    whole = Block(everything, sizes.natural, WIDE)
    if width is None or _total(whole) <= width:
        return [Fit(grid, [whole])]
    if grid.columns and grid.columns[0].heads:
        return [one for part in _parts(grid) for one in fit(part, width)]
    dropped: list[int] = []
    for index in (None, *_droppable(grid)):
        dropped += [] if index is None else [index]
        kept = [i for i in everything if i not in dropped]
        for gap in (WIDE, NARROW):
            block = Block(kept, [sizes.soft[i] for i in kept], gap)
            if _total(block) <= width:
                block = _widened(block, sizes, width)
                return [Fit(grid, [block], _names(grid, dropped))]
    return [Fit(grid, _blocks(grid, sizes, width, kept), _names(grid, dropped))]


class _Sizes:
    """The width of each column: ``natural``, with nothing folded; ``soft``, with long labels,
    words among figures and headings folded; ``least``, with labels folded as far as may be.
    ``label``: what labels are folded to at first."""

    def __init__(self, grid: Grid, label: int) -> None:
        self.natural, self.soft, self.least = list[int](), list[int](), list[int]()
        for i, column in enumerate(grid.columns):
            texts = {plain(row[i]) for row in grid.rows}
            heads = [column.title]
            if column.group and (i == 0 or grid.columns[i - 1].group != column.group):
                heads.append(column.group)
            cells = max(map(cell_len, texts), default=0)
            if column.wide:
                sizes = (max(TEXT, cells),) + (TEXT,) * 2
            else:
                loose = [text for text in texts if _folds(text, column)]
                bound = max([REASON, *(min(_word(text), WORD) for text in loose)])
                hard = max(_hardest(loose, bound if column.right else label), 1)
                kept = max((cell_len(t) for t in texts if not _folds(t, column)), default=0)
                words = max((_word(text) for text in heads), default=0)
                soft = max(kept, min(cells, hard), words)
                least = soft if column.right else min(soft, max(SHORTEST, kept))
                sizes = (max(cells, *map(cell_len, heads)), soft, least)
            self.natural.append(sizes[0])
            self.soft.append(sizes[1])
            self.least.append(sizes[2])


def _folds(text: str, column: Column) -> bool:
    """Whether a cell's text may take several lines: labels, and reasons in place of figures."""
    return not column.right or (" " in text and not text.startswith("[") and text[0].isalpha())


def _hardest(texts: Sequence[str], bound: int) -> int:
    """The width that texts folded to ``bound`` take."""
    return max((cell_len(line) for t in texts for line in folded(t, bound)), default=0)


def _word(text: str) -> int:
    return max((cell_len(piece.strip()) for piece in _pieces(text)), default=0)


def _pieces(text: str) -> list[str]:
    return [piece for piece in _PIECES.findall(text) if piece]


def breaks(text: str, width: int) -> list[int]:
    """Where lines of a text begin, the first aside, so that each takes at most ``width`` cells;
    after a space or a mark between words where there is one."""
    offsets, at, used = list[int](), 0, 0
    for piece in _pieces(text):
        size = cell_len(piece.rstrip())
        if used and used + size > width:
            offsets.append(at)
            used = 0
        if size <= width:
            at, used = at + len(piece), used + cell_len(piece)
            continue
        for letter in piece:
            size = cell_len(letter)
            if used and used + size > width:
                offsets.append(at)
                used = 0
            at, used = at + 1, used + size
    return offsets


def folded(text: str, width: int) -> list[str]:
    """The lines that :func:`breaks` makes of a text."""
    ends = [0, *breaks(text, width), len(text)]
    return [text[a:b].rstrip() for a, b in pairwise(ends)]


def _total(block: Block) -> int:
    return sum(block.widths) + block.gap * (len(block.widths) - 1)


def _droppable(grid: Grid) -> list[int]:
    found = [i for i, column in enumerate(grid.columns) if column.drop > 0]
    return sorted(found, key=lambda i: (-grid.columns[i].drop, -i))


def _names(grid: Grid, indices: Sequence[int]) -> list[str]:
    columns = [grid.columns[i] for i in sorted(indices)]
    return [column.called or full_title(column) for column in columns]


def _parts(grid: Grid) -> Iterator[Grid]:
    """A grid for each block of rows, headed by what stands in its first column."""
    starts = [0, *sorted(grid.rules), len(grid.rows)]
    for first, last in pairwise(starts):
        if first == last:
            continue
        title = ": ".join(filter(None, (grid.title, plain(grid.rows[first][0]))))
        rows = [row[1:] for row in grid.rows[first:last]]
        notes = grid.notes if last == len(grid.rows) else ()
        part = dataclasses.replace(grid, title=title, columns=grid.columns[1:], rows=rows)
        yield dataclasses.replace(part, notes=notes, rules=frozenset())


def _labels(grid: Grid) -> int:
    """How many columns at the left say what a row is of."""
    columns = enumerate(grid.columns)
    return next((i for i, c in columns if c.right or c.wide or c.group), len(grid.columns))


def _widened(block: Block, sizes: _Sizes, width: int) -> Block:
    """The block with the room that is left given to the columns that are folded, from the left."""
    widths, room = list(block.widths), width - _total(block)
    for place, i in enumerate(block.columns):
        more = min(room, sizes.natural[i] - widths[place])
        if more > 0:
            widths[place] += more
            room -= more
    return dataclasses.replace(block, widths=widths)


def _blocks(grid: Grid, sizes: _Sizes, width: int, kept: Sequence[int]) -> list[Block]:
    """The columns of a grid in as few blocks as may be, those of one group together."""
    labels = [i for i in kept if i < _labels(grid)]
    rest = [i for i in kept if i not in labels]
    groups = [list(run) for _, run in groupby(rest, key=lambda i: grid.columns[i].group or i)]
    tries = [_packed(groups, labels, sizes, width, gap) for gap in (WIDE, NARROW)]
    return min(tries, key=len)


def _packed(
    groups: Sequence[Sequence[int]], labels: Sequence[int], sizes: _Sizes, width: int, gap: int
) -> list[Block]:
    def block(columns: Sequence[int]) -> Block:
        own = [*labels, *columns]
        return Block(own, [sizes.soft[i] for i in own], gap)

    runs: list[list[int]] = []
    for group in groups:
        parts = [list(group)] if _total(block(group)) <= width else [[i] for i in group]
        for part in parts:
            if runs and _total(block([*runs[-1], *part])) <= width:
                runs[-1] += part
            else:
                runs.append(part)
    return [_widened(_squeezed(block(run), sizes, width), sizes, width) for run in runs or [[]]]


def _squeezed(block: Block, sizes: _Sizes, width: int) -> Block:
    """A block that is too wide, narrower: the widest of what may give way goes first, at last any
    column."""
    widths, room = list(block.widths), width - block.gap * (len(block.widths) - 1)
    for least in ([sizes.least[i] for i in block.columns], [2] * len(widths)):
        while sum(widths) > room:
            spare = [at for at, size in enumerate(widths) if size > least[at]]
            if not spare:
                break
            widths[max(spare, key=widths.__getitem__)] -= 1
    return dataclasses.replace(block, widths=widths)
