"""Texts of the language model itself, which what is distilled from it learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.base import Plan, Role, stream_seed
from tasks.base import Corpus, Text
from tasks.common import stop
from tasks.common.progress import Progress
from tasks.common.ranges import Checked, ranged
from tasks.common.recipe import Folders, Recipe, recipe, settings
from tasks.corpora.stored import VALID, write_corpus

NAME = "lm_samples"


@dataclass(frozen=True)
class LMSamplesConfig(Checked):
    """Texts that the language model samples, for methods that learn from its own."""

    #: texts to learn from; 512 more are held out
    count: int = ranged(20_000, least=64, most=10**7)
    #: longest text in words
    max_words: int = ranged(64, least=1, most=10**6)


def preset(name: str, config: Any) -> LMSamplesConfig:
    """As many as the preset's networks have texts, about."""
    return LMSamplesConfig({"demo": 4_000, "small": 10_000}.get(name, 20_000))


def lm_samples(plan: Plan, task: str) -> Recipe:
    """A corpus of samples of the language model over its whole vocabulary at temperature 1. Texts
    without a word are left out."""
    config, seed = plan.config.lm_samples, plan.config.train_seed

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        import torch

        from models.nets.causal import load_lm
        from models.nets.decoding import DEVICE_ROWS, sample

        model, codec, _ = load_lm(deps["lm"], plan.device)
        head, total = codec.head(()), config.count + VALID
        limit = min(codec.limit(config.max_words), model.positions - len(head))
        texts: list[Text] = []
        for at in range(0, total, DEVICE_ROWS):
            stop.check()
            rng = torch.Generator().manual_seed(stream_seed(seed, NAME, at))
            n = min(DEVICE_ROWS, total - at)
            u = torch.rand(n, limit, dtype=torch.float64, generator=rng)
            drawn = sample(model, [head] * n, u, codec.eos, codec.forbidden)
            texts += [Text(words) for words in map(codec.words, drawn) if words]
            progress(at + n, total, "texts sampled")
        held = min(VALID, len(texts) // 2)
        train, valid = tuple(texts[held:]), tuple(texts[:held])
        write_corpus(folder, Corpus(plan.config.corpus, train, valid))

    return recipe(
        NAME,
        "sample texts of the language model",
        build,
        settings(config, seed=seed),
        deps={"lm": plan.role("lm")},
        pace=config,
    )


LM_SAMPLES = Role(
    NAME,
    "baselines.lm_samples:lm_samples",
    section=NAME,
    Config=LMSamplesConfig,
    preset=preset,
    title="texts of the language model",
)
