"""The benchmark in Python: load a preset, generate for controls, judge, read results.

    import control_bench as cb

    bench = cb.load("demo")
    samples = bench.generate("diffusion_lm", cb.Length(9), samples=5)
    bench.score(samples).cells
    bench.results("results/demo").samples

It does what the commands do and nothing of its own: settings are the keys of ``control-bench run``,
artefacts come from the same store, and a sample is the same for equal (seed, method, target,
index). What the commands print as one line and exit code 2 is raised as ``UserError``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines import METHODS
from control_bench.asked import Asked, keys, targets
from control_bench.judging import Judged, judge, rows
from control_bench.samples import Generated
from eval.reading.frames import Results, results
from eval.running.command import parse
from eval.running.config import RunConfig
from models.base import Generator
from tasks import TASKS, parts
from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent

if TYPE_CHECKING:
    from eval.running.runner import Job, Run

#: methods whose networks stay loaded
KEPT = 8
Method = str | type[Generator]
TaskName = str | type[Task]


def load(preset: str = "demo", /, **settings: Any) -> Bench:
    """The benchmark under a preset (``demo``, ``small``, ``pretrained``, ``paper``).

    ``settings``: the keys of ``control-bench run`` with Python's values, as ``corpus="e2e"``,
    ``data="DIR"``, ``threads=1``; those with dots as ``**{"lm.train.lr": 1e-3}`` or as
    ``lm={"train": {"lr": 1e-3}}``. Nothing is read or trained yet.

    Raises ``UserError`` for an unknown preset or key, naming the nearest, and for a value that a
    key cannot have.
    """
    return Bench({"preset": preset, **dict(keys(settings))})


class Bench:
    """What :func:`load` gives: one corpus, its networks and its judges. ``config``: the resolved
    settings. Artefacts that are missing are trained when they are first needed, which is said on
    stderr; they stay in the store."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)
        self.config: RunConfig = parse(_arguments(self._given))
        self._runs: dict[tuple[tuple[str, str], ...], Run] = {}
        self._generators: dict[Run, tuple[Job, Generator]] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="control-bench-")
        if self.config.threads:
            import torch

            torch.set_num_threads(self.config.threads)

    def __repr__(self) -> str:
        return f"Bench({', '.join(f'{key}={text}' for key, text in self._given.items())})"

    def targets(self, task: TaskName) -> list[Target]:
        """The control targets that the commands give ``task`` under these settings: as many as
        ``targets=`` says, with their human texts. Raises ``UserError`` for an unknown task, and
        where the corpus gives too few."""
        run = self._run({"task": _named(task)})
        name = run.config.tasks[0]
        run.build([run.plan.texts_for(name), *run.lists.judges(name).values()])
        return run.lists.chosen(name, run.judges.tag)

    def generate(
        self,
        method: Method,
        controls: Asked,
        *,
        samples: int = 1,
        seed: int | None = None,
        settings: Mapping[str, Any] | None = None,
        progress: Progress = silent,
        **options: Any,
    ) -> list[Generated]:
        """``samples`` texts for each control, control by control and in index order.

        ``method``: a name, ``path/to/file.py:Class``, or a subclass of ``models.base.Generator``.
        ``controls``: one or several of ``Length``, ``FieldValue``, ``TagSequence``, ``Span``,
        ``ParseTree``, ``Infill``, an ``AllOf`` of some, a control of a task of your own, or targets
        (:meth:`targets`), which have human texts and the commands' ids. ``seed``: of the samples;
        that of the settings where none is given. ``settings`` and ``options``: keys of the command
        line for this call alone, as ``**{"diffusion_lm.sampling.steps": 50}``. ``progress`` is told
        (samples done, samples in all, a note).

        A method that picks among candidates gives them all, ``answer`` marks the one. Raises
        ``UserError`` for a control that the method has no cell for, one that needs more words than
        its texts can have, and unknown names and settings.
        """
        own = dict(keys({**(settings or {}), **options}))
        numbers = {"samples": str(samples), **({} if seed is None else {"seed": str(seed)})}
        named = METHODS.name(method) if isinstance(method, str) else METHODS.add(method)
        asked = targets(controls)
        made: dict[tuple[str, str], list[Generated]] = {}
        for task in dict.fromkeys(name for name, _ in asked):
            wanted = list(dict.fromkeys(one for name, one in asked if name == task))
            call = {**own, "task": task, "method": named}
            config = parse(_arguments({**self._given, **call, **numbers}))
            for one in self._answers(config, self._run(call), wanted, progress):
                made.setdefault((task, one.target.id), []).append(one)
        return [one for task, target in asked for one in made.get((task, target.id), ())]

    def _answers(
        self, config: RunConfig, run: Run, wanted: Sequence[Target], progress: Progress
    ) -> Iterator[Generated]:
        from models.contract import answers

        job, generator = self._generator(run)
        run.lists.refuse_long(run.config.tasks[0], wanted)
        options, by_id = run.own(job.card), {target.id: target for target in wanted}
        for done in answers(
            generator,
            wanted,
            config.samples,
            config.seed,
            settings=options,
            batch=config.batch,
            progress=progress,
        ):
            for one in done.samples:
                yield Generated(
                    *(one.index, tuple(one.words), tuple(one.tokens), one.nfe, one.seconds),
                    target=by_id[done.target_id],
                    task=run.config.tasks[0],
                    method=job.method,
                    answer=done.chosen in (None, one.index),
                )

    def score(
        self,
        samples: Iterable[Generated | Judged],
        task: TaskName = "",
        *,
        method: str = "mine",
        progress: Progress = silent,
    ) -> Results:
        """Samples judged by the same oracles and teacher as the commands' (``control-bench
        score``), as data frames: control success, perplexity and their intervals.

        ``samples``: what :meth:`generate` gave; or of any other program pairs ``(control, text)``
        or ``{"target": control, "text": ...}``, where ``target`` may be an id of :meth:`targets`
        and ``words``, the tokens as they are to be judged, may stand for ``text``, which is split
        as the corpus was; ``method`` is what the frames call them. ``task``: the one that all are
        of; by default the one of each control.

        Raises ``UserError`` for a sample of another form or another task, and for infilling
        targets without human middles. Nothing is stored.
        """
        name = _named(task)
        groups = rows(samples, name, method, self.config.corpus, lambda: self.targets(name))
        if not groups:
            raise UserError("there are no samples to judge")
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        for name, by_method in groups.items():
            judge(self._run({"task": name}), folder, name, by_method, progress)
        return results(folder).read()

    def results(self, folder: str | Path) -> Results:
        """A stored result set, as ``results/demo``: ``.samples`` with one row a sample, ``.cells``
        with one row a cell. Raises ``UserError`` for a folder that is none."""
        return results(folder)

    # what the commands have

    def _run(self, given: Mapping[str, str]) -> Run:
        """The run of the settings with others of a call, once for equal ones."""
        from eval.targets import planned

        merged = {**self._given, **given}
        # a file that was changed, or a class that was defined again, is another method
        method = merged.get("method", "")
        key = (*sorted(merged.items()), ("", f"{METHODS.digest(method)}"))
        if key not in self._runs:
            config = parse(_arguments(merged))
            if len(config.tasks) != 1:
                raise UserError(f"one task at a time, not {config.task}")
            self._runs[key] = planned(config, ["control_bench"])
        return self._runs[key]

    def _generator(self, run: Run) -> tuple[Job, Generator]:
        """The run's one cell and its method, loaded once; the last few are kept."""
        if not run.jobs:
            (task, method), reason = next(iter(run.refused.items()))
            raise UserError(f"{method} has no cell for {task} ({reason})")
        if run not in self._generators:
            job = run.jobs[0]
            run.build(list(job.recipes.values()))
            self._generators[run] = (job, run.generator(job))
            if len(self._generators) > KEPT:
                del self._generators[next(iter(self._generators))]
        return self._generators[run]


def _named(task: TaskName) -> str:
    """What results call a task; nothing for nothing."""
    if isinstance(task, type):
        return TASKS.add(task)
    return "+".join(parts(task)) if task else ""


def _arguments(given: Mapping[str, str]) -> list[str]:
    return [f"{key}={text}" for key, text in given.items()]
