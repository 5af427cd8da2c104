"""What decoding options cost: control, fluency and diversity against network evaluations, of the
combinations that ``eval.tune`` tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eval.reading.figures.labels import Label, annotate
from eval.reading.figures.style import GREY, Missing, Plot, axes, literal, plain, series
from eval.reading.results import ResultSet
from eval.reading.tuned import curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: figure of a combination -> what its axis says, and by what it is multiplied
PANELS: Mapping[str, tuple[str, float]] = {
    "ctrl": ("ctrl, percent", 100.0),
    "ppl": ("lm, lower is better", 1.0),
    "distinct2": ("distinct-2", 1.0),
}


def frontier(tried: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The combinations that none with as few evaluations or fewer has as much control as, by
    rising cost."""
    kept = list[Mapping[str, Any]]()
    for one in sorted(tried, key=lambda one: (one["nfe"], -one["ctrl"])):
        if not kept or one["ctrl"] > kept[-1]["ctrl"]:
            kept.append(one)
    return kept


def draw(results: ResultSet) -> Figure:
    found = curves(results.folder)
    if not found:
        raise Missing(
            f"{results.folder} holds no combinations with their evaluations: python -m eval.tune "
            "with this folder as out= tries them"
        )
    figure, grid = axes(len(PANELS), len(found), 2.4, 9.0)
    labels: dict[Axes, list[Label]] = {}
    others: dict[Axes, list[tuple[float, float]]] = {}
    for row, ((task, method), tried) in enumerate(found.items()):
        best, style = frontier(tried), series(0)
        keys = ", ".join(key.removeprefix(f"{method}.") for key in tried[0]["point"])
        cells = zip(grid[row * len(PANELS) :], PANELS.items(), strict=False)
        for axis, (name, (meaning, factor)) in cells:
            shown = [(one["nfe"], factor * one[name]) for one in tried if name in one]
            line = [one for one in best if name in one]
            for x, y in shown:
                axis.plot(x, y, color=GREY, marker="o", markersize=3)
            at = [(one["nfe"], factor * one[name]) for one in line]
            axis.plot([x for x, _ in at], [y for _, y in at], **style)
            values = ["/".join(one["point"].values()) for one in line]
            labels[axis] = [(*where, said) for where, said in zip(at, values, strict=True)]
            others[axis] = shown
            axis.set(xlabel="network evaluations a sample", ylabel=meaning)
            axis.set_xscale("log")
            plain(axis.xaxis)
            axis.margins(x=0.15, y=0.15)
        title = f"{results.task_name(task)}, {results.method_name(method)}\n{keys}"
        grid[row * len(PANELS)].set_title(literal(title), loc="left")
    annotate(figure, labels, others)
    return figure


TUNED = Plot(
    "quality-settings",
    "Quality against network evaluations, over decoding options",
    "Every combination of decoding options that was tried on held-out targets (eval.tune); line: "
    "those with more control than any other of as few evaluations, the values of their options "
    "beside them.",
    draw,
)
