"""What SLURM runs: a small process that starts the worker, passes signals on and tells how it went.

The worker is a process of its own for three reasons: it can stop at a step of its own choosing
while this one waits for it, it can be killed and started again without losing the allocation, and
a data-parallel training is several of them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from slurm.version import ROOT

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

#: exit code of a worker that stopped as asked (tasks.common.lease.AGAIN, slow to import)
AGAIN = 75
#: exit code of a mistake that no repetition mends (eval.run.USAGE_ERROR)
MISTAKE = 2
#: seconds between looks at a worker, and between reminders to one that is to stop
POLL, REMIND = 0.1, 1.0


class Worker:
    """The processes of one job: one, or several that train data-parallel."""

    def __init__(
        self,
        folder: Path,
        plan: int,
        name: str,
        cwd: str,
        processes: int = 1,
        *,
        environment: Mapping[str, str] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        command = [sys.executable, "-u", "-m", "slurm.worker", str(folder), str(plan), name]
        base = {**os.environ, **(environment or {})}
        base["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [base.get("PYTHONPATH")])])
        groups = _ranks(processes) if processes > 1 else [{}]
        self.parts = [
            subprocess.Popen(
                command,
                cwd=cwd,
                env=base | group,
                stdout=log,
                stderr=subprocess.STDOUT if log else None,
                preexec_fn=_before_worker,
            )
            for group in groups
        ]

    def poll(self) -> int | None:
        """The exit code once every process has ended, 0 if all succeeded. Where one fails, the
        others are ended."""
        codes = [part.poll() for part in self.parts]
        bad = [code for code in codes if code]
        if bad and None in codes and AGAIN not in bad:
            self.signal(signal.SIGKILL)
        if None in codes:
            return None
        return next((code for code in bad if code != -signal.SIGKILL), bad[0]) if bad else 0

    def wait(self) -> int:
        """The exit code, as soon as there is one."""
        while (code := self.poll()) is None:
            time.sleep(POLL)
        return code

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to every process that has not ended."""
        for part in self.parts:
            if not _ended(part.pid):
                os.kill(part.pid, number)

    def stop(self, patience: float) -> None:
        """Asks the worker to save and stop, and waits up to ``patience`` seconds until it has.
        Called from a signal handler: nothing here takes a lock that the interrupted code holds."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and not all(_ended(part.pid) for part in self.parts):
            # again and again: a worker that is still starting ignores it
            self.signal(signal.SIGUSR2)
            time.sleep(REMIND)


@dataclass(frozen=True)
class Task:
    """What submitit calls on the node. ``retries``: how often a worker that was killed is started
    again in the same allocation; ``patience``: seconds that it has to save and stop."""

    folder: Path
    plan: int
    name: str
    cwd: str
    retries: int
    processes: int
    cpus: int
    patience: float

    def __call__(self) -> str:
        """Runs the worker to its end. Raises ``RuntimeError`` if it did not succeed."""
        # the allocation's cores, unless whoever runs this has chosen
        threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(self.cpus)}
        for attempt in range(1, self.retries + 2):
            worker = _RUNNING[self.name] = Worker(
                self.folder,
                self.plan,
                self.name,
                self.cwd,
                self.processes,
                environment=threads,
            )
            code = worker.wait()
            if code >= 0:
                break
            print(f"{self.name} was killed by signal {-code}, attempt {attempt}", flush=True)
        if code == 0:
            return "done"
        if code == AGAIN:
            raise RuntimeError(f"{self.name} was asked to stop, and stored what it had")
        ending = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise RuntimeError(f"{self.name} failed with {ending}: the lines above say why")

    def checkpoint(self) -> DelayedSubmission:
        """Called by submitit on SLURM's signal: lets the worker save and stop, then requeues."""
        from submitit.helpers import DelayedSubmission

        if self.name in _RUNNING:
            _RUNNING[self.name].stop(self.patience)
        return DelayedSubmission(self)


#: the worker of this process, by job name: a Task itself is stored and sent
_RUNNING: dict[str, Worker] = {}


def _ranks(processes: int) -> list[dict[str, str]]:
    """What accelerate reads in each process of one training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [shared | {"RANK": str(i), "LOCAL_RANK": str(i)} for i in range(processes)]


def _ended(pid: int) -> bool:
    """Whether a child has ended, without reaping it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _before_worker() -> None:
    """In the worker, before it is a Python program: signals that mean "save and stop" wait until it
    knows them, and the death of its supervisor is its own."""
    for one in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
