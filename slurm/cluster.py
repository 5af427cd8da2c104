"""SLURM through submitit: arrays, dependencies, and one look at the queue for all jobs at once."""

from __future__ import annotations

import io
import os
import posixpath
import re
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from slurm.config import SweepConfig
from slurm.plan import Job
from slurm.state import State, StoredPlan, Submitted
from slurm.supervise import Task
from tasks.common.errors import UserError

#: seconds that a command of SLURM's may take: they hang where the controller is down
PATIENCE = 60
#: jobs of one array: MaxArraySize is 1001 where a cluster does not say otherwise
LONGEST = 1000
_MAX_ARRAY = re.compile(r"^MaxArraySize\s*=\s*(\d{1,9})\s*$", re.MULTILINE)
#: the share of the grace time that a worker has to save; the rest is for requeueing
SAVING = 0.6


@dataclass(frozen=True)
class Queued:
    """A job in SLURM's queue."""

    state: str
    node: str
    reason: str


def queue() -> dict[str, Queued]:
    """Every waiting or running job of this user by id. Raises ``UserError`` if SLURM does not
    answer."""
    lines = _slurm("squeue", "--me", "-h", "-r", "-o", "%i|%T|%N|%r").splitlines()
    rows = [line.split("|", 3) for line in lines if line.count("|") >= 3]
    return {row[0]: Queued(*row[1:]) for row in rows}


def cancel(ids: Sequence[str]) -> None:
    """Ends these jobs; those that have ended already do not matter."""
    if ids:
        _slurm("scancel", *ids)


def release(queued: Mapping[str, Queued]) -> None:
    """Lets jobs go on that SLURM holds because their launch on a broken node failed. Those that a
    person holds stay."""
    held = [name for name, job in queued.items() if job.reason == "launch failed requeued held"]
    if held:
        _slurm("scontrol", "release", *held)


def _slurm(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
        )
    except FileNotFoundError:
        raise UserError(
            f"{command[0]} was not found: is this a machine of the cluster? "
            "(cluster=local runs the same plan here)"
        ) from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{command[0]} gave no answer in {PATIENCE} s") from None
    if done.returncode:
        raise UserError(f"{command[0]}: {_own_words(done.stderr) or done.returncode}")
    return done.stdout


def _own_words(stderr: str) -> str:
    """What a command of SLURM's said, on one line and without its name before it."""
    lines = (line.strip() for line in stderr.splitlines())
    return "; ".join(re.sub(r"^s\w+: (error: )?", "", line) for line in lines if line)


class Refused(UserError):
    """sbatch said no."""


def longest_array(config: SweepConfig) -> int:
    """The most jobs that one array may have: what the user says, else what the cluster does."""
    if config.max_array:
        return config.max_array
    try:
        said = _MAX_ARRAY.search(_slurm("scontrol", "show", "config"))
    except UserError:  # it is only asked for advice
        said = None
    # the highest index is below MaxArraySize, and 0 means that there are no arrays
    return min(LONGEST, max(1, int(said[1]))) if said else LONGEST


def parameters(config: SweepConfig, job: Job) -> dict[str, Any]:
    """What sbatch is asked for, in submitit's words."""
    gpus = config.gpus if job.parallel else min(config.gpus, 1)
    more: dict[str, Any] = {"requeue": True, "kill-on-invalid-dep": "yes"}
    options: dict[str, Any] = {
        "partition": config.partition,
        "account": config.account,
        "qos": config.qos,
        "constraint": config.constraint,
        "gres": config.gres,
        "gpus_per_node": gpus if gpus and not config.gres else None,
        "cpus_per_task": config.cpus,
        "mem": config.mem,
        "time": config.minutes,
        "setup": list(config.setup) or None,
        "signal_delay_s": config.grace,
        "stderr_to_stdout": True,
        "additional_parameters": more,
    }
    return {name: value for name, value in options.items() if value is not None}


