"""What the paper printed, with its definitions: ``results/paper.json`` (Tables 2 and 4) and
``results/paper-tables.json`` (Tables 5 to 7 and appendix C)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "results"
PAPER, TABLES = FOLDER / "paper.json", FOLDER / "paper-tables.json"


@cache
def control() -> Mapping[str, Any]:
    """Tables 2 and 4: ``values`` by task and method, with ``source``, ``corpus``, and what ``lm``
    and ``ctrl`` mean."""
    tables: dict[str, Any] = json.loads(PAPER.read_text(encoding="utf-8"))
    return tables


@cache
def _tables() -> Mapping[str, Any]:
    tables: dict[str, Any] = json.loads(TABLES.read_text(encoding="utf-8"))
    return tables


def table(name: str) -> Mapping[str, Any]:
    """One of the other tables: ``values``, and ``where`` they stand."""
    printed: Mapping[str, Any] = _tables()[name]
    return printed


def values(task: str) -> Mapping[str, Any]:
    """Method -> the paper's figures under a task: ``ctrl`` and ``lm``, or one for each metric;
    empty for a task that it lacks."""
    elsewhere = _tables().get(task, {}).get("values", {})
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
