"""The paper's qualitative Tables 3 and 8 to 12: stored samples with what was asked for marked.

Samples are the first one of each of the first targets: nothing is picked by hand.
"""

from __future__ import annotations

from collections.abc import Iterator

from eval.reading.marks import mark_all, marked
from eval.reading.results import CellFiles, ResultSet, method_name, task_name
from eval.reading.samples import headlines
from eval.reading.tables.grid import Column, Entry, Grid, Segment, entry
from eval.running.cells import is_answer
from eval.running.scoring import FLOOR
from tasks.marks import unmarked

#: the paper's table of each task
TABLES = {
    "syntax_tree": "table3",
    "syntax_spans": "table9",
    "parts_of_speech": "table10",
    "length": "table11",
    "semantic_content": "table12",
}
UNCONDITIONAL = "table8"


def example_tables(results: ResultSet, targets: int) -> Iterator[Grid]:
    """A table for each of the paper's that the set has samples for, then one for each other task;
    ``targets`` targets in each."""
    floor = CellFiles("", FLOOR, results.folder / FLOOR)
    if floor.samples:
        yield _unconditional(floor, targets)
    for task in results.tasks:
        if results.methods(task):
            yield _table(results, task, targets)


def _unconditional(floor: CellFiles, count: int) -> Grid:
    rows = [
        [entry(str(i)), marked(r["words"], unmarked(r["words"]))]
        for i, r in enumerate(floor.samples[:count], 1)
    ]
    title = "Table 8: samples of Diffusion-LM without control"
    columns = [Column("", right=False), Column("text", right=False, wide=True)]
    return Grid(UNCONDITIONAL, title, columns, rows, [f"The first {len(rows)} samples."])


def _table(results: ResultSet, task: str, count: int) -> Grid:
    chosen = results.targets(task)[:count]
    methods = results.methods(task)
    cells = {c.method: c for c in results.cells() if c.task == task}
    first = {method: _first_samples(cell) for method, cell in cells.items()}
    rows, rules = list[list[Entry]](), list[int]()
    for target in chosen:
        rules.append(len(rows))
        rows.append([entry("target", "muted"), (), entry(target.control.brief(), "bold")])
        for method in methods:
            if target.id in first[method]:
                words, scores = first[method][target.id]
                text = marked(words, mark_all(words, cells[method].judged(target, words)))
                score = _graded(scores) if task == "infilling" else _verdict(scores)
                rows.append([entry(method_name(method)), score, text])
    name = TABLES.get(task, f"examples-{task}")
    number = f"Table {name.removeprefix('table')}: " if task in TABLES else ""
    columns = [
        Column("", right=False),
        Column("score"),
        Column("text", right=False, wide=True),
    ]
    notes = [
        f"The first sample of each of the first {len(chosen)} targets.",
        "Satisfied spans are bold or green, failing ones red or marked ✗. score: yes, no, or the "
        "headline score of the sample in percent.",
    ]
    title = f"{number}samples under {task_name(task)} control"
    if task == "infilling":
        title = "What each method put between the two sentences"
        notes = [
            f"The answers to the first {len(chosen)} items: the candidate that the method chose. "
            "score: ROUGE-L against the human middles."
        ]
    return Grid(name, title, columns, rows, notes, frozenset(rules[1:]))


Sampled = tuple[tuple[str, ...], tuple[float, ...]]


def _first_samples(cell: CellFiles) -> dict[str, Sampled]:
    """Target id -> words and headline scores of its first sample, or of the chosen one."""
    scores = {(r["target"], r["index"]): headlines(r["scores"]) for r in cell.scores}
    return {
        r["target"]: (tuple(r["words"]), scores.get((r["target"], r["index"]), ()))
        for r in cell.samples
        if is_answer(r)
    }


def verdict(scores: tuple[float, ...]) -> list[tuple[str, bool]]:
    """Each headline score in words, and whether it is full marks."""
    words = {1.0: "yes", 0.0: "no"}
    return [(words.get(score, f"{100 * score:.0f} %"), score == 1) for score in scores]


def _graded(scores: tuple[float, ...]) -> Entry:
    """Overlap with human middles, which is neither right nor wrong."""
    return entry(f"{100 * scores[0]:.0f}") if scores else ()


def _verdict(scores: tuple[float, ...]) -> Entry:
    segments = list[Segment]()
    for text, full in verdict(scores):
        if segments:
            segments.append(Segment(" "))
        segments.append(Segment(text, "good" if full else "bad"))
    return tuple(segments)
