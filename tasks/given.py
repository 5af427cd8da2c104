"""Controls that a user gives by hand: the targets that they make, and the tasks they are of."""

from __future__ import annotations

import hashlib

from tasks import TASKS, parts
from tasks.common.errors import UserError
from tasks.common.files import canonical
from tasks.controls import AllOf, Control, to_json
from tasks.targets import Target

#: what the ids of such targets begin with
OWN = "own-"


def given(control: Control) -> Target:
    """The target of a control that no corpus and no list gave. Its id is a digest of the control's
    JSON, so that equal controls have equal samples, whoever asks for them."""
    digest = hashlib.sha256(canonical(to_json(control)).encode()).hexdigest()
    return Target(f"{OWN}{digest[:16]}", control)


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
