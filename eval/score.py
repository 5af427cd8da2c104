"""``python -m eval.score task=... samples=FILE key=value ...``: judges samples made by any other
program with the same oracles, teacher, intervals and table as every method here.

FILE holds one JSON object a line: ``{"target": ID, "words": [...]}`` with the tokens as they are to
be judged, or ``{"target": ID, "text": "..."}``, which is split as the corpus was. The ids are those
that ``python -m eval.targets`` writes, and every target needs at least one sample.

Keys are those of ``python -m eval.run`` (one task), and
  samples (str)
      the file
  name (str) = the file's name
      what the table calls the method
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from baselines import METHODS
from eval.run import guarded
from eval.running.cells import SAMPLES, SCORES, Cell, write_lines
from eval.running.external import read_external
from eval.running.options import explains
from eval.running.runner import Run
from eval.running.scoring import FLOOR, HUMAN
from eval.targets import planned, split
from tasks.base import Words
from tasks.common.errors import UserError
from tasks.common.files import file_digest
from tasks.corpora import tokenizer

_NAME = re.compile(r"[\w.-]+")


def main(given: Sequence[str]) -> None:
    if explains(given, __doc__):
        return
    options, rest = split(given, ("samples", "name"))
    if "samples" not in options:
        raise UserError("samples=FILE is missing: the samples to judge (see --help)")
    path = Path(options["samples"])
    name = options.get("name", path.stem)
    if not _NAME.fullmatch(name) or name in (*METHODS, HUMAN, FLOOR):
        raise UserError(f"name={name}: choose another name, of letters, digits, '.', '_' and '-'")
    run, task = planned(rest, "eval.score")
    targets = run.lists.stored(task)
    samples = read_external(path, targets, tokenizer(run.config.corpus))
    lacking = [target.id for target in targets if target.id not in samples]
    if lacking:
        raise UserError(
            f"{path} has no sample for {len(lacking)} of {len(targets)} targets, as {lacking[0]}"
        )
    judge(run, task, name, path, samples)


def judge(run: Run, task: str, name: str, path: Path, samples: dict[str, list[Words]]) -> None:
    """Stores the samples as a cell of the result set, scores it and prints the task's table."""
    from eval.run import report

    identity = {
        "method": name,
        "external": file_digest(path),
        "task": task,
        "targets": run.lists.cell(task).identity,
    }
    cell = Cell(run.folder / task / name, identity)
    cell.check(run.config.overwrite)
    cell.write_config(**run.provenance)
    records = [
        {"target": target.id, "index": i, "of": len(samples[target.id]), "words": words}
        for target in run.lists.stored(task)
        for i, words in enumerate(samples[target.id])
    ]
    write_lines(cell.folder / SAMPLES, records)
    human = run.human()
    if run.fluency and not human.done():
        run.perform(human)
    run.build([*run.judges.values(), run.plan.texts_for(task)])
    with run.display.stage(f"judge {task}") as progress:
        run.scoring.score_task(task, {name: cell}, {name: run.provenance}, run.floor_cell, progress)
    scored = [m for m in METHODS if (run.folder / task / m / SCORES).exists()]
    report(run, run.display.console, scored)


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
