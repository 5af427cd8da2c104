"""The picture that a page opens with: control over perplexity, as plain data for its script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.reading.figures.points import human, numbered, points
from eval.reading.figures.style import COLOURS, MARKERS, series
from eval.reading.finding import Average, Finding
from eval.reading.names import method_name
from eval.reading.results import ResultSet
from eval.running.scoring import HUMAN


def overview(results: ResultSet, found: Finding) -> list[dict[str, Any]]:
    """Views: the mean over the finding's tasks, where they are several, then each task. A view is
    ``name`` and ``points``; a point ``label``, ``ctrl`` and ``lm`` (value, low, high; null where
    unknown) and ``look``, the numbers of its colour and marker, null for human text."""
    views = list[dict[str, Any]]()
    looks = {method: _look(number) for method, number in numbered(results).items()}
    if len(found.tasks) > 1:
        name = f"Mean of {len(found.tasks)} tasks"
        views.append({"name": name, "points": list(_means(results, found, looks))})
    every = [p for p in points(results) if "value" not in p]
    for task in results.tasks:
        members = [p for p in every if p["task"] == task]
        if not members:
            continue
        shown = []
        for p in members:
            label = results.method_name(p["method"])
            shown.append(_point(label, p["ctrl"], p["lm"], looks[p["method"]]))
        if (people := human(results, task)) is not None:
            shown.append(_point(method_name(HUMAN), people["ctrl"], people["lm"], None))
        views.append({"name": results.task_name(task), "points": shown})
    return [view for view in views if view["points"]]


def described(view: dict[str, Any]) -> str:
    """A view in words, for who does not see it."""
    parts = [f"{p['label']}: {p['ctrl'][0]} % at {p['lm'][0]}" for p in view["points"]]
    return f"Control in percent over perplexity, {view['name']}. " + "; ".join(parts) + "."


def _means(
    results: ResultSet, found: Finding, looks: Mapping[str, list[int]]
) -> Iterable[dict[str, Any]]:
    averages: list[Average] = [*found.methods, *([found.human] if found.human else [])]
    for one in averages:
        if one.lm is None:
            continue
        people = one is found.human
        label = method_name(HUMAN) if people else results.method_name(one.method)
        yield _point(label, one.ctrl, one.lm, None if people else looks[one.method])


def _look(number: int) -> list[int]:
    drawn = series(number)
    return [COLOURS.index(drawn["color"]), MARKERS.index(drawn["marker"])]


def _point(
    label: str, ctrl: Sequence[float | None], lm: Sequence[float | None], look: list[int] | None
) -> dict[str, Any]:
    return {"label": label, "ctrl": _rounded(ctrl, 1), "lm": _rounded(lm, 2), "look": look}


def _rounded(figures: Sequence[float | None], digits: int) -> list[float | None]:
    return [None if v is None or math.isnan(v) else round(v, digits) for v in figures]
