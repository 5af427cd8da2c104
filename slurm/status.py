"""``python -m slurm.status OUT``: every job of the last sweep of a result folder, and its state.

  python -m slurm.status results/SET

done, failed (with its last error), stopped (it saved what it had), died (it left no word), running,
waiting, blocked (by one that failed), not run (the sweep has ended), or as SLURM has it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.run import guarded
from eval.running.display import duration
from eval.running.options import explains
from eval.running.values import shown
from slurm.alive import alive
from slurm.cluster import Queued, queue
from slurm.plan import Job
from slurm.state import State, StoredPlan
from tasks.common.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {
    "done": "green",
    "failed": "bold red",
    "died": "bold red",
    "blocked": "red",
    "running": "yellow",
}


@dataclass(frozen=True)
class Row:
    """One job as it stands. ``note``: where it runs, what it waits for, or how it failed."""

    name: str
    id: str
    state: str
    note: str


def rows(state: State, queued: Mapping[str, Queued]) -> list[Row]:
    """The jobs of the latest plan. A job in the queue is as SLURM says; any other is as its last
    attempt left it, or ``died`` if it was started and left nothing. Of a sweep on this machine the
    processes are asked."""
    plan = state.latest()
    ids = {one.name: one.id for one in state.submitted()}
    entries = []
    for job in plan.jobs:
        job_id, outcome = ids.get(job.name, ""), state.outcome(job.name)
        if job_id in queued:
            live = queued[job_id]
            note = live.node or live.reason
            entries.append(Row(job.name, job_id, live.state.lower(), note))
        elif job.done:
            entries.append(Row(job.name, "", "done", "before this sweep"))
        elif plan.sweep.config.cluster != "slurm":
            entries.append(_here(state, plan, job))
        elif outcome:
            entries.append(_ended(job.name, job_id, outcome))
        else:
            entries.append(Row(job.name, job_id, "died" if job_id else "waiting", ""))
    return _blocked(plan, entries)


def _ended(name: str, job_id: str, outcome: Mapping[str, Any]) -> Row:
    error = outcome["error"].strip().splitlines()
    took = f"{duration(outcome['seconds'])} on {outcome['host']}"
    return Row(name, job_id, outcome["state"], error[-1] if error else took)


def _here(state: State, plan: StoredPlan, job: Job) -> Row:
    """A job of a sweep on one machine, by the process that it was last started in."""
    outcome, record, scheduler = state.outcome(job.name), state.process(job.name), state.process()
    begun = record.get("plan") == plan.number
    active = scheduler.get("plan") == plan.number and alive(scheduler) is not False
    if outcome and (begun or not active):
        return _ended(job.name, "", outcome)
    if begun:
        lives = alive(record)
        if lives is False:
            return Row(job.name, "", "died", "it left no word (python -m slurm.logs)")
        where = f"process {record['pid']} on {record['host']}"
        began = record.get("began")
        if lives is None:
            return Row(job.name, "", "running", f"{where}, as far as can be seen from here")
        if isinstance(began, int | float):
            where += f", for {duration(max(0.0, time.time() - began))}"
        return Row(job.name, "", "running", where)
    if active:
        return Row(job.name, "", "waiting", "")
    return Row(job.name, "", "not run", "the sweep has ended: the same command goes on")


def _blocked(plan: StoredPlan, entries: Sequence[Row]) -> list[Row]:
    """The rows, where jobs of one machine that wait for one that failed are said to."""
    if plan.sweep.config.cluster == "slurm":
        return list(entries)
    out: dict[str, Row] = {}
    for job, row in zip(plan.jobs, entries, strict=True):
        lost = [n for n in job.needs if n in out and out[n].state in ("failed", "died", "blocked")]
        if lost and row.state in ("waiting", "not run") and job.stage != "finish":
            row = Row(row.name, row.id, "blocked", f"needs {lost[0]}")
        out[job.name] = row
    return list(out.values())


def table(entries: Sequence[Row]) -> Table:
    """The rows for a terminal, with a count of each state as its title."""
    from rich.table import Table
    from rich.text import Text

    counts: dict[str, int] = {}
    for row in entries:
        counts[row.state] = counts.get(row.state, 0) + 1
    shown = Table("job", "id", "state", "", title=", ".join(f"{n} {s}" for s, n in counts.items()))
    for row in entries:
        state = Text(row.state, style=COLOURS.get(row.state, ""))
        shown.add_row(Text(row.name), row.id, state, Text(row.note))
    return shown


def find_state(given: Sequence[str], more: int = 0) -> tuple[State, list[str]]:
    """The sweep of the result folder that the first argument names, and the other arguments, of
    which there are at most ``more``. Raises ``UserError``."""
    folder = given[0].removeprefix("out=") if given else ""
    if not folder.strip() or "\0" in folder:
        raise UserError("name the result folder of a sweep: python -m slurm.status results/SET")
    rest = list(given[1:])
    if len(rest) > more:
        raise UserError(f"argument '{shown(rest[more])}' says nothing here (see --help)")
    return State(Path(folder) / ".sweep"), rest


def main(given: Sequence[str]) -> None:
    if explains(given, __doc__):
        return
    from rich.console import Console

    state, _ = find_state(given)
    plan = state.latest()
    queued = queue() if plan.sweep.config.cluster == "slurm" else {}
    Console().print(table(rows(state, queued)))


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
