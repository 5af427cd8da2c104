"""What became of a method's samples when another method edited them towards the control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eval.reading.names import TaskTraits
from eval.reading.results import CellFiles, ResultSet
from eval.running.cells import CONFIG, read_config, share

Key = tuple[str, int]


@dataclass(frozen=True)
class Repair:
    """The row ``repaired`` against the row ``method`` that it was made of, sample by sample. A
    sample succeeds that does all that is asked: every headline metric of the task is 1.

    ``failures``: samples that failed, and ``mended``: those of them that succeed once edited;
    ``successes``: samples that succeeded, and ``broken``: those of them that fail once edited;
    ``unchanged``: samples that were left as they are."""

    method: str
    repaired: str
    failures: int
    mended: int
    successes: int
    broken: int
    unchanged: int

    @property
    def samples(self) -> int:
        return self.failures + self.successes


def repairs(results: ResultSet, task: TaskTraits, methods: Sequence[str]) -> Iterator[Repair]:
    """Of those of ``methods``, rows of a table, whose samples are edited ones of another row; none
    of a task whose metrics are of a set."""
    if task.pooled or not task.headlines:
        return
    for name in methods:
        cell = results.cell(task.name, name)
        of = read_config(cell.folder / CONFIG).get("repairs", "") if cell else ""
        source = results.cell(task.name, of) if of else None
        if cell and source and cell.scored and source.scored:
            yield compared(task, source, cell)


def compared(task: TaskTraits, before: CellFiles, after: CellFiles) -> Repair:
    """Of the samples that both have."""
    was, now = _succeeds(task, before), _succeeds(task, after)
    old, new = _words(before), _words(after)
    both = [key for key in was if key in now]
    failed, met = [key for key in both if not was[key]], [key for key in both if was[key]]
    return Repair(
        before.method,
        after.method,
        failures=len(failed),
        mended=sum(now[key] for key in failed),
        successes=len(met),
        broken=sum(not now[key] for key in met),
        unchanged=sum(old.get(key) == new.get(key) for key in both),
    )


def _succeeds(task: TaskTraits, cell: CellFiles) -> dict[Key, bool]:
    return {
        (record["target"], record["index"]): all(
            share(record["scores"][metric]) >= 1
            for metric in task.headlines
            if metric in record["scores"]
        )
        for record in cell.scores
    }


def _words(cell: CellFiles) -> dict[Key, list[str]]:
    return {(record["target"], record["index"]): record["words"] for record in cell.samples}
