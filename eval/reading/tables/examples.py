"""The paper's qualitative Tables 3 and 8 to 12: stored samples with what was asked for marked.

Samples are the first one of each of the first targets: nothing is picked by hand.
"""

from __future__ import annotations

from collections.abc import Iterator

from eval.reading.marks import mark_all, marked
from eval.reading.names import reference
from eval.reading.results import CellFiles, ResultSet
from eval.reading.samples import headlines
from eval.reading.tables.grid import Column, Entry, Grid, Segment, entry
from eval.running.cells import is_answer
from tasks.marks import unmarked

#: the paper's table of samples without control
UNCONDITIONAL = "table8"


def example_tables(results: ResultSet, targets: int) -> Iterator[Grid]:
    """A table for each of the paper's that the set has samples for, then one for each other task;
    ``targets`` targets in each."""
    if results.floor_samples:
        yield _unconditional(results, targets)
    for task in results.tasks:
        if results.methods(task):
            yield _table(results, task, targets)


def _unconditional(results: ResultSet, count: int) -> Grid:
    rows = [
        [entry(str(i)), marked(r["words"], unmarked(r["words"]))]
        for i, r in enumerate(results.floor_samples[:count], 1)
    ]
    title = f"Table 8: samples of {reference().label} without control"
    columns = [Column("", right=False), Column("text", right=False, wide=True)]
    return Grid(UNCONDITIONAL, title, columns, rows, [f"The first {len(rows)} samples."])


def _table(results: ResultSet, task: str, count: int) -> Grid:
    chosen, traits = results.targets(task)[:count], results.task(task)
    cells = {cell.method: cell for cell in results.cells(task)}
    first = {method: _first_samples(cell) for method, cell in cells.items()}
    rows, rules = list[list[Entry]](), list[int]()
    for target in chosen:
        rules.append(len(rows))
        rows.append([entry("target", "muted"), (), entry(target.control.brief(), "bold")])
        for method in cells:
            if target.id in first[method]:
                words, scores = first[method][target.id]
                text = marked(words, mark_all(words, cells[method].judged(target, words)))
                score = _graded(scores) if traits.fills else _verdict(scores)
                rows.append([entry(results.method_name(method)), score, text])
    name = traits.example_table or f"examples-{task}"
    number = f"Table {name.removeprefix('table')}: " if traits.example_table else ""
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
    title = f"{number}samples under {traits.label} control"
    if traits.fills:
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
