"""``python -m slurm.pack key=value ... out=DIR``: a run as a folder for a bare machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from eval.run import guarded
from eval.running.keys import key_list, keys, override, pairs
from slurm.packing.config import PackConfig
from tasks.common.commands import typed
from tasks.common.errors import unknown

USAGE = """\
usage: python -m slurm.pack key=value ... out=DIR

Packs a run for a machine that has torch, transformers and their like and nothing else: no network,
no corpus, not this program. Corpus, parses, tags, vocabulary and targets are made here; networks
are trained there, and texts sampled.

  python -m slurm.pack preset=paper task=length,syntax_spans method=diffusion_lm corpus=e2e \\
      data=DATA python=3.12 out=paper-pack
  sh paper-pack/run.sh minutes=9 device=cuda            on the machine, as often as need be
  python -m slurm.unpack paper-pack/back                here again: judged, with the table

Keys of the pack, with type, default and meaning:
"""


def main(given: Sequence[str]) -> None:
    from eval.running.help import asked
    from eval.running.help import asks_help as run_help

    help_of = asked(given)
    if help_of is not None:
        names, rest = help_of
        config, rest = split(rest)
        own = f"{typed(USAGE)}{key_list(config)}\n\nKeys of python -m eval.run:\n"
        run_help([*rest, "--help", *names], own)
        return
    config, rest = split(given)
    from slurm.packing.making import make, sizes
    from slurm.packing.parcel import MIB

    out = make(config, rest)
    named = list(sizes(out))
    for name, size in named:
        print(f"{size / MIB:7.2f} MiB  {name}")
    total = sum(size for _, size in named) / MIB
    print(f"{total:7.2f} MiB  in all, of {config.limit:g}")
    print(f"carry {Path(out)}/ to the machine: sh {out}/run.sh minutes={config.minutes:g}")


def split(given: Sequence[str]) -> tuple[PackConfig, list[str]]:
    """The keys of the pack and the arguments of ``eval.run``. Raises ``UserError``."""
    from eval.running.config import RunConfig

    named, own = pairs(given, RunConfig), keys(PackConfig)
    for name in named:
        if name not in own and name not in keys(RunConfig) and "." not in name:
            raise unknown("key", name, [*own, *keys(RunConfig)])
    config = override(PackConfig(), {n: v for n, v in named.items() if n in own})
    return config, [f"{name}={value}" for name, value in named.items() if name not in own]


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
