"""Planning a sweep and submitting what is missing of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slurm.outline import describe
from slurm.state import State
from slurm.version import code_digest
from tasks.common.commands import typed
from tasks.common.errors import UserError
from tasks.common.lease import hold

#: GiB that no machine has: what stands in an outcome above it is no measurement
LARGEST_GIB = 1e6

if TYPE_CHECKING:
    from slurm.config import Sweep
    from slurm.plan import Job
    from slurm.state import StoredPlan


def planned(sweep: Sweep, empty: bool = False) -> list[Job]:
    """The jobs of a sweep. ``empty``: stored results with other settings are emptied where
    ``overwrite=true``. Raises ``UserError`` for those that are not to be."""
    import warnings

    from slurm.plan import make_plan, open_runs

    warnings.filterwarnings("ignore", category=UserWarning, module=r"torch(_struct)?\.")
    runs = open_runs(sweep)
    for run in runs:
        if empty or not run.config.overwrite:
            run.check()
    return with_peaks(make_plan(sweep, runs), State(sweep.folder))


def with_peaks(jobs: Sequence[Job], state: State) -> list[Job]:
    """The jobs with the memory that an earlier attempt of theirs was seen to need."""
    known = []
    for job in jobs:
        peak = state.outcome(job.name).get("peak_gib") if job.estimate.memory else None
        if isinstance(peak, float) and 0 < peak < LARGEST_GIB:
            job = replace(job, estimate=replace(job.estimate, memory=peak, peak=True))
        known.append(job)
    return known


def store_plan(state: State, sweep: Sweep, attempt: int) -> StoredPlan:
    """Plans, and writes the plan down for the jobs to read."""
    jobs = planned(sweep, empty=attempt == 0)
    # emptied once, now: no job is to empty what another has filled since
    kept = tuple(tuple(a for a in run if not a.startswith("overwrite=")) for run in sweep.runs)
    return state.write_plan(replace(sweep, runs=kept), jobs, code_digest(), attempt)


def submit_slurm(state: State, sweep: Sweep, attempt: int = 0) -> StoredPlan | None:
    """Submits what is neither done nor in the queue already; None if that is nothing. Raises
    ``UserError`` for what SLURM refuses; where nothing was submitted, folders are as they were."""
    if not str(state.folder).isprintable() or "%" in str(state.folder):
        raise UserError(f"out={state.folder.parent}: SLURM puts other things in the place of %")
    made = [path for path in (state.folder, *state.folder.parents) if not path.exists()]
    try:
        with kept_until_submitted(state, sweep):
            return _submit(state, sweep, attempt)
    except UserError:
        if state.folder in made and not state.submitted():
            shutil.rmtree(state.folder, ignore_errors=True)
            for path in made[1:]:
                if any(path.iterdir()):
                    break
                path.rmdir()
        raise


@contextmanager
def kept_until_submitted(state: State, sweep: Sweep) -> Iterator[None]:
    """Results that ``overwrite=true`` empties are put back where the block ends in an error and no
    job was submitted."""
    from slurm.plan import open_runs

    asked = any(argument.startswith("overwrite=") for run in sweep.runs for argument in run)
    runs = [run for run in open_runs(sweep) if run.config.overwrite] if asked else []
    emptied = {cell.folder for run in runs for cell in run.stored if cell.other is not None}
    before = {one.id for one in state.submitted()}
    with TemporaryDirectory() as aside:
        copies = {folder: Path(aside, str(i)) for i, folder in enumerate(sorted(emptied))}
        for folder, copy in copies.items():
            shutil.copytree(folder, copy)
        try:
            yield
        except BaseException:
            if {one.id for one in state.submitted()} == before:
                for folder, copy in copies.items():
                    shutil.copytree(copy, folder, dirs_exist_ok=True)
            raise


def _submit(state: State, sweep: Sweep, attempt: int) -> StoredPlan | None:
    from slurm.cluster import Refused, queue, release, submit

    with hold(state.lock, lambda: print("another sweep is being submitted: waiting", flush=True)):
        queued = queue()
        release(queued)
        live = {one.name: one.id for one in state.submitted() if one.id in queued}
        plan = store_plan(state, sweep, attempt)
        print(describe(plan.jobs, plan.sweep), flush=True)
        missing = [job for job in plan.jobs if not job.done]
        if not missing:
            print("nothing is left to do")
            return None
        unsent = [job for job in missing if job.stage != "finish" and job.name not in live]
        if not unsent and all(job.name in live for job in missing):
            print(f"all {len(missing)} jobs are in the queue already")
            return plan
        if unsent:  # the tables wait for these too, so they are written once more after them
            live = {n: i for n, i in live.items() if not n.endswith("finish")}
        try:
            sent = submit(state, plan, live)
        except Refused:
            if not any(one.plan == plan.number for one in state.submitted()):
                state.drop_plan(plan.number)
            raise
    look = typed(f"python -m slurm.status {state.folder.parent}")
    print(f"submitted {len(sent)} jobs; {look} shows them")
    return plan


def again(state: State, plan: StoredPlan) -> bool:
    """Called by the last job of a submission: submits what failed once more, if that is allowed;
    returns whether it did."""
    if plan.sweep.config.cluster != "slurm" or plan.attempt >= plan.sweep.config.retries:
        return False
    left = [j for j in planned(plan.sweep) if not j.done and j.stage != "finish"]
    if not left:
        return False
    print(f"{len(left)} jobs are left: trying them again ({plan.attempt + 1})", flush=True)
    return submit_slurm(state, plan.sweep, plan.attempt + 1) is not None
