"""Trainings that fit into the time on the machine: their pace is measured, their steps chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from baselines import METHODS
from eval.running.config import RunConfig
from eval.running.roles import roles
from models.nets.config import TrainConfig
from slurm.packing.config import minutes_of
from tasks.common import stop
from tasks.common.errors import UserError, unknown
from tasks.common.files import json_text, write_text
from tasks.common.schema import read_json

Say = Callable[[str], None]

#: in ``work/``: the settings that were chosen there, key -> value as typed
CHOSEN = "fit.json"
#: of a training's minutes, what its steps may take; the rest is for validation and checkpoints
STEPS_SHARE = 0.9


def trained_sections(config: RunConfig) -> dict[str, TrainConfig]:
    """Section -> how its networks are trained, of the run's networks."""
    found = {}
    for one in dataclasses.fields(config):
        train = getattr(getattr(config, one.name), "train", None)
        if isinstance(train, TrainConfig):
            found[one.name] = train
    return found


def check_sections(config: RunConfig, fit: str) -> None:
    """Raises ``UserError`` for a network in ``fit`` that no section trains."""
    known = trained_sections(config)
    for name in minutes_of(fit):
        if name not in known:
            raise unknown("network of fit=", name, known)


def steps_within(minutes: float, pace: float, most: int) -> int:
    """How many steps of ``pace`` seconds fit into ``minutes``: at most ``most``, at least one, and
    a round number where that is below."""
    steps = int(60 * minutes * STEPS_SHARE / pace)
    if steps >= most:
        return most
    return max(1, steps - steps % 100 if steps >= 1000 else steps)


def shorter(config: RunConfig, name: str, steps: int) -> dict[str, str]:
    """The keys that train section ``name`` for so many steps, its average over the same share of
    them; none where that is what it has."""
    train = trained_sections(config)[name]
    less = train.lasting(steps)
    if less == train:
        return {}
    chosen = {f"{name}.train.steps": str(less.steps), f"{name}.train.ema": repr(less.ema)}
    # a rate that never came to its peak would have taught nothing
    if train.warmup > steps // 2:
        chosen[f"{name}.train.warmup"] = str(steps // 2)
    return chosen


def paces(config: RunConfig, sections: Sequence[str], say: Say) -> dict[str, float]:
    """Section -> seconds of a training step here, the longest of its networks'; of those that the
    run's cells need. Trains each for a few steps, which shows that it can be."""
    from eval.studies.bench import Bench

    known = roles()
    found: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        bench = Bench(config, Path(folder), say)
        for task in config.tasks:
            bench.task = bench.plan.task(task)
            for card in map(METHODS.card, config.methods):
                if card.refuses(bench.task) is not None:
                    continue
                for role in card.needs(bench.task, getattr(config, card.name, card.Settings())):
                    name = role.partition(":")[0]  # one of several of a kind: classifier:...
                    section = known[name].section if name in known else ""
                    if section not in sections:
                        continue
                    kind = bench.plan.role(role, task).spec.kind
                    # one figure of a kind is kept, and networks of a kind differ
                    bench.figures.pop(f"train {kind}", None)
                    _try(bench, role, say)
                    pace = bench.figures.get(f"train {kind}", {}).get("seconds a step", 0.0)
                    found[section] = max(float(pace), found.get(section, 0.0))
    return {name: pace for name, pace in found.items() if pace}


def _try(bench: Any, role: str, say: Say) -> None:
    """Trains one for a few steps. What fails is said, and will be again where it is needed."""
    try:
        bench.build(role)
    except stop.Stopped:
        raise
    except Exception as error:  # of a device or a library; the others are measured all the same
        say(f"{role}: its pace cannot be measured ({' '.join(str(error).split())})")


def chosen(work: Path, config: RunConfig, fit: str, say: Say) -> Mapping[str, str]:
    """The settings of trainings that fit, as an earlier visit chose them or chosen now."""
    path = work / CHOSEN
    if path.exists():
        earlier: Mapping[str, str] = read_json(path, dict[str, str])
        return check_chosen(earlier, path)
    minutes = minutes_of(fit)
    check_sections(config, fit)
    if not minutes:
        return {}
    found: dict[str, str] = {}
    measured = paces(config, list(minutes), say)
    for name in minutes:
        most = trained_sections(config)[name].steps
        if name not in measured:
            say(f"{name}: its pace is not known, all {most} steps are tried")
            continue
        steps = steps_within(minutes[name], measured[name], most)
        found |= shorter(config, name, steps)
        say(f"{name}: {steps} of {most} steps fit into {minutes[name]:g} min")
    write_text(path, json_text(found, indent=1))
    return found


def check_chosen(settings: Mapping[str, str], place: Path) -> Mapping[str, str]:
    """Raises ``UserError`` for other settings than those that :func:`chosen` writes."""
    for key in settings:
        if key.split(".")[1:] not in (["train", one] for one in ("steps", "ema", "warmup")):
            raise UserError(f"{place} is damaged: '{key}' is no setting of a training")
    return settings
