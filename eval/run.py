"""``python -m eval.run key=value ...``: train what is missing, generate, judge, compare."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.common import stop
from tasks.common.commands import typed
from tasks.common.errors import UserError
from tasks.common.files import json_text, write_text
from tasks.common.lease import AGAIN
from tasks.common.own import blaming
from tasks.common.terminal import one_line, show_anyway

if TYPE_CHECKING:
    from rich.console import Console as AnyConsole

    from eval.reading.beside import Terms
    from eval.running.config import RunConfig
    from eval.running.runner import Run

USAGE_ERROR, INTERRUPTED = 2, 130
#: what the further lines of a sample are indented by
SAMPLE = 6
#: of an error that lists several mistakes, one a line
LINES = "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    return guarded(_main, sys.argv[1:] if arguments is None else arguments)


def guarded(command: Callable[[Sequence[str]], None], arguments: Sequence[str]) -> int:
    """0; 2 for a mistake that the user can mend (one line on stderr, and below it the traceback of
    a file of the user's that failed); 75 for work that was asked to
    stop, by a signal or a time limit of the user's, and can go on; or 130 for Ctrl-C."""
    show_anyway()
    try:
        with blaming():
            command(list(arguments))
        return 0
    except stop.Stopped:
        print("stopped, and saved; run the same command to go on", file=sys.stderr)
        return AGAIN
    except UserError as error:
        print(f"error: {one_line(typed(str(error)))}", file=sys.stderr)
        for line in getattr(error, "trace", "").splitlines():
            print(one_line(line), file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:
        # whoever read the output (head, a pager) has gone: nothing is wrong, and the interpreter
        # is not to complain when it flushes at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        reason = one_line(f"cannot use{where}: {error.strerror or error}")
        print(f"error: {reason}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command to go on", file=sys.stderr)
        return INTERRUPTED


def _main(given: Sequence[str]) -> None:
    from eval.running.command import parse
    from eval.running.help import asks_help

    if "--list" in given:
        if len(given) > 1:
            raise UserError("--list stands alone")
        print(listing())
        return
    if asks_help(given):
        return
    run(parse(given), given)


def listing() -> str:
    """Tasks, methods, corpora and presets, one line each."""
    from baselines import METHODS
    from eval.running.presets import PRESETS
    from tasks import COMPOSITIONS, TASKS
    from tasks.corpora import CORPORA, OWN_CORPORA

    lines = []
    for title, names in (
        ("tasks", [*TASKS, *COMPOSITIONS]),
        ("methods", METHODS),
        ("corpora", [*CORPORA, OWN_CORPORA]),
    ):
        lines.append(f"{title}: {', '.join(names)}")
    lines.append("presets:")
    for name, preset in PRESETS.items():
        lines.append(f"  {name}: {(preset.__doc__ or '').splitlines()[0]}")
    return "\n".join(lines)


def run(config: RunConfig, given: Sequence[str]) -> None:
    """One run, and what it shows at the end."""
    import warnings

    import torch

    from eval.reading.beside import Beside
    from eval.running.display import Display
    from eval.running.fitting import notes
    from eval.running.runner import Run

    # what libraries say of their own internals is no news to whoever runs this
    warnings.filterwarnings("ignore", category=UserWarning, module=r"torch(_struct)?\.")
    if config.threads:
        torch.set_num_threads(config.threads)
    display = Display()
    beside = Beside(config.beside, config.folder)
    beside.check(config.tasks)
    one = Run(config, display, ["python", "-m", "eval.run", *given])
    if not one.jobs:
        (task, method), reason = next(iter(one.refused.items()))
        raise UserError(f"nothing to run: {method} has no cell for {task} ({reason})")
    for task in config.tasks if config.beside else ():
        for why in beside.unlike(task, terms_of(one, task)):
            display.say(f"note: {task}, {why}")
    for note in notes(config):
        display.say(note)
    with stopping(config.stop_after):
        anything = one.execute()
    display.say("" if anything else "nothing was left to do\n")
    report(one, display.console)
    write_summary(one)
    display.say(f"samples, scores and table: {config.folder}/  (table.md, table.json)")
    display.say(f"trained artefacts: {config.store}/")


@contextmanager
def stopping(minutes: float) -> Iterator[None]:
    """Lets SIGTERM, and the clock where ``minutes`` is above 0, ask long work to save and end."""
    main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    if main_thread:
        stop.on_signals([signal.SIGTERM])
    clock = threading.Timer(60 * minutes, stop.request)
    clock.daemon = True
    if minutes:
        clock.start()
    try:
        yield
    finally:
        clock.cancel()
        stop.request(False)
        if main_thread:
            signal.signal(signal.SIGTERM, before)


def terms_of(one: Run, task: str) -> Terms:
    """What the scores of a task's cells hang on beside their samples."""
    from eval.reading.beside import Terms

    return Terms(one.lists.cell(task).identity, one.scoring.judges(task))


def report(one: Run, console: AnyConsole, methods: Sequence[str] | None = None) -> None:
    """Writes the tables of what is scored and prints them: of ``methods``, by default the run's,
    of the samples that other programs made, and of the stored sets that stand beside them."""
    from eval.reading.beside import Beside
    from eval.reading.measured import measure
    from eval.reading.names import traits
    from eval.reading.notes import legend, warnings
    from eval.reading.results import ResultSet
    from eval.reading.samples import pick, show
    from eval.reading.tables.run import brief, run_tables, store
    from eval.reading.tables.terminal import View, hanging, hint, line
    from eval.reading.tables.terminal import show as show_tables
    from eval.running.cells import external

    config, results = one.config, ResultSet(one.folder, one.config.tasks)
    beside = Beside(config.beside, one.folder)
    tables, asked = [], dict[str, list[str]]()
    for task in config.tasks:
        own = config.rows if methods is None else methods
        asked[task] = [*own, *external(config.folder / task)]
        rows = beside.rows(results, task, terms_of(one, task), asked[task])
        measured = measure(
            results,
            traits(one.plan.task(task)),
            rows.methods,
            refused=one.refused,
            corpus=config.corpus,
            guests=rows.guests,
            stand_in=True,
        )
        tables.append(replace(measured, stored=rows.said))
    against = dict.fromkeys(measured.against for measured in tables if measured.paired)
    below = legend(config.corpus, one.judges.fluency, list(against))
    warned = [text for measured in tables for text in warnings(measured.rows)]
    store(config.folder, tables, [*below, *warned])
    view = View(config.columns, config.legend, str(config.folder / "table.md"))
    for measured in tables:
        for sample in show(pick(results, measured.task, asked[measured.task])):
            hanging(sample, console, SAMPLE)
        show_tables(list(map(brief, run_tables(measured))), console, replace(view, hint=False))
    if config.legend == "full":
        for note in below:
            line(note, console)
    else:
        hint(console, view)
    for warning in dict.fromkeys(warned):
        console.print(f"warning: {warning}", markup=False, style="bold yellow")
    console.print()


def _refused(one: Run) -> dict[str, str]:
    """Why cells cannot be, by task/method: also of the runs that filled other cells of the set."""
    from eval.running.schema import RunFile
    from tasks.common.schema import read_json

    try:
        earlier = read_json(one.config.folder / "run.json", RunFile).get("refused", {})
    except UserError:  # none yet, or what is written now takes its place
        earlier = {}
    asked = {f"{task}/{method}" for task in one.config.tasks for method in one.config.rows}
    kept = {name: reason for name, reason in earlier.items() if name not in asked}
    return kept | {f"{t}/{m}": reason for (t, m), reason in one.refused.items()}


def write_summary(one: Run) -> None:
    """``run.json``: the settings of this run, and what it cannot fill and why."""
    summary = {
        **one.provenance,
        "command": shlex.join(one.provenance["command"]),
        "tasks": one.config.tasks,
        "methods": one.config.methods,
        "refused": _refused(one),
        "artefacts": {role: recipe.key for job in one.jobs for role, recipe in job.recipes.items()},
        "judges": {role: recipe.key for role, recipe in one.judges.items()},
    }
    write_text(one.config.folder / "run.json", json_text(summary, indent=1, escape=True))


if __name__ == "__main__":
    sys.exit(main())
