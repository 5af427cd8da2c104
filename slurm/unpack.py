"""``python -m slurm.unpack DIR key=value ...``: takes home what came back of a pack."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from eval.run import guarded
from eval.running.keys import key_list, keys, override, pairs
from slurm.packing.config import UnpackConfig
from tasks.common.commands import typed
from tasks.common.errors import unknown

USAGE = """\
usage: python -m slurm.unpack DIR key=value ...

Takes home what came back of a pack (python -m slurm.pack): DIR is its folder back/, or the pack.
Samples go into the result set, curves and provenance beside them, networks into the store; then
the complete cells are judged, and the table is printed.

  python -m slurm.unpack paper-pack/back
  python -m slurm.unpack back data=DATA store=.store out=results/run-paper

The keys of python -m eval.run that the pack was made with hold here too, unless others are given:
those that say where data, store and results lie. And, with type, default and meaning:
"""


def main(given: Sequence[str]) -> None:
    if {"--help", "-h"} & set(given):
        print(f"{typed(USAGE)}{key_list(UnpackConfig())}")
        return
    from eval.running.config import run_config
    from slurm.packing.home import judge_all, parts, take_home

    folder, rest = parts(given)
    named, own = pairs(rest, UnpackConfig), keys(UnpackConfig)
    valid = keys(run_config())
    for name in named:
        if name not in own and name not in valid:
            raise unknown("key", name, [*own, *(one for one in valid if "." not in one)])
    config = override(UnpackConfig(), {n: v for n, v in named.items() if n in own})
    brought = take_home(Path(folder), {n: v for n, v in named.items() if n not in own})
    run = brought.run
    run.display.say(f"taken home: {run.folder}/, from {run.provenance.get('device', '?')}")
    for name, why in brought.parcel["missing"].items():
        run.display.say(f"missing {name}: {why}")
    if config.judge:
        judge_all(brought)
        run.display.say(f"samples, scores and table: {run.folder}/  (table.md, table.json)")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
