"""How methods, tasks and networks are called, ordered and drawn: loops over cards and traits.

Stored results are data and never run code, so a set that was made with a method or a task of the
user's own may be read where its class is not at hand. What is stored with the set (``card`` in a
cell's ``config.json``, ``task`` in a task's) therefore comes first, then the class, then the bare
name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from baselines import METHODS
from eval.reading.intervals import Total
from eval.running.infilling import COPY
from eval.running.roles import roles
from eval.running.scoring import FLOOR, HUMAN
from models.base import CONTROL, Card, Role
from tasks import COMPOSITIONS, TASKS, known, load_task
from tasks.base import LAST, Task
from tasks.corpora import CORPORA

#: the row of the texts that a task's own targets come from, whose figures its human cell holds
OWN = "target texts"
#: rows of tables that are no methods -> their cells: the ceiling, the floor, and what copying gives
REFERENCES: Mapping[str, str] = {
    "human text": HUMAN,
    OWN: OWN,
    "unconditional": FLOOR,
    "left context": COPY,
}

Record = Mapping[str, Any]
NOTHING: Record = {}


@dataclass(frozen=True)
class TaskTraits:
    """What tables need to know of a task. ``pooled``: metrics of all samples together -> what makes
    them of a sum of rows, None where the code is not at hand. ``table``: :data:`CONTROL` or
    :data:`INFILLING`. ``rank``: its place; that of the paper's own tasks is below :data:`LAST`."""

    name: str
    label: str
    rank: int = LAST
    metrics: Mapping[str, str] = field(default_factory=dict)
    headlines: tuple[str, ...] = ()
    paper_metrics: frozenset[str] = frozenset()
    pooled: Mapping[str, Total | None] = field(default_factory=dict)
    fluency: bool = True
    fills: bool = False
    table: str = CONTROL
    example_table: str = ""

    @property
    def ctrl(self) -> tuple[str, ...]:
        """The metrics that the paper's tables show, one for each part of a composition; of a task
        that the paper lacks, its headlines."""
        return tuple(m for m in self.metrics if m in self.paper_metrics) or self.headlines


# methods

#: what a set may say of a method instead of its card
_CARD = ("label", "order", "colour", "trained", "knows_rule", "tradeoff", "step_size")


def method(name: str, stored: Record = NOTHING) -> Card:
    """The card of a method, or of one of the other cells that stand in tables; ``stored``: what a
    set says of it."""
    if name in METHODS or name in METHODS.own or name in METHODS.floors:
        card = METHODS.card(name)
    else:
        rows = {cell: row for row, cell in REFERENCES.items()}
        card = Card(name, label=rows.get(name, name))
    return dataclasses.replace(card, **{key: stored[key] for key in _CARD if key in stored})


def method_name(name: str, stored: Record = NOTHING) -> str:
    """As the paper writes it."""
    return method(name, stored).label


def method_order(
    methods: Collection[str], stored: Callable[[str], Record] = lambda name: NOTHING
) -> list[str]:
    """All methods that there are and those of ``methods``, in the order of tables."""
    names = [*METHODS, *sorted(set(methods) - set(METHODS))]
    return sorted(names, key=lambda name: method(name, stored(name)).order)


def palette() -> int:
    """How many colours methods have taken."""
    return 1 + max((card.colour for card in METHODS.cards if card.colour is not None), default=-1)


def reference() -> Card:
    """The method that the others are tested against."""
    return next(card for card in METHODS.cards if card.reference)


# tasks

#: what a set may say of a task instead of its class (``tasks.stored.facts``), and its type here
_TASK: Mapping[str, Callable[[Any], Any]] = {
    "label": str,
    "rank": int,
    "metrics": dict,
    "headlines": tuple,
    "paper_metrics": frozenset,
    "fluency": bool,
    "fills": bool,
    "table": str,
    "example_table": str,
}


def traits(task: Task) -> TaskTraits:
    """Of a task at hand."""
    stored = {key: kind(getattr(task, key)) for key, kind in _TASK.items()}
    return TaskTraits(task.name, pooled=task.pooled, **stored)


def _at_hand(name: str) -> TaskTraits | None:
    return traits(load_task(name)) if known(name) else None


def task(name: str, stored: Record = NOTHING) -> TaskTraits:
    """A task, or a composition ``a+b``; ``stored``: what a set says of it."""
    base = _at_hand(name) or TaskTraits(name, " + ".join(map(_part_name, name.split("+"))))
    fields = {key: kind(stored[key]) for key, kind in _TASK.items() if key in stored}
    pooled = {metric: base.pooled.get(metric) for metric in stored.get("pooled") or ()}
    return dataclasses.replace(base, pooled={**base.pooled, **pooled}, **fields)


def _part_name(name: str) -> str:
    part = _at_hand(name)
    return part.label if part else name


def task_name(name: str, stored: Record = NOTHING) -> str:
    """As the paper writes it; a composition's parts are joined with ``+``."""
    return task(name, stored).label


def task_order(
    tasks: Collection[str] = (), stored: Callable[[str], Record] = lambda name: NOTHING
) -> list[str]:
    """All single tasks that there are and those of ``tasks``, compositions last, in the order of
    tables."""
    names = [*TASKS, *sorted(set(tasks) - set(TASKS))]
    return sorted(
        names, key=lambda name: (task(name, stored(name)).rank, "+" in name, name not in TASKS)
    )


def paper_tasks(table: str) -> list[str]:
    """The paper's single tasks of a table, which keep their place where a set lacks them."""
    return [name for name in task_order() if task(name).table == table and task(name).rank < LAST]


def paper_compositions() -> list[str]:
    """The paper's compositions of two controls."""
    return list(COMPOSITIONS)


def corpus_refuses(name: str, corpus: str, stored: Record = NOTHING) -> str:
    """Why a task cannot be asked of a corpus; empty where it can."""
    if not known(name) or corpus not in CORPORA:
        return ""
    if load_task(name).refuses_corpus(corpus) is None:
        return ""
    if task(name, stored).fills:
        return f"n/a here, of stories: python -m eval.run task={name} method=all"
    return f"n/a: of other corpora than {corpus}"


# networks


def network(kind: str) -> Role:
    """The role behind a kind of trained artefact; one that no role is of is called by its name in
    words."""
    role = roles().get(kind) or Role(kind, "")
    return role if role.title else dataclasses.replace(role, title=kind.replace("_", " "))
