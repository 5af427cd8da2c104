"""A sweep on disk, under ``OUT/.sweep``: its plans, which jobs were submitted, how each ended.

``plan-N.json`` is written once for each submission and never changed. ``jobs.jsonl`` grows by one
line for each submitted job. ``outcome/NAME.json`` is what the last attempt of a job left: a job
that dies without a word leaves none, and what is done is always read from the results themselves.
Of a sweep on one machine ``process/NAME.json`` is the process that a job was last started in, and
``scheduler.json`` the one that starts them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.alive import written
from slurm.config import Sweep
from slurm.plan import Job
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.common.jsonl import append, mend, read

if TYPE_CHECKING:
    from pydantic import TypeAdapter

PLAN, JOBS, LOGS = "plan-{}.json", "jobs.jsonl", "logs"
#: what an outcome says
OUTCOME = {"state": str, "error": str, "seconds": int | float, "host": str, "id": str}


@dataclass(frozen=True)
class Submitted:
    """One job as it was handed to a cluster. ``id`` is SLURM's, with the array index."""

    name: str
    id: str
    plan: int
    time: float


@dataclass(frozen=True)
class StoredPlan:
    """What the jobs of one submission read. ``attempt`` counts submissions of one sweep that were
    made to try failed jobs again, from 0."""

    number: int
    sweep: Sweep
    jobs: tuple[Job, ...]
    code: str
    attempt: int
    cwd: str


class State:
    """The folder ``OUT/.sweep``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @property
    def lock(self) -> Path:
        return self.folder / ".lock"

    @property
    def logs(self) -> Path:
        return self.folder / LOGS

    def numbers(self) -> list[int]:
        """Of the plans, oldest first."""
        names = (path.stem.partition("-")[2] for path in self.folder.glob(PLAN.format("*")))
        return sorted(int(name) for name in names if name.isdecimal() and len(name) < 10)

    def write_plan(self, sweep: Sweep, jobs: Sequence[Job], code: str, attempt: int) -> StoredPlan:
        self.folder.mkdir(parents=True, exist_ok=True)
        number = max(self.numbers(), default=0) + 1
        plan = StoredPlan(number, sweep, tuple(jobs), code, attempt, os.getcwd())
        text = json.dumps(dataclasses.asdict(plan), indent=1, default=str)
        write_text(self.folder / PLAN.format(number), text)
        return plan

    def read_plan(self, number: int) -> StoredPlan:
        """Raises ``UserError`` if there is no such plan."""
        path = self.folder / PLAN.format(number)
        from pydantic import ValidationError

        try:
            plan = _schema().validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(f"cannot read the plan {path}: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(map(str, first["loc"]))
            raise UserError(f"cannot read the plan {path}: {at}: {first['msg']}") from None
        return dataclasses.replace(plan, sweep=dataclasses.replace(plan.sweep, folder=self.folder))

    def latest(self) -> StoredPlan:
        """Raises ``UserError`` if no sweep was ever started here."""
        numbers = self.numbers()
        if not numbers:
            raise UserError(
                f"{self.folder.parent} holds no sweep: name the result folder of one, as "
                "results/run-paper-e2e"
            )
        return self.read_plan(numbers[-1])

    def submitted(self) -> list[Submitted]:
        """Every job that was handed to a cluster, oldest first."""
        known = {part.name for part in dataclasses.fields(Submitted)}
        records = [record for record in read(self.folder / JOBS) if isinstance(record, dict)]
        return [Submitted(**record) for record in records if set(record) == known]

    def add(self, jobs: Sequence[Submitted]) -> None:
        """For the holder of :attr:`lock`."""
        mend(self.folder / JOBS)
        append(self.folder / JOBS, [dataclasses.asdict(job) for job in jobs])

    def _outcome(self, name: str) -> Path:
        return self.folder / "outcome" / f"{name.replace('/', '.')}.json"

    def outcome(self, name: str) -> dict[str, Any]:
        """How the last attempt of a job ended: ``state`` (done, failed, stopped), ``error``,
        ``seconds``, ``host``, ``id``; empty where none has ended in order."""
        try:
            outcome = json.loads(self._outcome(name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        whole = isinstance(outcome, dict) and all(
            isinstance(outcome.get(key), kind) for key, kind in OUTCOME.items()
        )
        return dict(outcome) if whole else {}

    def write_outcome(self, name: str, state: str, began: float, error: str = "") -> None:
        if os.environ.get("RANK", "0") != "0":  # the first of several processes tells for all
            return
        path = self._outcome(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {
            "name": name,
            "state": state,
            "error": error,
            "seconds": round(time.time() - began, 1),
            "ended": time.time(),
            "host": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
            "id": job_id(),
            "peak_gib": round(_peak(), 3),
        }
        write_text(path, json.dumps(record, indent=1))

    def write_process(self, name: str, pid: int, plan: int) -> None:
        """Notes which process a job runs in now; of no name, which one starts the jobs."""
        path = self._process(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({**written(pid), "plan": plan, "began": time.time()}))

    def process(self, name: str = "") -> dict[str, Any]:
        """What :meth:`write_process` noted last; empty where nothing was."""
        try:
            record = json.loads(self._process(name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return dict(record) if isinstance(record, dict) else {}

    def _process(self, name: str) -> Path:
        if not name:
            return self.folder / "scheduler.json"
        return self.folder / "process" / f"{name.replace('/', '.')}.json"

    def clear_outcome(self, name: str) -> None:
        self._outcome(name).unlink(missing_ok=True)

    def outcome_text(self, name: str) -> str | None:
        """The file of :meth:`outcome` as it stands; None without one."""
        try:
            return self._outcome(name).read_text(encoding="utf-8")
        except OSError:
            return None

    def restore_outcome(self, name: str, text: str | None) -> None:
        """Puts back what :meth:`outcome_text` gave."""
        if text is not None:
            write_text(self._outcome(name), text)

    def drop_plan(self, number: int) -> None:
        """Takes a plan back of which nothing was submitted."""
        (self.folder / PLAN.format(number)).unlink(missing_ok=True)


@functools.cache
def _schema() -> TypeAdapter[StoredPlan]:
    from pydantic import TypeAdapter

    return TypeAdapter(StoredPlan)


def _peak() -> float:
    """The most memory that this process has held so far, in GiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most) / (2**30 if sys.platform == "darwin" else 2**20)


def job_id() -> str:
    """SLURM's number of the job that this process runs in; empty outside of one."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array:
        return f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}"
    return os.environ.get("SLURM_JOB_ID", "")
