"""The same plan on one machine: processes with a bound on how many at once, or none at all."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from slurm.plan import Job
from slurm.state import State, StoredPlan
from slurm.supervise import AGAIN, MISTAKE, POLL, Worker
from tasks.common.stop import Stopped

Say = Callable[[str], None]


class Scheduler:
    """Starts each job when what it needs is done. A failed job is tried again up to ``retries``
    times; then what needs it is left out, and everything else goes on."""

    def __init__(self, plan: StoredPlan, say: Say) -> None:
        self.plan, self.say = plan, say
        self.waiting = {job.name: job for job in plan.jobs if not job.done}
        self.failed: set[str] = set()
        self.attempts: dict[str, int] = {}
        self.running: set[str] = set()

    def ready(self) -> list[Job]:
        """Jobs that may start now. Those that never can are given up."""
        for name, job in list(self.waiting.items()):
            if job.stage != "finish" and self.failed & set(job.needs):
                del self.waiting[name]
                self.failed.add(name)
        blocked = self.waiting.keys() | self.running
        return [job for job in self.waiting.values() if not blocked & set(job.needs)]

    def start(self, job: Job) -> None:
        del self.waiting[job.name]
        self.running.add(job.name)
        self.say(f"start  {job.name}  ({job.title})")

    def end(self, job: Job, code: int) -> None:
        self.running.discard(job.name)
        self.attempts[job.name] = self.attempts.get(job.name, 0) + 1
        if code == 0:
            self.say(f"done   {job.name}")
        elif code != MISTAKE and self.attempts[job.name] <= self.plan.sweep.config.retries:
            self.say(f"again  {job.name}  (exit code {code})")
            self.waiting[job.name] = job
        else:
            self.say(f"failed {job.name}  (exit code {code})")
            self.failed.add(job.name)


def run_local(state: State, plan: StoredPlan, say: Say) -> bool:
    """Runs the plan in processes of their own, ``max_parallel`` at once; returns whether every job
    succeeded. On SIGINT or SIGTERM they save and stop, and ``Stopped`` is raised."""
    config, schedule = plan.sweep.config, Scheduler(plan, say)
    workers: dict[str, tuple[Job, Worker, int]] = {}
    state.logs.mkdir(parents=True, exist_ok=True)
    state.write_process("", os.getpid(), plan.number)
    devices = _devices() if config.gpus else []
    threads = threads_each(config.cpus, config.max_parallel)
    with _interrupts() as interrupted:
        while True:
            for name, (job, worker, _) in list(workers.items()):
                if (code := worker.poll()) is not None:
                    del workers[name]
                    schedule.end(job, code)
            if interrupted():
                for _, worker, _ in workers.values():
                    worker.stop(config.grace)
                raise Stopped
            free = [
                i for i in range(config.max_parallel) if i not in {w[2] for w in workers.values()}
            ]
            for job, slot in zip(schedule.ready(), free, strict=False):
                schedule.start(job)
                state.clear_outcome(job.name)
                environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
                processes = config.processes or (config.gpus if devices else 1)
                processes = max(1, processes) if job.parallel else 1
                if devices and processes == 1:
                    environment["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
                with open(log_path(state, job.name), "ab") as log:
                    worker = Worker(
                        state.folder,
                        plan.number,
                        job.name,
                        plan.cwd,
                        processes,
                        environment=environment,
                        log=log,
                    )
                state.write_process(job.name, worker.parts[0].pid, plan.number)
                workers[job.name] = job, worker, slot
            if not workers:
                return not schedule.failed
            time.sleep(POLL)


def run_here(state: State, plan: StoredPlan, say: Say) -> bool:
    """Runs the plan in this process, one job after another."""
    from slurm.worker import main

    schedule = Scheduler(plan, say)
    state.write_process("", os.getpid(), plan.number)
    while ready := schedule.ready():
        job = ready[0]
        schedule.start(job)
        state.clear_outcome(job.name)
        state.write_process(job.name, os.getpid(), plan.number)
        code = main([str(state.folder), str(plan.number), job.name])
        if code == AGAIN:
            raise Stopped
        schedule.end(job, code)
    return not schedule.failed


def log_path(state: State, name: str) -> str:
    """Where a job that runs on this machine prints."""
    return str(state.logs / f"{name.replace('/', '.')}.log")


def threads_each(wanted: int, at_once: int) -> int:
    """Threads of a job, of which ``at_once`` share this machine: more threads than cores make
    every job slower."""
    known = hasattr(os, "sched_getaffinity")  # not on every system
    cores = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    return max(1, min(wanted, cores // at_once))


def _devices() -> list[str]:
    """The GPUs that this process may use, one for each worker in turn."""
    import torch

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",") if given else [str(i) for i in range(torch.cuda.device_count())]


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came; until the end of the block they do nothing else."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = {one: signal.signal(one, note) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
