"""A plan in words: its jobs, what each stage takes, the longest chain, the total."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from eval.running.display import duration

if TYPE_CHECKING:
    from slurm.config import Sweep
    from slurm.estimate import Estimate
    from slurm.plan import Job

#: memory to ask for, in units of what a job is expected to need, where it was not measured
ROOM = 1.5
#: jobs of the longest chain whose names stand in a line
SHOWN = 3
STAGES = {
    "artefact": "train and read",
    "generate": "generate",
    "gather": "judge",
    "finish": "finish",
}


def describe(jobs: Sequence[Job], sweep: Sweep) -> str:
    """Each job, what it waits for, how long it will take and who says so; then the summary."""
    todo = {job.name: job for job in jobs if not job.done}
    lines = [_line(job, todo) for job in jobs]
    return "\n".join([*lines, *summary(jobs, sweep)])


def _line(job: Job, todo: Mapping[str, Job]) -> str:
    if job.done:
        return f"- {job.name}  {job.title}  (done)"
    needs = [name for name in job.needs if name in todo]
    note = f"after {', '.join(needs[:SHOWN])}" if needs else "now"
    note += f" and {len(needs) - SHOWN} more" if len(needs) > SHOWN else ""
    return f"+ {job.name}  {job.title}  ({note}; {_estimate(job.estimate)})"


def _estimate(one: Estimate) -> str:
    if one.seconds is None:
        return "time unknown"
    low, high = duration(one.seconds / one.spread), duration(one.seconds * one.spread)
    return (
        f"about {duration(one.seconds)} ({low} to {high}), {one.method}: {one.source}; "
        f"{_memory(one)}, {one.device}"
    )


def _memory(one: Estimate) -> str:
    if one.memory is None:
        return "memory unknown"
    gpu = f" and {one.on_device:.1f} GiB of the GPU" if one.on_device else ""
    return f"{one.memory:.1f} GiB{' measured' if one.peak else ''}{gpu}"


def summary(jobs: Sequence[Job], sweep: Sweep) -> list[str]:
    """What each stage takes, the longest chain of jobs that wait for each other, and the total."""
    todo = [job for job in jobs if not job.done]
    config = sweep.config
    lines = [f"{len(todo)} jobs to run on {config.cluster}, {len(jobs) - len(todo)} done"]
    if not todo:
        return lines
    lines += _table(todo)
    path = longest(todo)
    names = [job.name for job in path]
    shown = " -> ".join([*names[:SHOWN], *(["..."] if len(names) > SHOWN + 1 else []), names[-1]])
    chain = sum(job.estimate.seconds or 0 for job in path)
    lines.append(f"critical path: {_span(path)}: {shown if len(names) > 1 else names[0]}")
    wall = makespan(todo, config.max_parallel)
    lines.append(
        f"total: {_span(todo)} of one device; with max_parallel={config.max_parallel} about "
        f"{duration(max(wall, chain))} of wall time"
    )
    lines += _limits(todo, sweep)
    lines.append(
        "measured: of the same work; scaled: from the nearest that was measured; analytic: its "
        "arithmetic on a stated device; taken: nothing is known. In brackets: where most lie."
    )
    return lines


def _span(jobs: Iterable[Job]) -> str:
    """The sum of the jobs' times, and its range if all were off the same way."""
    known = [job.estimate for job in jobs if job.estimate.seconds is not None]
    parts = [
        sum((e.seconds or 0) * e.spread**sign for e in known if e.seconds is not None)
        for sign in (0, -1, 1)
    ]
    return "{} ({} to {})".format(*map(duration, parts))


def _table(todo: Sequence[Job]) -> list[str]:
    """A line for each stage: jobs, time, the longest job, the most memory, devices, ways."""
    rows = [("stage", "jobs", "time of one device", "longest job", "most memory", "device", "how")]
    for stage, title in STAGES.items():
        jobs = [job for job in todo if job.stage == stage]
        if not jobs:
            continue
        first = max(jobs, key=lambda job: job.estimate.seconds or 0)
        largest = max(jobs, key=lambda job: job.estimate.memory or 0)
        ways: dict[str, int] = {}
        for job in jobs:
            ways[job.estimate.method] = ways.get(job.estimate.method, 0) + 1
        rows.append(
            (
                title,
                str(len(jobs)),
                _span(jobs),
                duration(first.estimate.seconds or 0),
                _memory(largest.estimate),
                ", ".join(sorted({job.estimate.device for job in jobs} - {""})),
                ", ".join(f"{n} {way}" for way, n in ways.items() if way),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _limits(todo: Sequence[Job], sweep: Sweep) -> list[str]:
    """What the memory and the time limit of jobs are to be, where the keys say too little."""
    config, lines = sweep.config, list[str]()
    largest = max(todo, key=lambda job: job.estimate.memory or 0)
    memory = largest.estimate.memory
    if config.cluster == "slurm" and config.mem is None and memory:
        asked = math.ceil(memory * (1.1 if largest.estimate.peak else ROOM))
        lines.append(
            f"mem is not set: mem={asked}GB would do ({largest.name} needs about {memory:.1f} GiB)"
        )
    slow = max(todo, key=lambda job: job.estimate.seconds or 0)
    if config.cluster == "slurm" and (slow.estimate.seconds or 0) > 60 * config.minutes:
        lines.append(
            f"minutes={config.minutes} is less than {slow.name} takes: it will be requeued, and "
            "goes on from its checkpoint"
        )
    return lines


def longest(todo: Sequence[Job]) -> list[Job]:
    """The chain of jobs, each of which waits for the one before it, that takes longest."""
    by_name = {job.name: job for job in todo}
    ends: dict[str, float] = {}
    before: dict[str, str] = {}
    for job in todo:  # dependencies come first
        needs = [name for name in job.needs if name in ends]
        if needs:
            before[job.name] = max(needs, key=ends.__getitem__)
        start = ends[before[job.name]] if needs else 0.0
        ends[job.name] = start + (job.estimate.seconds or 0)
    at = max(ends, key=ends.__getitem__)
    path = [at]
    while path[-1] in before:
        path.append(before[path[-1]])
    return [by_name[name] for name in reversed(path)]


def makespan(todo: Sequence[Job], width: int) -> float:
    """Seconds until the last job ends where ``width`` run at once, each as soon as what it needs
    has ended, in the order of the plan."""
    names = {job.name for job in todo}
    waiting, done = list(todo), set[str]()
    running: list[tuple[float, str]] = []
    now = 0.0
    while waiting or running:
        for job in list(waiting):
            if len(running) >= width:
                break
            if done.issuperset(name for name in job.needs if name in names):
                waiting.remove(job)
                heapq.heappush(running, (now + (job.estimate.seconds or 0), job.name))
        if not running:  # a circle, which no plan has
            break
        now, name = heapq.heappop(running)
        done.add(name)
    return now
