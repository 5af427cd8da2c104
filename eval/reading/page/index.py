"""One page over several result sets: what was found in each, and their means side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.reading.finding import Average, Finding, finding
from eval.reading.names import method_name
from eval.reading.page.page import script, table, template, text
from eval.reading.results import ResultSet
from eval.reading.tables.grid import Column, Entry, Grid, entry
from eval.running.cells import TARGETS
from eval.running.scoring import HUMAN
from tasks.common.errors import UserError

SCRIPTS = ("common.js", "tables.js")


def sets_in(folder: Path) -> list[Path]:
    """The result sets of a folder of them, by name; none where it is a set itself."""
    if any(folder.glob(f"*/{TARGETS}")):
        return []
    return sorted({path.parent.parent for path in folder.glob(f"*/*/{TARGETS}")})


def index(folder: Path, sets: Mapping[str, ResultSet]) -> str:
    """The page's HTML; ``sets``: the address of each set's page -> the set. Raises ``UserError``
    for a set that cannot be read."""
    if not sets:
        raise UserError(f"there is no result set in {folder}")
    found = {href: finding(results) for href, results in sets.items()}
    return template("index.html").render(
        folder=str(folder),
        sets=[
            {
                "name": results.name,
                "href": href,
                "finding": found[href].sentence,
                "details": found[href].details,
                "facts": _facts(results),
            }
            for href, results in sets.items()
        ],
        summary=table(_summary([(results, found[href]) for href, results in sets.items()]), "sets"),
        style=text("style.css"),
        script=script(SCRIPTS),
    )


def _facts(results: ResultSet) -> dict[str, str]:
    settings = results.settings
    methods = {m for task in results.tasks for m in results.methods(task)}
    ordered = results.method_order(methods)
    return {
        "corpus": str(settings.get("corpus", "unknown")),
        "preset": str(settings.get("preset", "unknown")),
        "targets": str(settings.get("targets", "unknown")),
        "samples of each": str(settings.get("samples", "unknown")),
        "tasks": ", ".join(map(results.task_name, results.tasks)),
        "methods": ", ".join(results.method_name(m) for m in ordered if m in methods),
    }


def _summary(sets: Sequence[tuple[ResultSet, Finding]]) -> Grid:
    rows, rules = list[list[Entry]](), list[int]()
    for results, found in sets:
        rules.append(len(rows))
        averages = [(results.method_name(one.method), one) for one in found.methods]
        averages += [(method_name(HUMAN), found.human)] if found.human else []
        rows += [_row(results, found, label, one) for label, one in averages]
    columns = [
        Column("set", right=False),
        Column("method", right=False),
        Column("quantity", right=False),
        Column("tasks"),
        Column("mean ↑"),
        Column("95 %"),
        Column("lm ↓"),
    ]
    return Grid("sets", "All result sets", columns, rows, rules=frozenset(rules[1:]))


def _row(results: ResultSet, found: Finding, label: str, one: Average) -> list[Any]:
    value, low, high = one.ctrl
    known = low == low  # NaN where there is no interval
    return [
        entry(results.name),
        entry(label),
        entry(found.quantity),
        entry(str(len(found.tasks))),
        entry(f"{value:.1f}"),
        entry(f"[{low:.1f}, {high:.1f}]" if known else "", "muted"),
        entry("" if one.lm is None else f"{one.lm[0]:.2f}"),
    ]
