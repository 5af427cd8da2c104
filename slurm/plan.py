"""What a sweep consists of: jobs, what each waits for, and what is done already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.running.cells import SCORES, TARGETS, Shard
from eval.running.command import parse
from eval.running.config import RunConfig
from eval.running.display import Display
from eval.running.keys import pairs
from eval.running.runner import Job as CellJob
from eval.running.runner import Run
from eval.running.scoring import HUMAN_TEXTS
from eval.running.store import Store
from slurm.config import Sweep
from slurm.devices import device_of
from slurm.estimate import UNKNOWN, Estimate, Estimator
from slurm.neighbours import RESULTS
from tasks.common.recipe import Recipe
from tasks.common.shipped import ready


@dataclass(frozen=True)
class Job:
    """One job. ``run``: which of the sweep's runs it belongs to. ``stage``: what it does there
    (``artefact``, ``generate``, ``gather``, ``finish``). ``needs``: names of the jobs that must
    have succeeded; ``finish`` only waits for them to end.
    ``parallel``: several processes do it faster."""

    name: str
    stage: str
    title: str
    run: int
    needs: tuple[str, ...] = ()
    done: bool = False
    estimate: Estimate = UNKNOWN
    key: str = ""
    task: str | None = None
    method: str = ""
    shard: Shard | None = None
    parallel: bool = False


def open_run(arguments: Sequence[str], config: RunConfig | None = None) -> Run:
    """The run that these arguments of ``eval.run`` describe."""
    command = ["python", "-m", "eval.run", *arguments]
    return Run(config or parse(arguments), Display(), command)


def open_runs(sweep: Sweep) -> list[Run]:
    """The runs of a sweep, whose keys are read once: they differ in their seed and folder."""
    base, runs = parse(sweep.runs[0]), list[Run]()
    for arguments in sweep.runs:
        settings = pairs(arguments, RunConfig)
        seed, out = int(settings.get("seed", base.seed)), settings.get("out", base.out)
        runs.append(open_run(arguments, replace(base, seed=seed, out=out)))
    return runs


def make_plan(sweep: Sweep, runs: Sequence[Run]) -> list[Job]:
    """Every job of the sweep, dependencies first, each artefact once. Nothing is written."""
    jobs: dict[str, Job] = {}
    estimator = _estimator(sweep, runs)
    for number, run in enumerate(runs):
        prefix = f"{run.folder.name}/" if len(runs) > 1 else ""
        for job in _Planner(sweep, run, number, prefix, estimator).jobs():
            if job.name not in jobs or (jobs[job.name].done and not job.done):
                jobs[job.name] = job
    return list(jobs.values())


def _estimator(sweep: Sweep, runs: Sequence[Run]) -> Estimator:
    """What the runs of a sweep share: they differ in their seed and folder."""
    config, ours = runs[0].config, sweep.config
    stores = [Path(config.store), *(Path(part) for part in config.prebuilt.split(",") if part)]
    sets = [*(run.folder for run in runs), *sorted(RESULTS.glob("*/"))]
    return Estimator(
        stores,
        sets,
        device_of(ours, config),
        corpus=config.corpus,
        batch=config.batch,
        processes=ours.processes or ours.gpus,
    )


class _Planner:
    def __init__(
        self, sweep: Sweep, run: Run, number: int, prefix: str, estimator: Estimator
    ) -> None:
        self.run, self.number, self.prefix = run, number, prefix
        self.estimator = estimator
        self.count = sweep.config.shards
        config = run.config
        prebuilt = ready(config.prebuilt)
        self.store = Store(Path(config.store), prebuilt, check=False)
        self.judges = list(run.judges.values())

    def jobs(self) -> Iterator[Job]:
        cells = self.run.cells
        parts = {id(cell): self._shards(cell) for cell in cells}
        yield from self._artefacts(cells, parts)
        # all samples before all gathering: jobs with equal needs beside each other are one array
        for cell in cells:
            yield from parts[id(cell)]
        pending = {id(cell): [part for part in parts[id(cell)] if not part.done] for cell in cells}
        ends = [part.name for cell in cells for part in pending[id(cell)]]
        for cell in cells:
            if cell.task and parts[id(cell)][0].shard:
                gather = self._gather(cell, pending[id(cell)])
                ends += [] if gather.done else [gather.name]
                yield gather
        yield self._finish(ends)

    def _job(
        self,
        name: str,
        stage: str,
        needs: Sequence[str],
        done: bool,
        *,
        estimate: Estimate = UNKNOWN,
        task: str | None = None,
        method: str,
        shard: Shard | None = None,
    ) -> Job:
        where = method + (f" under {task}" if task else "")
        title = {"generate": "generate with ", "gather": "judge "}
        return Job(
            f"{self.prefix}{name}",
            stage,
            f"{title[stage]}{where}" + (f", shard {shard.name}" if shard else ""),
            self.number,
            tuple(needs),
            done,
            estimate,
            task=task,
            method=method,
            shard=shard,
        )

    def _shards(self, cell: CellJob) -> list[Job]:
        targets = self.run.lists.stored(cell.task)
        expected = len(targets) or self.run.config.targets
        name = f"{cell.task}/{cell.method}" if cell.task else cell.method
        count = min(self.count, expected)
        # the first job of a task chooses its targets, which takes seconds
        first = self.run.choosing(cell.task).needs if cell.task and not targets else []
        # undivided, a cell is judged by the process that fills it, as in a plain run
        judges = self.judges if cell.task and count == 1 else []
        needs = self._keys([*cell.recipes.values(), *judges, *first])
        jobs = []
        # a judged cell is complete: no need to read its samples
        judged = bool(cell.task) and self._judged(cell)
        for index in range(count):
            shard = Shard(index, count) if count > 1 else None
            missing = [] if judged else self.run.missing(cell, shard)
            amount = len(missing) if targets else -(-expected // count)
            readers = self.run.judges if judges else ()
            estimate = self.estimator.sampling(cell, amount, readers) if missing else UNKNOWN
            jobs.append(
                self._job(
                    f"{name}/{shard.name}" if shard else name,
                    "generate",
                    needs,
                    not missing,
                    estimate=estimate,
                    task=cell.task,
                    method=cell.method,
                    shard=shard,
                )
            )
        return jobs

    def _judged(self, cell: CellJob) -> bool:
        assert cell.task
        wanted = self.run.scoring.judges(cell.task)
        return cell.cell.scored_by(wanted)

    def _gather(self, cell: CellJob, pending: Sequence[Job]) -> Job:
        needs = [*(part.name for part in pending), *self._keys(self.judges)]
        done = not pending and self._judged(cell)
        name = f"{cell.task}/{cell.method}/gather"
        expected = len(self.run.lists.stored(cell.task)) or self.run.config.targets
        estimate = self.estimator.judging(expected * cell.samples, self.run.judges)
        return self._job(
            name,
            "gather",
            needs,
            done,
            estimate=UNKNOWN if done else estimate,
            task=cell.task,
            method=cell.method,
        )

    def _finish(self, ends: Sequence[str]) -> Job:
        run, table = self.run, self.run.folder / "table.json"
        human = not run.judges.fluency or run.human().done()
        whole = not ends and human and table.exists()
        for task in run.config.tasks:
            cells = [job for job in run.jobs if job.task == task]
            newest = [(job.cell.folder / SCORES).stat().st_mtime for job in cells if whole]
            whole = whole and run.scored(task, cells)
            whole = whole and max(newest, default=0.0) <= table.stat().st_mtime
        title = "score, compare and write the tables"
        needs = (*ends, *(key for key in self._keys(self.judges) if key not in ends))
        # the human texts behind targets, and those of the human lm-score
        texts = len(run.config.tasks) * run.config.targets
        texts += HUMAN_TEXTS if run.judges.fluency else 0
        estimate = UNKNOWN if whole else self.estimator.judging(texts, run.judges)
        return Job(f"{self.prefix}finish", "finish", title, self.number, needs, whole, estimate)

    # artefacts

    def _keys(self, recipes: Sequence[Recipe]) -> list[str]:
        """Names of the jobs that build what is missing of these."""
        keys: dict[str, None] = {}
        for recipe in recipes:
            if self.store.find(recipe.key):
                continue
            if recipe.cheap:
                keys |= dict.fromkeys(self._keys(list(recipe.deps.values())))
            else:
                keys[recipe.key] = None
        return list(keys)

    def _artefacts(self, cells: Sequence[CellJob], parts: Mapping[int, list[Job]]) -> Iterator[Job]:
        """Jobs for what pending cells need, and a note of what of it is there already."""
        used: dict[str, Recipe] = {}
        wanted: list[Recipe] = []
        for cell in cells:
            recipes = [*cell.recipes.values(), *(self.judges if cell.task else [])]
            used |= {recipe.key: recipe for recipe in recipes}
            if any(not part.done for part in parts[id(cell)]):
                wanted += recipes
            elif cell.task and not self._judged(cell):
                wanted += self.judges
        for task in dict.fromkeys(cell.task for cell in cells if cell.task):
            if not (self.run.folder / task / TARGETS).exists():
                wanted += self.run.choosing(task).needs
        missing = {recipe.key: recipe for recipe in self.store.missing(wanted)}
        for recipe in [*missing.values(), *(r for k, r in used.items() if k not in missing)]:
            if recipe.cheap:
                continue
            done = recipe.key not in missing
            needs = [] if done else self._keys(list(recipe.deps.values()))
            estimate = UNKNOWN if done else self.estimator.training(recipe)
            yield Job(
                recipe.key,
                "artefact",
                recipe.title,
                self.number,
                tuple(needs),
                done,
                estimate,
                key=recipe.key,
                parallel=recipe.parallel,
            )
