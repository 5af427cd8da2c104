"""The keys of ``python -m slurm.sweep``: those of ``eval.run``, and where and how to run its jobs.

Nothing here imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from eval.running.command import parse
from eval.running.config import RunConfig
from eval.running.keys import key_list, keys, override, pairs
from tasks.common.errors import UserError, unknown


@dataclass(frozen=True)
class SweepConfig:
    """Where the jobs of a sweep run, with which resources, and how many at once."""

    #: slurm (sbatch), local (processes on this machine) or debug (one after another, in this one)
    cluster: Literal["slurm", "local", "debug"] = "slurm"
    #: YAML file of keys of this section; the command line wins over it
    profile: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    #: node features that SLURM is to look for
    constraint: str | None = None
    #: generic resources as SLURM writes them (gpu:h200:1), instead of gpus
    gres: str | None = None
    #: GPUs of a training job; above 1 it trains data-parallel. Other jobs get one, or none with 0
    gpus: int = 1
    #: processes of a data-parallel training; 0 is one for each GPU
    processes: int = 0
    #: CPU cores of a job; with cluster=local no more than its share of this machine's
    cpus: int = 4
    #: memory of a job (32GB); null is the cluster's default
    mem: str | None = None
    #: time limit of a job; one that reaches it is requeued and goes on
    minutes: int = 240
    #: seconds before the time limit at which a job is told to save and stop
    grace: int = 90
    #: shell lines run before each job (module load cuda), as a list
    setup: list[str] = field(default_factory=list)
    #: jobs that run at once, over the whole sweep
    max_parallel: int = 8
    #: parts that the targets of a cell are split into, each a job
    shards: int = 1
    #: seeds of targets and samples, separated by commas, each a result set of its own in
    #: OUT/seed-N; null is the one of seed=
    seeds: str | None = None
    #: how often failed jobs are tried again
    retries: int = 2
    #: how often a job may be requeued after reaching its time limit
    requeues: int = 100
    #: stay, show the state of every job, and end when the last one has
    wait: bool = False
    #: print the plan and end
    dry_run: bool = False

    def __post_init__(self) -> None:
        least = {"gpus": 0, "processes": 0, "cpus": 1, "minutes": 1, "grace": 1}
        for name, low in (least | {"max_parallel": 1, "shards": 1, "retries": 0}).items():
            if getattr(self, name) < low:
                raise UserError(f"{name}={getattr(self, name)}: at least {low}")
        if self.profile and self.profile.startswith("~"):
            raise UserError(f"profile={self.profile}: write the folder out")


@dataclass(frozen=True)
class Sweep:
    """A command line, taken apart. ``runs``: for each result set, the arguments of ``eval.run``."""

    config: SweepConfig
    runs: tuple[tuple[str, ...], ...]
    folder: Path
    """Where plans, logs and outcomes of the sweep lie: ``OUT/.sweep``."""


def parse_sweep(arguments: Sequence[str]) -> Sweep:
    """Raises ``UserError`` for what :func:`eval.running.config.parse` refuses, and for a profile
    that cannot be read or has unknown keys."""
    sweep_keys = keys(SweepConfig)
    given = pairs(arguments, RunConfig)
    for name in given:
        if name not in sweep_keys and name not in keys(RunConfig) and "." not in name:
            raise unknown("key", name, [*sweep_keys, *keys(RunConfig)])
    ours = {name: value for name, value in given.items() if name in sweep_keys}
    base = SweepConfig()
    if "profile" in ours:
        base = _profile(Path(ours["profile"]))
    config = override(base, ours)
    rest = [f"{name}={value}" for name, value in given.items() if name not in sweep_keys]
    run = parse(rest)
    if config.seeds is None:
        return Sweep(config, (tuple(rest),), run.folder / ".sweep")
    if "seed" in given:
        raise UserError("give seed= or seeds=, not both")
    rest = [one for one in rest if not one.startswith("out=")]
    try:
        seeds = [int(part) for part in config.seeds.split(",")]
    except ValueError:
        raise UserError(f"seeds={config.seeds}: numbers separated by commas") from None
    runs = tuple((*rest, f"seed={n}", f"out={run.folder / f'seed-{n}'}") for n in seeds)
    return Sweep(config, runs, run.folder / ".sweep")


def _profile(path: Path) -> SweepConfig:
    import yaml

    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"cannot read profile {path}: {str(error).splitlines()[0]}") from None
    if not isinstance(profile, dict):
        raise UserError(f"profile {path} is no list of 'key: value'")
    valid = keys(SweepConfig)
    set_ = [(str(name), value) for name, value in profile.items() if value is not None]
    for name, _ in set_:
        if name not in valid or name == "profile":
            raise unknown(f"key of profile {path}", name, [n for n in valid if n != "profile"])
    plain = {name: json.dumps(value) if name == "setup" else str(value) for name, value in set_}
    return override(SweepConfig(), plain)


USAGE = """\
usage: python -m slurm.sweep key=value ...

Plans every artefact and cell of a run, submits the jobs, and ends with the tables written.

  python -m slurm.sweep task=all method=all preset=paper partition=gpu dry_run=true
  python -m slurm.sweep task=all method=all preset=paper partition=gpu gpus=1 shards=4
  python -m slurm.sweep task=length method=all cluster=local max_parallel=2
  python -m slurm.status OUT      the state of every job      python -m slurm.cancel OUT
  python -m slurm.logs OUT JOB    what a job printed

Run again, it submits only what is missing. OUT is the result folder (out=...).

Keys of the sweep, with type, default and meaning:
"""


def asks_help(arguments: Sequence[str], usage: str = USAGE) -> bool:
    """Whether ``--help`` or ``-h`` is among a sweep's arguments; then ``usage``, the sweep's keys
    and those of ``eval.run`` have been printed."""
    rest = [argument for argument in arguments if argument not in ("--help", "-h")]
    if len(rest) == len(arguments):
        return False
    sweep = parse_sweep(rest)
    run = parse(sweep.runs[0])
    print(f"{usage}{key_list(sweep.config)}\n\nKeys of python -m eval.run:\n{key_list(run)}")
    return True
