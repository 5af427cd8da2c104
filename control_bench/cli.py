"""The console script: ``control-bench NAME ...`` is ``python -m MODULE ...``, from any folder."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from control_bench.completion import COMPLETE, COMPLETION, candidates, script
from tasks.common.commands import COMMANDS, HELP, SCRIPT, find, index, started_as
from tasks.common.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names. Its exit code comes as ``SystemExit``, or is
    returned: 0, and 2 for a command that there is not."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    program = Path(sys.argv[0]).name
    started_as("python -m control_bench" if program == "__main__.py" else SCRIPT)
    if given and given[0] in COMMANDS:
        sys.argv[1:] = given[1:]
        runpy.run_module(COMMANDS[given[0]].module, run_name="__main__", alter_sys=True)
        return 0
    from eval.run import guarded

    return guarded(_own, given)


def _own(given: Sequence[str]) -> None:
    name, rest = (given[0], given[1:]) if given else (HELP[0], [])
    if name in HELP:
        print(index())
    elif name == "--version":
        from control_bench.version import __version__

        print(f"{SCRIPT} {__version__}")
    elif name == COMPLETION:
        print(script(rest), end="")
    elif name == COMPLETE:
        print("\n".join(candidates(" ".join(rest))))
    elif "=" in name:
        raise UserError(f"name the command first, as {SCRIPT} run {name}")
    else:
        find(name)
