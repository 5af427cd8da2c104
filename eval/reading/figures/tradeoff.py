"""Control against fluency, and quality against what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eval.reading.figures.labels import Label, annotate
from eval.reading.figures.style import (
    BLACK,
    Missing,
    Plot,
    arms,
    axes,
    literal,
    numbers,
    plain,
    series,
)
from eval.reading.measured import Measured, measured_tasks
from eval.reading.names import method_name
from eval.reading.results import ResultSet
from eval.reading.schema import Sweep
from eval.running.scoring import HUMAN
from tasks.common.schema import read_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SWEEP = "sweep.json"
#: panels side by side, and where there are more than four
COLUMNS, MANY = 2, 3
#: a logarithmic axis where the values span more than this factor
WIDE = 5.0

Point = Mapping[str, Any]


def points(results: ResultSet) -> list[Point]:
    """One point a cell: ``task``, ``method``, ``ctrl``, ``lm`` (each value, low, high), ``nfe`` and
    ``seconds`` a sample; then those of the stored sweep, with their ``key`` and ``value``."""
    tasks = measured_tasks(results)
    cells = [p for name in results.tasks if name in tasks for p in _cells(name, tasks[name])]
    path = results.folder / SWEEP
    return cells + (read_json(path, Sweep)["points"] if path.exists() else [])


def numbered(results: ResultSet) -> dict[str, int]:
    """Method -> the number of its series, the same in all panels and figures of a set."""
    found = {p["method"] for p in points(results)}
    names = [name for name in results.method_order(found) if name in found]
    return dict(zip(names, numbers([results.method(name) for name in names]), strict=True))


def _cells(name: str, measured: Measured) -> list[Point]:
    shown = (point(name, measured, method) for method in measured.methods)
    return [one for one in shown if one is not None]


def point(task: str, measured: Measured, method: str) -> Point | None:
    """A method or a reference row as a point of :func:`points`; None where it lacks control or
    lm-score."""
    rows = [measured.row(method, metric) for metric in measured.ctrl]
    first = measured.first(method)
    values = [row.ctrl for row in rows if row is not None and row.ctrl.ours is not None]
    if not values or first is None or first.lm is None or first.lm.ours is None:
        return None
    # of a composition, the part that does worst
    ctrl = min(values, key=lambda number: number.ours or 0.0)
    return {
        "task": task,
        "method": method,
        "ctrl": [ctrl.ours, ctrl.low, ctrl.high],
        "lm": [first.lm.ours, first.lm.low, first.lm.high],
        "nfe": first.nfe,
        "seconds": first.seconds,
    }


def human(results: ResultSet, task: str) -> Point | None:
    """What human text would be as a point: the ceiling of control, at its own perplexity."""
    measured = measured_tasks(results).get(task)
    return None if measured is None else point(task, measured, method_name(HUMAN))


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


def _legend(figure: Figure, panels: Sequence[tuple[Axes, str, list[Point]]]) -> None:
    handles: dict[str, Any] = {}
    for axis, _, _ in panels:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    # what is no method comes last
    if (last := method_name(HUMAN)) in handles:
        handles[last] = handles.pop(last)
    rows = -(-len(handles) // 6)
    columns = -(-len(handles) // rows)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns)


def _title(results: ResultSet, task: str) -> str:
    return literal(results.task_name(task).replace(" + ", " +\n"))


def _over_steps(results: ResultSet, point: Point) -> bool:
    """Whether a point of a sweep is of one over the method's number of steps."""
    steps = results.method(point["method"]).steps
    return bool(steps) and point["key"] == f"{point['method']}.{steps}"


def pareto(results: ResultSet) -> Figure:
    figure, panels = _panels(results)
    labels: dict[Axes, list[Label]] = {}
    bare: dict[Axes, list[tuple[float, float]]] = {}
    number = numbered(results)
    for axis, task, members in panels:
        for method in dict.fromkeys(p["method"] for p in members):
            line = [p for p in members if p["method"] == method]
            style = series(number[method])
            swept = [p for p in line if "value" in p and not _over_steps(results, p)]
            swept.sort(key=lambda p: p["value"])
            if swept:
                xs, ys = [p["lm"][0] for p in swept], [p["ctrl"][0] for p in swept]
                axis.plot(xs, ys, **{**style, "markersize": 3})
                named = labels.setdefault(axis, [])
                named += [(p["lm"][0], p["ctrl"][0], f"{p['value']:g}") for p in swept]
            for p in (p for p in line if "value" not in p):
                x, y = p["lm"], p["ctrl"]
                bare.setdefault(axis, []).append((x[0], y[0]))
                axis.errorbar(
                    x[0],
                    y[0],
                    xerr=arms([(x[0], x[1], x[2])]),
                    yerr=arms([(y[0], y[1], y[2])]),
                    color=style["color"],
                    marker=style["marker"],
                    linestyle="none",
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
            title=_title(results, task), xlabel="lm: perplexity, lower is better", ylim=(-4, 104)
        )
        axis.set_ylabel("ctrl, percent")
        # a setting that goes too far leaves the language: perplexities in the hundreds
        axis.set_xscale("log")
        plain(axis.xaxis)
        axis.margins(x=0.1)
    _legend(figure, panels)
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
            line = [p for p in line if "value" not in p or _over_steps(results, p)]
            xs, ys = [p[name] for p in line], [p["ctrl"][0] for p in line]
            spans = arms([(p["ctrl"][0], p["ctrl"][1], p["ctrl"][2]) for p in line])
            style = series(number[method])
            axis.errorbar(xs, ys, yerr=spans, **style, elinewidth=0.8, capsize=2)
            axis.plot([], [], **style, label=literal(results.method_name(method)))
            named = labels.setdefault(axis, [])
            named += [(p[name], p["ctrl"][0], f"lm {p['lm'][0]:.1f}") for p in line]
        axis.set(
            title=_title(results, task), xlabel=meaning, ylabel="ctrl, percent", ylim=(-4, 108)
        )
        axis.set_xscale("log")
        axis.margins(x=0.15)
    if not any(labels.values()):
        raise Missing(f"no sample of {results.folder} has its {meaning} stored")
    _legend(figure, panels)
    annotate(figure, labels, {})
    return figure


PARETO = Plot(
    "control-fluency",
    "Control against fluency",
    "Up and to the left is better. Large markers: the set's own cells with 95 % intervals; star: "
    "human text; lines: the stored sweep over each method's trade-off, its value beside each "
    "point. Of a composition, the part that does worst.",
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
