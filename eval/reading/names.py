"""How methods, tasks and networks are called, ordered and drawn: loops over cards and traits.

Stored results are data and never run code, so a set that was made with a method or a task of the
user's own may be read where its class is not at hand. What is stored with the set (``card`` in a
cell's ``config.json``, ``task`` in a task's) therefore comes first, then the class, then the bare
name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from baselines import METHODS
from eval.running.infilling import COPY
from eval.running.scoring import FLOOR, HUMAN
from tasks import COMPOSITIONS, STORIES, TASKS, load_task
from tasks.base import Task

#: rows of tables that are no methods -> their cells: the ceiling, the floor, and what copying gives
REFERENCES: Mapping[str, str] = {
    "human text": HUMAN,
    "unconditional": FLOOR,
    "left context": COPY,
}
#: of things that have no place of their own, behind all that have one
LAST = 1000
#: the tables that a task can belong to
CONTROL, INFILLING = "control", "infilling"

Record = Mapping[str, Any]
NOTHING: Record = {}


@dataclass(frozen=True)
class Method:
    """``trained``: on the very control, so that tables set it apart. ``colour``: its place in the
    figures' palette. ``tradeoff``, ``step_size``: dotted keys of its resolved settings."""

    name: str
    label: str
    order: int = LAST
    colour: int | None = None
    trained: bool = False
    reference: bool = False
    tradeoff: str = ""
    step_size: str = ""


@dataclass(frozen=True)
class TaskTraits:
    """What tables need to know of a task. ``pooled``: metrics of all samples together -> what makes
    them of a sum of rows, None where the code is not at hand. ``table``: :data:`CONTROL` or
    :data:`INFILLING`. ``rank``: its place; that of the paper's own tasks is below :data:`LAST`."""

    name: str
    label: str
    rank: int = LAST
    metrics: Mapping[str, str] = dataclasses.field(default_factory=dict)
    headlines: tuple[str, ...] = ()
    paper_metrics: frozenset[str] = frozenset()
    pooled: Mapping[str, Callable[[Sequence[float]], float] | None] = dataclasses.field(
        default_factory=dict
    )
    fluency: bool = True
    fills: bool = False
    table: str = CONTROL
    example_table: str = ""

    @property
    def ctrl(self) -> tuple[str, ...]:
        """The metrics that the paper's tables show, one for each part of a composition; of a task
        that the paper lacks, its headlines."""
        return tuple(m for m in self.metrics if m in self.paper_metrics) or self.headlines


@dataclass(frozen=True)
class Network:
    """A kind of trained artefact. ``curve``: entries of its training curve, the first that there is
    is drawn; ``meaning`` of these."""

    title: str
    curve: tuple[str, ...] = ()
    meaning: str = "training loss"
    log_scale: bool = False


# methods

_METHODS = {
    one.name: one
    for one in (
        Method("left_only", "Left-only", 10),
        Method("delorean", "DELOREAN", 20),
        Method("cold", "COLD", 30),
        Method("pplm", "PPLM", 40, 4, tradeoff="steps", step_size="step_size"),
        Method("fudge", "FUDGE", 50, 1, tradeoff="lam"),
        Method(
            "diffusion_lm",
            "Diffusion-LM",
            60,
            0,
            reference=True,
            tradeoff="guidance.fluency",
            step_size="guidance.lr",
        ),
        Method("ar_infilling", "AR", 70),
        Method("ft_sample", "FT-sample", 80, 2, trained=True),
        Method("ft_search", "FT-search", 90, 3, trained=True),
        Method("ft_poe", "FT-PoE", 100, 5),
    )
}
_CARD = ("label", "order", "colour", "trained", "tradeoff", "step_size")


def method(name: str, stored: Record = NOTHING) -> Method:
    """A method, or one of the other cells that stand in tables; ``stored``: its card in a set."""
    rows = {cell: row for row, cell in REFERENCES.items()}
    known = _METHODS.get(name) or Method(name, rows.get(name, name))
    return dataclasses.replace(known, **{key: stored[key] for key in _CARD if key in stored})


def method_name(name: str, stored: Record = NOTHING) -> str:
    """As the paper writes it."""
    return method(name, stored).label


def method_order(
    found: Collection[str], stored: Callable[[str], Record] = lambda name: NOTHING
) -> list[str]:
    """All methods that there are and those ``found``, in the order of tables."""
    names = [*METHODS, *sorted(set(found) - set(METHODS))]
    return sorted(names, key=lambda name: method(name, stored(name)).order)


def palette() -> int:
    """How many colours methods have taken."""
    return 1 + max(one.colour for name in METHODS if (one := method(name)).colour is not None)


