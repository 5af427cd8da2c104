"""Controls of the user's own as targets, and lists of them in a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tasks import TASKS, parts
from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.files import canonical
from tasks.common.given import numbered, parse_json, read_text
from tasks.controls import AllOf, Control, from_json, to_json
from tasks.typed import Known

#: what the ids of such targets begin with
PREFIX = "own-"


def given(control: Control) -> Target:
    """The target of a control that no text or list gave. Its id follows from the control alone, so
    that the same control gets the same samples, whoever asks."""
    digest = hashlib.sha256(canonical(to_json(control)).encode()).hexdigest()
    return Target(f"{PREFIX}{digest[:12]}", control)


def read_given(path: Path, task: Task, known: Known) -> list[Target]:
    """The targets of a file, one JSON object a line: ``{"control": ...}`` with a control as
    ``eval.targets`` writes it, or as it is typed; ``id``, where there is one, is kept.

    Raises ``UserError`` naming the line of a control that is none of ``task``, and of an id that
    stands twice; for a file without any.
    """
    targets: dict[str, Target] = {}
    for number, line in numbered(read_text(path, "file of controls")):
        place = f"{path.name} line {number}"
        try:
            target = _target(parse_json(line, ""), task, known)
        except UserError as error:
            raise UserError(f"{place}: {str(error).removeprefix(': ')}") from None
        if target.id in targets:
            raise UserError(f"{place}: target {target.id} stands twice")
        targets[target.id] = target
    if not targets:
        raise UserError(f"{path} is empty: it holds no controls")
    return list(targets.values())


def _target(record: Any, task: Task, known: Known) -> Target:
    if not isinstance(record, dict) or "control" not in record:
        raise UserError("no JSON object with a 'control'")
    value = record["control"]
    control = task.typed(value, known) if isinstance(value, str) else from_json(value)
    if not task.asks(control):
        raise UserError(f"'{control.kind}' is no control of task {task.name}")
    target = given(control)
    name = record.get("id", target.id)
    if not isinstance(name, str) or not name.strip() or len(name) > 200:
        raise UserError("'id' is no text")
    return Target(name, control)


def asked(control: Control) -> tuple[str, Control]:
    """The task that a control is of, ``a+b`` for a composition, and the control with its parts in
    the order of that composition. Raises ``UserError`` for a control of no task at hand, and for
    two parts that are of one task."""
    tasks = {_task(part): part for part in control.parts}
    if len(tasks) < len(control.parts):
        names = ", ".join(part.kind for part in control.parts)
        raise UserError(f"the parts of a composition are of different tasks, not {names}")
    name = "+".join(parts("+".join(tasks)))
    if isinstance(control, AllOf):
        control = AllOf(tuple(tasks[part] for part in name.split("+")))
    return name, control


def _task(control: Control) -> str:
    for name in (*TASKS.own, *TASKS):
        task = TASKS.load(name)
        # a task need not say what its controls are: then they are those of its own file
        here = task.control is None and task.__module__ == type(control).__module__
        # a user's file may have been imported by other means as well, and has then two classes
        if here or (task.control is not None and task.control.kind == control.kind):
            return name
    known = sorted({TASKS.load(name).control.__name__ for name in TASKS})
    raise UserError(
        f"{type(control).__name__} is no control of a task at hand (those are {', '.join(known)})"
    )
