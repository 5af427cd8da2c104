"""``python -m slurm.worker FOLDER PLAN JOB``: one job of a plan, in a process of its own.

Exit codes: 0 done, 75 stopped when asked to (what it had is stored), 2 a mistake the user can mend,
1 any other error, whose traceback is in the job's outcome.
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval.run import USAGE_ERROR
from tasks.common import stop
from tasks.common.commands import typed
from tasks.common.errors import UserError
from tasks.common.lease import AGAIN, hold
from tasks.common.own import blaming
from tasks.common.terminal import show_anyway

if TYPE_CHECKING:
    from eval.running.runner import Job as CellJob
    from eval.running.runner import Run
    from slurm.plan import Job
    from slurm.state import State

#: what SLURM and the supervisor send before they kill
SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)


def main(arguments: Sequence[str]) -> int:
    from slurm.state import State

    show_anyway()
    if len(arguments) != 3:
        print(typed(f"{__doc__}"))
        return 0 if {"--help", "-h"} & set(arguments) else USAGE_ERROR
    folder, number, name = arguments
    stop.on_signals(SIGNALS)
    state, began = State(Path(folder)), time.time()
    try:
        with blaming():
            perform(state, int(number), name)
    except stop.Stopped:
        state.write_outcome(name, "stopped", began)
        print("stopped as asked; what was done is stored", flush=True)
        return AGAIN
    except UserError as error:
        said = "\n".join(filter(None, (str(error), getattr(error, "trace", ""))))
        state.write_outcome(name, "failed", began, said)
        print(f"error: {said}", file=sys.stderr, flush=True)
        return USAGE_ERROR
    except Exception:
        text = traceback.format_exc()
        print(text, file=sys.stderr, flush=True)
        state.write_outcome(name, "failed", began, text)
        return 1
    state.write_outcome(name, "done", began)
    return 0


def perform(state: State, number: int, name: str) -> None:
    """Does one job in this process. Raises ``UserError`` if the code is no longer the planned one.

    A job that finds its work done ends at once: it may run twice, or after another did the same.
    """
    from models.nets import parallel
    from slurm.plan import open_run
    from slurm.submit import again
    from slurm.together import build_together
    from slurm.version import same_code

    plan = state.read_plan(number)
    same_code(plan.code)
    job = next(job for job in plan.jobs if job.name == name)
    run = open_run(plan.sweep.runs[job.run])
    if run.config.threads:
        import torch

        torch.set_num_threads(run.config.threads)
    if job.stage == "artefact":
        recipe = next(recipe for recipe in run.recipes() if recipe.key == job.key)
        if parallel.asked():
            build_together(run, recipe)
        else:
            run.build([recipe])
    elif job.stage == "finish":
        finish(run, state, plan.jobs)
        again(state, plan)
    else:
        if job.task:
            _choose(run, job.task)
        cell = _cell(run, job)
        cell.cell.check(overwrite=False)
        stage = run.gathering(cell) if job.stage == "gather" else run.generation(cell, job.shard)
        if not stage.done():
            run.perform(stage)


def _choose(run: Run, task: str) -> None:
    """The first job of a task chooses its targets; the others wait for it."""
    stage = run.choosing(task)
    if stage.done():
        return
    with hold(run.folder / task / ".lock"):
        if not stage.done():
            run.perform(stage)


def _cell(run: Run, job: Job) -> CellJob:
    return next(c for c in run.cells if (c.task, c.method) == (job.task, job.method))


def finish(run: Run, state: State, jobs: Sequence[Job]) -> None:
    """Scores the cells that are complete and writes the tables; a cell that is not says why."""
    from eval.run import report, write_summary

    write_summary(run)  # of cells that cannot be; those that failed may yet succeed
    complete = excused(run, state, jobs)
    with hold(run.folder / ".lock"):
        if run.floor in complete:
            run.perform(run.gathering(run.floor))
        judge(run, complete)
        report(run, run.display.console)


def judge(run: Run, complete: Sequence[CellJob]) -> None:
    """Scores complete cells and human texts, beside a floor that is complete where there is one."""
    if run.floor is not None and run.floor not in complete:
        return
    stages = [run.human()] if run.judges.fluency else []
    for task in run.config.tasks:
        cells = [job for job in complete if job.task == task]
        stages += [run.judging(task, cells)] if cells else []
    for stage in stages:
        if not stage.done():
            run.perform(stage)


def excused(run: Run, state: State, jobs: Sequence[Job]) -> list[CellJob]:
    """The cells that are complete; of the others the run's tables say why they are not."""
    complete = [job for job in run.cells if not run.missing(job)]
    for job in run.jobs:
        if job not in complete and job.task:
            run.refused[job.task, job.method] = f"n/a: {reason(state, jobs, job)}"
    return complete


def reason(state: State, jobs: Sequence[Job], cell: CellJob) -> str:
    """Why a cell has no samples: the first failure among what it waits for."""
    needed = {j.name: j for j in jobs}
    waiting = [j.name for j in jobs if (j.task, j.method) == (cell.task, cell.method)]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in seen or name not in needed:
            continue
        seen.add(name)
        outcome = state.outcome(name)
        if outcome.get("state") == "failed":
            return f"{needed[name].title} failed ({outcome['error'].strip().splitlines()[-1]})"
        waiting += needed[name].needs
    return "its jobs have not finished"


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # a reminder to stop that comes while Python winds up, its handlers gone, would kill it
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    sys.exit(code)
