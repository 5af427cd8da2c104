"""``python -m slurm.bench key=value ...``: what scheduling costs, with the keys of ``slurm.sweep``.

Runs the same cells twice, with the same parallelism and from the same artefacts, which must exist:
by hand (one ``eval.run`` for each cell, ``max_parallel`` at once, as ``xargs -P`` would, and one
that prints the table) into ``OUT/hand``, and as a sweep into ``OUT/sweep``. Prints both wall times
and the sweep's surplus, checks that the samples are the same bytes, and writes ``OUT/bench.json``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from eval.run import guarded
from eval.running.cells import SAMPLES
from eval.running.command import parse
from slurm.config import Sweep, asks_help, parse_sweep
from tasks.common.errors import UserError
from tasks.common.files import write_text

USAGE = """\
usage: python -m slurm.bench key=value ...

Runs the same cells by hand and as a sweep, and compares the wall times and the samples.

  python -m slurm.bench task=syntax_spans,length method=fudge,ft_sample cluster=local max_parallel=2

Keys of the sweep, with type, default and meaning:
"""


def main(given: Sequence[str]) -> None:
    if asks_help(given, USAGE):
        return
    sweep = parse_sweep(given)
    out = sweep.folder.parent
    if out.exists():
        raise UserError(f"{out} exists already: set out= to a folder that does not")
    _needs_no_training(sweep)
    hand = timed("by hand", lambda: by_hand(sweep, out / "hand"))
    asked = [one for one in given if not one.startswith(("out=", "wait="))]
    command = [sys.executable, "-m", "slurm.sweep", *asked, f"out={out / 'sweep'}"]
    if sweep.config.cluster == "slurm":
        command.append("wait=true")
    swept = timed("sweep", lambda: _run(command))
    cells = compare(out / "hand", out / "sweep")
    figures = {
        "command": f"python -m slurm.bench {' '.join(given)}",
        "cells": cells,
        "max_parallel": sweep.config.max_parallel,
        "by_hand_seconds": round(hand, 1),
        "sweep_seconds": round(swept, 1),
        "surplus_percent": round(100 * (swept / hand - 1), 1),
    }
    write_text(out / "bench.json", json.dumps(figures, indent=1) + "\n")
    print(
        f"{cells} cells, {sweep.config.max_parallel} at once: by hand {hand:.0f} s, as a sweep "
        f"{swept:.0f} s, {figures['surplus_percent']:+} % (the samples are the same)"
    )


def by_hand(sweep: Sweep, out: Path) -> None:
    """The cells of the first result set of ``sweep``, each in a process of its own, then the
    table."""
    from slurm.plan import open_runs

    rest = [one for one in sweep.runs[0] if not one.startswith("out=")]
    config = parse(rest)
    common = [one for one in rest if not one.startswith(("task=", "method="))]
    run = [sys.executable, "-m", "eval.run", *common, f"out={out}"]
    (whole,) = open_runs(replace(sweep, runs=sweep.runs[:1]))
    cells = [
        [*run, f"task={task}", f"method={method}"]
        for task in config.tasks
        for method in config.methods
        if (task, method) not in whole.refused
    ]
    with ThreadPoolExecutor(sweep.config.max_parallel) as pool:
        list(pool.map(_run, cells))
    _run([*run, f"task={config.task}", f"method={config.method}"])


def compare(hand: Path, sweep: Path) -> int:
    """How many cells the two have. Raises ``UserError`` where samples differ."""
    paths = sorted(path.relative_to(hand) for path in hand.rglob(SAMPLES))
    if paths != sorted(path.relative_to(sweep) for path in sweep.rglob(SAMPLES)):
        raise UserError(f"{hand} and {sweep} do not have the same cells")
    for path in paths:
        if (hand / path).read_bytes() != (sweep / path).read_bytes():
            raise UserError(f"{hand / path} and {sweep / path} differ")
    return len(paths)


def timed(name: str, work: Callable[[], None]) -> float:
    """Wall seconds of ``work``, announced."""
    print(f"{name} ...", flush=True)
    start = time.monotonic()
    work()
    seconds = time.monotonic() - start
    print(f"{name}: {seconds:.0f} s", flush=True)
    return seconds


def _run(command: Sequence[str]) -> None:
    """Raises ``UserError`` with the end of what a failed command printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise UserError(f"{' '.join(command[1:])} failed: {' '.join(last)}")


def _needs_no_training(sweep: Sweep) -> None:
    from slurm.submit import planned

    missing = [job.name for job in planned(sweep) if job.stage == "artefact" and not job.done]
    if missing:
        raise UserError(f"{len(missing)} artefacts are not there yet, such as {missing[0]}")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
