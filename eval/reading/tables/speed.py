"""The paper's comparison of decoding speed (appendix C)."""

from __future__ import annotations

from typing import Any

from eval.reading import paper
from eval.reading.results import ResultSet
from eval.reading.rows import cost
from eval.reading.tables.entries import Footnotes, full, short
from eval.reading.tables.grid import Column, Entry, Grid, entry
from eval.running.scoring import FLOOR

#: samples that appendix C's times are for
SAMPLES = 50
COLUMNS = (
    Column("method", right=False),
    Column("task", right=False),
    Column(f"seconds for {SAMPLES}"),
    Column("95 %"),
    Column("evaluations a sample"),
    Column("paper, seconds"),
)


def speed(results: ResultSet) -> Grid:
    """Seconds for 50 samples and network evaluations a sample, from the stored samples."""
    printed = paper.table("speed")
    rows, records, footnotes = list[list[Entry]](), list[dict[str, Any]](), Footnotes()
    methods = {cell.method for cell in results.cells()}
    for method in [*results.method_order(methods), FLOOR]:
        published = short(printed["values"].get(method))
        name, timed = entry(results.method_name(method), "bold"), False
        for task, samples in _samples(results, method):
            if (timing := cost(samples, SAMPLES)) is None:
                continue
            timed = True
            rows.append(
                [
                    name,
                    entry(results.task_name(task)),
                    entry(f"{timing.seconds:.3g}"),
                    entry(f"[{timing.low:.3g}, {timing.high:.3g}]", "muted"),
                    entry(f"{timing.evaluations:.0f}"),
                    entry(published, "muted"),
                ]
            )
            records.append(
                {
                    "method": method,
                    "task": task,
                    "seconds": full(timing.seconds),
                    "low": full(timing.low),
                    "high": full(timing.high),
                    "evaluations": full(timing.evaluations),
                    "paper": published,
                    "reason": "",
                }
            )
        if published and not timed:
            reason = results.reason(results.tasks[0], method)
            missing = entry(footnotes.mark(reason), "muted")
            rows.append([name, (), missing, (), (), entry(published, "muted")])
            records.append({"method": method, "paper": published, "reason": reason})
    settings = results.settings
    notes = [
        *footnotes.notes,
        f"Wall time of decoding alone, {settings.get('batch', '?')} samples at once on device="
        f"{settings.get('device', '?')} ({results.run.get('platform', 'unknown platform')}).",
        "evaluations: forward passes of any network, one a sequence "
        "(Diffusion-LM: denoising steps and guidance updates).",
        f"Paper: {printed['where']}, on a GPU: PPLM one sample after another, the "
        "others batched; unconditional: 2000 steps.",
    ]
    return Grid("speed", "Decoding speed (appendix C)", COLUMNS, rows, notes, records=records)


def _samples(results: ResultSet, method: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """(task, samples) of each cell of a method; of the floor, which has no task, once."""
    if method == FLOOR:
        return [("", results.floor_samples)]
    return [(cell.task, cell.samples) for cell in results.cells() if cell.method == method]
