"""``python -m eval.targets key=value ...``: a task's control targets as JSON lines, for programs
that generate on their own; ``python -m eval.score`` judges what they made.

On E2E every text ends in a newline token, which counts as a word: a length of 24 is 23 words and
the newline, and the last tag of a text is the newline's. Each line then says so under ``note``.

Keys are those of ``python -m eval.run`` (one task), and
  file (str) = the standard output
      where the targets go
  control (str)
      a control of your own instead, as python -m eval.generate --help says; it can be given several
      times. ``python -m eval.run`` and ``eval.score`` take the file as controls=FILE
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval.run import guarded
from eval.running.typed import controls, of_typed
from tasks.common.errors import UserError
from tasks.common.terminal import shows_all

if TYPE_CHECKING:
    from eval.running.config import RunConfig
    from eval.running.runner import Run
    from tasks.base import Target

#: said in each line, for a corpus whose texts end so
NEWLINE = "the newline token that ends every text is one of its words"


def split(given: Sequence[str], names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The ``name=value`` arguments called ``names``, and all others. Raises ``UserError`` for one
    that is empty or given twice."""
    pairs = [argument.partition("=") for argument in given]
    ours = [(key, value) for key, equals, value in pairs if equals and key in names]
    for number, (key, value) in enumerate(ours):
        if not value.strip() or "\0" in value:
            raise UserError(f"{key}=: empty, or no text at all")
        if key in dict(ours[:number]):
            raise UserError(f"{key} is given twice: '{dict(ours[:number])[key]}' and '{value}'")
    options = dict(ours)
    return options, ["".join(pair) for pair in pairs if pair[0] not in options]


def writable(path: Path) -> None:
    """Raises ``UserError`` where no file can be written: before the work whose end that is."""
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a file")
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")


def one_task(config: RunConfig) -> str:
    """The single task asked for. Raises ``UserError`` if there are several."""
    if len(config.tasks) != 1:
        raise UserError(f"one task at a time, not {config.task}")
    return config.tasks[0]


def planned(config: RunConfig, command: Sequence[str]) -> Run:
    """The run of these settings, for one task. What it says goes to stderr; nothing is done yet."""
    from rich.console import Console

    from eval.running.display import Display
    from eval.running.fitting import notes
    from eval.running.runner import Run

    display = Display(Console(stderr=True, soft_wrap=True, highlight=False))
    for note in notes(config):
        display.say(note)
    return Run(config, display, command)


def choose(run: Run, task: str) -> None:
    """Chooses the targets of a task where they are not stored yet."""
    run.lists.cell(task).check(run.config.overwrite)
    choosing = run.choosing(task)
    if not choosing.done():
        run.perform(choosing)
    if run.plan.task(task).quotes:  # results do not hold all of a target
        run.build([run.plan.texts_for(task)])


def drawn(run: Run, task: str) -> list[Target]:
    """The targets of a task. Where the result folder holds those of other settings it is left as it
    is, but with ``overwrite``."""
    with tempfile.TemporaryDirectory() as apart:
        if run.lists.cell(task).other and not run.config.overwrite:
            run.lists.folder = Path(apart)
        choose(run, task)
        return run.lists.full(task)


def main(given: Sequence[str]) -> None:
    from eval.running.help import asks_help

    if asks_help(given, f"{__doc__}", keys_too=False):
        return
    from eval.running.command import parse
    from tasks.controls import to_json
    from tasks.corpora import traits

    typed, others = controls(given)
    options, rest = split(others, ("file",))
    if "file" in options:
        writable(Path(options["file"]))
    config = parse(rest)
    name = one_task(config)
    run = planned(config, ["python", "-m", "eval.targets", *rest])
    task = run.plan.task(name)
    targets = of_typed(run, name, typed) if typed else drawn(run, name)
    note = {"note": NEWLINE} if traits(config.corpus).closing else {}
    # contexts are words of the text and have no other linear form
    lines = [
        {"id": t.id, "control": to_json(t.control)}
        | ({} if task.quotes else {"prompt": task.prompt(t.control)})
        | note
        for t in targets
    ]
    # where other letters cannot be shown they are escaped, and the lines read as the same
    plain = "file" not in options and not shows_all(sys.stdout)
    text = "".join(json.dumps(line, ensure_ascii=plain) + "\n" for line in lines)
    if "file" in options:
        from tasks.common.files import write_text

        write_text(Path(options["file"]), text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
