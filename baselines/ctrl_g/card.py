"""Ctrl-G's card, and the recipes of its hidden Markov model and of its table of tags."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.ctrl_g.config import CtrlGSettings, HMMConfig, preset
from baselines.lm_samples import LM_SAMPLES
from baselines.steering import SteeringCard
from models.base import Plan, Role
from models.nets.recipes import NATS
from tasks.base import Task
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe, settings
from tasks.controls import FieldValue, Length, TagSequence
from tasks.corpora.stored import read_corpus, read_vocabulary, words_of

HMM, WORD_TAGS = "hmm", "word_tags"
TABLE = "tags.json"
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


def word_tags(plan: Plan, task: str) -> Recipe:
    """How often each word of the vocabulary has each tag in training texts: tag -> one count for
    each id."""

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        vocabulary = read_vocabulary(deps["vocabulary"])
        counts: Counter[tuple[str, int]] = Counter()
        for text in read_corpus(deps["texts"]).train:
            counts.update(zip(text.tags or (), vocabulary.encode(text.words)))
        tags = sorted({tag for tag, _ in counts})
        table = {tag: [counts[tag, word] for word in range(len(vocabulary))] for tag in tags}
        write_text(folder / TABLE, json.dumps(table))

    deps = {"texts": plan.texts_for(task), "vocabulary": plan.role("vocabulary")}
    return recipe(WORD_TAGS, "count the tags of words", build, {}, deps=deps, cheap=True)


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
        tables = (WORD_TAGS if alone else f"{WORD_TAGS}:{one.name}" for one in tagged)
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
        Role(WORD_TAGS, "baselines.ctrl_g.card:word_tags", title="tags of words", per_task=True),
    ),
    knows_rule=True,
    tradeoff="weight",
    ranges={"weight": ("0.5", "1", "2")},
)
