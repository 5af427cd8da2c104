"""What a pack does on the machine: it trains and samples one cell after another until the clock
says stop, and puts what is to go home into ``back/``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.run import guarded, stopping
from eval.running.command import parse
from eval.running.options import options
from slurm.packing.beside import SideBySide
from slurm.packing.config import KEPT, LONGEST, MachineConfig
from slurm.packing.contents import CONTROLS, HERE, Pack, arguments, given, read_pack
from slurm.packing.fitting import check_sections, chosen
from slurm.packing.parcel import RESULTS, STORE
from slurm.packing.speed import BENCH, EVERY, benched, complete, measure
from slurm.packing.start import MANIFEST, WORK
from slurm.packing.visit import Visit
from slurm.version import code_digest
from tasks.common import stop
from tasks.common.errors import UserError

if TYPE_CHECKING:
    from eval.running.runner import Run

USAGE = """\
usage: sh run.sh key=value ...

Trains and samples what the pack says, and puts what is to go home into back/. What is not done in
time is left out; the same command goes on with it.

  sh run.sh minutes=9 device=cuda
"""
#: when the call began, in seconds since 1970, as run.sh notes it
BEGAN = "PACK_BEGAN"


def main(given: Sequence[str]) -> int:
    """``given``: the folder of the pack, then keys."""
    return guarded(_main, given)


def _main(given: Sequence[str]) -> None:
    place = Path(given[0]).resolve()
    config = options(MachineConfig, given[1:], USAGE)
    if config is None:
        return
    pack = read_pack(place / MANIFEST)
    if pack["code"] != code_digest():
        raise UserError(f"{place} is of another version of this program ({pack['version']})")
    began = float(os.environ.get(BEGAN) or time.time())
    seconds = 60 * config.minutes
    until = began + seconds - min(LONGEST, KEPT * seconds) - time.time()
    plain = parse(typed(place, pack, config))
    check_sections(plain, config.fit)
    speed = benched(typed(place, pack, config), config.bench)
    settings: Mapping[str, str] = {}
    visit = None
    with stopping(max(until, 1.0) / 60):
        try:
            settings = chosen(place / WORK, plain, config.fit, partial(print, flush=True))
            visit = Visit(place, pack, config, opened(place, pack, config, settings), settings)
            if config.only:
                visit.alone(config.only)
                return
            if config.jobs > 1:
                SideBySide(visit, config, given[1:]).work()
            else:
                visit.work()
            if speed is not None and not complete(place / WORK / BENCH):
                every = config.bench == EVERY
                visit.attempt("bench", partial(measure, speed, place / WORK / BENCH, every))
        except stop.Stopped:
            if config.only:
                return
            print("the time is over: packing up what is there", flush=True)
    if visit is None:  # not even the pace of a training was measured
        visit = Visit(place, pack, config, opened(place, pack, config, settings), settings)
    visit.pack_up(weights=True)
    visit.tell()


def typed(place: Path, pack: Pack, config: MachineConfig, **settings: object) -> list[str]:
    """The keys of ``eval.run`` of a pack whose files lie under ``place``."""
    work = place / WORK
    more: dict[str, object] = {"device": config.device, "threads": config.threads}
    more |= {"out": work / RESULTS, "store": work / STORE, "prebuilt": ""}
    if (work / CONTROLS).exists():
        more["controls"] = work / CONTROLS
    if config.batch:
        more["batch"] = config.batch
    more |= settings
    return arguments(pack, [*HERE, *more], **more)


def opened(place: Path, pack: Pack, config: MachineConfig, settings: Mapping[str, str]) -> Run:
    """The run of a pack, all of whose files lie under ``place``, with the ``settings`` of trainings
    that were chosen there."""
    import warnings

    import torch

    from eval.running.display import Display
    from eval.running.runner import Run

    warnings.filterwarnings("ignore", category=UserWarning, module=r"torch(_struct)?\.")
    if config.threads:
        torch.set_num_threads(config.threads)
    run_config = parse(typed(place, pack, config, **settings))
    run = Run(run_config, Display(), ["sh", "run.sh"], given(pack))
    run.provenance["commit"] = pack["commit"]
    run.provenance["packages"]["control-bench"] = pack["version"]
    run.provenance["device"] = described(run.plan.device)
    return run


def described(device: Any) -> str:
    """The name of a card, or what kind of device it is."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(device.type)
