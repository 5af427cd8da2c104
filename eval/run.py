"""``python -m eval.run key=value ...``: train what is missing, generate, judge, compare."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from eval.config import RunConfig
    from eval.runner import Run

USAGE_ERROR, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 2 for a mistake of the user's (one line on stderr), 130 for Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _main(given)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        print(f"error: cannot use{where}: {error.strerror or error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command to go on", file=sys.stderr)
        return INTERRUPTED


def _main(given: list[str]) -> int:
    from eval.config import parse

    if "--list" in given:
        print(listing())
        return 0
    if "--help" in given or "-h" in given:
        from eval.config import help_text

        rest = [argument for argument in given if argument not in ("--help", "-h")]
        print(help_text(parse(rest)))
        return 0
    run(parse(given), given)
    return 0


def listing() -> str:
    """Tasks, methods, corpora and presets, one line each."""
    from baselines import METHODS
    from eval.presets import PRESETS
    from tasks import TASKS
    from tasks.corpora import CORPORA

    lines = []
    for title, names in (("tasks", TASKS), ("methods", METHODS), ("corpora", CORPORA)):
        lines.append(f"{title}: {', '.join(names)}")
    lines.append("presets:")
    for name, preset in PRESETS.items():
        lines.append(f"  {name}: {(preset.__doc__ or '').splitlines()[0]}")
    return "\n".join(lines)


def run(config: RunConfig, given: Sequence[str]) -> None:
    """One run, and what it shows at the end."""
    from eval.display import Display
    from eval.runner import Run

    if config.threads:
        import torch

        torch.set_num_threads(config.threads)
    display = Display()
    one = Run(config, display, ["python", "-m", "eval.run", *given])
    if one.execute():
        display.say("")
    else:
        display.say("nothing was left to do\n")
    _report(one, display.console)
    display.say(f"samples, scores and table: {config.folder}/  (table.md, table.json)")
    display.say(f"trained artefacts: {config.store}/")


def _report(one: Run, console: Console) -> None:
    from eval.samples import pick, show
    from eval.table import build, rich_table, store

    config = one.config
    tables = [
        build(config.folder, one.plan.task(task), config.methods, one.refused, config.corpus)
        for task in config.tasks
    ]
    store(config.folder, tables)
    (config.folder / "run.json").write_text(json.dumps(_summary(one), indent=1), encoding="utf-8")
    for table in tables:
        for line in show(pick(config.folder, table.task, config.methods)):
            console.print(line)
        # a table wider than the terminal is cut by it, not by us
        width = max(console.width, 132)
        console.print(rich_table(table), width=width, soft_wrap=True)
        for note in table.notes:
            console.print(f"  {note}", markup=False, highlight=False)
        console.print()


def _summary(one: Run) -> dict[str, object]:
    command = one.provenance["command"]
    return {
        **one.provenance,
        "command": shlex.join(command),
        "tasks": one.config.tasks,
        "methods": one.config.methods,
        "refused": {f"{t}/{m}": reason for (t, m), reason in one.refused.items()},
        "artefacts": {
            role: recipe.key for job in one.jobs for role, recipe in job.recipes.items()
        },
        "judges": {role: recipe.key for role, recipe in one.judges.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
