"""The stages of one run: artefacts, targets, samples, judgements.

Each stage reads what the ones before stored and does only what is not there yet, so that going on
after an interruption, and finding that nothing is left, is the same command again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines import METHODS
from eval.running.cells import TARGETS, Cell, Shard
from eval.running.config import REPAIRED, RunConfig, check_folder
from eval.running.display import Display
from eval.running.infilling import InfillingMetrics
from eval.running.judges import Judges
from eval.running.keys import as_dict
from eval.running.networks import networks
from eval.running.plan import Plan
from eval.running.provenance import provenance
from eval.running.scoring import FLOOR, HUMAN, Scoring
from eval.running.store import Store
from eval.running.target_lists import TargetLists
from models.base import Card, Generator
from models.nets import logs
from tasks.base import Corpus, Target
from tasks.common import stop
from tasks.common.lease import hold
from tasks.common.progress import Progress
from tasks.common.recipe import Recipe, settings
from tasks.common.shipped import note_left_out, ready
from tasks.controls import Length
from tasks.corpora.stored import read_corpus


@dataclass(frozen=True)
class Job:
    """One cell to fill with samples. The floor has no task and one stand-in target. ``options``:
    those that it is decoded with; ``edits``: the cell whose samples are edited, if any."""

    task: str | None
    method: str
    card: Card
    recipes: Mapping[str, Recipe]
    cell: Cell
    samples: int
    options: Any
    edits: Job | None = None


@dataclass(frozen=True)
class Stage:
    """A piece of work, whether it is done, and the artefacts it needs."""

    title: str
    done: Callable[[], bool]
    needs: Sequence[Recipe]
    work: Callable[[Progress], None]


class Run:
    """One run of the command line; :meth:`execute` does what is missing. ``given``: as of
    :class:`eval.running.plan.Plan`."""

    def __init__(
        self,
        config: RunConfig,
        display: Display,
        command: Sequence[str] = (),
        given: Mapping[str, Recipe] | None = None,
    ) -> None:
        self.config, self.display = config, display
        self.folder = config.folder
        check_folder("out", self.folder)
        check_folder("store", Path(config.store))
        if config.log != logs.NONE:
            logs.check(config.log)
            check_folder("log_folder", Path(config.log_folder))
        self.plan = Plan(config, given)
        self.store = Store(Path(config.store), ready(config.prebuilt), waiting=self._others)
        self.provenance = provenance(as_dict(config), list(command))
        self.judges = Judges(self.plan, self.store, self.path)
        self.lists = TargetLists(self.folder, config, self.plan, self.corpus)
        self.refused: dict[tuple[str, str], str] = {}
        self.jobs: list[Job] = []
        for task in config.tasks:
            for method in config.methods:
                reason = METHODS.card(method).refuses(self.plan.task(task))
                if reason:
                    self.refused[task, method] = f"n/a: {reason}"
                    continue
                self.jobs.append(self._job(task, method))
                if config.repairs(method):
                    self._repair(self.jobs[-1])
        self.floor = self._floor()
        self.scoring = Scoring(
            self.folder,
            self.plan,
            self.judges.judge,
            corpus=self.corpus,
            targets=self.lists.stored,
            sources=self.lists.sources,
            infilling=InfillingMetrics(config.bertscore, lambda: str(self.plan.device)),
            known=self.judges.known_words,
        )
        self._corpora: dict[str, Corpus] = {}

    def execute(self) -> bool:
        """Does what is missing; returns whether anything was. Raises ``UserError`` where stored
        results were made with other settings."""
        self.check()
        _ = self.plan.device  # one that is not there is said before anything is trained
        pending = [stage for stage in self._stages() if not stage.done()]
        needs = [need for stage in pending for need in stage.needs]
        missing = self.store.missing(needs)
        if note := note_left_out(missing):
            self.display.say(note)
        self.display.total = len(missing) + len(pending)
        for stage in pending:
            stop.check()
            self.perform(stage)
        return bool(pending)

    @property
    def stored(self) -> list[Cell]:
        """The folders of targets and of samples that the run fills."""
        return [*map(self.lists.cell, self.config.tasks), *(job.cell for job in self.cells)]

    def check(self) -> None:
        """Refuses stored results that were made with other settings, or with ``overwrite`` empties
        their folders."""
        for cell in self.stored:
            cell.check(self.config.overwrite)
        if self.config.overwrite:
            self.lists.forget()

    def perform(self, stage: Stage) -> None:
        """Builds what a stage needs, just before it, so that targets come before training."""
        self.build(stage.needs)
        with self.display.stage(stage.title) as progress:
            stage.work(progress)

    def recipes(self) -> list[Recipe]:
        """Every artefact that this run may need, dependencies included, each once."""
        recipes: dict[str, Recipe] = {}
        waiting = [r for job in self.cells for r in job.recipes.values()]
        waiting += [*self.judges.values(), *map(self.plan.texts_for, self.config.tasks)]
        while waiting:
            recipe = waiting.pop()
            if recipe.key not in recipes:
                recipes[recipe.key] = recipe
                waiting += recipe.deps.values()
        return list(recipes.values())

    def build(self, recipes: Sequence[Recipe]) -> None:
        """Builds the artefacts that are missing, their dependencies first."""
        with logs.kept(self.config.log, Path(self.config.log_folder)):
            for recipe in self.store.missing(recipes):
                self.store.resolve(recipe, lambda part: self.display.stage(part.title))

    # planning

    def _stages(self) -> Iterator[Stage]:
        yield from map(self.choosing, self.config.tasks)
        yield from map(self.generation, self.cells)
        if self.judges.fluency:
            yield self.human()
        for task in self.config.tasks:
            yield self.judging(task, [job for job in self.jobs if job.task == task])

    def choosing(self, task: str) -> Stage:
        own = self.config.controls
        texts = self.plan.role("corpus") if own else self.plan.texts_for(task)
        return Stage(
            f"choose targets for {task}",
            (self.lists.cell(task).folder / TARGETS).exists,
            [texts, *self.lists.judges(task).values()],
            lambda progress: self.lists.choose(task, self.judges.tag, self.provenance),
        )

    def generation(self, job: Job, shard: Shard | None = None) -> Stage:
        """One cell's samples, or those of one shard of its targets, which wait to be gathered."""
        needs = [*job.recipes.values()]
        if job.task:
            needs += [] if shard else self.judges.values()
            needs += [self.plan.texts_for(job.task)] if self.plan.task(job.task).quotes else []
        return Stage(
            f"generate with {job.method}" + (f" under {job.task}" if job.task else ""),
            lambda: not self.missing(job, shard),
            needs,
            lambda progress: self._generate(job, progress, shard),
        )

    def gathering(self, job: Job) -> Stage:
        """A cell's shards in one place, and what the judges say of its samples."""
        return Stage(
            f"gather {job.method}" + (f" under {job.task}" if job.task else ""),
            lambda: False,
            list(self.judges.values()) if job.task else [],
            lambda progress: self._gather(job, progress),
        )

    def human(self) -> Stage:
        return Stage(
            "judge human texts",
            self.scoring.human_done,
            [*(self.judges[role] for role in self.judges.judge.teachers), self.plan.role("corpus")],
            self.scoring.score_human,
        )

    def judging(self, task: str, jobs: Sequence[Job]) -> Stage:
        """Scores of a task's cells, all complete, of the floor and of the targets' human texts."""
        return Stage(
            f"judge {task}",
            lambda: self._judged(task, jobs),
            [*self.judges.needs, self.plan.texts_for(task)],
            lambda progress: self._judge(task, jobs, progress),
        )

    @property
    def floor_cell(self) -> Cell:
        """The floor's cell, or where this run samples none the one that is stored, if any."""
        if self.floor:
            return self.floor.cell
        stored = Cell(self.folder / FLOOR, {}).config()
        return Cell(self.folder / FLOOR, stored.get("identity", {}))

    @property
    def cells(self) -> list[Job]:
        """Every cell to fill, the floor first where there is one."""
        return [*([self.floor] if self.floor else []), *self.jobs]

    def _job(self, task: str, method: str) -> Job:
        card, control = METHODS.card(method), self.plan.task(task)
        options = self.own(card)
        recipes = {role: self.plan.role(role, task) for role in card.needs(control, options)}
        identity = {
            "method": method,
            "version": card.version,
            "settings": settings(card.resolve(options, control)),
            "task": task,
            "samples": self.config.samples,
            "seed": self.config.seed,
            "targets": self.lists.cell(task).identity,
            "artefacts": {role: recipe.key for role, recipe in recipes.items()},
        }
        if METHODS.digest(method):
            identity["code"] = METHODS.digest(method)
        cell = Cell(self.folder / task / method, identity)
        return Job(task, method, card, recipes, cell, self.config.samples, options)

    def _repair(self, source: Job) -> None:
        """A cell of the samples of ``source``, edited; or why there is none. Equal samples follow
        from an equal identity of their cell, whose samples need not be there yet."""
        assert source.task is not None
        card, task = METHODS.card(self.config.repair), self.plan.task(source.task)
        method = source.method + REPAIRED
        if reason := card.refuses(task):
            self.refused[source.task, method] = f"n/a: {reason}"
            return
        own = self.own(card)
        plain = card.editing(own, "")
        recipes = {role: self.plan.role(role, source.task) for role in card.needs(task, plain)}
        # as many as there are: of some tasks a method says how many candidates it has
        samples = source.card.samples(source.options, source.samples)
        identity = {
            "method": method,
            "version": card.version,
            "settings": settings(card.resolve(plain, task)),
            "task": source.task,
            "samples": samples,
            "seed": self.config.seed,
            "targets": source.cell.identity["targets"],
            "artefacts": {role: recipe.key for role, recipe in recipes.items()},
            "edits": source.cell.digest,
        }
        cell = Cell(self.folder / source.task / method, identity)
        options = card.editing(own, f"{self.folder}:{source.method}")
        self.jobs.append(Job(source.task, method, card, recipes, cell, samples, options, source))

    def own(self, card: Card) -> Any:
        """A method's decoding options: its section of the config."""
        return getattr(self.config, card.name, None) or card.Settings()

    def _floor(self) -> Job | None:
        """That of ``floor_by``; by default the first whose networks the methods need anyway."""
        used = {role for job in self.jobs for role in job.recipes}
        for card in METHODS.floors.values() if self.config.floor else ():
            options = self.own(card)
            needed = card.needs(None, options)
            wanted = self.config.floor_by
            if wanted != card.name and not (wanted == "auto" and used.issuperset(needed)):
                continue
            recipes = {role: self.plan.role(role) for role in needed}
            identity = {
                "method": FLOOR,
                "version": card.version,
                "settings": settings(options),
                "samples": self.config.floor,
                "seed": self.config.seed,
                "artefacts": {role: recipe.key for role, recipe in recipes.items()},
            }
            cell = Cell(self.folder / FLOOR, identity)
            return Job(None, FLOOR, card, recipes, cell, self.config.floor, options)
        return None

    # what is stored

    def path(self, recipe: Recipe) -> Path:
        """The folder of an artefact that a stage named among its needs."""
        folder = self.store.find(recipe.key)
        assert folder is not None, f"{recipe.key} is missing from a stage's needs"
        return folder

    def corpus(self, recipe: Recipe) -> Corpus:
        if recipe.key not in self._corpora:
            self._corpora[recipe.key] = read_corpus(self.path(recipe))
        return self._corpora[recipe.key]

    def missing(self, job: Job, shard: Shard | None = None) -> list[Target]:
        """The targets of a cell, or of its shard, that have no complete samples yet."""
        targets = self.lists.stored(job.task)
        if not targets:  # no target list yet means that nothing was generated
            return [Target("", Length(1))]
        return job.cell.missing(shard.of(targets) if shard else targets)

    def _judged(self, task: str, jobs: Sequence[Job]) -> bool:
        return not any(map(self.missing, jobs)) and self.scored(task, jobs)

    def scored(self, task: str, jobs: Sequence[Job]) -> bool:
        """Whether these cells of a task, its floor and its human texts have scores by the judges
        of this run."""
        wanted = self.scoring.judges(task)
        human, floor = (Cell(self.folder / task / name, {}) for name in (HUMAN, FLOOR))
        has_floor = bool(self.floor or self.floor_cell.samples())
        if has_floor and not floor.scored_by(wanted, of=self.floor_cell):
            return False
        if not self.plan.task(task).pooled and "own" not in human.config():
            return False  # an earlier version did not read the texts that targets come from
        return all(c.scored_by(wanted) for c in [*(job.cell for job in jobs), human])

    # work

    def generator(self, job: Job) -> Generator:
        """The generator of a cell whose artefacts are built."""
        from models.contract import loaded

        folders = {role: self.path(recipe) for role, recipe in job.recipes.items()}
        control = self.plan.task(job.task or self.config.tasks[0])
        cls = METHODS.load(job.card.name)
        return loaded(cls, folders, control, job.options, self.plan.device)

    def guard(self, job: Job) -> None:
        """Refuses judges that are networks of a cell (:meth:`Judges.guard`)."""
        self.judges.guard({role: self.path(recipe) for role, recipe in job.recipes.items()})

    def _generate(self, job: Job, progress: Progress, shard: Shard | None) -> None:
        from models.contract import answers

        cell = job.cell.shard(shard) if shard else job.cell
        with self._lease(job, shard):
            everything = self.lists.full(job.task)
            cell.arrange(everything)
            lacking = {target.id for target in self.missing(job, shard)}
            targets = [target for target in everything if target.id in lacking]
            if not targets:
                return
            if job.task and not shard:
                self.guard(job)
            control = self.plan.task(job.task or self.config.tasks[0])
            generator = self.generator(job)
            job.cell.write_config(**self._record(job))
            success, what = "", "success" if control.running == control.headlines else "ROUGE-L"

            def report(done: float, total: float, note: str = "") -> None:
                stop.check()  # what is not yet added is made again, the same
                progress(done, total, note or success)

            rates: list[tuple[float, ...]] = []
            if job.task and not shard:
                # judged in the order in which they were made, whatever a kill came between
                for finished in job.cell.stored(everything):
                    rates += self.scoring.rates(job.task, job.cell, everything, finished)
            for finished in answers(
                generator,
                targets,
                job.samples,
                self.config.seed,
                settings=job.options,
                batch=self.config.batch,
                progress=report,
            ):
                cell.add(finished)
                if job.task and not shard:
                    rates += self.scoring.rates(job.task, job.cell, targets, finished)
                    means = [100 * sum(column) / len(rates) for column in zip(*rates)]
                    success = f"{what} " + ", ".join(f"{mean:.1f} %" for mean in means)

            cell.arrange(everything)

    def arrange(self, job: Job) -> None:
        """A cell's samples, shards included, in one place; nobody judges them."""
        with self._lease(job):
            job.cell.arrange(self.lists.stored(job.task))

    def _gather(self, job: Job, progress: Progress) -> None:
        with self._lease(job):
            job.cell.arrange(self.lists.stored(job.task))
            if job.task:
                self.guard(job)
                self.scoring.annotate(job.task, job.cell, progress)

    def _others(self, recipe: Recipe) -> None:
        self.display.say(f"  waiting for another process, which is at it: {recipe.title}")

    @contextmanager
    def _lease(self, job: Job, shard: Shard | None = None) -> Iterator[None]:
        """One writer for each cell or shard; a second one waits and then finds the work done."""
        where = f"{job.cell.folder}" + (f", shard {shard.name}" if shard else "")

        def waiting() -> None:
            self.display.say(f"  another run is filling {where}: waiting for it")

        with hold(job.cell.folder / (f".lock-{shard.name}" if shard else ".lock"), waiting):
            yield

    def _judge(self, task: str, jobs: Sequence[Job], progress: Progress) -> None:
        records = {job.method: self._record(job) for job in jobs}
        cells = {job.method: job.cell for job in jobs}
        self.scoring.score_task(task, cells, records, self.floor_cell, progress)

    def _record(self, job: Job) -> dict[str, Any]:
        """What ``config.json`` says beside the identity."""
        record = dict(self.provenance)
        control = self.plan.task(job.task) if job.task else None
        record["settings"] = as_dict(job.card.resolve(job.options, control))
        card = job.card
        record["card"] = {
            "label": card.label, "trained": card.trained, "knows_rule": card.knows_rule
        }  # fmt: skip
        if job.edits:
            wrote = job.edits.card
            record["card"] = {
                "label": f"{wrote.label}, repaired",
                "trained": wrote.trained or card.trained,
                "knows_rule": wrote.knows_rule or card.knows_rule,
                "order": wrote.order,
            }
            record["repairs"] = job.edits.method
        # a run that only judges may be where the networks are not
        known = {**job.cell.config().get("networks", {}), **networks(job.recipes, self.store.find)}
        return record | {"networks": known, "oracles": self.judges.facts}
