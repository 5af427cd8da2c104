"""``python -m eval.two_by_two run=results/SET``: prompting against guidance, or both at once?

For each family of generators whose methods stand at the corners of {plain, prompted} x {unguided,
guided} (``Card.corner``): whether prompted and guided at once beats both of its neighbours in
control, at an lm-score that is not shown to be worse. "Both" is an intersection of two hypotheses,
whose p is the larger of the two paired tests' (Berger 1982): it needs no correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.reading.intervals import Difference
from eval.reading.results import ResultSet
from eval.reading.rows import Number
from eval.reading.tables.grid import Column, Entry, Grid, Segment, entry, markdown
from eval.studies.squares import LEVEL, NEIGHBOURS, Square, as_json, squares
from models.base import BOTH, CONTROL
from tasks.common.errors import UserError, unknown
from tasks.common.files import json_text, write_text

USAGE = """\
usage: python -m eval.two_by_two key=value ...

Prompting against guidance, and both at once: a table of the four methods of each family from the
samples of a result set, with a paired test of whether the fourth beats both of its neighbours.
Needs no models. The methods that are there for this table alone: method=two_by_two.

  python -m eval.two_by_two run=results/demo
  python -m eval.two_by_two run=results/demo task=length out=tables
"""
NAME = "two_by_two"


@dataclass(frozen=True)
class TwoByTwoOptions:
    """What to read, and where the table goes."""

    #: folder of the result set
    run: str = "results/demo"
    #: tasks, separated by commas; by default all those that the set has
    task: str | None = None
    #: folder for the table as JSON and Markdown; by default the set's own
    out: str | None = None


def main(given: Sequence[str]) -> None:
    from eval.reading.tables.terminal import show
    from eval.running.config import check_folder
    from eval.running.options import options

    chosen = options(TwoByTwoOptions, given, USAGE)
    if chosen is None:
        return
    results = ResultSet(Path(chosen.run))
    folder = Path(chosen.out) if chosen.out else results.folder
    check_folder("out", folder)
    found = list(squares(results, _tasks(results, chosen.task)))
    if not any(square.gains for square in found):
        three = (BOTH, *NEIGHBOURS)
        reasons = [one.corners[c].reason for one in found for c in three if one.corners[c].reason]
        why = reasons[0] if reasons else "they share no target"
        raise UserError(
            f"{results.folder} has no family that is prompted, guided, and both at once: {why}"
        )
    grid = table(results, found)
    folder.mkdir(parents=True, exist_ok=True)
    record = {"set": results.name, "level": LEVEL, "squares": [as_json(one) for one in found]}
    write_text(folder / f"{NAME}.json", json_text(record, indent=1) + "\n")
    write_text(folder / f"{NAME}.md", markdown(grid))
    show([grid])
    print(f"table: {folder / NAME}.md")


def _tasks(results: ResultSet, given: str | None) -> list[str]:
    there = [name for name in results.tasks if results.task(name).table == CONTROL]
    asked = [name.strip() for name in given.split(",")] if given is not None else there
    for name in asked:
        if name not in there:
            raise unknown(f"control task of {results.folder}", name, there)
    return asked


def table(results: ResultSet, found: Sequence[Square]) -> Grid:
    """Four rows a square; what the fourth corner has over a neighbour stands in that one's row.
    Squares that compare nothing stand in the notes."""
    rows, rules, lacking = list[list[Entry]](), list[int](), dict[str, None]()
    for square in found:
        several = len(results.task(square.task).headlines) > 1
        name = results.task_name(square.task) + (f": {square.metric}" if several else "")
        if not square.gains:
            three = (square.corners[corner].reason for corner in (BOTH, *NEIGHBOURS))
            why = next(filter(None, three), "no target in common")
            lacking[f"{square.family}, {name}: left out: {why}"] = None
            continue
        rules.append(len(rows))
        for corner, one in square.corners.items():
            gain, last = square.gains.get(corner), corner == BOTH
            p = square.p
            verdict = "" if p is None or not last else f"{square.verdict} (p = {p:.4f})"
            rows.append(
                [
                    entry(name),
                    entry(square.family),
                    entry(f"{corner}: {results.method_name(one.method)}"),
                    _shown(one.ctrl, 1) or entry("-", "muted"),
                    _shown(one.lm, 2),
                    _gained(gain.ctrl if gain else None, 1),
                    _gained(gain.lm if gain else None, 2),
                    entry(verdict, "bold" if square.verdict == "complementary" else ""),
                ]
            )
            if one.reason:
                lacking[f"{results.method_name(one.method)}, {name}: {one.reason}"] = None
    columns = [
        Column("task", right=False, heads=True), Column("family", right=False),
        Column("corner", right=False), Column("ctrl"), Column("lm", drop=1),
        Column("ctrl", "both less this"), Column("lm", "both less this", drop=2),
        Column("prompting and guidance", right=False),
    ]  # fmt: skip
    notes = [
        *lacking,
        "ctrl in percent, lm in perplexity, with 95 % intervals; differences on the same targets, "
        "with their two-sided p.",
        "complementary: both at once beats each alone in control, and its lm is not shown to be "
        "worse than either's; costly: it does, at a worse lm; competing: one alone beats it; open: "
        "nothing of that is shown. p: that of the weaker of the two comparisons.",
        "Methods may differ in how they draw words (top_k, temperature): two_by_two.json has the "
        "settings of each.",
    ]
    title = f"Prompting and guidance: {results.name}"
    return Grid(NAME, title, columns, rows, notes, frozenset(rules[1:]))


def _shown(one: Number | None, digits: int) -> Entry:
    if one is None or one.ours is None:
        return ()
    span = f" [{one.low:.{digits}f}, {one.high:.{digits}f}]"
    return (Segment(f"{one.ours:.{digits}f}"), Segment(span, "muted"))


def _gained(one: Difference | None, digits: int) -> Entry:
    if one is None:
        return ()
    return (Segment(f"{one.value:+.{digits}f}"), Segment(f" (p = {one.p:.4f})", "muted"))
