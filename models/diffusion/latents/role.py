"""The role of a network of noised latents, and its recipe."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.base import Plan, Role
from models.diffusion.latents.config import DiffusionConfig
from models.nets.config import EncoderConfig, TrainConfig
from models.nets.presets import sized
from models.nets.pretraining import START_FROM, start
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe, settings
from tasks.corpora import traits
from tasks.corpora.stored import held_out, read_corpus, read_vocabulary
from tasks.infilling import joined, middle_of

#: (preset, the run's settings so far) -> the settings under that preset
Preset = Callable[[str, Any], DiffusionConfig]
#: about an hour of one CPU core on E2E
NETWORK = EncoderConfig(
    layers=4, width=256, heads=4, feedforward=1024, dropout=0.0, attention_dropout=0.0
)
TRAIN = TrainConfig(steps=8_000, batch=64, lr=1e-3, warmup=200, clip=1.0, ema=0.999, every=250)
DEMO = TrainConfig(steps=4_000, batch=32, lr=2e-3, warmup=200, clip=1.0, ema=0.99, every=250)


def latent_role(
    name: str,
    *,
    title: str,
    preset: Preset | None = None,
    Config: type[DiffusionConfig] = DiffusionConfig,
    objective: str = "",
    words: str = "",
    windows: bool = True,
    **more: Any,
) -> Role:
    """The role of a network of latents, with a section of its own name.

    ``objective``: "module:Class" of what it descends, where that is not
    :class:`models.diffusion.latents.training.DiffusionObjective`. ``words``: the role of a language
    model of words whose embeddings it takes, as they are. ``windows``: clean contexts are refused
    where a run's texts are no windows; otherwise there are none then. ``more``: further fields of
    the role.
    """

    def network(plan: Plan, task: str) -> Recipe:
        config, seed = getattr(plan.config, name), plan.config.train_seed
        if not windows and plan.config.window != 3:
            config = replace(config, clean_contexts=0.0)

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.diffusion.latents.training import DiffusionObjective, train_diffusion

            vocabulary, table = read_vocabulary(deps["vocabulary"]), None
            if words:
                from models.nets.causal import word_table

                table = word_table(deps[words], vocabulary)
            module, _, called = objective.partition(":")
            made = importlib.import_module(module) if objective else None
            corpus = read_corpus(deps["corpus"])
            texts, held = corpus.train, held_out(corpus)
            if config.clean_contexts:
                ours, others = plan.seen_triples(texts), plan.seen_triples(held)
                train, valid = (list(map(joined, triples)) for triples in (ours, others))
                middles = list(map(middle_of, ours)), list(map(middle_of, others))
            else:
                train, valid, middles = plan.seen(texts), plan.seen(held), None
            train_diffusion(
                folder,
                train,
                valid,
                vocabulary,
                config,
                seed,
                device=plan.device,
                progress=progress,
                middles=middles,
                table=table,
                Objective=getattr(made, called) if objective else DiffusionObjective,
                init=deps.get(START_FROM),
            )

        deps = {"corpus": plan.role("corpus"), "vocabulary": plan.role("vocabulary")}
        if words:
            deps[words] = plan.role(words)
        deps |= start(plan, name)
        return recipe(
            name,
            f"train {title}",
            build,
            settings(config, seed=seed) | plan.window,
            deps=deps,
            parallel=True,
            pace=config,
        )

    def check(config: Any) -> None:
        """Raises ``UserError`` for contexts that could not be told from middles."""
        ours = getattr(config, name)
        if windows and ours.clean_contexts and config.window != 3:
            raise UserError(f"{name}.clean_contexts needs window=3, not {config.window}")

    return Role(
        name,
        network,
        name,
        Config,
        preset=preset,
        check=check,
        title=title,
        curve=("valid_loss",),
        log_scale=True,
        embedding="embedding.weight",
        **more,
    )


def successor(Config: type[DiffusionConfig] = DiffusionConfig, **fixed: Any) -> Preset:
    """The settings ``fixed``, of the class ``Config``, of a family that came after Diffusion-LM, in
    the size and under the training that all of them get, so that a table compares what they do with
    equal means."""

    def by_preset(preset: str, run: Any) -> DiffusionConfig:
        length, network, train = sized(preset)
        if preset == "demo":
            network, train = replace(NETWORK, layers=3, width=192, feedforward=768), DEMO
        elif preset != "paper":
            network, train = NETWORK, TRAIN
        if traits(run.corpus).sentences and preset != "paper":
            # 48 positions hold 99.5 of 100 windows of three sentences
            length = 48
        return Config(length=length, positions=length, network=network, train=train, **fixed)

    return by_preset
