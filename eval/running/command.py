"""The keys of ``python -m eval.run`` as a config, and its help page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baselines import METHODS
from eval.running.config import RunConfig
from eval.running.keys import override, pairs
from eval.running.presets import PRESETS, preset_config
from models.base import Card
from tasks import TASKS, asked_of, load_task
from tasks import suited as suited_tasks
from tasks.common.errors import UserError, unknown
from tasks.common.own import in_file
from tasks.corpora import traits


def parse(arguments: Sequence[str]) -> RunConfig:
    """The resolved config of a command line: the preset's values, then each ``key=value``.

    Raises ``UserError`` for an argument without ``=``, an unknown key (naming the nearest one), a
    value of the wrong type, and an unknown preset, corpus, task or method.
    """
    given = pairs(arguments, RunConfig)
    for name in given.get("method", "").split(","):
        if in_file(name):
            METHODS.name(name.strip())  # its options are keys
    preset = given.get("preset", RunConfig.preset)
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    corpus = given.get("corpus")
    if corpus is None and _fills(given.get("task", RunConfig.task)):
        corpus = "stories" if preset == "demo" else "rocstories"
    elif corpus is not None and traits(corpus).sentences:
        given.setdefault("task", ",".join(suited_tasks(corpus)))
    config = override(preset_config(preset, corpus), given)
    _check_tasks(config)
    _check_controls(config)
    check_fits(config)
    return config


def check_fits(config: RunConfig) -> None:
    """Raises ``UserError`` for settings that do not fit together in one of the run's cells: a
    number of steps, say, that a method cannot decode with."""
    used = set[str]()
    for task in map(load_task, config.tasks):
        for card in map(METHODS.card, config.methods):
            if card.refuses(task) is None:
                card.check(config, task)
                used.update(card.needs(task, _own(config, card)))
    for card in METHODS.floors.values() if config.floor else ():
        needed = card.needs(None, _own(config, card))
        if config.floor_by == card.name or (config.floor_by == "auto" and used.issuperset(needed)):
            card.check(config, None)
            return


def _own(config: RunConfig, card: Card) -> Any:
    return getattr(config, card.name, None) or card.Settings()


def _check_tasks(config: RunConfig) -> None:
    """Raises ``UserError`` for a task that the corpus knows nothing of."""
    for name in config.tasks:
        why = load_task(name).refuses_corpus(config.corpus)
        if why:
            known = ", ".join(asked_of(config.corpus))
            raise UserError(f"{why} (corpus={config.corpus} is for {known})")


def _check_controls(config: RunConfig) -> None:
    """Raises ``UserError`` for a file of controls that no run can be of."""
    if config.controls is None:
        return
    if not Path(config.controls).is_file():
        raise UserError(f"controls={config.controls}: there is no such file")
    if len(config.tasks) > 1:
        raise UserError(f"controls={config.controls} is of one task, not of {config.task}")
    if load_task(config.tasks[0]).pooled:
        raise UserError(
            f"controls={config.controls}: {config.tasks[0]} is scored against human answers, which "
            "controls of your own have none of; eval.generate shows samples"
        )


def _fills(tasks: str) -> bool:
    """Whether every task named fills in a text between two others, which stories alone have."""
    names = [name.strip() for name in tasks.split(",")]
    return all(name in TASKS or in_file(name) for name in names) and all(
        load_task(name).fills for name in names
    )


USAGE = """\
usage: python -m eval.run key=value ...

Trains what is missing, generates, judges and prints the comparison with the paper.

  python -m eval.run task=syntax_spans method=all
  python -m eval.run task=syntax_spans,length method=diffusion_lm,fudge preset=small corpus=e2e \\
      data=../shared/data targets=50 samples=10 seed=0
  python -m eval.run --list       tasks, methods, corpora and presets
  python -m eval.run --help       this page (with preset=..., that preset's values)
  python -m eval.run --help NAME  a section, a method (also FILE.py:CLASS), a task or a key
  python -m eval.run --help all   every key

Keys, with type, default and meaning:
"""
