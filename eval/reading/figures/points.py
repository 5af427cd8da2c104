"""Cells and sweeps of a set as points that figures are drawn from."""

from __future__ import annotations

from eval.reading.figures.style import numbers
from eval.reading.measured import Measured, measured_tasks
from eval.reading.names import method_name
from eval.reading.results import ResultSet
from eval.reading.sweeps import Point, swept
from eval.running.scoring import HUMAN


def points(results: ResultSet) -> list[Point]:
    """One point a cell: ``task``, ``method``, ``ctrl``, ``lm`` (each value, low, high), ``nfe`` and
    ``seconds`` a sample, ``distinct2`` and ``length`` (of a text in words) as the table has them;
    then those of the stored sweep, with their ``key`` and ``value``."""
    tasks = measured_tasks(results)
    cells = [p for name in results.tasks if name in tasks for p in _cells(name, tasks[name])]
    return cells + swept(results)


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
        "distinct2": first.distinct2,
        "length": first.length,
    }


def human(results: ResultSet, task: str) -> Point | None:
    """What human text would be as a point: the ceiling of control, at its own perplexity."""
    measured = measured_tasks(results).get(task)
    return None if measured is None else point(task, measured, method_name(HUMAN))
