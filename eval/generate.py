"""``python -m eval.generate task=length control=9 method=diffusion_lm samples=5``: texts for a
control of your own, from one method or several, each with what the judges say of it.

  task=length              control=9
  task=semantic_content    control=food=Italian   control='name="The Vaults"'
  task=parts_of_speech     control="DET NOUN AUX ADJ PUNCT"   (DT NN VBZ JJ . is read so too)
  task=syntax_spans        control=0-3:NP   control="(0, 3, NP)"
  task=syntax_tree         control="(S (NP * *) (VP * *))"
  task=infilling           control="Tom lost his keys. _ He got home late."
  task=length+semantic_content   control="length=9; food=Italian"
                                 length.control=9 semantic_content.control=food=Italian

control= can be given several times, for a table each. What is missing is trained first, as by
``python -m eval.run``. A sample depends on its control, the seed, the method and its index alone.

Keys are those of ``python -m eval.run`` (one task), and
  control (str)
      what is asked for
  file (str) = nowhere
      where the samples go, as ``python -m eval.score`` reads them; those of several methods into
      FILE.METHOD.jsonl each
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.run import guarded
from eval.running.cells import share, write_lines
from eval.running.config import refuse_repair
from eval.running.options import explains
from eval.running.typed import controls, of_typed
from eval.targets import one_task, planned, split, writable
from tasks.base import Target, Words
from tasks.common.errors import UserError
from tasks.common.shown import visible
from tasks.controls import to_json
from tasks.metrics.text import detokenize
from tasks.vocabulary import to_end

if TYPE_CHECKING:
    from rich.table import Table

    from eval.running.runner import Job, Run


@dataclass(frozen=True)
class Row:
    """One text. ``scores``: headline metric -> its value, from 0 to 1; empty where nothing can be
    scored. ``lm``: its perplexity under the teacher, where that reads it."""

    target: Target
    method: str
    index: int
    words: Words
    scores: dict[str, float]
    lm: float | None


def main(given: Sequence[str]) -> None:
    if explains(given, __doc__):
        return
    from eval.running.command import parse

    typed, others = controls(given)
    if not typed:
        raise UserError("control= is missing: what to ask for, as control=9 (see --help)")
    options, rest = split(others, ("file",))
    if "file" in options:
        writable(Path(options["file"]))
    config = parse(rest)
    if config.controls:
        raise UserError("controls= beside control=: eval.run takes a file of them")
    refuse_repair(config, "eval.generate")
    name = one_task(config)
    run = planned(config, ["python", "-m", "eval.generate", *rest])
    for (task, method), reason in run.refused.items():
        if not run.jobs:
            raise UserError(f"nothing to generate: {method} has no cell for {task} ({reason})")
        run.display.say(f"{method}: {reason}")
    targets = of_typed(run, name, typed)
    for job in run.jobs:
        run.lists.check_room(name, job.method, targets)
    rows = [row for job in run.jobs for row in generated(run, job, targets)]
    show(run, name, targets, rows)
    if "file" in options:
        _store(Path(options["file"]), rows)


def generated(run: Run, job: Job, targets: Sequence[Target]) -> list[Row]:
    """The samples of one method, those that it answers with where it chooses among candidates.
    Networks and judges that are missing are trained."""
    from models.contract import answers

    assert job.task is not None
    task, config = run.plan.task(job.task), run.config
    judged = not task.pooled  # what is scored over a set against human answers
    run.build([*job.recipes.values(), *(run.judges.needs if judged else [])])
    if judged:
        run.guard(job)
    generator, samples = run.generator(job), list[tuple[Target, int, Words]]()
    by_id = {target.id: target for target in targets}
    with run.display.stage(f"generate with {job.method}") as progress:
        for made in answers(
            generator,
            targets,
            job.samples,
            config.seed,
            settings=job.options,
            batch=config.batch,
            progress=progress,
        ):
            kept = made.samples if made.chosen is None else [made.samples[made.chosen]]
            samples += [(by_id[made.target_id], one.index, one.words) for one in kept]
    if not judged:
        return [Row(t, job.method, index, words, {}, None) for t, index, words in samples]
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(target, to_end(words)) for target, _, words in samples]
        cache = Path(folder) / "annotations.jsonl"
        read = run.judges.judge.annotate(task, pairs, cache, fluency=task.fluency)
    rows = []
    for (target, index, words), one in zip(samples, read, strict=True):
        scores = task.score(target, one)
        headlines = {name: share(scores[name]) for name in task.headlines}
        lm = math.exp(one.nll / one.tokens) if one.nll is not None and one.tokens else None
        rows.append(Row(target, job.method, index, words, headlines, lm))
    return rows


def show(run: Run, name: str, targets: Sequence[Target], rows: Sequence[Row]) -> None:
    """Prints a table for each control."""
    from rich.console import Console

    console = Console(highlight=False)
    for target in targets:
        console.print(visible(target.control.brief()), markup=False)
        console.print(_table(run, name, [row for row in rows if row.target == target]))


def _table(run: Run, name: str, rows: Sequence[Row]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    task = run.plan.task(name)
    metrics = task.headlines if not task.pooled else ()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", no_wrap=True)
    table.add_column("text", ratio=1)
    parts = [part.label for row in rows[:1] for part, _ in task.split(row.target)]
    for label in parts if len(parts) > 1 else ["satisfied"] * len(metrics):
        table.add_column(label, justify="right")
    fluent = any(row.lm is not None for row in rows)
    if fluent:
        table.add_column("lm", justify="right", no_wrap=True)
    before = ""
    for row in rows:
        label = "" if row.method == before else row.method
        cells = [label, visible(detokenize(row.words)), *(_said(row.scores[m]) for m in metrics)]
        table.add_row(*map(Text, cells + ([_perplexity(row.lm)] if fluent else [])))
        before = row.method
    return table


def _said(score: float) -> str:
    """``yes``, ``no``, or how far a control that can be satisfied in part is."""
    return {1.0: "yes", 0.0: "no"}.get(score, f"{100 * score:.0f} %")


def _perplexity(lm: float | None) -> str:
    return "" if lm is None else f"{lm:.2f}"


def _store(path: Path, rows: Sequence[Row]) -> None:
    methods = list(dict.fromkeys(row.method for row in rows))
    for method in methods:
        place = path if len(methods) == 1 else path.with_name(f"{path.stem}.{method}.jsonl")
        records = [
            {
                "target": row.target.id,
                "words": list(row.words),
                "index": row.index,
                "method": row.method,
                "control": to_json(row.target.control),
                "scores": row.scores,
                "lm": row.lm,
            }
            for row in rows
            if row.method == method
        ]
        write_lines(place, records)


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
