"""Control against fluency, and quality against what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eval.reading.figures.labels import Label, annotate
from eval.reading.figures.points import human, numbered, points
from eval.reading.figures.style import (
    BLACK,
    Missing,
    Plot,
    arms,
    axes,
    below,
    literal,
    plain,
    series,
)
from eval.reading.names import method_name
from eval.reading.results import ResultSet
from eval.reading.sweeps import Point, over_steps
from eval.running.scoring import HUMAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from models.base import Card

#: what lines and markers are drawn with
Look = dict[str, Any]
#: panels side by side, and where there are more than four
COLUMNS, MANY = 2, 3
#: how the markers of methods look that do not contend alike with the others, and why: hollow, and
#: half filled
FILLS: dict[str, Look] = {
    "trained on the control": {"fillstyle": "full", "markerfacecolor": "white"},
    "knows the rule": {"fillstyle": "left", "markerfacecoloralt": "white"},
}
#: so that the inside of a cross can be seen
OPEN: Look = {"markersize": 6.5, "markeredgewidth": 0.9}


def _panels(results: ResultSet) -> tuple[Figure, list[tuple[Axes, str, list[Point]]]]:
    every = points(results)
    tasks = [t for t in results.tasks if any(p["task"] == t for p in every)]
    if not tasks:
        raise Missing(
            f"no cell of {results.folder} has control and lm-score: python -m eval.run judges a "
            "control task"
        )
    columns = min(COLUMNS if len(tasks) <= 4 else MANY, len(tasks))
    rows = -(-len(tasks) // columns)
    figure, grid = axes(columns, rows, 2.5, 3.2 * columns)
    for axis in grid[len(tasks) :]:
        axis.set_visible(False)
    panels = [
        (axis, task, [p for p in every if p["task"] == task])
        for axis, task in zip(grid, tasks, strict=False)
    ]
    return figure, panels


def _apart(card: Card) -> str:
    """The key of :data:`FILLS` that a method has; empty where it has none."""
    if card.knows_rule:
        return "knows the rule"
    return "trained on the control" if card.trained else ""


def _look(number: int, card: Card) -> Look:
    """Of the line and the markers of a method with this series."""
    apart = _apart(card)
    return {**series(number), **(FILLS[apart] | OPEN if apart else {})}


def _legend(
    results: ResultSet, figure: Figure, panels: Sequence[tuple[Axes, str, list[Point]]]
) -> None:
    from matplotlib.lines import Line2D

    handles: dict[str, Any] = {}
    for axis, _, _ in panels:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    # what is no method comes last
    if (last := method_name(HUMAN)) in handles:
        handles[last] = handles.pop(last)
    apart = {_apart(results.method(p["method"])) for _, _, members in panels for p in members}
    plain_look = {"color": BLACK, "marker": "o", "linestyle": "none"}
    handles |= {
        what: Line2D([], [], **{**plain_look, **look, **OPEN})
        for what, look in FILLS.items()
        if what in apart
    }
    rows = -(-len(handles) // 6)
    columns = -(-len(handles) // rows)
    below(figure, handles, columns)


def title(results: ResultSet, task: str) -> str:
    """What a panel is called, a composition in two lines."""
    return literal(results.task_name(task).replace(" + ", " +\n"))


def pareto(results: ResultSet) -> Figure:
    figure, panels = _panels(results)
    labels: dict[Axes, list[Label]] = {}
    bare: dict[Axes, list[tuple[float, float]]] = {}
    number = numbered(results)
    for axis, task, members in panels:
        for method in dict.fromkeys(p["method"] for p in members):
            line = [p for p in members if p["method"] == method]
            card = results.method(method)
            style = _look(number[method], card)
            swept = [p for p in line if "value" in p and not over_steps(card, p)]
            for key in dict.fromkeys(p["key"] for p in swept):
                own = sorted((p for p in swept if p["key"] == key), key=lambda p: p["value"])
                xs, ys = [p["lm"][0] for p in own], [p["ctrl"][0] for p in own]
                axis.plot(xs, ys, **{**style, "markersize": 3})
                named = labels.setdefault(axis, [])
                named += [(p["lm"][0], p["ctrl"][0], f"{p['value']:g}") for p in own]
            for p in (p for p in line if "value" not in p):
                x, y = p["lm"], p["ctrl"]
                bare.setdefault(axis, []).append((x[0], y[0]))
                axis.errorbar(
                    x[0],
                    y[0],
                    xerr=arms([(x[0], x[1], x[2])]),
                    yerr=arms([(y[0], y[1], y[2])]),
                    **{**style, "linestyle": "none"},
                    elinewidth=0.8,
                    capsize=2,
                    label=literal(results.method_name(method)),
                )
        if (people := human(results, task)) is not None:
            at = people["lm"][0], people["ctrl"][0]
            bare.setdefault(axis, []).append(at)
            name = method_name(HUMAN)
            axis.plot(*at, color=BLACK, marker="*", markersize=9, linestyle="none", label=name)
        axis.set(
            title=title(results, task), xlabel="lm: perplexity, lower is better", ylim=(-4, 104)
        )
        axis.set_ylabel("ctrl, percent")
        # a setting that goes too far leaves the language: perplexities in the hundreds
        axis.set_xscale("log")
        plain(axis.xaxis)
        axis.margins(x=0.1)
    _legend(results, figure, panels)
    annotate(figure, labels, bare)
    return figure


def steps(results: ResultSet) -> Figure:
    return _cost(results, "nfe", "network evaluations a sample")


def seconds(results: ResultSet) -> Figure:
    return _cost(results, "seconds", "seconds a sample")


def _cost(results: ResultSet, name: str, meaning: str) -> Figure:
    figure, panels = _panels(results)
    labels: dict[Axes, list[Label]] = {}
    number = numbered(results)
    for axis, task, members in panels:
        known = [p for p in members if p.get(name)]
        for method in dict.fromkeys(p["method"] for p in known):
            line = sorted((p for p in known if p["method"] == method), key=lambda p: p[name])
            card = results.method(method)
            line = [p for p in line if "value" not in p or over_steps(card, p)]
            xs, ys = [p[name] for p in line], [p["ctrl"][0] for p in line]
            spans = arms([(p["ctrl"][0], p["ctrl"][1], p["ctrl"][2]) for p in line])
            style = _look(number[method], card)
            axis.errorbar(xs, ys, yerr=spans, **style, elinewidth=0.8, capsize=2)
            axis.plot([], [], **style, label=literal(results.method_name(method)))
            named = labels.setdefault(axis, [])
            named += [(p[name], p["ctrl"][0], f"lm {p['lm'][0]:.1f}") for p in line]
        axis.set(title=title(results, task), xlabel=meaning, ylabel="ctrl, percent", ylim=(-4, 108))
        axis.set_xscale("log")
        axis.margins(x=0.15)
    if not any(labels.values()):
        raise Missing(f"no sample of {results.folder} has its {meaning} stored")
    _legend(results, figure, panels)
    annotate(figure, labels, {})
    return figure


PARETO = Plot(
    "control-fluency",
    "Control against fluency",
    "Up and to the left is better. Large markers: the set's own cells with 95 % intervals, hollow "
    "where the method was trained on the control, half filled where it knows the rule; star: human "
    "text; lines: the stored sweep over each method's trade-off, its value beside each point. Of a "
    "composition, the part that does worst.",
    pareto,
)
STEPS = Plot(
    "quality-steps",
    "Quality against network evaluations",
    "Control success by how often a network is evaluated for a sample; lm beside each point. "
    "Diffusion-LM's line is a sweep over its number of denoising steps, where one is stored.",
    steps,
)
SECONDS = Plot(
    "quality-time",
    "Quality against wall time",
    "Control success by the decoding time of a sample, batched, on the machine of the run.",
    seconds,
)
