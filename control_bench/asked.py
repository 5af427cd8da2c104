"""What a call in Python says, in the words of the command line: settings as ``key=value``, and
controls as targets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from eval.running.values import NULL
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Control
from tasks.given import asked, given

#: one thing to generate for, or several
Asked = Control | Target | Iterable[Control | Target]


def keys(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """``{"diffusion_lm": {"sampling": {"steps": 50}}}``, or the same with dots in its names, as
    the keys and texts of the command line. Raises ``UserError`` for a value that no key can have.
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(f"{prefix}{name}", value)


def _text(key: str, value: Any) -> str:
    if value is None:
        return NULL
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float, Path)):
        return str(value)
    if isinstance(value, Sequence) and all(isinstance(one, (str, int, float)) for one in value):
        return json.dumps(list(value))
    raise UserError(f"{key}={value!r}: expected a text, a number, a truth value or a list of them")


def targets(controls: Asked) -> list[tuple[str, Target]]:
    """Task and target of every control, in order; a target is taken as it is, so that it keeps the
    id that its samples hang on. Raises ``UserError`` for anything else."""
    every = [controls] if isinstance(controls, (Control, Target)) else controls
    if not isinstance(every, Iterable) or isinstance(every, str):
        raise UserError(f"{every!r} is no control: say what is asked for, as Length(9)")
    return [_target(one) for one in every]


def _target(one: Any) -> tuple[str, Target]:
    if isinstance(one, Target):
        return asked(one.control)[0], one
    if not isinstance(one, Control):
        raise UserError(f"{one!r} is neither a control, as Length(9), nor a target")
    task, control = asked(one)
    return task, given(control)
