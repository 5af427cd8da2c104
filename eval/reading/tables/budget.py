"""What the training of each method's networks took: methods are set side by side whose training is
alike, or the table says how much it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.reading.notes import AT_CHANCE
from eval.reading.results import ResultSet
from eval.reading.tables.entries import full
from eval.reading.tables.grid import Column, Entry, Grid, entry
from eval.running.cells import CONFIG, read_config

COLUMNS = (
    Column("method", right=False),
    Column("network", right=False),
    Column("task", right=False),
    Column("examples"),
    Column("PFLOP"),
    Column("minutes"),
    Column("machine", right=False),
)
TITLE = "Training budget: what each method's networks took"


def budget(results: ResultSet) -> Grid:
    """A line for each network of a method, those that serve several tasks once, and a sum where
    there are several; from what is stored with the samples."""
    rows, rules, records = list[list[Entry]](), list[int](), list[dict[str, Any]]()
    for method in results.method_order({cell.method for cell in results.cells()}):
        found = _networks(results, method)
        if not found:
            continue
        rules.append(len(rows))
        label = results.method_name(method)
        for i, (key, one) in enumerate(found.items()):
            shown = entry("" if i else label, "bold")
            rows.append([shown, _network(one), entry(_task(results, one)), *_figures(one)])
            records.append({"method": method, "key": key, **_record(one)})
        if len(found) > 1:
            every = list(found.values())
            total = {name: _sum(every, name) for name in ("examples", "pflop", "seconds")}
            known = {name: value for name, value in total.items() if value is not None}
            rows.append([(), entry("all", "muted"), (), *_figures(known)])
    notes = [
        "examples: texts, or pairs of a control and a text, that the optimiser saw, repeats "
        "included. PFLOP: 10^15 floating-point operations of matrix products, forward and "
        "backward. minutes: wall time, validation included, on the machine named.",
        "A network that was trained before these were stored has only what its settings and its "
        "curve tell; a sum stands where all of its parts are known.",
    ]
    if any(one["at chance"] for one in records):
        notes.append(f"{AT_CHANCE} no better than chance on held-out texts.")
    return Grid("budget", TITLE, COLUMNS, rows, notes, frozenset(rules[1:]), records=records)


def _networks(results: ResultSet, method: str) -> dict[str, Mapping[str, Any]]:
    """Key -> facts, of all cells of a method together."""
    found: dict[str, Mapping[str, Any]] = {}
    for cell in results.cells():
        if cell.method == method:
            for key, one in read_config(cell.folder / CONFIG).get("networks", {}).items():
                found.setdefault(key, one)
    return dict(sorted(found.items(), key=lambda pair: ("task" in pair[1], pair[1]["role"])))


def _refused(one: Mapping[str, Any]) -> bool:
    return bool(one.get("learned", {}).get("refused"))


def _network(one: Mapping[str, Any]) -> Entry:
    mark = entry(f" {AT_CHANCE}") if _refused(one) else ()
    return (*entry(one["role"].replace("_", " ")), *mark)


def _task(results: ResultSet, one: Mapping[str, Any]) -> str:
    return results.task_name(one["task"]) if "task" in one else "all"


def _figures(one: Mapping[str, Any]) -> list[Entry]:
    minutes = one["seconds"] / 60 if "seconds" in one else None
    return [
        entry(f"{one['examples']:,}" if "examples" in one else ""),
        entry(f"{one['pflop']:.3g}" if "pflop" in one else ""),
        entry("" if minutes is None else f"{minutes:.1f}"),
        entry(one.get("machine", ""), "muted"),
    ]


def _sum(every: list[Mapping[str, Any]], name: str) -> Any:
    """None where any lacks it: a part of a sum is no sum."""
    return sum(one[name] for one in every) if all(name in one for one in every) else None


def _record(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "network": one["role"],
        "task": one.get("task", ""),
        "steps": one.get("steps", ""),
        "examples": one.get("examples", ""),
        "pflop": full(one.get("pflop")),
        "seconds": full(one.get("seconds")),
        "machine": one.get("machine", ""),
        "gain over chance": full(one.get("learned", {}).get("gain")),
        "at chance": _refused(one),
    }
