"""What ``eval.tune`` tried, as it lies in ``OUT/tune/TASK/METHOD/points.jsonl``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.reading.schema import TunePoint
from tasks.common.schema import Real, misfit, read_lines

TUNE, POINTS = "tune", "points.jsonl"


def tried(folder: Path) -> list[dict[str, Any]]:
    """The combinations stored in ``folder``: ``point``, what it was tried ``under``, and its
    figures. Raises ``UserError`` naming file and line for what is none."""

    def wrong(record: dict[str, Any]) -> str | None:
        figures = {k: v for k, v in record.items() if k not in TunePoint.__annotations__}
        return misfit(figures, dict[str, Real])

    return read_lines(folder / POINTS, TunePoint, wrong)


def curves(results: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(task, method) -> the combinations whose network evaluations are known, tried under what the
    last of them was."""
    found = dict[tuple[str, str], list[dict[str, Any]]]()
    for path in sorted((results / TUNE).glob(f"*/*/{POINTS}")):
        known = [one for one in tried(path.parent) if {"ctrl", "ppl", "nfe"} <= one.keys()]
        if known:
            alike = [one for one in known if one["under"] == known[-1]["under"]]
            found[path.parent.parent.name, path.parent.name] = alike
    return found
