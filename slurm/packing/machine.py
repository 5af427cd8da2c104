"""What a pack does on the machine: it trains and samples one cell after another until the clock
says stop, and puts what is to go home into ``back/``."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.run import guarded, stopping
from eval.running.options import options
from slurm.packing.config import MachineConfig
from slurm.packing.contents import CONTROLS, HERE, Pack, arguments, given, read_pack
from slurm.packing.parcel import BACK, MIB, NETWORKS, PROVENANCE, RESULTS, STORE, write_parcel
from slurm.packing.start import MANIFEST, WORK
from slurm.version import code_digest
from tasks.common import stop
from tasks.common.errors import UserError
from tasks.common.files import json_text, write_text

if TYPE_CHECKING:
    from eval.running.runner import Job, Run
    from tasks.common.recipe import Recipe

USAGE = """\
usage: sh run.sh key=value ...

Trains and samples what the pack says, and puts what is to go home into back/. What is not done in
time is left out; the same command goes on with it.

  sh run.sh minutes=9 device=cuda
"""
#: when the call began, in seconds since 1970, as run.sh notes it
BEGAN = "PACK_BEGAN"
#: of the minutes, what is kept for packing up, and the most of it in seconds
KEPT, LONGEST = 0.1, 60.0
#: of a network that stays: files up to this size tell of it
SMALL = MIB
WEIGHTS = ".safetensors"


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
    visit = Visit(place, pack, config, opened(place, pack, config))
    with stopping(max(until, 1.0) / 60):
        try:
            visit.work()
        except stop.Stopped:
            print("the time is over: packing up what is there", flush=True)
    visit.pack_up(weights=True)
    visit.tell()


def opened(place: Path, pack: Pack, config: MachineConfig) -> Run:
    """The run of a pack, all of whose files lie under ``place``."""
    import warnings

    import torch

    from eval.running.command import parse
    from eval.running.display import Display
    from eval.running.runner import Run

    warnings.filterwarnings("ignore", category=UserWarning, module=r"torch(_struct)?\.")
    if config.threads:
        torch.set_num_threads(config.threads)
    work = place / WORK
    more: dict[str, object] = {"device": config.device, "threads": config.threads}
    more |= {"out": work / RESULTS, "store": work / STORE, "prebuilt": ""}
    if (work / CONTROLS).exists():
        more["controls"] = work / CONTROLS
    if config.batch:
        more["batch"] = config.batch
    typed = arguments(pack, [*HERE, *more], **more)
    run = Run(parse(typed), Display(), ["sh", "run.sh"], given(pack))
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


@dataclass
class Visit:
    """One call of ``run.sh``. ``failed``: cell or network -> why."""

    place: Path
    pack: Pack
    config: MachineConfig
    run: Run
    failed: dict[str, str] = field(default_factory=dict)
    stayed: list[str] = field(default_factory=list)

    def work(self) -> None:
        """Every cell, its networks just before it, then the networks that judge. One that fails is
        passed over with all that needs it. Raises ``Stopped`` when it is asked to."""
        wanted = [self.run.plan.role(role) for role in self.pack["teachers"]]
        for job in self.run.cells:
            if self._built(list(job.recipes.values())):
                self._attempt(cell(job), partial(self._sample, job))
                self.pack_up()
        self._built(wanted)

    def _built(self, recipes: Sequence[Recipe]) -> bool:
        """Whether these are there now, each that was missing having been tried once."""
        for recipe in self.run.store.missing(recipes):
            if recipe.key in self.failed or not all(map(self._there, recipe.deps.values())):
                return False
            if not self._attempt(recipe.key, partial(self.run.build, [recipe])):
                return False
            self.pack_up()
        return True

    def _there(self, recipe: Recipe) -> bool:
        return self.run.store.find(recipe.key) is not None

    def _attempt(self, name: str, work: Callable[[], None]) -> bool:
        stop.check()
        try:
            work()
        except stop.Stopped:
            raise
        except UserError as error:
            self.failed[name] = str(error)
        except Exception as error:
            traceback.print_exc()
            self.failed[name] = " ".join(f"{type(error).__name__}: {error}".split())
        if name in self.failed:
            print(f"{name} failed, and the rest goes on: {self.failed[name]}", flush=True)
        return name not in self.failed

    def _sample(self, job: Job) -> None:
        from eval.running.cells import Shard

        # one shard of all targets: judges, which are elsewhere, are not asked
        stage = self.run.generation(job, Shard(0, 1))
        try:
            if not stage.done():
                self.run.perform(stage)
        finally:
            self.run.arrange(job)

    def missing(self) -> dict[str, str]:
        """Cell or network -> how far it came, or why it failed."""
        found = dict[str, str]()
        for job in self.run.cells:
            targets = self.run.lists.stored(job.task)
            left = len(self.run.missing(job))
            if left:
                found[cell(job)] = f"{len(targets) - left} of {len(targets)} targets in time"
        for key in self.pack["trained"]:
            if self.run.store.find(key) is None:
                found[key] = "not trained in time"
        return found | self.failed

    def pack_up(self, weights: bool = False) -> None:
        """What goes home, so far; ``weights``: with those networks that are to."""
        work = self.place / WORK
        provenance = json_text(self.run.provenance, indent=1)
        write_text(work / PROVENANCE, provenance)
        files = {MANIFEST: self.place / MANIFEST, PROVENANCE: work / PROVENANCE}
        files |= {f"{RESULTS}/{name}": path for name, path in _plain(work / RESULTS)}
        for folder in self._networks():
            for name, path in _plain(folder):
                if path.suffix != WEIGHTS and path.stat().st_size <= SMALL:
                    files[f"{NETWORKS}/{folder.name}/{name}"] = path
        if weights:
            files |= self._whole(sum(path.stat().st_size for path in files.values()))
        write_parcel(
            Path(self.config.back or self.place / BACK),
            files,
            max(1, int(self.config.part * MIB)),
            self.place / MANIFEST,
            missing=self.missing(),
            stayed=self.stayed,
        )

    def _networks(self) -> list[Path]:
        """The folders of what was trained here, unfinished ones among them."""
        from eval.running.store import BUILDING

        root = self.place / WORK / STORE
        both = [root / f"{mark}{key}" for key in self.pack["trained"] for mark in ("", BUILDING)]
        return [folder for folder in both if folder.is_dir()]

    def _whole(self, size: int) -> dict[str, Path]:
        """The files of the networks that go home whole, judges first, as far as they fit."""
        from eval.running.store import BUILDING

        judges = {self.run.plan.role(role).key for role in self.pack["teachers"]}
        wanted = {"none": set[str](), "judge": judges, "all": set(self.pack["trained"])}
        files: dict[str, Path] = {}
        self.stayed = []
        for folder in sorted(self._networks(), key=lambda one: one.name not in judges):
            key = folder.name.removeprefix(BUILDING)
            inside = dict(_plain(folder)) if key in wanted[self.config.weights] else {}
            weight = sum(path.stat().st_size for path in inside.values())
            if size + weight > self.config.most * MIB:
                self.stayed.append(key)
                continue
            size += weight
            files |= {f"{STORE}/{folder.name}/{name}": path for name, path in inside.items()}
        return files

    def tell(self) -> None:
        """What is done, what is not, and where it lies."""
        missing = self.missing()
        for name, why in missing.items():
            print(f"missing {name}: {why}")
        for key in self.stayed:
            print(f"stays here: {key}, with which more than most={self.config.most:g} MiB would go")
        back = Path(self.config.back or self.place / BACK)
        parts = [path for path in back.glob("back*") if path.is_file()]
        size = sum(path.stat().st_size for path in parts) / MIB
        print(f"{'incomplete' if missing else 'complete'}: bring home {back}/", end="")
        print(f" ({len(parts)} files, {size:.1f} MiB)", flush=True)


def cell(job: Job) -> str:
    return f"{job.task}/{job.method}" if job.task else job.method


def _plain(folder: Path) -> list[tuple[str, Path]]:
    """The files of a folder by their names in it, hidden ones and halves of some left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and path.suffix != ".part" and not any(p[0] == "." for p in name.parts):
            found.append((str(name), path))
    return found