@cache
def reference() -> Method:
    """The method that the others are tested against."""
    return next(one for name in METHODS if (one := method(name)).reference)


# tasks

_LABELS = {
    "semantic_content": "Semantic Content",
    "parts_of_speech": "Parts-of-speech",
    "syntax_tree": "Syntax Tree",
    "syntax_spans": "Syntax Spans",
    "length": "Length",
    "infilling": "Infilling",
}
_EXAMPLES = {
    "syntax_tree": "table3",
    "syntax_spans": "table9",
    "parts_of_speech": "table10",
    "length": "table11",
    "semantic_content": "table12",
}
_TASK = ("label", "rank", "metrics", "headlines", "paper_metrics", "fluency", "fills", "table")


def traits(task: Task) -> TaskTraits:
    """Of a task at hand."""
    fills = task.name == "infilling"
    return TaskTraits(
        task.name,
        " + ".join(_LABELS.get(part, part) for part in task.name.split("+")),
        list(_LABELS).index(task.name) if task.name in _LABELS else LAST,
        task.metrics,
        task.headlines,
        frozenset(task.paper_metrics),
        task.pooled,
        getattr(task, "fluency", True),
        fills,
        INFILLING if fills else CONTROL,
        _EXAMPLES.get(task.name, ""),
    )


def known_task(name: str) -> bool:
    """Whether this version has the task, or every part of a composition."""
    return set(name.split("+")) <= set(TASKS)


@cache
def _at_hand(name: str) -> TaskTraits | None:
    return traits(load_task(name)) if known_task(name) else None


def task(name: str, stored: Record = NOTHING) -> TaskTraits:
    """A task, or a composition ``a+b``; ``stored``: what a set says of it."""
    known = _at_hand(name) or TaskTraits(name, " + ".join(map(_part_name, name.split("+"))))
    told = {key: stored[key] for key in _TASK if key in stored}
    told |= {key: tuple(told[key]) for key in ("headlines",) if key in told}
    told |= {key: frozenset(told[key]) for key in ("paper_metrics",) if key in told}
    found = dataclasses.replace(known, **told)
    lacking = _pooled(found, stored) - set(found.pooled)
    return dataclasses.replace(found, pooled={**found.pooled, **dict.fromkeys(lacking)})


def _part_name(name: str) -> str:
    known = _at_hand(name)
    return known.label if known else name


def _pooled(found: TaskTraits, stored: Record) -> set[str]:
    """The pooled metrics that a set names, or all where it only says that there are some."""
    told = stored.get("pooled", ())
    return set(found.metrics if isinstance(told, bool) and told else told or ())


def task_name(name: str, stored: Record = NOTHING) -> str:
    """As the paper writes it; a composition's parts are joined with ``+``."""
    return task(name, stored).label


def task_order(
    found: Collection[str] = (), stored: Callable[[str], Record] = lambda name: NOTHING
) -> list[str]:
    """All single tasks that there are and those ``found``, compositions last, in the order of
    tables."""
    names = [*TASKS, *sorted(set(found) - set(TASKS))]
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
    stories = corpus in STORIES
    if task(name, stored).fills and not stories:
        return f"n/a here, of stories: python -m eval.run task={name} method=all"
    if stories and known_task(name) and _reads(name):
        return f"n/a: of other corpora than {corpus}"
    return ""


def _reads(name: str) -> bool:
    """Whether a task reads what the texts of stories lack."""
    return name not in ("infilling", "length")


# networks

_HELD_OUT = "nats a token, held out"
_NETWORKS = {
    "attribute_head": Network("PPLM's attribute head"),
    "backward_lm": Network("right-to-left LM", ("valid_nll",), _HELD_OUT),
    "classifier": Network("classifiers", ("valid_loss", "train_loss"), "loss", True),
    "diffusion": Network("Diffusion-LM", ("valid_loss",), "L_simple, held out", True),
    "discriminator": Network("FUDGE's discriminators", ("valid_accuracy",), "accuracy, held out"),
    "finetuned": Network("fine-tuned LMs", ("valid_nll",), _HELD_OUT),
    "lm": Network("language model", ("valid_nll",), _HELD_OUT),
    "parser": Network("parser", ("valid_f1",), "bracketing F1"),
    "reordered_lm": Network("AR-infilling's LM", ("valid_nll",), _HELD_OUT),
    "teacher": Network("teacher of lm-score", ("valid_nll",), _HELD_OUT),
}


def network(kind: str) -> Network:
    """A kind of trained artefact; one that no role is of has its name in words."""
    return _NETWORKS.get(kind) or Network(kind.replace("_", " "))
