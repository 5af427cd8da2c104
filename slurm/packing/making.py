"""Making a pack: what is made here and travels, and what is left to be trained there."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baselines import METHODS
from eval.running.command import parse
from eval.running.config import RunConfig, refuse_repair
from eval.running.display import Display
from eval.running.judge import SUBWORDS
from eval.running.keys import as_dict
from eval.running.provenance import commit, packages
from eval.running.runner import Run
from eval.running.store import BUILDING
from slurm.packing import start
from slurm.packing.config import PackConfig
from slurm.packing.contents import CONTROLS
from slurm.packing.fitting import check_sections
from slurm.packing.parcel import MIB, RESULTS, STORE
from slurm.packing.speed import benched
from slurm.packing.wheels import gather, here
from slurm.version import PACKAGES, ROOT, code_digest
from tasks.common.errors import UserError
from tasks.common.files import file_digest, json_text, write_text
from tasks.common.own import in_file
from tasks.common.recipe import Recipe
from tasks.corpora import is_own, traits
from tasks.infilling import ANLG
from tasks.targets import RELEASED

#: roles that are made where their data or their packages are
GIVEN = ("corpus", "parser", "tagger", SUBWORDS)
#: what is left out of the code: caches, and what a wheel brings beside it
LEFT_OUT = ("__pycache__", "shipped")
RUN = """\
#!/bin/sh
# sh run.sh [minutes=...] [device=cuda] ...    (sh run.sh --help: every key)
here=$(cd "$(dirname "$0")" && pwd) || exit 2
PACK_BEGAN=$(date +%s) || exit 2
export PACK_BEGAN
{defaults}
exec "${{PYTHON:-python3}}" -c '
import sys
sys.path[0] = sys.argv[1]
import start
start.prepare(sys.argv[1])
from slurm.packing.machine import main
sys.exit(main(sys.argv[1:]))
' "$here" "$@"
"""


@dataclass
class Freight:
    """The artefacts of a run by where they are made. ``there``: they are trained on the machine,
    or derived from what is; ``here``: they are made here and travel."""

    run: Run
    trained: bool
    here: dict[str, Recipe] = field(default_factory=dict)
    there: dict[str, Recipe] = field(default_factory=dict)
    given: dict[str, Recipe] = field(default_factory=dict)
    teachers: list[str] = field(default_factory=list)

    def sort(self) -> None:
        run, plan = self.run, self.run.plan
        self.given = {role: plan.known[role] for role in GIVEN if role in plan.known}
        for job in run.cells:
            for recipe in job.recipes.values():
                self._visit(recipe)
            if job.task and plan.task(job.task).quotes:
                self._visit(plan.texts_for(job.task))
        for role, recipe in run.judges.items():
            if role not in GIVEN and run.store.find(recipe.key) is None:
                self.teachers.append(role)
                self._visit(recipe)

    def _visit(self, recipe: Recipe) -> None:
        if not self._is_there(recipe):
            self.here[recipe.key] = recipe
            return
        self.there[recipe.key] = recipe
        for dep in recipe.deps.values():
            self._visit(dep)

    def _is_there(self, recipe: Recipe) -> bool:
        if recipe.key in {one.key for one in self.given.values()}:
            return False
        if self.trained and self.run.store.find(recipe.key) is not None:
            return False
        return bool(recipe.pace) or any(map(self._is_there, recipe.deps.values()))


def make(config: PackConfig, given: Sequence[str]) -> Path:
    """The folder of a pack of the run that ``given``, arguments of ``eval.run``, describe. Raises
    ``UserError`` for what cannot travel, and for a pack above the limit."""
    if not config.out:
        raise UserError("out= is missing: the folder of the pack, which is made")
    out, run_config = Path(config.out), parse(given)
    if out.exists():
        raise UserError(f"out={out} is there already: name a folder that is not")
    refuse(run_config)
    check_sections(run_config, config.fit)
    benched(given, config.bench)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / "content").mkdir(parents=True)
        _fill(part, config, run_config, given)
        _check_size(part, config.limit, out)
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _unused(config: RunConfig) -> set[str]:
    """Sections of networks that only methods beside the run's bring."""
    brought = {
        name: {role.section for role in card.brings} | {role.name for role in card.brings}
        for name, card in METHODS.items()
    }
    ours = {part for name in config.methods for part in brought[name]}
    ours |= {part for name in config.methods for part in METHODS.card(name).uses}
    return set().union(*brought.values()) - ours


