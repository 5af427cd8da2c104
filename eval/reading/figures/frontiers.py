"""Each method as a line through its stored sweep: what control costs in fluency, diversity and
length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eval.reading.figures.labels import Label, annotate
from eval.reading.figures.points import numbered, point
from eval.reading.figures.style import (
    BLACK,
    GREY,
    WIDTH,
    Missing,
    Plot,
    axes,
    below,
    literal,
    plain,
    series,
)
from eval.reading.figures.tradeoff import title
from eval.reading.measured import equal_count, measured_tasks
from eval.reading.names import OWN, method_name
from eval.reading.results import ResultSet
from eval.reading.sweeps import SWEEP, Frontier, Point, frontiers
from eval.running.scoring import HUMAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: panels side by side at most; inches of one
COLUMNS, WIDE, HIGH = 3, 3.2, 1.9
#: quantity of a point -> what its axis says
ROWS: Mapping[str, str] = {
    "ctrl": "ctrl, percent",
    "distinct2": "distinct-2",
    "length": "length, words",
}
#: marks of a point without a line
_ALONE: Mapping[str, Any] = {"color": BLACK, "linestyle": "none"}
#: how the set's own cells are marked, and what people wrote
RING = {**_ALONE, "marker": "o", "markersize": 10, "markerfacecolor": "none"}
STARS: Mapping[str, Mapping[str, Any]] = {
    method_name(HUMAN): {**_ALONE, "marker": "*", "markersize": 9},
    OWN: {**_ALONE, "marker": "*", "markersize": 9, "markerfacecolor": "white"},
}
STORED = "the set's own cell"


@dataclass(frozen=True)
class Panel:
    """One quantity of one task over perplexity. ``lines``: each sweep with its place in the
    legend, its look and (lm, quantity, value of the setting); ``cells``: the swept methods' own,
    with their looks; ``people``: what people wrote, by name, its quantity None where it is not
    stored."""

    lines: list[tuple[str, Mapping[str, Any], list[Label]]] = field(default_factory=list)
    cells: list[tuple[Mapping[str, Any], tuple[float, float]]] = field(default_factory=list)
    people: dict[str, tuple[float, float | None]] = field(default_factory=dict)


def panels(results: ResultSet, task: str, swept: Sequence[Frontier]) -> dict[str, Panel]:
    """Quantity -> what its panel shows. Where distinct-2 of a point is of another number of samples
    than the table's, it is not comparable with it and left out."""
    measured, count = measured_tasks(results)[task], equal_count(results, task)
    number, found = numbered(results), dict[str, Panel]()
    for quantity in ROWS:
        panel = found[quantity] = Panel()
        for one in swept:
            label = literal(f"{results.method_name(one.method)}: {one.setting}")
            kept = [p for p in one.points if quantity != "distinct2" or p.get("samples") == count]
            places = [
                (p["lm"][0], y, f"{p['value']:g}")
                for p in kept
                if (y := _value(p, quantity)) is not None
            ]
            # a second setting of a method is told by empty markers
            more = any(one.method == other.method for other in swept[: swept.index(one)])
            look = series(number[one.method]) | ({"markerfacecolor": "white"} if more else {})
            panel.lines.append((label, look, places))
        for method in dict.fromkeys(one.method for one in swept):
            cell = point(task, measured, method)
            if cell is not None and (y := _value(cell, quantity)) is not None:
                panel.cells.append((series(number[method]), (cell["lm"][0], y)))
        for name in STARS:
            if (reference := point(task, measured, name)) is not None:
                panel.people[name] = reference["lm"][0], _value(reference, quantity)
    return found


def _value(point: Point, quantity: str) -> float | None:
    """The quantity alone, of a point that may have it with its interval."""
    found = point[quantity]
    return found[0] if isinstance(found, list) else found


def draw(results: ResultSet) -> Figure:
    every = [one for one in frontiers(results) if one.task in measured_tasks(results)]
    tasks = list(dict.fromkeys(one.task for one in every))
    if not tasks:
        raise Missing(
            f"no point of {results.folder / SWEEP} has distinct-2 and length: python -m eval.sweep "
            f"run={results.folder} stores some"
        )
    blocks = -(-len(tasks) // COLUMNS)
    columns = -(-len(tasks) // blocks)
    figure, grid = axes(columns, blocks * len(ROWS), HIGH, max(WIDTH, WIDE * columns))
    labels: dict[Axes, list[Label]] = {}
    bare: dict[Axes, list[tuple[float, float]]] = {}
    free = set(grid)
    for number, task in enumerate(tasks):
        block, column = divmod(number, columns)
        stack = grid[block * len(ROWS) * columns + column :: columns][: len(ROWS)]
        shown = panels(results, task, [one for one in every if one.task == task])
        for axis, (quantity, panel) in zip(stack, shown.items(), strict=True):
            _draw(axis, panel)
            labels[axis] = [spot for _, _, line in panel.lines for spot in _said(quantity, line)]
            stars = [(x, y) for x, y in panel.people.values() if y is not None]
            points = [(x, y) for _, _, line in panel.lines for x, y, _ in line]
            bare[axis] = [*points, *(at for _, at in panel.cells), *stars]
            axis.set_ylabel(ROWS[quantity] if column == 0 else "")
        _join(stack)
        stack[0].set(ylim=(-4, 108), title=title(results, task))
        stack[-1].set_xlabel("lm: perplexity, lower is better")
        free -= set(stack)
    for axis in free:
        axis.set_visible(False)
    _legend(figure, [axis for axis in grid if axis not in free], columns)
    annotate(figure, labels, bare)
    return figure


def _said(quantity: str, line: Sequence[Label]) -> Sequence[Label]:
    """The points of a line whose value stands beside them: all in the panel of control, below it,
    at the same perplexities, the ends."""
    return line if quantity == "ctrl" or len(line) < 3 else (line[0], line[-1])


def _draw(axis: Axes, panel: Panel) -> None:
    for label, look, line in panel.lines:
        axis.plot([x for x, _, _ in line], [y for _, y, _ in line], **look, ms=4, label=label)
    for look, at in panel.cells:
        axis.plot(*at, **{**look, "linestyle": "none"}, ms=4)
        axis.plot(*at, **RING, label=STORED)
    for name, (x, y) in panel.people.items():
        if y is None:
            axis.axvline(x, color=GREY, linestyle=":", linewidth=0.8)
        else:
            axis.plot(x, y, **STARS[name], label=name)
    axis.margins(x=0.1, y=0.2)


def _join(stack: Sequence[Axes]) -> None:
    """Panels below each other have one axis of perplexity, which may run to the hundreds."""
    for axis in stack[:-1]:
        axis.sharex(stack[-1])
        axis.tick_params(labelbottom=False)
    stack[-1].set_xscale("log")
    plain(stack[-1].xaxis)


def _legend(figure: Figure, shown: Sequence[Axes], columns: int) -> None:
    """The methods, then the marks that are no sweep."""
    handles: dict[str, Any] = {}
    for axis in shown:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    for name in (STORED, *STARS):
        if name in handles:
            handles[name] = handles.pop(name)
    below(figure, handles, max(3, columns + 1))


FRONTIERS = Plot(
    "frontiers",
    "Frontiers of control, diversity and length against fluency",
    "A method is a line: through the values, beside their points, of a setting that trades "
    "control for fluency or diversity (python -m eval.sweep). Ringed: the set's own cell, which "
    "tables have. distinct-2 is of as many samples as in the table. Stars: what people wrote; "
    "dotted, its lm where the quantity is not stored. Of a composition, the part that does worst.",
    draw,
)
