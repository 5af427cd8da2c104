"""What ``eval.sweep`` stored beside a set, a method under several values of one of its settings,
and what tables say of it: a row of a table is one setting of many, which trade control for fluency
or diversity."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.reading.results import ResultSet
from eval.reading.schema import Sweep
from models.base import Card
from tasks.common.schema import read_json

SWEEP = "sweep.json"
#: what a point holds of which points of earlier versions say nothing
LATER = ("distinct2", "length")

Point = Mapping[str, Any]


@dataclass(frozen=True)
class Frontier:
    """The points of one task and method that differ in the setting ``key``, by rising value; all
    of them have control, lm, distinct-2 and length."""

    task: str
    method: str
    key: str
    points: Sequence[Point]

    @property
    def setting(self) -> str:
        """The key without its section, where that is the method's own."""
        return self.key.removeprefix(f"{self.method}.")

    @property
    def ends(self) -> list[Point]:
        """The points of the lowest perplexity and of the most control, on equal figures the one
        that is better in the other; one where they are the same."""
        fluent = min(self.points, key=lambda p: (p["lm"][0], -p["ctrl"][0]))
        controlled = max(self.points, key=lambda p: (p["ctrl"][0], -p["lm"][0]))
        return [fluent] if fluent is controlled else [fluent, controlled]


def swept(results: ResultSet) -> list[Point]:
    """The stored points, each with its ``key`` and ``value``; none where nothing was swept. Raises
    ``UserError`` for a file that is damaged."""
    path = results.folder / SWEEP
    return read_json(path, Sweep)["points"] if path.exists() else []


def over_steps(method: Card, point: Point) -> bool:
    """Whether a point is of a sweep over the method's number of steps: quality against cost, and
    no frontier."""
    return bool(method.steps) and point["key"] == f"{method.name}.{method.steps}"


def frontiers(results: ResultSet) -> list[Frontier]:
    """In the order of the set's tasks and methods. Points of earlier versions, which lack a
    quantity, are passed over."""
    found: dict[tuple[str, str, str], list[Point]] = {}
    for point in swept(results):
        whole = all(point.get(name) is not None for name in LATER)
        if whole and not over_steps(results.method(point["method"]), point):
            found.setdefault((point["task"], point["method"], point["key"]), []).append(point)
    tasks = list(results.tasks)
    methods = results.method_order({method for _, method, _ in found})
    return [
        Frontier(task, method, key, sorted(found[task, method, key], key=lambda p: p["value"]))
        for task, method, key in sorted(
            (at for at in found if at[0] in tasks),
            key=lambda at: (tasks.index(at[0]), methods.index(at[1]), at[2]),
        )
    ]


def sweep_notes(results: ResultSet, task: str, methods: Collection[str]) -> list[str]:
    """What the rows of a task's table could have been: a line for each setting of ``methods`` that
    was swept, with its most fluent point and the one of most control."""
    notes = []
    for one in frontiers(results):
        if one.task != task or one.method not in methods:
            continue
        first, last = (f"{p['value']:g}" for p in (one.points[0], one.points[-1]))
        shown = "; ".join(f"{one.setting}={p['value']:g}: {_figures(p)}" for p in one.ends)
        both = "the one" if len(one.ends) == 1 else "the most fluent one, then that"
        notes.append(
            f"{one.method}: its row is one setting of many. Swept over {one.setting} from {first} "
            f"to {last}, {both} of most control: {shown}."
        )
    return notes


def _figures(point: Point) -> str:
    return (
        f"ctrl {point['ctrl'][0]:.1f}, lm {point['lm'][0]:.2f}, distinct-2 "
        f"{point['distinct2']:.3f}, length {point['length']:.1f}"
    )
