"""What a result set says in one sentence: which method controls best, by how much, at which price.

Control and perplexity are averaged over the tasks that most methods were run on, so that no method
is judged by fewer or easier tasks than another. A difference whose
interval spans zero is said to be a tie.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eval.reading.intervals import Difference, mean_interval, paired_mean
from eval.reading.measured import Measured, measured_tasks
from eval.reading.names import method_name
from eval.reading.paired import LM, sides
from eval.reading.results import ResultSet
from eval.running.scoring import HUMAN

#: a value and its 95 % interval; the ends are NaN where there is none
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Average:
    """``ctrl`` in percent, ``lm`` in perplexity (the geometric mean of the tasks'), over tasks."""

    method: str
    ctrl: Triple
    lm: Triple | None


#: a method with a larger percentage of copies is no contender: whoever has the training texts can
#: look up one that does what is asked
COPYING = 50.0


@dataclass(frozen=True)
class Finding:
    """``tasks``: those that are averaged over. ``methods``: best control first. ``lead``: the first
    one's control less the second one's, in percentage points; None where there is no second one.
    ``untrained``: the same of the methods that were not trained on the control, where the first one
    was. ``copying``: methods that answer with training texts more often than not, which are none of
    ``methods``, and the percentage of such answers."""

    tasks: Sequence[str] = ()
    methods: Sequence[Average] = ()
    human: Average | None = None
    lead: Difference | None = None
    untrained: Sequence[Average] = ()
    untrained_lead: Difference | None = None
    copying: Sequence[tuple[Average, float]] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    #: what is compared, as a sentence says it
    quantity: str = "control"

    @property
    def sentence(self) -> str:
        """The finding; of a set without any scores, that it has none."""
        if not self.methods:
            return "Nothing has been judged yet."
        first, over = self.methods[0], _over(self.tasks, self.labels)
        if self.lead is None:
            said = f"{_percent(first)} {self.quantity}{over}{_at(first)}"
            return f"{self._named(first)} reaches {said}."
        return self._compared(first, self.methods[1], self.lead, f"{over}{_at(first)}")

    @property
    def details(self) -> list[str]:
        """What the sentence leaves out: the best of those not trained on the control; those that
        copy; people."""
        said = []
        if self.untrained:
            best = self.untrained[0]
            if self.untrained_lead is None:
                said.append(
                    f"Not trained on the control: {self._named(best)}, {_percent(best)}{_at(best)}."
                )
            else:
                text = self._compared(best, self.untrained[1], self.untrained_lead, _at(best))
                said.append(f"Of the methods that were not trained on the control: {text}")
        for one, share in self.copying:
            said.append(
                f"{self._named(one)}: {_percent(one)}{_at(one)}, {share:.0f} % of its texts are "
                "training texts word for word."
            )
        if self.human is not None:
            said.append(f"Human text: {_percent(self.human)}{_at(self.human)}.")
        return said

    def _compared(self, best: Average, next_best: Average, lead: Difference, facts: str) -> str:
        reached, other = f"{_percent(best)}{facts}", _at(next_best, " (perplexity {})")
        ahead = (
            f"{lead.value:.1f} points [{_signed(lead.low)}, {_signed(lead.high)}] above "
            f"{self._named(next_best)}{other}"
        )
        if lead.low <= 0:
            return (
                f"No clear winner on {self.quantity}: {self._named(best)} reaches {reached}, "
                f"{ahead}, which may be chance."
            )
        return f"{self._named(best)} reaches the highest {self.quantity}, {reached}: {ahead}."

    def _named(self, one: Average) -> str:
        return self.labels.get(one.method, one.method)


def _percent(one: Average) -> str:
    return f"{one.ctrl[0]:.1f} %"


def _signed(value: float) -> str:
    return f"{value:.1f}".replace("-", "\N{MINUS SIGN}")


def _at(one: Average, text: str = " at perplexity {}") -> str:
    return "" if one.lm is None else text.format(f"{one.lm[0]:.1f}")


def _over(tasks: Sequence[str], labels: Mapping[str, str]) -> str:
    """How many tasks: one is named, several are counted."""
    if len(tasks) == 1:
        return f" ({labels.get(tasks[0], tasks[0])})"
    return f" on average over {len(tasks)} tasks"


def finding(results: ResultSet) -> Finding:
    """Raises ``UserError`` as :func:`eval.reading.measured.measured_tasks` does."""
    measured = measured_tasks(results)
    tasks, methods = _common(results, measured)
    if not tasks:
        return Finding()
    metrics = {task: _metric(measured[task]) for task in tasks}
    averages = [_average(results, method, metrics) for method in methods]
    every = sorted((a for a in averages if a), key=lambda a: a.ctrl[0], reverse=True)
    copies = {a.method: _copied(a.method, [measured[task] for task in tasks]) for a in every}
    known = [a for a in every if copies[a.method] <= COPYING]
    untrained = [a for a in known if not results.method(a.method).trained]
    leads = known and results.method(known[0].method).trained
    return Finding(
        tasks,
        known,
        _human(measured, metrics),
        _lead(results, known, metrics),
        untrained if leads else (),
        _lead(results, untrained, metrics) if leads else None,
        [(a, copies[a.method]) for a in every if copies[a.method] > COPYING],
        {
            **{a.method: results.method_name(a.method) for a in every},
            **{task: results.task_name(task) for task in tasks},
        },
        _quantity(measured, metrics),
    )


def _quantity(measured: Mapping[str, Measured], metrics: Mapping[str, str]) -> str:
    """Control, or, of tasks that ask for the text that a person wrote, how near it comes."""
    ((task, metric), *others) = metrics.items()
    if others or not measured[task].traits.fills:
        return "control"
    return measured[task].metrics[metric].split(" ")[0].rstrip(",")


def _common(results: ResultSet, measured: Mapping[str, Measured]) -> tuple[list[str], list[str]]:
    """The most single tasks that any one method has scores of, and the methods with all of them; of
    a set without single tasks, its compositions."""
    for several in (False, True):
        names = [t for t in results.tasks if t in measured and ("+" in t) == several]
        scored = {
            task: [m for m in results.methods(task) if results.scores(task, m)]
            for task in names
            if _metric(measured[task])
        }
        methods = dict.fromkeys(m for found in scored.values() for m in found)
        most = max((sum(m in found for found in scored.values()) for m in methods), default=0)
        full = [m for m in methods if sum(m in f for f in scored.values()) == most]
        # of equally many tasks those of the first such method, in the order of tables
        chosen = [task for task, found in scored.items() if full and full[0] in found]
        if chosen:
            return chosen, [m for m in methods if all(m in scored[task] for task in chosen)]
    return [], []


def _metric(measured: Measured) -> str:
    """The metric that stands for a task: the first that tables show and that is of single samples;
    empty where there is none."""
    known = [*measured.ctrl, *measured.traits.headlines, *measured.metrics]
    pooled = measured.traits.pooled
    return next((m for m in known if m in measured.metrics and m not in pooled), "")


def _average(results: ResultSet, method: str, metrics: Mapping[str, str]) -> Average | None:
    """None where targets of a task lack the metric."""
    records = {task: results.scores(task, method) for task in metrics}
    both = [sides(records[t], records[t], metric) for t, metric in metrics.items()]
    one = [two[0] for two in both if two is not None]
    if len(one) < len(metrics):
        return None
    ctrl = mean_interval(one)
    fluent = [sides(rows, rows, LM) for rows in records.values()]
    nll = [two[0] for two in fluent if two is not None]
    lm = mean_interval(nll, share=False) if len(nll) == len(metrics) else None
    fluency = None if lm is None else (math.exp(lm[0]), math.exp(lm[1]), math.exp(lm[2]))
    return Average(method, _scaled(ctrl), fluency)


def _copied(method: str, tasks: Sequence[Measured]) -> float:
    """Percent of its samples that are training texts, in the mean of ``tasks``; 0 where nobody
    counted."""
    counted = [row.copied for one in tasks for row in one.rows if row.method == method]
    return sum(filter(None, counted)) / max(1, len(tasks))


def _scaled(shares: Triple) -> Triple:
    return 100 * shares[0], 100 * shares[1], 100 * shares[2]


def _lead(
    results: ResultSet, known: Sequence[Average], metrics: Mapping[str, str]
) -> Difference | None:
    """The first one's control less the second one's."""
    if len(known) < 2:
        return None
    pairs = [
        sides(results.scores(t, known[0].method), results.scores(t, known[1].method), metric)
        for t, metric in metrics.items()
    ]
    shared = [pair for pair in pairs if pair is not None]
    if len(shared) < len(metrics):
        return None
    d = paired_mean(shared)
    return Difference(100 * d.value, 100 * d.low, 100 * d.high, d.p)


def _human(measured: Mapping[str, Measured], metrics: Mapping[str, str]) -> Average | None:
    """The mean of what tables say of human text; its perplexity is the same for every task."""
    name = method_name(HUMAN)
    rows = [measured[task].row(name, metric) for task, metric in metrics.items()]
    values = [row.ctrl.ours for row in rows if row is not None and row.ctrl.ours is not None]
    if len(values) < len(metrics):
        return None
    first = measured[next(iter(metrics))].first(name)
    lm = first.lm if first is not None else None
    fluency = None if lm is None or lm.ours is None else (lm.ours, math.nan, math.nan)
    return Average(HUMAN, (sum(values) / len(values), math.nan, math.nan), fluency)
