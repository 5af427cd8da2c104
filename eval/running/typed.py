"""Controls on a command line: ``control=9``, or ``length.control=9`` of a composition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks.base import Target
from tasks.common.errors import UserError, unknown
from tasks.given import given

if TYPE_CHECKING:
    from eval.running.runner import Run


@dataclass(frozen=True)
class Typed:
    """Controls as they stand on a command line: of the task, each from a ``control=``, and of its
    parts by their names, from ``PART.control=``."""

    whole: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.whole or self.parts)


def controls(given: Sequence[str]) -> tuple[Typed, list[str]]:
    """The controls among the arguments, and all other arguments. Raises ``UserError`` for one that
    is empty, and for the same one, or one of the same part, twice."""
    whole, parts, rest = list[str](), dict[str, str](), list[str]()
    for argument in given:
        key, equals, value = argument.partition("=")
        name = key.removesuffix(".control")
        if not equals or (key != "control" and name == key):
            rest.append(argument)
            continue
        if not value.strip() or "\0" in value or not value.isprintable():
            raise UserError(f"{key}=: empty, or no text at all")
        if value in whole if key == "control" else name in parts:
            raise UserError(f"{key} is given twice: '{value}'")
        if key == "control":
            whole.append(value)
        else:
            parts[name] = value
    if whole and parts:
        raise UserError(f"control= beside {next(iter(parts))}.control=: give one form")
    return Typed(tuple(whole), parts), rest


def of_typed(run: Run, name: str, typed: Typed) -> list[Target]:
    """The targets of typed controls, for which the corpus is read. Raises ``UserError`` for a
    control that is none of the task, and for one that comes twice."""
    run.build([run.plan.role("corpus")])
    task, known = run.plan.task(name), run.lists.known()
    texts = list(typed.whole)
    if typed.parts:
        inner = name.split("+")
        for part in typed.parts:
            if part not in inner or len(inner) == 1:
                raise unknown("key", f"{part}.control", [f"{one}.control" for one in inner])
        texts = ["; ".join(f"{part}={text}" for part, text in typed.parts.items())]
    targets: dict[str, Target] = {}
    for text in texts:
        target = given(task.typed(text, known))
        if target.id in targets:
            raise UserError(f"control '{text}' is asked for twice")
        targets[target.id] = target
    return list(targets.values())
