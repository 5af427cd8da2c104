"""Tables of results in README.md and docs/evidence.md: copied from the stored ones.

A block is what stands between ``<!-- table SET NUMBER -->`` (the table as it is stored) or
``<!-- brief SET NUMBER -->`` (control, lm and copies in one cell, one row a method) and
``<!-- end -->``. ``<!-- table SET NUMBER: NAME; NAME -->`` has the rows of these methods alone.
``<!-- middles SET COUNT: NAME; NAME -->``: what these answer to COUNT items drawn at random.
``<!-- repairs SET -->``: what became of samples that another method edited.
``<!-- squares SET -->``: prompting against guidance, as ``eval.two_by_two`` stored it.
``<!-- ladder FOLDER: TEXT = SET; TEXT = SET -->``: the fluency and diversity of the first row of
each of the sets in a folder of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.reading.results import ResultSet

ROOT = Path(__file__).resolve().parents[2]
#: pages that hold such blocks, beside the README
NAMES = ("evidence", "discrete", "steering", "successors", "edits")
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in NAMES))
KINDS = "table|brief|middles|squares|ladder|repairs"
BLOCK = re.compile(
    rf"(<!-- ({KINDS}) (\S+)(?: (\d+))?(?:: ([^\n]+?))? -->\n)(.*?)(<!-- end -->)", re.DOTALL
)
CTRL, LM = "ctrl", "lm"
INFILLING = "infilling"
#: what a row of a stored table is, in its second column
OURS, PAPER = "ours", "paper"
#: what further rows of a method are
FURTHER = ("95 %", PAPER, "released")


def lines(name: str, number: int) -> list[str]:
    """The rows of a stored table, its notes left out."""
    return rows_of(ROOT / "results" / name / "tables" / f"table{number}.md")


def rows_of(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.startswith("|")]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def brief(name: str, number: int) -> Iterator[str]:
    """``ctrl / lm / copied`` of ours, below it the paper's ctrl; one column a task."""
    head, _, *rows = map(cells, lines(name, number))
    tasks = list(dict.fromkeys(column.rpartition(":")[0] for column in head[2:]))
    at = {
        (column.rpartition(":")[0], column.split()[-2]): i for i, column in enumerate(head) if i > 1
    }
    copies = copied(name)
    yield _row(["ctrl ↑ / lm ↓ / copied ↓", *tasks])
    yield _row(["---", *["---:"] * len(tasks)])
    for row in rows:
        if row[1] == OURS:
            method = row[0].strip("*")
            cell = [
                _ours(row[at[task, CTRL]], row[at[task, LM]], copies.get((task, method)))
                for task in tasks
            ]
            yield _row([row[0], *cell])
        elif row[1] == PAPER:
            yield _row(["paper", *(row[at[task, CTRL]] for task in tasks)])


def only(rows: list[str], names: Iterable[str]) -> list[str]:
    """Head and the rows of the methods ``names``, whose further lines do not repeat them. Raises
    ``ValueError`` for a method that has none."""
    wanted, found, inside = set(names), set[str](), False
    kept = rows[:2]
    for row in rows[2:]:
        name, kind, *_ = cells(row)
        name = name.strip("*")
        inside = name in wanted if name and kind not in FURTHER else inside
        if inside:
            kept.append(row)
            found.add(name)
    if lacking := wanted - found:
        raise ValueError(f"no rows of {', '.join(sorted(lacking))}")
    return kept


def _ours(ctrl: str, lm: str, copies: float | None) -> str:
    parts = [ctrl, lm] if copies is None else [ctrl, lm, f"{copies:.0f}"]
    return "n/a" if ctrl.startswith("n/a") else " / ".join(parts)


def copied(name: str) -> dict[tuple[str, str], float]:
    """Task and method, as tables call them -> percent of the samples that are training texts."""
    from eval.reading.measured import measured_tasks
    from eval.reading.results import ResultSet

    results = ResultSet(ROOT / "results" / name)
    return {
        (results.task_name(task), results.method_name(row.method)): row.copied
        for task, measured in measured_tasks(results).items()
        for row in measured.rows
        if row.copied is not None
    }


