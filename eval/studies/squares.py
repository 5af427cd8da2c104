"""The four corners of prompting and guidance under each task of a result set, and what the fourth
has over its neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baselines import METHODS
from eval.reading.beside import terms
from eval.reading.intervals import Difference
from eval.reading.names import TaskTraits
from eval.reading.paired import LM, Records, difference
from eval.reading.results import ResultSet
from eval.reading.rows import Number, ctrl, fluency
from models.base import BOTH, CORNERS, GUIDED, PROMPTED

LEVEL = 0.05
#: what the fourth corner is held against
NEIGHBOURS = (PROMPTED, GUIDED)


@dataclass(frozen=True)
class Corner:
    """One method under one metric. ``reason``: why it has no figures."""

    method: str
    ctrl: Number | None = None
    lm: Number | None = None
    targets: int = 0
    samples: int = 0
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Gain:
    """The fourth corner less a neighbour: ctrl in percentage points, lm in perplexity."""

    ctrl: Difference
    lm: Difference | None


@dataclass(frozen=True)
class Square:
    """A family under one metric of a task. ``gains``: by neighbour; empty where one is lacking."""

    task: str
    family: str
    metric: str
    corners: Mapping[str, Corner]
    gains: Mapping[str, Gain]

    @property
    def p(self) -> float | None:
        """Of the hypothesis that it does not beat both in control; None where it has no gains."""
        if not self.gains:
            return None
        return max(g.ctrl.p if g.ctrl.value > 0 else 1.0 for g in self.gains.values())

    @property
    def verdict(self) -> str:
        """complementary: it beats both at an lm that is not shown to be worse; costly: it beats
        both, and its lm is worse than one's; competing: one neighbour beats it in control; open:
        nothing of that is shown; empty where a corner is lacking."""
        if self.p is None:
            return ""
        if self.p < LEVEL:
            worse = any(gain.lm is not None and gain.lm.low > 0 for gain in self.gains.values())
            return "costly" if worse else "complementary"
        beaten = any(g.ctrl.value < 0 and g.ctrl.p < LEVEL for g in self.gains.values())
        return "competing" if beaten else "open"


def families() -> dict[str, dict[str, str]]:
    """Family -> corner -> method, in the order of tables."""
    found: dict[str, dict[str, str]] = {}
    for name, card in METHODS.items():
        if card.corner:
            found.setdefault(card.corner[0], {})[card.corner[1]] = name
    return found


def squares(results: ResultSet, tasks: Sequence[str]) -> Iterator[Square]:
    """Every family under every headline of these tasks."""
    for name in tasks:
        task = results.task(name)
        for family, methods in families().items():
            records = {corner: results.scores(name, methods[corner]) for corner in CORNERS}
            unlike = _unlike(results, name, methods)
            for metric in task.headlines:
                corners = {
                    corner: _corner(results, task, methods[corner], metric, unlike.get(corner, ""))
                    for corner in CORNERS
                }
                known = {c: records[c] for c in CORNERS if not corners[c].reason}
                yield Square(name, family, metric, corners, _gains(known, task, metric))


def _unlike(results: ResultSet, task: str, methods: Mapping[str, str]) -> dict[str, str]:
    """Why a corner cannot stand beside the fourth, by corner; nothing of those that can."""
    fourth, found = results.cell(task, methods[BOTH]), dict[str, str]()
    for corner, method in methods.items():
        cell = results.cell(task, method)
        if cell is not None and fourth is not None:
            why = terms(results, cell).unlike(terms(results, fourth))
            found |= {corner: why} if why else {}
    return found


def _corner(results: ResultSet, task: TaskTraits, method: str, metric: str, unlike: str) -> Corner:
    records, cell = results.scores(task.name, method), results.cell(task.name, method)
    if not records or cell is None:
        return Corner(method, reason=results.reason(task.name, method))
    figure, lm = ctrl(records, metric, task), fluency(records)
    if figure.ours is None or unlike:
        return Corner(method, reason=unlike or "n/a: no target has the metric")
    fluent = None if lm is None else Number(None, lm["ppl"], lm["low"], lm["high"])
    targets = len({record["target"] for record in records})
    options = cell.config.get("settings", {})
    return Corner(method, figure, fluent, targets, len(records), options)


def _gains(known: Mapping[str, Records], task: TaskTraits, metric: str) -> dict[str, Gain]:
    if not {BOTH, *NEIGHBOURS} <= known.keys():
        return {}
    gains = {}
    for corner in NEIGHBOURS:
        gain = difference(known[BOTH], known[corner], metric, task.pooled.get(metric))
        if gain is None:  # no target in common
            return {}
        gains[corner] = Gain(gain, difference(known[BOTH], known[corner], LM))
    return gains


def as_json(square: Square) -> dict[str, Any]:
    """All of it, numbers to six digits."""
    corners = {
        corner: {
            "method": one.method,
            "ctrl": _number(one.ctrl),
            "lm": _number(one.lm),
            "targets": one.targets,
            "samples": one.samples,
            "settings": dict(one.settings),
            "reason": one.reason,
        }
        for corner, one in square.corners.items()
    }
    gains = {
        corner: {"ctrl": _difference(gain.ctrl), "lm": _difference(gain.lm)}
        for corner, gain in square.gains.items()
    }
    head = {"task": square.task, "family": square.family, "metric": square.metric}
    tail = {"p": square.p if square.p is None else _short(square.p), "verdict": square.verdict}
    return {**head, "corners": corners, "both less": gains, **tail}


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _number(one: Number | None) -> list[float] | None:
    if one is None or one.ours is None or one.low is None or one.high is None:
        return None
    return [_short(value) for value in (one.ours, one.low, one.high)]


def _difference(one: Difference | None) -> dict[str, float] | None:
    if one is None:
        return None
    return {key: _short(value) for key, value in dataclasses.asdict(one).items()}
