"""The keys of ``python -m slurm.sweep``: those of ``eval.run``, and where and how to run its jobs.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from eval.running.command import parse
from eval.running.config import RunConfig, refuse_repair
from eval.running.help import asked
from eval.running.help import asks_help as run_help
from eval.running.keys import Key, key_list, keys, override, pairs
from eval.running.values import cut, read, shown
from slurm.profile import read_profile
from tasks.common.errors import UserError, unknown
from tasks.common.ranges import SEEDS, Checked, ranged, refusal


@dataclass(frozen=True)
class SweepConfig(Checked):
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
    gpus: int = ranged(1, least=0, most=1024)
    #: processes of a data-parallel training; 0 is one for each GPU
    processes: int = ranged(0, least=0, most=1024)
    #: CPU cores of a job; with cluster=local no more than its share of this machine's
    cpus: int = ranged(4, least=1, most=65_533)
    #: memory of a job (32GB); null is the cluster's default
    mem: str | None = None
    #: time limit of a job; one that reaches it is requeued and goes on
    minutes: int = ranged(240, least=1, most=10**7, unit="minutes")
    #: seconds before the time limit at which a job is told to save and stop
    grace: int = ranged(90, least=1, most=65_535, unit="seconds")
    #: shell lines run before each job, as a list ([module load cuda, "echo a, b"]), or one line
    setup: list[str] = field(default_factory=list)
    #: jobs that run at once, over the whole sweep
    max_parallel: int = ranged(8, least=1, most=100_000)
    #: the most jobs of one array; 0 is what the cluster allows (MaxArraySize), 1000 at most
    max_array: int = ranged(0, least=0, most=4_000_001)
    #: parts that the targets of a cell are split into, each a job
    shards: int = ranged(1, least=1, most=100_000)
    #: seeds of targets and samples, separated by commas, each a result set of its own in
    #: OUT/seed-N; null is the one of seed=
    seeds: str | None = None
    #: how often failed jobs are tried again
    retries: int = ranged(2, least=0, most=10**6)
    #: how often a job may be requeued after reaching its time limit
    requeues: int = ranged(100, least=0, most=10**6)
    #: stay, show the state of every job, and end when the last one has
    wait: bool = False
    #: FLOP/s that a device sustains in training, for estimates where nothing like it was measured;
    #: 0 is a fifth of the peak of the GPU that gres, constraint or this machine names, without a
    #: name an A100's
    device_flops: float = ranged(0.0, least=0, most=1e20)
    #: print the plan and end
    dry_run: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grace >= 60 * self.minutes:
            raise UserError(
                f"grace={self.grace}: below {60 * self.minutes}, the seconds of minutes="
                f"{self.minutes}: jobs would be told to stop as soon as they start"
            )
        for name in ("partition", "account", "qos", "constraint", "gres", "mem"):
            value = getattr(self, name)
            if value is not None and not value.isprintable():
                raise UserError(f"{name}={value!r}: a text on one line")
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
        sweep_keys["profile"].read("profile", ours["profile"])
        base = _profile(Path(ours["profile"]), sweep_keys)
    config = override(base, ours)
    rest = [f"{name}={value}" for name, value in given.items() if name not in sweep_keys]
    run = parse(rest)
    refuse_repair(run, "slurm.sweep")
    if config.seeds is None:
        return Sweep(config, (tuple(rest),), run.folder / ".sweep")
    if "seed" in given:
        raise UserError("give seed= or seeds=, not both")
    rest = [one for one in rest if not one.startswith("out=")]
    seeds = _seeds(config.seeds)
    runs = tuple((*rest, f"seed={n}", f"out={run.folder / f'seed-{n}'}") for n in seeds)
    return Sweep(config, runs, run.folder / ".sweep")


def _seeds(text: str) -> list[int]:
    """Raises ``UserError`` for anything but different seeds separated by commas."""
    try:
        seeds = [int(read(int, one)) for one in cut(text, "numbers")]
    except ValueError as error:
        reason = str(error) if "given twice" in str(error) else "numbers separated by commas"
        raise UserError(f"seeds={shown(text)}: {reason}") from None
    for seed in seeds:
        why = refusal(seed, {"range": SEEDS})
        if why:
            raise UserError(f"seeds={shown(text)}: {seed}: {why}")
        if seeds.count(seed) > 1:
            raise UserError(f"seeds={shown(text)}: {seed} is given twice")
    return seeds


def _profile(path: Path, valid: dict[str, Key]) -> SweepConfig:
    texts, lists = read_profile(path, {n: key for n, key in valid.items() if n != "profile"})
    try:
        return replace(override(SweepConfig(), texts), **lists)
    except UserError as error:
        raise UserError(f"profile {path}: {error}") from None


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
    and those of ``eval.run`` have been printed, or what the names behind ``--help`` stand for."""
    help_of = asked(arguments)
    if help_of is None:
        return False
    names, rest = help_of
    sweep = parse_sweep(rest)
    own = f"{usage}{key_list(sweep.config)}\n\nKeys of python -m eval.run:\n"
    return run_help([*sweep.runs[0], "--help", *names], own)
