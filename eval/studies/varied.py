"""What a sweep varies: of each method one setting, its values and the tasks under which it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baselines import METHODS
from eval.reading.results import ResultSet
from eval.running.values import cut, read, several, shown
from tasks.common.errors import UserError

if TYPE_CHECKING:
    from models.base import Card


@dataclass(frozen=True)
class Varied:
    """One method with the setting that is varied, its values as they are given, and the tasks."""

    method: str
    key: str
    values: Sequence[str]
    tasks: Sequence[str]


def varied(
    results: ResultSet, asked: str, task: str | None, key: str | None, given: str | None
) -> list[Varied]:
    """What is varied of each of the ``asked`` methods: ``key``, or its own trade-off; through the
    ``given`` values, or those that its card proposes; under ``task``, or all tasks that the set has
    of it. Raises ``UserError`` for a key of another method, for a task without judged samples, and
    naming every method whose card proposes no setting, or no values where none are given."""
    methods = several("method", asked, "methods")
    if key:
        _check_key(key, methods)
    keys = {method: key or _key(METHODS.card(method)) for method in methods}
    if lost := [method for method, own in keys.items() if not own]:
        raise UserError(
            f"{', '.join(lost)}: no setting is known that trades control for fluency: name one "
            "with key=, method by method"
        )
    values = {method: given or _proposed(method, own) for method, own in keys.items()}
    if silent := [method for method, text in values.items() if not text]:
        named = ", ".join(f"{method} ({keys[method]})" for method in silent)
        raise UserError(f"values= is missing: none are proposed for {named}")
    return [
        Varied(method, own, numbers(values[method]), _tasks(results, task, method))
        for method, own in keys.items()
    ]


def _check_key(key: str, methods: Sequence[str]) -> None:
    """Raises ``UserError`` for a key that is no setting of the one method."""
    section, dot, _ = key.partition(".")
    if not dot:
        raise UserError(f"key={shown(key)}: the setting of a method, as fudge.lam")
    if len(methods) > 1:
        raise UserError(f"key={shown(key)} is of one method, not of {', '.join(methods)}")
    if section in METHODS and section not in methods:
        raise UserError(f"key={shown(key)} is no setting of {methods[0]}: method={section}")


def _key(card: Card) -> str:
    """The setting that is varied where none is named; empty where the card names none."""
    setting = card.tradeoff or next(iter(card.ranges), "")
    return setting and f"{card.name}.{setting}"


def _proposed(method: str, key: str) -> str:
    """The values that the method's card proposes for a setting; empty where it proposes none."""
    return ",".join(METHODS.card(method).ranges.get(key.removeprefix(f"{method}."), ()))


def _tasks(results: ResultSet, asked: str | None, method: str) -> list[str]:
    """The asked tasks, or all that can be swept: those of the set whose samples have control and
    lm."""
    cells = [cell for cell in results.cells() if cell.method == method and cell.scored]
    having = [cell.task for cell in cells if results.task(cell.task).fluency]
    tasks = [name.strip() for name in asked.split(",")] if asked else having
    what = f"{results.folder} has no judged samples of {method}"
    if not having:
        methods = {cell.method for cell in results.cells() if cell.scored}
        raise UserError(f"{what}, but of {', '.join(sorted(methods)) or 'no method'}")
    for name in tasks:
        if name not in having:
            raise UserError(f"{what} under {shown(name)}, but under {', '.join(having)}")
    return tasks


def numbers(text: str) -> list[str]:
    """The values to try. Raises ``UserError`` for what is no number: figures have an axis of
    them."""
    try:
        values = list(cut(text, "numbers"))
        for value in values:
            read(float, value)
    except ValueError as error:
        raise UserError(f"values={shown(text)}: {error}") from None
    return values