def refuse(config: RunConfig) -> None:
    """Raises ``UserError`` for a run that needs files of which a pack takes none."""
    refuse_repair(config, "slurm.pack")
    own = [name for name in (*config.tasks, *config.methods) if in_file(name)]
    if is_own(config.corpus):
        own = [config.corpus]
    if own:
        raise UserError(f"{own[0]}: a pack takes no files of your own, only what has a name here")
    if config.gaps and traits(config.corpus).lists == ANLG:
        raise UserError("gaps=true leaves out stories of a list in data=, which stays here")
    for section in dataclasses.fields(config):
        if section.name in _unused(config):
            continue
        value = getattr(config, section.name)
        value = getattr(value, "first", value)  # of the teachers, the one that is trained
        for key in ("pretrained", "init_pretrained"):
            if getattr(value, key, ""):
                raise UserError(
                    f"{section.name}.{key}={getattr(value, key)}: a pack takes no pretrained "
                    "networks along"
                )


def _fill(part: Path, config: PackConfig, run_config: RunConfig, given: Sequence[str]) -> None:
    content = part / "content"
    command = ["python", "-m", "slurm.pack"]
    run = Run(run_config.having(out=str(content / RESULTS)), Display(), command)
    if not run.jobs:
        (task, method), reason = next(iter(run.refused.items()))
        raise UserError(f"nothing to pack: {method} has no cell for {task} ({reason})")
    freight = Freight(run, config.trained)
    freight.sort()
    for task in run.config.tasks:
        run.perform(run.choosing(task))
        _check_quotes(run, task)
    run.build(list(freight.here.values()))
    (content / STORE).mkdir()
    for recipe in freight.here.values():
        run.store.export(recipe, content / STORE)
    for key in freight.there if config.trained else ():
        begun = run.store.root / f"{BUILDING}{key}"  # training that was cut short goes on there
        if begun.is_dir():
            shutil.copytree(begun, content / STORE / begun.name)
    if run_config.controls:
        shutil.copyfile(run_config.controls, content / CONTROLS)
    leave = shutil.ignore_patterns(*LEFT_OUT)
    for name in (*PACKAGES, "control_bench"):
        shutil.copytree(ROOT / name, content / "code" / name, ignore=leave)
    python = config.python or here()
    gather(part / start.WHEELS, python)
    with tarfile.open(part / start.CONTENT, "w:xz", preset=9) as archive:
        for path in sorted(content.rglob("*")):
            if path.is_file() and not path.name.startswith(".lock"):
                archive.add(path, str(path.relative_to(content)))
    shutil.rmtree(content)
    shutil.copyfile(str(start.__file__), part / "start.py")
    write_text(part / "run.sh", RUN.format(defaults=_defaults(config)))
    (part / "run.sh").chmod(0o755)
    files = {str(p.relative_to(part)): p for p in sorted(part.rglob("*")) if p.is_file()}
    write_text(part / start.MANIFEST, json_text(
        {
            "format": start.FORMAT,
            "version": packages()["control-bench"],
            "code": code_digest(),
            "commit": commit(),
            "python": python,
            "arguments": list(given),
            "config": as_dict(run_config),
            "given": _specs(freight.given),
            "carried": list(freight.here),
            "trained": list(freight.there),
            "teachers": freight.teachers,
            "files": {name: file_digest(path) for name, path in files.items()},
        },
        indent=1,
    ))  # fmt: skip
    _tell(freight)


def _defaults(config: PackConfig) -> str:
    """What ``run.sh`` takes where it is not told otherwise, as lines of shell."""
    values = {"minutes": f"{config.minutes:g}", "fit": config.fit, "bench": config.bench}
    return "\n".join(
        f'case " $* " in *" {name}="*) ;; *) set -- "{name}={value}" "$@" ;; esac'
        for name, value in values.items()
        if value
    )


def _check_quotes(run: Run, task: str) -> None:
    """Raises ``UserError`` for targets that are read anew there, from a list that stays here."""
    ids = [target.id for target in run.lists.stored(task)]
    if run.plan.task(task).quotes and any(one.startswith(RELEASED) for one in ids):
        raise UserError(
            f"{task}: the released list in data= stays here: source=validation draws targets that "
            "travel"
        )


def _specs(recipes: Mapping[str, Recipe]) -> dict[str, Any]:
    return {role: recipe.spec.as_dict() for role, recipe in recipes.items()}


def _tell(freight: Freight) -> None:
    for title, recipes in (("travels", freight.here), ("is made there", freight.there)):
        for key, recipe in recipes.items():
            freight.run.display.say(f"{title}: {recipe.title} ({key})")


def sizes(pack: Path) -> Iterator[tuple[str, int]]:
    """The files of a pack and how many bytes each has."""
    for path in sorted(pack.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(pack)), path.stat().st_size


def _check_size(part: Path, limit: float, out: Path) -> None:
    size = sum(size for _, size in sizes(part)) / MIB
    if size > limit:
        raise UserError(
            f"{out} would have {size:.1f} MiB, above limit={limit:g}: leave out tasks or methods, "
            "or networks that are trained already (trained=false)"
        )
