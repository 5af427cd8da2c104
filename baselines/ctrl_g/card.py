"""Ctrl-G's card, and the recipes of its hidden Markov model and of its table of tags."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.ctrl_g.config import CtrlGSettings, HMMConfig, preset
from baselines.lm_samples import LM_SAMPLES
from baselines.steering import SteeringCard
from models.base import Plan, Role
from models.nets.recipes import NATS
from models.word_tags import WORD_TAGS
from tasks.base import Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe, settings
from tasks.controls import FieldValue, Length, TagSequence
from tasks.corpora.stored import read_corpus, words_of

HMM = "hmm"
#: the controls that are automata over words
REGULAR = (Length, FieldValue, TagSequence)


def hmm(plan: Plan, task: str) -> Recipe:
    config, seed = plan.config.hmm, plan.config.train_seed

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from baselines.ctrl_g.training import train_hmm
        from models.nets.causal import load_lm

        corpus = read_corpus(deps[LM_SAMPLES.name])
        train, valid = words_of(corpus.train), words_of(corpus.valid)
        model, codec, _ = load_lm(deps["lm"], plan.device)
        train_hmm(folder, (model, codec), train, valid, config, seed=seed, progress=progress)

    return recipe(
        HMM,
        "distil a hidden Markov model",
        build,
        settings(config, seed=seed),
        deps={"lm": plan.role("lm"), LM_SAMPLES.name: plan.role(LM_SAMPLES.name)},
        pace=config,
    )


def single(task: Task) -> tuple[Task, ...]:
    """The tasks that a composition is of; of another task, itself."""
    return tuple(getattr(task, "parts", (task,)))


def regular(task: Task) -> bool:
    """Whether its controls are automata over words."""
    return task.control is not None and issubclass(task.control, REGULAR)


@dataclass(frozen=True)
class CtrlGCard(SteeringCard):
    role: str = ""

    def refuses(self, task: Task) -> str | None:
        if task.table in self.tables and not all(map(regular, single(task))):
            return "no finite automaton over words reads its controls"
        return super().refuses(task)

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        assert task is not None
        tagged = [one for one in single(task) if one.control is TagSequence]
        alone = single(task) == (task,)
        tables = (WORD_TAGS.name if alone else f"{WORD_TAGS.name}:{one.name}" for one in tagged)
        return ("lm", HMM, *tables)

    def check(self, config: Any, task: Task | None) -> None:
        if config.lm.pretrained:
            raise UserError(
                f"{self.name} needs a language model of the corpus's words: lm.pretrained= "
                f"(now {config.lm.pretrained})"
            )


CARD = CtrlGCard(
    "ctrl_g",
    "baselines.ctrl_g.method:CtrlG",
    label="Ctrl-G",
    paper="Zhang et al. 2024, Adaptable Logical Control for Large Language Models",
    order=145,
    Settings=CtrlGSettings,
    brings=(
        LM_SAMPLES,
        Role(
            HMM,
            "baselines.ctrl_g.card:hmm",
            section=HMM,
            Config=HMMConfig,
            preset=preset,
            title="hidden Markov model",
            curve=("valid_nll", "train_nll"),
            curve_label=NATS,
        ),
        WORD_TAGS,
    ),
    knows_rule=True,
    tradeoff="weight",
    ranges={"weight": ("0.5", "1", "2")},
)
