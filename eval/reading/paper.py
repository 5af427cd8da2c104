"""What the paper printed, with its definitions: ``results/paper.json`` (Tables 2 and 4) and
``results/paper-tables.json`` (Tables 5 to 7 and appendix C)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from models.base import INFILLING
from tasks.common.schema import OPEN, Real, read_json
from tasks.common.shipped import shipped

PAPER, TABLES = "paper.json", "paper-tables.json"


@with_config(OPEN)
class Defined(TypedDict):
    """What ctrl means under a task."""

    definition: str


@with_config(OPEN)
class Printed(TypedDict):
    """A method's figures; ctrl of a composition is of each part."""

    ctrl: NotRequired[Real | dict[str, Real] | None]
    lm: NotRequired[Real | None]


@with_config(OPEN)
class ControlFile(TypedDict):
    """``paper.json``."""

    source: str
    corpus: str
    lm: str
    ctrl: dict[str, Defined]
    values: dict[str, dict[str, Printed]]


@with_config(OPEN)
class Figures(TypedDict):
    """Method, or corpus, and then metric, or model -> figure."""

    where: str
    values: dict[str, dict[str, Real]]


@with_config(OPEN)
class Hyperparameters(TypedDict):
    """Method, task, name -> value."""

    where: str
    values: dict[str, dict[str, dict[str, Real]]]


@with_config(OPEN)
class Speed(TypedDict):
    """Method -> seconds."""

    where: str
    values: dict[str, Real]


@with_config(OPEN)
class TablesFile(TypedDict):
    """``paper-tables.json``."""

    infilling: Figures
    hyperparameters: Hyperparameters
    likelihood: Figures
    speed: Speed


@cache
def control() -> Mapping[str, Any]:
    """Tables 2 and 4: ``values`` by task and method, with ``source``, ``corpus``, and what ``lm``
    and ``ctrl`` mean."""
    tables: dict[str, Any] = read_json(shipped() / PAPER, ControlFile)
    return tables


@cache
def _tables() -> Mapping[str, Any]:
    tables: dict[str, Any] = read_json(shipped() / TABLES, TablesFile)
    return tables


def table(name: str) -> Mapping[str, Any]:
    """One of the other tables: ``values``, and ``where`` they stand."""
    printed: Mapping[str, Any] = _tables()[name]
    return printed


def values(task: str) -> Mapping[str, Any]:
    """Method -> the paper's figures under a task: ``ctrl`` and ``lm``, or one for each metric;
    empty for a task that it lacks."""
    elsewhere = table(task)["values"] if task == INFILLING else {}
    figures: Mapping[str, Any] = control()["values"].get(task, elsewhere)
    return figures


def ctrl(figures: Mapping[str, Any], metric: str) -> float | None:
    """A method's figure under a metric; of a composition, that of the part whose metric it is."""
    printed = figures.get("ctrl", figures.get(metric))
    if isinstance(printed, Mapping):
        part: float | None = printed.get(metric.partition(".")[0])
        return part
    value: float | None = printed
    return value
