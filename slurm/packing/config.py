"""The keys of a pack: where it is made, on the machine, and where it comes home."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from eval.running.config import check_device
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, maybe_empty, ranged

#: as ``python --version`` has it, without the last part
PYTHON = re.compile(r"3\.[0-9]{1,2}")
#: one part of ``fit=``, and what ``bench=`` is made of
PART = re.compile(r"([a-z][a-z_]*):([0-9]{1,6}(?:\.[0-9]{1,9})?)")
NAMES = re.compile(r"[a-z][a-z0-9_]*(,[a-z][a-z0-9_]*)*")
#: of the minutes of a visit, what is kept for packing up, and the most of it in seconds
KEPT, LONGEST = 0.1, 60.0


def minutes_of(fit: str) -> dict[str, float]:
    """Section -> minutes, of ``section:minutes`` parts between commas. Raises ``UserError``."""
    found: dict[str, float] = {}
    for part in fit.split(",") if fit else ():
        match = PART.fullmatch(part.strip())
        if match is None or not float(match[2]):
            raise UserError(
                f"fit={fit}: networks with minutes above 0, as diffusion:7,classifier:1"
            )
        if match[1] in found:
            raise UserError(f"fit={fit}: {match[1]} is named twice")
        found[match[1]] = float(match[2])
    return found


def check_plan(fit: str, bench: str) -> None:
    """Raises ``UserError`` for what is no plan of a visit."""
    minutes_of(fit)
    if bench and not NAMES.fullmatch(bench):
        raise UserError(f"bench={bench}: names of methods between commas, or all")


@dataclass(frozen=True)
class PackConfig(Checked):
    """A pack that is to be made."""

    #: folder of the pack, which is not there yet
    out: str | None = None
    #: Python of the machine, as 3.12; null: that of this process
    python: str | None = None
    #: what run.sh takes where it is not told minutes=
    minutes: float = ranged(10.0, above=0, most=1e6, unit="minutes")
    #: what run.sh takes where it is not told fit= and bench=
    fit: str = maybe_empty("")
    bench: str = maybe_empty("")
    #: networks that are trained already travel too; false: they are trained there anew
    trained: bool = True
    #: the most that the whole pack may weigh
    limit: float = ranged(40.0, above=0, most=1e6, unit="MiB")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.python is not None and not PYTHON.fullmatch(self.python):
            raise UserError(f"python={self.python}: a version of Python as 3.12")
        check_plan(self.fit, self.bench)


@dataclass(frozen=True)
class MachineConfig(Checked):
    """What ``run.sh`` is told."""

    #: minutes of the whole call; what is not done by then is left out and can go on
    minutes: float = ranged(10.0, above=0, most=1e6, unit="minutes")
    #: networks, by their sections, and the minutes that the training of each may take, as
    #: diffusion:7,classifier:1: their pace is measured first, and those that could not end in time
    #: are trained for fewer steps, as many as fit; later visits keep to these. Empty: for the steps
    #: of the pack, as far as the time allows
    fit: str = maybe_empty("")
    #: methods whose speed is measured in the time that is left in the end, as eval.bench does; all:
    #: every one of the tasks packed; empty: none
    bench: str = maybe_empty("")
    #: networks and cells that are made at a time, each by a process of its own: a small network
    #: leaves most of a card idle
    jobs: int = ranged(1, least=1, most=1024)
    #: one of them alone, a network by its key or a cell as task/method; nothing is packed up
    only: str = maybe_empty("")
    #: folder of what goes home; null: back/ in the pack
    back: str | None = None
    #: networks that go home whole: those that judge, all (and what training has saved), or none
    weights: Literal["judge", "all", "none"] = "judge"
    #: the largest file that goes home
    part: float = ranged(16.0, above=0, most=1e6, unit="MiB")
    #: the most that goes home; networks that would be beyond it stay
    most: float = ranged(128.0, above=0, most=1e6, unit="MiB")
    #: auto (a GPU where there is one), cpu, cuda, cuda:1, ...
    device: str = "auto"
    #: samples decoded at once; 0: as the pack says. Changes the speed and never a sample
    batch: int = ranged(0, least=0, most=10**6)
    #: CPU threads; 0 leaves torch's choice, or with jobs= gives each process its share
    threads: int = ranged(0, least=0, most=1024)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_device(self.device)
        check_plan(self.fit, self.bench)


@dataclass(frozen=True)
class UnpackConfig(Checked):
    """What becomes of what came back."""

    #: judge the cells that are complete and print the table; false: only take home
    judge: bool = True