def middles(name: str, count: int, labels: Sequence[str]) -> Iterator[str]:
    """``count`` items of sentence infilling, drawn at random once and for all, one a row, and what
    each of the methods ``labels`` answers. Contexts are no part of the repository."""
    from eval.reading.results import ResultSet

    results = ResultSet(ROOT / "results" / name)
    methods = {results.method_name(one): one for one in results.methods(INFILLING)}
    answers = {label: _answers(results, methods[label]) for label in labels}
    items = sorted(set.intersection(*map(set, answers.values())))
    yield _row(["item", *labels])
    yield _row(["---"] * (len(labels) + 1))
    for item in sorted(Random(0).sample(items, count)):
        yield _row([item.removeprefix("released-")[:8], *(answers[one][item] for one in labels)])


def _answers(results: ResultSet, method: str) -> dict[str, str]:
    cell = results.cell(INFILLING, method)
    samples = cell.samples if cell else []
    chosen = [one for one in samples if one["index"] == one.get("chosen", 0)]
    return {one["target"]: " ".join(one["words"]).replace("|", "\\|") for one in chosen}


def repairs(name: str) -> Iterator[str]:
    """One row for each method and task, the tasks of a method one below the other."""
    from eval.reading.measured import measured_tasks
    from eval.reading.results import ResultSet

    results = ResultSet(ROOT / "results" / name)
    found: dict[str, list[list[str]]] = {}
    for task, measured in measured_tasks(results).items():
        for one in measured.repairs:
            ends = [measured.first(method) for method in (one.method, one.repaired)]
            made = [
                results.task_name(task),
                _share(one.mended, one.failures),
                _share(one.broken, one.successes),
                f"{100 * one.unchanged / one.samples:.0f} %",
            ]
            made += [f"{row.lm.ours:.2f}" if row and row.lm else "" for row in ends]
            found.setdefault(one.method, []).append(made)
    figures = ["failures repaired ↑", "successes broken ↓", "left alone", "lm before", "after"]
    yield _row(["", "task", *figures])
    yield _row(["---", "---", *["---:"] * 5])
    for method, rows in found.items():
        for i, row in enumerate(rows):
            yield _row(["" if i else f"**{results.method_name(method)}**", *row])


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({100 * part / whole:.0f} %)" if whole else "")


def ladder(folder: str, steps: Sequence[str]) -> Iterator[str]:
    """One row a set, of the samples of its first method."""
    from tasks.common.schema import read_json

    yield _row(["", "lm ↓", "95 %", "entropy ↑", "distinct-2 ↑", "length"])
    yield _row(["---", "---:", *["---:"] * 4])
    for step in steps:
        text, _, name = step.rpartition(" = ")
        stored: Any = read_json(ROOT / "results" / folder / name / "table.json", dict[str, Any])
        row = stored["tables"][0]["rows"][0]
        lm = row["lm"]
        yield _row(
            [
                text,
                f"{lm['ours']:.2f}",
                f"[{lm['low']:.2f}, {lm['high']:.2f}]",
                f"{row['entropy']:.2f}",
                f"{row['distinct2']:.3f}",
                f"{row['length']:.1f}",
            ]
        )


def _row(made: list[str]) -> str:
    return f"| {' | '.join(made)} |"


def filled(text: str) -> str:
    """``text`` with its blocks made anew."""

    def one(match: re.Match[str]) -> str:
        names = match[5].split("; ") if match[5] else []
        if match[2] == "squares":
            rows = rows_of(ROOT / "results" / match[3] / "two_by_two.md")
        elif match[2] == "middles":
            rows = list(middles(match[3], int(match[4]), names))
        elif match[2] == "repairs":
            rows = list(repairs(match[3]))
        elif match[2] == "ladder":
            rows = list(ladder(match[3], names))
        else:
            make = {"table": lines, "brief": brief}[match[2]]
            rows = list(make(match[3], int(match[4])))
            rows = only(rows, names) if names else rows
        return "\n".join([match[1], *rows, "", match[7]])

    return BLOCK.sub(one, text)


def tables() -> dict[Path, str]:
    """Path -> content of the pages with such blocks."""
    return {path: filled(path.read_text(encoding="utf-8")) for path in PAGES}
