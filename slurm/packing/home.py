"""Taking home what came back of a pack: samples into a result set, networks into the store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.running.cells import CONFIG, SAMPLES, TARGETS, TIMING, Cell, read_config
from eval.running.store import BUILDING, verify
from eval.running.values import shown
from slurm.packing.contents import Pack, arguments, read_pack
from slurm.packing.fitting import check_chosen
from slurm.packing.parcel import (
    NETWORKS,
    PARCEL,
    PROVENANCE,
    RESULTS,
    STORE,
    Parcel,
    opened,
    read_parcel,
)
from slurm.packing.start import MANIFEST
from slurm.packing.visit import cell
from slurm.version import code_digest
from tasks.common.errors import UserError
from tasks.common.files import file_digest
from tasks.common.lease import hold
from tasks.common.names import is_key
from tasks.common.schema import read_json

if TYPE_CHECKING:
    from eval.running.runner import Job, Run

#: in the result set: provenance and curves of the machine
FROM = "machine"
#: of a parcel's samples in a cell, until they are arranged
BROUGHT = "brought"
#: keys of ``eval.run`` that were of the making of the pack alone
MAKING = ("overwrite", "stop_after")


@dataclass(frozen=True)
class Brought:
    """A run here with what came back in its result set."""

    run: Run
    parcel: Parcel
    networks: Path


def take_home(folder: Path, given: Mapping[str, str]) -> Brought:
    """Puts a parcel into the result set and the store of the run that was packed, ``given`` being
    other values of keys of ``eval.run``. What is there already stays, and grows by what is new.
    Raises ``UserError`` for a parcel that is not whole, is of another pack than it says, or does
    not fit what is stored; then nothing is written."""
    back, parcel = read_parcel(folder)
    with opened(back, parcel) as content:
        pack = read_pack(content / MANIFEST)
        if file_digest(content / MANIFEST) != parcel["of"]:
            raise UserError(f"{back} is damaged: its files are of another pack")
        settings = check_chosen(parcel.get("settings", {}), back / PARCEL)
        run = here(pack, {**settings, **given})
        run.provenance = read_json(content / PROVENANCE, dict[str, Any])
        if pack["code"] != code_digest():
            run.display.say("note: the program has changed since the pack was made")
        cells = {job.cell.folder: job for job in run.cells}
        pairs = _pairs(run, content / RESULTS)
        run.check()
        _networks(run, content / STORE)
        _copied(content / NETWORKS, run.folder / FROM)
        _copied(content / PROVENANCE, run.folder / FROM / PROVENANCE)
        for mine, brought in pairs:
            _merge(run, mine, brought, cells.get(mine.folder))
    return Brought(run, parcel, run.folder / FROM)


def here(pack: Pack, given: Mapping[str, str]) -> Run:
    """The run of a pack in this place."""
    from eval.running.command import parse
    from eval.running.display import Display
    from eval.running.runner import Run

    typed = arguments(pack, MAKING, **given)
    return Run(parse(typed), Display(), ["python", "-m", "slurm.unpack"])


def _pairs(run: Run, results: Path) -> list[tuple[Cell, Path]]:
    """The run's cells, and the folders that came for them. Raises ``UserError`` for one that was
    made otherwise than this run would."""
    pairs = []
    for mine in run.stored:
        brought = results / mine.folder.relative_to(run.folder)
        if not read_config(brought / CONFIG):
            continue
        other = Cell(brought, mine.identity).other
        if other is not None:
            raise UserError(f"what came back for {mine.folder} has another {other}")
        pairs.append((mine, brought))
    return pairs


def _merge(run: Run, mine: Cell, brought: Path, job: Job | None) -> None:
    """What came for a cell, beside what it has; ``job``: None for a list of targets."""
    more = {k: v for k, v in read_config(brought / CONFIG).items() if k != "identity"}
    with hold(mine.folder / ".lock"):
        if job is None:
            if not (mine.folder / TARGETS).exists():
                mine.write_config(**more)
                _copied(brought / TARGETS, mine.folder / TARGETS)
            return
        if not mine.config().get("judges"):
            mine.write_config(**more)
        for name in (TIMING, SAMPLES):
            _copied(brought / name, mine.shards / BROUGHT / name)
        mine.arrange(run.lists.stored(job.task))


def _networks(run: Run, store: Path) -> None:
    """Networks that came whole, and what training had saved of others, into the store. Raises
    ``UserError`` for one that is damaged."""
    for folder in sorted(store.iterdir()) if store.is_dir() else ():
        key = folder.name.removeprefix(BUILDING)
        target = run.store.root / folder.name
        if not is_key(key) or target.exists() or run.store.find(key):
            continue
        if key == folder.name:
            verify(folder)
        part = run.store.root / f".brought-{key}"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder, part)
        os.replace(part, target)


def _copied(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(source, part)
        os.replace(part, target)


def judge_all(brought: Brought) -> None:
    """Judges the cells that are complete and prints the tables; of the others these say how far
    they came. Raises ``UserError`` where one network would judge what it wrote."""
    from eval.run import report, write_summary
    from slurm.worker import judge

    run, missing = brought.run, brought.parcel["missing"]
    complete = [job for job in run.cells if not run.missing(job)]
    for job in run.jobs:
        if job not in complete and job.task:
            why = missing.get(cell(job), "not sampled in time")
            run.refused[job.task, job.method] = f"n/a: {shown(why)}"
    floor = run.floor
    if floor is not None and floor not in complete:
        run.display.say(f"nothing is judged: {cell(floor)}, which stands beside all, is incomplete")
        complete = []
    with hold(run.folder / ".lock"):
        run.build(run.judges.needs if complete else [])
        for job in complete:
            _guard(brought, job)
        judge(run, complete)
        write_summary(run)
        report(run, run.display.console)


def _guard(brought: Brought, job: Job) -> None:
    """As :meth:`Run.guard`, by the digests of networks that did not come themselves."""
    run = brought.run
    folders: dict[str, Path] = {}
    for role, recipe in job.recipes.items():
        folder = run.store.find(recipe.key) or brought.networks / recipe.key
        if folder.is_dir():
            folders[role] = folder
    run.judges.guard(folders)


def parts(given: Sequence[str]) -> tuple[str, list[str]]:
    """The folder and the keys of a command line. Raises ``UserError`` without a folder."""
    places = [one for one in given if "=" not in one]
    if not places or not places[0].strip():
        raise UserError("name the folder that came back (python -m slurm.unpack DIR)")
    if len(places) > 1:
        raise UserError(f"'{shown(places[1])}' says nothing here: one folder, then key=value")
    return places[0], [one for one in given if "=" in one]