@dataclass
class Slots:
    """Keeps a sweep to ``width`` jobs at once: each array takes as many slots as it may use, and
    waits for whatever had them before."""

    width: int
    holders: list[list[str]] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.holders = [[] for _ in range(self.width)]
        self.loads = [0.0] * self.width

    def take(self, count: int, load: float) -> tuple[int, list[int], list[str]]:
        """For an array of ``count`` jobs of ``load`` each: how many may run at once, the slots
        taken, and the ids to wait for."""
        width = min(count, self.width)
        chosen = sorted(range(self.width), key=lambda i: self.loads[i])[:width]
        before = list(dict.fromkeys(name for i in chosen for name in self.holders[i]))
        start = max(self.loads[i] for i in chosen)
        for i in chosen:
            self.loads[i] = start + load * -(-count // width)
        return width, chosen, before

    def copy(self) -> Slots:
        """As they are now."""
        twin = Slots(self.width)
        twin.holders, twin.loads = [list(one) for one in self.holders], list(self.loads)
        return twin

    def hold(self, chosen: Sequence[int], job: str) -> None:
        for i in chosen:
            self.holders[i] = [job]


def arrays(jobs: Sequence[Job], longest: int = LONGEST) -> Iterator[list[Job]]:
    """Jobs beside each other with equal needs, together, ``longest`` at most."""
    for _, members in groupby(jobs, lambda job: (job.stage, job.needs, job.run, job.parallel)):
        together = list(members)
        for start in range(0, len(together), longest):
            yield together[start : start + longest]


def label(jobs: Sequence[Job]) -> str:
    """What the queue calls an array: the folder that its jobs' names share, or their stage."""
    if len(jobs) == 1:
        return jobs[0].name
    return posixpath.commonpath([job.name for job in jobs]) or jobs[0].stage


def submit(state: State, plan: StoredPlan, live: Mapping[str, str]) -> list[Submitted]:
    """Hands the jobs that are not done to SLURM, in order of dependency: those with equal needs as
    one array, or as several where arrays must be shorter. ``live``: jobs of an earlier submission
    that still wait or run, name -> id; they are waited for and not submitted again. Raises
    ``Refused`` with sbatch's own words; what was submitted before that is on record."""
    config, ids, sent = plan.sweep.config, dict(live), list[Submitted]()
    todo = [job for job in plan.jobs if not job.done and job.name not in live]
    pending = {job.name for job in todo} | set(live)
    slots = Slots(config.max_parallel)
    with outside_any_job():
        waiting = deque(arrays(todo, longest_array(config)))
        while waiting:
            jobs = waiting.popleft()
            stage, needs = jobs[0].stage, jobs[0].needs
            load = max(job.estimate.seconds or 60.0 for job in jobs)
            before_slots = slots.copy()
            width, chosen, before = slots.take(len(jobs), load)
            waits = [f"afterok:{ids[name]}" for name in needs if name in pending]
            if stage == "finish":  # when all have ended, however they did; whole arrays at once
                ends = [ids[name].split("_")[0] for name in needs if name in pending]
                waits = [f"afterany:{one}" for one in dict.fromkeys(ends)]
            waits += [f"afterany:{one}" for one in before]
            more = {"job_name": label(jobs), "array_parallelism": width}
            more |= {"dependency": ",".join(waits)} if waits else {}
            try:
                new = _send(state, plan, jobs, parameters(config, jobs[0]) | more)
            except Refused as error:
                if len(jobs) == 1 or "array" not in str(error):
                    note = f" ({len(sent)} jobs are submitted; the same command goes on)"
                    raise Refused(f"{error}{note if sent else ''}") from None
                # a limit that the cluster does not tell, or that is a partition's own
                half, slots = -(-len(jobs) // 2), before_slots
                waiting.extendleft([jobs[half:], jobs[:half]])
                continue
            sent += new
            ids |= {one.name: one.id for one in new}
            slots.hold(chosen, new[0].id.split("_")[0])
    return sent


def _send(
    state: State, plan: StoredPlan, jobs: Sequence[Job], options: Mapping[str, Any]
) -> list[Submitted]:
    """Submits one array and writes it down, or raises ``Refused`` and leaves no trace of it."""
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    tasks = [_task(state, plan, job) for job in jobs]
    there = set(state.logs.glob("*")) | set(state.logs.glob(".*"))
    outcomes = {job.name: state.outcome_text(job.name) for job in jobs}
    said = io.StringIO()  # submitit prints what sbatch says, and it is said once
    try:
        executor = submitit.SlurmExecutor(state.logs, max_num_timeout=plan.sweep.config.requeues)
        executor.update_parameters(**options)
        for job in jobs:
            state.clear_outcome(job.name)
        with redirect_stderr(said), executor.batch():
            handles = [executor.submit(task) for task in tasks]
    except (FailedJobError, FailedSubmissionError, RuntimeError, OSError, UnicodeError) as error:
        for path in {*state.logs.glob("*"), *state.logs.glob(".*")} - there:
            path.unlink(missing_ok=True)
        for name, text in outcomes.items():
            state.restore_outcome(name, text)
        words = _own_words(str(error)) or _own_words(said.getvalue()) or type(error).__name__
        raise Refused(f"sbatch: {words}") from None
    new = [
        Submitted(job.name, handle.job_id, plan.number, time.time())
        for job, handle in zip(jobs, handles, strict=True)
    ]
    state.add(new)
    return new


def _task(state: State, plan: StoredPlan, job: Job) -> Task:
    config = plan.sweep.config
    processes = (config.processes or config.gpus) if job.parallel else 1
    return Task(
        state.folder,
        plan.number,
        job.name,
        plan.cwd,
        config.retries,
        max(1, processes),
        config.cpus,
        SAVING * config.grace,
    )


@contextmanager
def outside_any_job() -> Iterator[None]:
    """Takes the variables of the SLURM job that this process may be part of out of the way: a job
    submitted from it would take them for its own."""
    kept = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith(("SLURM_", "SUBMITIT_", "SBATCH_")) and name != "SLURM_CONF"
    }
    try:
        yield
    finally:
        os.environ.update(kept)
