"""The pieces of a visit side by side, each network and each cell in a process of its own: the
kernels of a small network take less time than launching them does, and most of a card is idle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.packing.config import LONGEST, MachineConfig
from slurm.packing.start import WORK
from slurm.packing.visit import cell
from tasks.common import stop

if TYPE_CHECKING:
    from slurm.packing.visit import Visit
    from tasks.common.recipe import Recipe

#: in ``work/``: what each process said
LOGS = "logs"
#: seconds between looks at what has ended
PAUSE = 0.2
#: keys that are the whole visit's and no piece's
WHOLE = ("jobs", "fit", "bench", "threads", "only")
CODE = "import sys; from slurm.packing.machine import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True)
class Piece:
    """A network, by its key, or a cell as task/method. ``needs``: the artefacts that have to be
    there before it."""

    name: str
    needs: tuple[str, ...]


def pieces(visit: Visit) -> list[Piece]:
    """What is not there yet, in the order in which one process would make it."""
    found: dict[str, Piece] = {}

    def networks(recipes: Sequence[Recipe]) -> None:
        for one in visit.run.store.missing(recipes):
            found.setdefault(one.key, Piece(one.key, _keys(list(one.deps.values()))))

    for job in visit.run.cells:
        recipes = list(job.recipes.values())
        networks(recipes)
        if visit.run.missing(job):
            found[cell(job)] = Piece(cell(job), _keys(recipes))
    networks(visit.judges())
    return list(found.values())


def _keys(recipes: Sequence[Recipe]) -> tuple[str, ...]:
    return tuple(one.key for one in recipes)


@dataclass
class SideBySide:
    """Up to ``config.jobs`` pieces at a time. ``given``: the keys of the visit, as typed."""

    visit: Visit
    config: MachineConfig
    given: Sequence[str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def work(self) -> None:
        """Every piece that what it needs is there for. Raises ``Stopped`` when it is asked to, once
        the processes have saved what they have."""
        waiting = pieces(self.visit)
        try:
            while waiting or self.running:
                stop.check()
                waiting = self._started(waiting)
                time.sleep(PAUSE)
                self._ended()
        finally:
            self._end()

    def _started(self, waiting: Sequence[Piece]) -> list[Piece]:
        """Starts those that can; the others that are not lost."""
        due = {piece.name for piece in waiting} | set(self.running)
        left = []
        for piece in waiting:
            if any(need in due for need in piece.needs) or len(self.running) >= self.config.jobs:
                left.append(piece)
            elif all(self.visit.run.store.find(need) is not None for need in piece.needs):
                self._start(piece.name)
        return left

    def _start(self, name: str) -> None:
        path = self._log(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        threads = self.config.threads or max(1, (os.cpu_count() or 1) // self.config.jobs)
        kept = [one for one in self.given if one.partition("=")[0] not in WHOLE]
        command = [sys.executable, "-c", CODE, str(self.visit.place), *kept]
        with open(path, "ab") as log:
            self.running[name] = subprocess.Popen(
                [*command, f"threads={threads}", f"only={name}"], stdout=log, stderr=log
            )
        print(f"begun: {name}", flush=True)

    def _ended(self) -> None:
        """Takes note of processes that have come to their end, and packs up what they made."""
        for name, process in list(self.running.items()):
            if process.poll() is None:
                continue
            del self.running[name]
            if process.returncode:
                lines = self._log(name).read_text(errors="replace").split("\n")
                said = [line for line in lines if line.strip()]
                self.visit.failed[name] = said[-1].removeprefix("error: ") if said else "killed"
                print(f"{name} failed, and the rest goes on: {self.visit.failed[name]}", flush=True)
            else:
                print(f"ended: {name}", flush=True)
            self.visit.pack_up()

    def _end(self) -> None:
        """Asks what still runs to save what it has, and waits for it."""
        for process in self.running.values():
            process.terminate()
        until = time.monotonic() + LONGEST / 2
        for process in self.running.values():
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()

    def _log(self, name: str) -> Path:
        return self.visit.place / WORK / LOGS / f"{name.replace('/', '-')}.log"
