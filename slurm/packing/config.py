"""The keys of a pack: where it is made, on the machine, and where it comes home."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from eval.running.config import check_device
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged

#: as ``python --version`` has it, without the last part
PYTHON = re.compile(r"3\.[0-9]{1,2}")


@dataclass(frozen=True)
class PackConfig(Checked):
    """A pack that is to be made."""

    #: folder of the pack, which is not there yet
    out: str | None = None
    #: Python of the machine, as 3.12; null: that of this process
    python: str | None = None
    #: what run.sh takes where it is not told minutes=
    minutes: float = ranged(10.0, above=0, most=1e6, unit="minutes")
    #: networks that are trained already travel too; false: they are trained there anew
    trained: bool = True
    #: the most that the whole pack may weigh
    limit: float = ranged(40.0, above=0, most=1e6, unit="MiB")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.python is not None and not PYTHON.fullmatch(self.python):
            raise UserError(f"python={self.python}: a version of Python as 3.12")


@dataclass(frozen=True)
class MachineConfig(Checked):
    """What ``run.sh`` is told."""

    #: minutes of the whole call; what is not done by then is left out and can go on
    minutes: float = ranged(10.0, above=0, most=1e6, unit="minutes")
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
    #: CPU threads; 0 leaves torch's choice
    threads: int = ranged(0, least=0, most=1024)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_device(self.device)


@dataclass(frozen=True)
class UnpackConfig(Checked):
    """What becomes of what came back."""

    #: judge the cells that are complete and print the table; false: only take home
    judge: bool = True
