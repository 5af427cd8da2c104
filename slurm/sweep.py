"""``python -m slurm.sweep key=value ...``: plans a sweep and submits what is missing of it.

The only state that counts is the results themselves: a second sweep of the same keys looks at what
is stored and submits the rest, whatever happened to the first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from eval.run import guarded
from slurm.config import asks_help, parse_sweep
from slurm.outline import describe
from slurm.state import State
from slurm.submit import planned, store_plan, submit_slurm
from tasks.common.commands import typed
from tasks.common.stop import Stopped

if TYPE_CHECKING:
    from slurm.config import Sweep
    from slurm.plan import Job

INCOMPLETE = 1
#: seconds between looks at the queue while waiting
LOOK = 2.0


class Incomplete(Exception):
    """A sweep that ended with something missing; it has been said what."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0, 1 if jobs failed, 2 for a mistake that the user can mend, 130 for Ctrl-C."""
    try:
        return guarded(_main, sys.argv[1:] if arguments is None else arguments)
    except Incomplete:
        return INCOMPLETE
    except Stopped:
        print("stopped; run the same command to go on", file=sys.stderr)
        return INCOMPLETE


def _main(given: Sequence[str]) -> None:
    if asks_help(given):
        return
    sweep = parse_sweep(given)
    if sweep.config.dry_run:
        print(describe(planned(sweep), sweep))
        return
    state = State(sweep.folder)
    if sweep.config.cluster == "slurm":
        plan = submit_slurm(state, sweep)
        if plan and sweep.config.wait:
            wait(state, sweep)
        return
    plan = store_plan(state, sweep, attempt=0)
    print(describe(plan.jobs, plan.sweep), flush=True)
    from slurm.local import run_here, run_local

    runner = run_here if sweep.config.cluster == "debug" else run_local
    runner(state, plan, lambda line: print(line, flush=True))
    if sweep.config.cluster == "local":  # a job of this very process has printed them
        tables(state, sweep, plan.jobs)
    report(state, sweep)


def tables(state: State, sweep: Sweep, jobs: Sequence[Job]) -> None:
    """Prints the tables of each result set that has some, as ``eval.run`` does at its end."""
    from eval.run import report as print_tables
    from slurm.plan import open_runs
    from slurm.worker import excused

    for run in open_runs(sweep):
        if not (run.folder / "table.json").exists():
            continue
        if len(sweep.runs) > 1:
            print(f"\n{run.folder}")
        excused(run, state, jobs)
        print_tables(run, run.display.console)
        print(f"samples, scores and table: {run.folder}/  (table.md, table.json)")
        print(f"trained artefacts: {run.config.store}/", flush=True)


def wait(state: State, sweep: Sweep) -> None:
    """Shows the states of all jobs until none is left in the queue, then what is missing."""
    from rich.console import Console
    from rich.live import Live

    from slurm.cluster import queue
    from slurm.status import rows, table

    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            queued = queue()
            entries = rows(state, queued)
            if console.is_terminal:
                live.update(table(entries), refresh=True)
            if not any(one.id in queued for one in state.submitted()):
                break
            time.sleep(LOOK)
    console.print(table(rows(state, {})))
    tables(state, sweep, state.latest().jobs)
    report(state, sweep)


def report(state: State, sweep: Sweep) -> None:
    """What is missing and why. Raises ``Incomplete`` if anything is."""
    left = [job for job in planned(sweep) if not job.done]
    if not left:
        print(f"complete: {state.folder.parent}/")
        return
    failed = {job.name: state.outcome(job.name).get("error", "") for job in left}
    for job in left:
        error = failed[job.name].strip()
        blamed = [name for name in job.needs if name in failed]
        if error:
            print(f"missing {job.name}: {error}")
        elif blamed:
            print(f"missing {job.name}: needs {', '.join(blamed[:3])}")
        else:
            print(typed(f"missing {job.name}: it ended without a word (python -m slurm.logs)"))
    print(f"{len(left)} jobs are missing: the same command runs only these")
    raise Incomplete


if __name__ == "__main__":
    sys.exit(main())
