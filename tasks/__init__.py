"""Corpora, controls, control tasks and oracles: everything that is known without a generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.errors import UserError
from tasks.common.own import OwnRegistry
from tasks.corpora import traits

if TYPE_CHECKING:
    from tasks.base import Task

TASKS = OwnRegistry(
    "task",
    {
        "syntax_spans": "tasks.syntax_spans:SyntaxSpans",
        "length": "tasks.length:LengthTask",
        "semantic_content": "tasks.semantic_content:SemanticContent",
        "parts_of_speech": "tasks.parts_of_speech:PartsOfSpeech",
        "syntax_tree": "tasks.syntax_tree:SyntaxTree",
        "infilling": "tasks.infilling:Infilling",
    },
    base="tasks.base:Task",
    wanted=("name", "metrics"),
)
#: the compositions of the paper's Table 4; any others can be asked for
COMPOSITIONS = ("semantic_content+syntax_tree", "semantic_content+parts_of_speech")


def parts(name: str) -> tuple[str, ...]:
    """The tasks that the composition ``a+b`` is of, in the registry's order, those from files
    (``path/to/file.py:ClassName``) behind them by their names; of a single task, itself. Raises
    ``UserError`` for an unknown task and for one named twice."""
    names = [TASKS.name(part.strip()) for part in name.split("+")]
    for part in names:
        _ = part in TASKS.own or TASKS[part]
    if len(set(names)) < len(names):
        raise UserError(f"task {name}: a composition is of different tasks")
    order = [*TASKS, *sorted(TASKS.own)]
    return tuple(sorted(names, key=order.index))


def in_table(table: str) -> tuple[str, ...]:
    """The registered tasks of the comparison ``table``, ``"control"`` or ``"infilling"``."""
    return tuple(name for name in TASKS if TASKS.load(name).table == table)


def asked_of(corpus: str) -> tuple[str, ...]:
    """The registered tasks that can be asked of the texts of ``corpus``."""
    return tuple(name for name in TASKS if load_task(name).refuses_corpus(corpus) is None)


def suited(corpus: str) -> tuple[str, ...]:
    """What ``task=all`` stands for: of stories infilling, of other texts every control and the
    paper's compositions, as far as it has what they read."""
    if traits(corpus).sentences:
        return in_table("infilling")
    every = (*in_table("control"), *COMPOSITIONS)
    return tuple(name for name in every if load_task(name).refuses_corpus(corpus) is None)


def known(name: str) -> bool:
    """Whether the task ``name``, or each part of the composition, is at hand."""
    return all(part in TASKS or part in TASKS.own for part in name.split("+"))


def load_task(name: str, data: Path | None = None) -> Task:
    """The task ``name``, or the composition ``a+b``. ``data``: the folder of released lists.
    Raises ``UserError`` for an unknown task, and for one that cannot be composed."""
    from tasks.composition import Composition

    loaded = [_single(part, data) for part in parts(name)]
    return loaded[0] if len(loaded) == 1 else Composition(tuple(loaded))


def _single(name: str, data: Path | None) -> Task:
    task: Task = TASKS.load(name)(data)
    task.digest = TASKS.digest(name) or ""
    return task
