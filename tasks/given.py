"""Controls of the user's own as targets, and lists of them in a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.files import canonical
from tasks.common.given import numbered, parse_json, read_text
from tasks.controls import Control, from_json, to_json
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
