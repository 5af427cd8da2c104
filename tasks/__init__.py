"""Corpora, controls, control tasks and oracles: everything that is known without a generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.errors import UserError
from tasks.common.registry import Registry

if TYPE_CHECKING:
    from tasks.base import Task

TASKS = Registry(
    "task",
    {
        "syntax_spans": "tasks.syntax_spans:SyntaxSpans",
        "length": "tasks.length:LengthTask",
        "semantic_content": "tasks.semantic_content:SemanticContent",
        "parts_of_speech": "tasks.parts_of_speech:PartsOfSpeech",
        "syntax_tree": "tasks.syntax_tree:SyntaxTree",
        "infilling": "tasks.infilling:Infilling",
    },
)
#: the paper's Table 2; sentence infilling has a table of its own
CONTROL_TASKS = tuple(name for name in TASKS if name != "infilling")
#: corpora whose texts have sentences
STORIES = ("stories", "rocstories", "anlg")
#: the compositions of the paper's Table 4; any others can be asked for
COMPOSITIONS = ("semantic_content+syntax_tree", "semantic_content+parts_of_speech")


def parts(name: str) -> tuple[str, ...]:
    """The tasks that the composition ``a+b`` is of, in the registry's order; of a single task,
    itself. Raises ``UserError`` for an unknown task and for one named twice."""
    names = [part.strip() for part in name.split("+")]
    for part in names:
        _ = TASKS[part]
    if len(set(names)) < len(names):
        raise UserError(f"task {name}: a composition is of different tasks")
    order = list(TASKS)
    return tuple(sorted(names, key=order.index))


def load_task(name: str, data: Path | None = None) -> Task:
    """The task ``name``, or the composition ``a+b``. ``data``: the folder of released lists.
    Raises ``UserError`` for an unknown task."""
    from tasks.composition import Composition

    loaded: list[Any] = [TASKS.load(part)(data) for part in parts(name)]
    return loaded[0] if len(loaded) == 1 else Composition(tuple(loaded))
