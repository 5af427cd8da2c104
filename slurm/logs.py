"""``python -m slurm.logs OUT [JOB]``: what a job printed, its last attempt at the end; without JOB,
the names of those that have logs.

  python -m slurm.logs results/SET
  python -m slurm.logs results/SET JOB
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from eval.run import guarded
from eval.running.options import explains
from slurm.local import log_path
from slurm.state import State
from slurm.status import find_state
from tasks.common.errors import unknown


def logs(state: State) -> dict[str, list[Path]]:
    """Job name -> its log files, oldest first. SLURM's are named after the job's number."""
    by_job: dict[str, list[Path]] = {}
    for plan in map(state.read_plan, state.numbers()):
        for job in plan.jobs:
            path = Path(log_path(state, job.name))
            if path.exists():
                by_job[job.name] = [path]
    for one in state.submitted():
        paths = [*state.logs.glob(f"{one.id}_log.out"), *state.logs.glob(f"{one.id}_*_log.out")]
        if paths:
            by_job.setdefault(one.name, []).extend(sorted(paths))
    return by_job


def main(given: Sequence[str]) -> None:
    if explains(given, __doc__):
        return
    state, rest = find_state(given, more=1)
    state.latest()
    by_job = logs(state)
    if not rest:
        print("\n".join(by_job) or "no job has printed anything yet")
        return
    if rest[0] not in by_job:
        raise unknown("job", rest[0], by_job)
    for path in by_job[rest[0]]:
        print(f"== {path}")
        print(path.read_text(encoding="utf-8", errors="replace"))


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
