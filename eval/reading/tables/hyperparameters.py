"""Table 6 of the paper: hyperparameters of control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.reading import paper
from eval.reading.names import paper_tasks
from eval.reading.results import ResultSet
from eval.reading.tables.entries import short
from eval.reading.tables.grid import Column, Entry, Grid, Style, entry
from models.base import CONTROL

#: as the columns call them, by their names in the paper's figures
TITLES = {"tradeoff": "trade-off", "lr": "lr"}


def table6(results: ResultSet) -> Grid:
    """The paper's beside those that made the stored samples."""
    printed = paper.table("hyperparameters")
    others = (name for name in results.tasks if results.task(name).table == CONTROL)
    tasks = list(dict.fromkeys([*paper_tasks(CONTROL), *others]))
    columns = [Column("method", right=False), Column("", right=False)]
    for task in tasks:
        columns += [Column(title, results.task_name(task)) for title in TITLES.values()]
    known = {cell.method for cell in results.cells()} | set(printed["values"])
    rows, rules, records = list[list[Entry]](), list[int](), list[dict[str, Any]]()
    for method in results.method_order(known):
        used = {task: _used(results, task, method) for task in tasks}
        published = {task: printed["values"].get(method, {}).get(task, {}) for task in tasks}
        if any(used.values()) or any(published.values()):
            rules.append(len(rows))
            rows += _rows(results.method_name(method), used, published)
            records += _records(method, used, published)
    notes = [
        "trade-off: λ of the fluency term (Diffusion-LM), weight of the discriminator (FUDGE), "
        "gradient steps a token (PPLM). lr: step size of the gradient updates.",
        "Empty: the method has no such parameter, or the cell was not run.",
        f"Paper: {printed['where']}.",
    ]
    title = "Table 6: hyperparameters of control"
    return Grid("table6", title, columns, rows, notes, frozenset(rules[1:]), records=records)


#: task -> name -> value
Values = Mapping[str, Mapping[str, float]]


def _rows(label: str, used: Values, published: Values) -> list[list[Entry]]:
    """Ours and the paper's, as far as there are any; the first begins with the method."""
    rows = list[list[Entry]]()
    sides: tuple[tuple[str, Values, Style], ...] = (
        ("ours", used, ""),
        ("paper", published, "muted"),
    )
    for who, values, style in sides:
        if any(values.values()):
            shown = [
                entry(short(parameters.get(name)), style)
                for parameters in values.values()
                for name in TITLES
            ]
            rows.append([() if rows else entry(label, "bold"), entry(who, style), *shown])
    return rows


def _records(method: str, used: Values, published: Values) -> list[dict[str, Any]]:
    records = []
    for task in used:
        for name in TITLES:
            ours, theirs = used[task].get(name), published[task].get(name)
            if ours is not None or theirs is not None:
                place = {"method": method, "task": task, "name": name}
                records.append({**place, "ours": short(ours), "paper": short(theirs)})
    return records


def _used(results: ResultSet, task: str, method: str) -> dict[str, float]:
    """What stands in a stored cell's resolved settings, at the places that the card names."""
    cell, traits = results.cell(task, method), results.method(method)
    settings = cell.config.get("settings", {}) if cell else {}
    used = {}
    for name, key in (("tradeoff", traits.tradeoff), ("lr", traits.step_size)):
        value: Any = settings if key else None
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, (int, float)):
            used[name] = float(value)
    return used
