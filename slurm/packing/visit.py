"""One call of ``run.sh``: what is trained and sampled in it, and what of it goes home."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.packing.config import MachineConfig
from slurm.packing.contents import Pack, given
from slurm.packing.parcel import BACK, MIB, NETWORKS, PROVENANCE, RESULTS, STORE, write_parcel
from slurm.packing.speed import BENCH
from slurm.packing.start import MANIFEST, WORK
from tasks.common import stop
from tasks.common.errors import UserError, unknown
from tasks.common.files import json_text, write_text

if TYPE_CHECKING:
    from eval.running.runner import Job, Run
    from tasks.common.recipe import Recipe

#: of a network that stays: files up to this size tell of it
SMALL = MIB
WEIGHTS = ".safetensors"


@dataclass
class Visit:
    """One call of ``run.sh``. ``settings``: those that were chosen here; ``failed``: cell or
    network -> why."""

    place: Path
    pack: Pack
    config: MachineConfig
    run: Run
    settings: Mapping[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stayed: list[str] = field(default_factory=list)

    @cached_property
    def trained(self) -> list[str]:
        """What is trained here, by its key. Settings that were chosen here have other keys than the
        pack says."""
        found: dict[str, None] = {}
        brought = {*self.pack["carried"], *(one.key for one in given(self.pack).values())}

        def visit(recipe: Recipe) -> None:
            if recipe.key not in brought and recipe.key not in found:
                found[recipe.key] = None
                for dep in recipe.deps.values():
                    visit(dep)

        for job in self.run.cells:
            for recipe in job.recipes.values():
                visit(recipe)
        for recipe in self.judges():
            visit(recipe)
        return list(found)

    def work(self) -> None:
        """Every cell, its networks just before it, then the networks that judge. One that fails is
        passed over with all that needs it. Raises ``Stopped`` when it is asked to."""
        for job in self.run.cells:
            if self._built(list(job.recipes.values())):
                self.attempt(cell(job), partial(self._sample, job))
                self.pack_up()
        self._built(self.judges())

    def judges(self) -> list[Recipe]:
        """The networks that judge and are trained here."""
        return [self.run.plan.role(role) for role in self.pack["teachers"]]

    def alone(self, name: str) -> None:
        """A network by its key, or a cell as task/method, and nothing else. Raises ``UserError``
        where that fails or there is none of that name, ``Stopped`` when it is asked to."""
        jobs = {cell(job): job for job in self.run.cells}
        if name in jobs:
            self._sample(jobs[name])
            return
        recipes = [*self.judges(), *(one for job in jobs.values() for one in job.recipes.values())]
        known = {one.key: one for one in self.run.store.missing(recipes)}
        if name not in known and self.run.store.find(name) is None:
            raise unknown("network or cell", name, [*known, *jobs])
        self.run.build([known[name]] if name in known else [])

    def _built(self, recipes: Sequence[Recipe]) -> bool:
        """Whether these are there now, each that was missing having been tried once."""
        for recipe in self.run.store.missing(recipes):
            if recipe.key in self.failed or not all(map(self._there, recipe.deps.values())):
                return False
            if not self.attempt(recipe.key, partial(self.run.build, [recipe])):
                return False
            self.pack_up()
        return True

    def _there(self, recipe: Recipe) -> bool:
        return self.run.store.find(recipe.key) is not None

    def attempt(self, name: str, work: Callable[[], None]) -> bool:
        """Whether ``work`` came to its end; why it did not is noted under ``name``. Raises
        ``Stopped`` when it is asked to."""
        stop.check()
        try:
            work()
        except stop.Stopped:
            raise
        except UserError as error:
            self.failed[name] = str(error)
        except Exception as error:  # of a device or a library: the minutes left are for the rest
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
        for key in self.trained:
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
        if (work / BENCH).exists():
            files[f"{NETWORKS}/{BENCH}"] = work / BENCH
        if weights:
            files |= self._whole(sum(path.stat().st_size for path in files.values()))
        write_parcel(
            Path(self.config.back or self.place / BACK),
            files,
            max(1, int(self.config.part * MIB)),
            self.place / MANIFEST,
            missing=self.missing(),
            stayed=self.stayed,
            settings=dict(self.settings),
        )

    def _networks(self) -> list[Path]:
        """The folders of what was trained here, unfinished ones among them."""
        from eval.running.store import BUILDING

        root = self.place / WORK / STORE
        both = [root / f"{mark}{key}" for key in self.trained for mark in ("", BUILDING)]
        return [folder for folder in both if folder.is_dir()]

    def _whole(self, size: int) -> dict[str, Path]:
        """The files of the networks that go home whole, judges first, as far as they fit."""
        from eval.running.store import BUILDING

        judges = {one.key for one in self.judges()}
        wanted = {"none": set[str](), "judge": judges, "all": set(self.trained)}
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
