"""The stages of one run: artefacts, targets, samples, judgements.

Each stage reads what the ones before stored and does only what is not there yet, so that going on
after an interruption, and finding that nothing is left, is the same command again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines import METHODS
from eval.cells import TARGETS, Cell, read_targets, write_targets
from eval.config import RunConfig, as_dict
from eval.display import Display
from eval.inputs import read_corpus
from eval.judge import Judge, guard
from eval.provenance import parser_figures, provenance
from eval.recipes import Plan, load_parser, settings
from eval.scoring import FLOOR, HUMAN, Scoring
from eval.store import Recipe, Store
from tasks.base import Corpus, Target
from tasks.controls import Length
from tasks.errors import UserError
from tasks.progress import Progress

if TYPE_CHECKING:
    from models.base import Generator

#: the generator behind the floor; it answers to no control, so it is no method of the table
FLOOR_CLASS = "models.diffusion_lm:Unconditional"


@dataclass(frozen=True)
class Job:
    """One cell to fill with samples. The floor has no task and one stand-in target."""

    task: str | None
    method: str
    cls: type[Generator]
    recipes: Mapping[str, Recipe]
    cell: Cell
    samples: int


@dataclass(frozen=True)
class Stage:
    """A piece of work, whether it is done, and the artefacts it needs."""

    title: str
    done: Callable[[], bool]
    needs: Sequence[Recipe]
    work: Callable[[Progress], None]


class Run:
    """One run of the command line; :meth:`execute` does what is missing."""

    def __init__(self, config: RunConfig, display: Display, command: Sequence[str] = ()) -> None:
        self.config, self.display = config, display
        self.folder = config.folder
        self.plan = Plan(config)
        self.store = Store(Path(config.store), [Path(p) for p in config.prebuilt.split(",") if p])
        self.provenance = provenance(as_dict(config), list(command))
        trees = any("tree" in self.plan.task(task).needs for task in config.tasks)
        self.judges = {"teacher": self.plan.teacher}
        if trees:
            self.judges["parser"] = self.plan.parser
        self.judge = Judge(
            parser_id=self.plan.parser.key if trees else None,
            load_parser=lambda: load_parser(self.path(self.plan.parser)),
            teacher_id=self.plan.teacher.key,
            load_teacher=self._load_teacher,
        )
        self.refused: dict[tuple[str, str], str] = {}
        self.jobs: list[Job] = []
        for task in config.tasks:
            for method in config.methods:
                reason = METHODS.load(method).refuses(task)
                if reason:
                    self.refused[task, method] = f"n/a: {reason}"
                else:
                    self.jobs.append(self._job(task, method))
        self.floor = self._floor()
        self.scoring = Scoring(
            self.folder, self.plan, self.judge, self.corpus, self.targets, self.sources
        )
        self._corpora: dict[str, Corpus] = {}

    def execute(self) -> bool:
        """Does what is missing; returns whether anything was. Raises ``UserError`` where stored
        results were made with other settings."""
        for cell in [*map(self.target_cell, self.config.tasks), self.floor.cell]:
            cell.check(self.config.overwrite)
        for job in self.jobs:
            job.cell.check(self.config.overwrite)
        pending = [stage for stage in self._stages() if not stage.done()]
        needs = [need for stage in pending for need in stage.needs]
        missing = self.store.missing(needs)
        self.display.total = len(missing) + len(pending)
        for stage in pending:
            # what a stage needs is built just before it, so that targets come before training
            for recipe in self.store.missing(stage.needs):
                self.store.resolve(recipe, lambda part: self.display.stage(part.title))
            with self.display.stage(stage.title) as progress:
                stage.work(progress)
        return bool(pending)

    # planning

    def _stages(self) -> Iterator[Stage]:
        for task in self.config.tasks:
            yield Stage(
                f"choose targets for {task}",
                (self.target_cell(task).folder / TARGETS).exists,
                [self._texts(task)],
                lambda progress, task=task: self._choose(task),  # type: ignore[misc]
            )
        for job in [self.floor, *self.jobs]:
            judges = list(self.judges.values()) if job.task else []
            yield Stage(
                f"generate with {job.method}" + (f" under {job.task}" if job.task else ""),
                lambda job=job: not self._missing(job),  # type: ignore[misc]
                [*job.recipes.values(), *judges],
                lambda progress, job=job: self._generate(job, progress),  # type: ignore[misc]
            )
        judges = list(self.judges.values())
        yield Stage(
            "judge human texts",
            self.scoring.human_done,
            [self.plan.teacher, self.plan.corpus],
            self.scoring.score_human,
        )
        for task in self.config.tasks:
            cells = [job.cell for job in self.jobs if job.task == task]
            yield Stage(
                f"judge {task}",
                lambda t=task, c=cells: self._judged(t, c),  # type: ignore[misc]
                [*judges, self._texts(task)],
                lambda progress, t=task: self._judge(t, progress),  # type: ignore[misc]
            )

    def _job(self, task: str, method: str) -> Job:
        cls = METHODS.load(method)
        recipes = {role: self.plan.role(role, task) for role in cls.artefacts(task)}
        identity = {
            "method": method,
            "version": getattr(cls, "version", 1),
            "settings": settings(cls.resolve(self.own(method), task)),
            "task": task,
            "samples": self.config.samples,
            "seed": self.config.seed,
            "targets": self.target_cell(task).identity,
            "artefacts": {role: recipe.key for role, recipe in recipes.items()},
        }
        cell = Cell(self.folder / task / method, identity)
        return Job(task, method, cls, recipes, cell, self.config.samples)

    def own(self, method: str) -> Any:
        """A method's decoding options: its section of the config, or its defaults where a newly
        added method has no section yet."""
        section = getattr(self.config, method, None)
        return METHODS.load(method).Settings() if section is None else section

    def _floor(self) -> Job:
        module, name = FLOOR_CLASS.split(":")
        cls = getattr(importlib.import_module(module), name)
        recipes = {role: self.plan.role(role, "") for role in cls.artefacts("")}
        identity = {
            "method": FLOOR,
            "version": getattr(cls, "version", 1),
            "settings": settings(self.config.unconditional),
            "samples": self.config.floor,
            "seed": self.config.seed,
            "artefacts": {role: recipe.key for role, recipe in recipes.items()},
        }
        cell = Cell(self.folder / FLOOR, identity)
        return Job(None, FLOOR, cls, recipes, cell, self.config.floor)

    def target_cell(self, task: str) -> Cell:
        """Where a task's targets are stored; two runs with its identity have the same ones."""
        identity = {
            "task_version": self.plan.task(task).version,
            "targets": self.config.targets,
            "source": self.config.source,
            "seed": self.config.seed,
            "longest": self.longest,
            "texts": self._texts(task).key,
        }
        return Cell(self.folder / task, identity)

    @property
    def longest(self) -> int:
        """The most words that a text of the diffusion model has."""
        return self.config.diffusion.length - 2

    def _texts(self, task: str) -> Recipe:
        return self.plan.texts if "tree" in self.plan.task(task).needs else self.plan.corpus

    # what is stored

    def path(self, recipe: Recipe) -> Path:
        """The folder of an artefact that a stage named among its needs."""
        found = self.store.find(recipe.key)
        assert found is not None, f"{recipe.key} is missing from a stage's needs"
        return found

    def corpus(self, recipe: Recipe) -> Corpus:
        if recipe.key not in self._corpora:
            self._corpora[recipe.key] = read_corpus(self.path(recipe))
        return self._corpora[recipe.key]

    def targets(self, task: str | None) -> list[Target]:
        if task is None:
            return [Target(FLOOR, Length(1))]
        return read_targets(self.folder / task / TARGETS)

    def _missing(self, job: Job) -> list[Target]:
        targets = self.targets(job.task)
        # no target list yet means that nothing was generated
        return job.cell.missing(targets) if targets else [Target("", Length(1))]

    def _judged(self, task: str, cells: Sequence[Cell]) -> bool:
        wanted = self.judge.identity(self.plan.task(task).needs)
        references = [Cell(self.folder / task / name, {}) for name in (FLOOR, HUMAN)]
        complete = all(not self._missing(j) for j in [self.floor, *self.jobs] if j.cell in cells)
        return complete and all(cell.scored_by() == wanted for cell in [*cells, *references])

    # work

    def _choose(self, task: str) -> None:
        targets = self.sources(task)
        cell = self.target_cell(task)
        for target in targets:
            words = target.control.needed_words
            if words > self.longest and "diffusion_lm" in self.config.methods:
                raise UserError(
                    f"target {target.id} of {task} needs {words} words, but diffusion.length="
                    f"{self.config.diffusion.length} holds {self.longest}"
                )
        # ids begin with the list that a target came from
        cell.write_config(drawn_from=targets[0].id.split("-")[0], **self.provenance)
        write_targets(cell.folder / TARGETS, targets)

    def sources(self, task: str) -> list[Target]:
        """The targets of a task with the human texts behind them.

        Targets drawn from validation texts are those that fit the diffusion model; a released list
        is taken as it is.
        """
        texts, config = self.corpus(self._texts(task)), self.config
        wanted, fitting = config.targets, list[Target]()
        while True:
            try:
                drawn = self.plan.task(task).targets(texts, wanted, config.source, config.seed)
            except UserError as error:
                if wanted == config.targets:
                    raise
                raise UserError(
                    f"{error} ({len(fitting)} of {config.targets} fit diffusion.length="
                    f"{config.diffusion.length}, which holds {self.longest} words)"
                ) from None
            fitting = [t for t in drawn if t.control.needed_words <= self.longest]
            lacking = config.targets - len(fitting)
            if lacking <= 0 or not drawn[0].id.startswith("valid"):
                return drawn if lacking > 0 else fitting[: config.targets]
            wanted += lacking

    def _generate(self, job: Job, progress: Progress) -> None:
        with _lock(job.cell.folder, self.display):
            targets = self._missing(job)
            if not targets:
                return
            folders = {role: self.path(recipe) for role, recipe in job.recipes.items()}
            if job.task:
                guard(folders, {role: self.path(r) for role, r in self.judges.items()})
            control = self.plan.task(job.task or self.config.tasks[0])
            generator = job.cls.load(folders, control, self.own(job.method), self.plan.device)
            job.cell.write_config(**self._record(job))
            job.cell.drop_incomplete()
            success = ""

            def report(done: float, total: float, note: str = "") -> None:
                progress(done, total, note or success)

            rates: list[float] = []
            for finished in generator.generate(
                targets, job.samples, self.config.seed, self.config.batch, report
            ):
                job.cell.add(finished)
                if job.task:
                    rates += self.scoring.rates(job.task, job.cell, targets, finished)
                    success = f"success {100 * sum(rates) / len(rates):.1f} %"

    def _judge(self, task: str, progress: Progress) -> None:
        jobs = [job for job in self.jobs if job.task == task]
        records = {job.method: self._record(job) for job in jobs}
        cells = {job.method: job.cell for job in jobs}
        self.scoring.score_task(task, cells, records, self.floor.cell, progress)

    def _record(self, job: Job) -> dict[str, Any]:
        """What ``config.json`` says beside the identity."""
        record = dict(self.provenance)
        record["oracles"] = {role: {"id": r.key} for role, r in self.judges.items()}
        if "parser" in self.judges:
            folder = self.store.find(self.plan.parser.key)
            if folder:
                record["oracles"]["parser"] |= parser_figures(folder)
        return record

    def _load_teacher(self) -> Any:
        from models.teacher import Teacher

        return Teacher.load(self.path(self.plan.teacher), self.plan.device)


@contextmanager
def _lock(folder: Path, display: Display) -> Iterator[None]:
    """One writer for each cell; a second run waits and then finds the work done."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        display.say(f"  another run is filling {folder}: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
