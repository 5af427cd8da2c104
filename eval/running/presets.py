"""Presets: functions that return typed configs and derive from one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from baselines import METHODS
from eval.running.config import RunConfig, run_config
from eval.running.fitting import fitted
from eval.running.roles import ParserSection, VocabularyConfig, roles
from models.diffusion.config import ClassifierConfig, SamplingConfig
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.decoding import InfillingConfig
from models.nets.config import (
    DiscriminatorConfig,
    EncoderConfig,
    LMConfig,
    TeacherConfig,
    TrainConfig,
)
from models.nets.presets import MINILM, MINILM_SHAPE, SMOLLM, layout
from tasks.common.errors import UserError
from tasks.corpora import traits, with_sentences
from tasks.oracles.config import TREEBANK_TRAIN, ParserConfig


def paper(corpus: str | None = None) -> RunConfig:
    """The paper's hyperparameters, for one GPU (paper, appendix B; reference notes 2.2 to 2.11)."""
    diffusion = DiffusionConfig(train=TrainConfig(steps=200_000, ema=0.9999))
    if traits(corpus or "").sentences:
        train = replace(diffusion.train, steps=400_000)
        diffusion = replace(diffusion, embedding=128, train=train)
    make: Any = run_config()
    return make(
        preset="paper",
        corpus=corpus or "e2e",
        diffusion=diffusion,
        classifier=ClassifierConfig(train=TrainConfig(steps=80_000, lr=5e-5, batch=32)),
        lm=LMConfig(train=TrainConfig(steps=25_000, lr=5e-5, batch=10)),
        finetune=LMConfig(train=TrainConfig(steps=25_000, lr=5e-5, batch=10)),
        teacher=TeacherConfig(train=TrainConfig(steps=13_000, lr=5e-5, batch=64)),
        # no network of the paper's: where benepar_en3 cannot be had, the parser that is shipped
        parser=ParserSection(train=TrainConfig(**TREEBANK_TRAIN)),
    )


def small(corpus: str | None = None) -> RunConfig:
    """Networks of 1 to 5 M parameters on E2E: hours on two CPU cores, minutes on a GPU."""
    base = paper(corpus)
    # E2E's texts have 26 words on average; 48 positions hold 98 of 100 of them whole. Dropout
    # costs a sixth of a CPU step and a network this small does not overfit in a dozen epochs.
    network = EncoderConfig(
        layers=6, width=256, heads=4, feedforward=1024, dropout=0.0, attention_dropout=0.0
    )
    train = TrainConfig(batch=64, warmup=200, clip=1.0, every=250)
    # The other networks are smaller, so that the eighteen of the preset fit into 80 MiB in bf16.
    lm = LMConfig(
        layers=4, width=224, heads=4, dropout=0.1, train=replace(train, steps=1_500, lr=8e-4)
    )
    config = base.having(
        preset="small",
        longest=46,
        diffusion=DiffusionConfig(
            length=48,
            positions=48,
            network=network,
            train=replace(train, steps=12_000, lr=6e-4, warmup=500, ema=0.999),
        ),
        classifier=replace(
            base.classifier,
            span_hidden=256,
            network=replace(network, layers=3, width=192, feedforward=768),
            train=replace(train, steps=5_000, lr=1e-3, batch=32),
        ),
        lm=lm,
        finetune=replace(lm, layout=layout("small"), train=replace(lm.train, steps=2_000, lr=1e-3)),
        teacher=_teacher(lm, replace(lm.train, steps=2_000)),
        discriminator=DiscriminatorConfig(
            layers=3,
            width=160,
            hidden=160,
            layout=layout("small"),
            train=replace(train, steps=2_500, lr=1e-3),
        ),
    )
    return _small_stories(config) if traits(corpus or "").sentences else config


def _teacher(lm: LMConfig, train: TrainConfig) -> TeacherConfig:
    """A teacher of the size of ``lm``, trained from scratch."""
    shape = {
        name: getattr(lm, name) for name in ("layers", "width", "heads", "dropout", "max_length")
    }
    return TeacherConfig(**shape, train=train)


def _small_stories(config: RunConfig) -> RunConfig:
    """4,500 stories are few: words that come three times or more, and networks small enough to be
    trained for dozens of epochs. Every method learns from any three sentences of a story in order,
    as aNLG asks for what comes between the first and the last. 48 positions hold 99.5 of 100
    windows; the longest contexts of aNLG leave 13 words.

    Diffusion-LM has the words output and, in half of its training texts, clean contexts: with the
    paper's network and objective it learns less of a context from as much training. The baselines'
    decoding is what served them best on held-out stories (``eval.studies.tune``,
    ``results/small-anlg/tune``): at the published temperature of 1, language models this small draw
    answers far from their likeliest. So does Diffusion-LM, whose temperature is AR's, not tuned."""
    train = replace(config.diffusion.train, steps=18_000, batch=32, lr=5e-4)
    config = infilling(config, steps=50)
    settings = config.diffusion_lm.infilling
    assert settings is not None
    return config.having(
        vocabulary=VocabularyConfig(above=2),
        gaps=True,
        diffusion=replace(
            config.diffusion,
            embedding=64,
            embedding_std=0.35,
            learned_embedding=False,
            output="words",
            clean_contexts=0.5,
            network=replace(config.diffusion.network, layers=4),
            train=train,
        ),
        diffusion_lm=replace(
            config.diffusion_lm, infilling=replace(settings, word_temperature=0.5)
        ),
        lm=LMConfig(
            layers=4,
            width=256,
            heads=4,
            dropout=0.2,
            train=replace(config.lm.train, steps=4_000, batch=32, lr=1e-3),
        ),
        left_only=replace(config.left_only, temperature=0.5),
        ar_infilling=replace(config.ar_infilling, temperature=0.5),
        cold=replace(config.cold, iterations=200, chains=2, constraint=0.3),
        delorean=replace(
            config.delorean,
            passes=5,
            backward_steps=20,
            step_size=0.05,
            temperature_backward=0.1,
            temperature_forward=0.1,
        ),
    )


def infilling(config: RunConfig, steps: int = 100) -> RunConfig:
    """Three sentences are what networks of stories are trained on and what they fill in: the
    sequence then looks as in training, START, END and the number of words included."""
    settings = InfillingConfig(
        layout="framed",
        middle="variable",
        sampling=SamplingConfig(sampler="ancestral", steps=steps),
    )
    return config.having(window=3, diffusion_lm=replace(config.diffusion_lm, infilling=settings))


def demo(corpus: str | None = None) -> RunConfig:
    """On the embedded grammar corpus: everything is trained from nothing in 40 minutes on two CPU
    cores, one job on each."""
    base = small(corpus or "grammar")
    base = base.having(preset="demo", vocabulary=VocabularyConfig(above=0), targets=40, samples=5)
    if traits(base.corpus).sentences:
        return _demo_stories(base)
    network = replace(base.diffusion.network, layers=3, width=192, feedforward=768)
    # Half the batch at a higher rate learns more from a step, which costs half as much: two layers
    # of 128 stood at a held-out loss of 0.32 after 2,000 steps of 32 texts at 3e-3, of 0.37 after
    # as many of 64 at 1e-3.
    train = replace(base.diffusion.train, steps=16_000, batch=32, lr=2e-3, warmup=300)
    sampling = SamplingConfig(steps=100)
    short = replace(base.lm.train, steps=1_000, batch=32, lr=2e-3)
    lm = replace(base.lm, layers=3, width=128, dropout=0.0, train=short)
    return base.having(
        longest=30,
        diffusion=replace(base.diffusion, length=32, positions=32, network=network, train=train),
        diffusion_lm=replace(base.diffusion_lm, sampling=sampling),
        unconditional=replace(base.unconditional, sampling=sampling),
        classifier=replace(
            base.classifier,
            steps=sampling.steps,
            span_hidden=64,
            network=replace(network, layers=2, width=128, feedforward=512),
            train=replace(base.classifier.train, steps=2_500, lr=2e-3),
        ),
        lm=lm,
        finetune=replace(lm, layout=layout("demo")),
        teacher=_teacher(lm, replace(base.lm.train, steps=2_500, lr=2e-3)),
        discriminator=replace(
            base.discriminator,
            layers=2,
            width=128,
            hidden=128,
            dropout=0.0,
            layout=layout("demo"),
            train=replace(base.discriminator.train, steps=1_200, batch=32, lr=2e-3),
        ),
        parser=replace(
            base.parser,
            model=ParserConfig.small(),
            train=replace(base.classifier.train, steps=500, lr=2e-3),
        ),
    )


def _demo_stories(config: RunConfig) -> RunConfig:
    network = replace(config.diffusion.network, layers=3, width=192, feedforward=768, dropout=0.0)
    train = replace(config.diffusion.train, steps=4_000, lr=1e-3, warmup=300)
    defaults = DiffusionConfig()  # with the paper's last layer
    published = paper(config.corpus)  # decoding of the baselines
    return infilling(config).having(
        gaps=False,
        lm=replace(
            config.lm,
            layers=3,
            width=128,
            dropout=0.0,
            train=replace(config.lm.train, steps=1_500, lr=2e-3),
        ),
        diffusion=replace(
            config.diffusion,
            length=48,
            positions=48,
            embedding=16,
            embedding_std=defaults.embedding_std,
            learned_embedding=defaults.learned_embedding,
            output=defaults.output,
            clean_contexts=defaults.clean_contexts,
            network=network,
            train=train,
        ),
        samples=10,
        left_only=published.left_only,
        ar_infilling=published.ar_infilling,
        cold=replace(published.cold, iterations=200, chains=4),
        delorean=replace(published.delorean, passes=5, backward_steps=20),
    )


def pretrained(corpus: str | None = None) -> RunConfig:
    """Infilling as the paper compares it: Left-only, DELOREAN and COLD ask a pretrained language
    model that has seen no story of the corpus, and AR-infilling and Diffusion-LM are trained on it.
    Diffusion-LM starts from a pretrained BERT, since it has a twentieth of the paper's stories.

    The pretrained model is 30 times the size of the preset small's, so Left-only draws five samples
    (the first is its answer), DELOREAN has fewer passes and COLD fewer iterations and one chain;
    no right-to-left model of its pieces is to be had.
    """
    if not traits(corpus or "rocstories").sentences:
        known = ", ".join(with_sentences())
        raise UserError(f"preset=pretrained fills in stories ({known}), not {corpus}")
    config = small(corpus or "rocstories")
    train = replace(config.diffusion.train, steps=6_000, lr=3e-4, warmup=200)
    started = {"init_pretrained": MINILM, "network": MINILM_SHAPE, "train": train}
    return config.having(
        preset="pretrained",
        task="infilling",
        diffusion=replace(config.diffusion, **started),
        lm=replace(config.lm, pretrained=SMOLLM, zero_shot=True),
        left_only=replace(config.left_only, max_words=24, candidates=5),
        delorean=replace(config.delorean, passes=3),
        cold=replace(config.cold, iterations=100, chains=1, left_right=1.0, max_words=24),
    )


PRESETS: dict[str, Callable[[str | None], RunConfig]] = {
    "demo": demo,
    "small": small,
    "pretrained": pretrained,
    "paper": paper,
}


def preset_config(name: str, corpus: str | None) -> RunConfig:
    """A preset with the values that roles and methods bring for it themselves, fitted to a corpus
    of the user's own."""
    config = PRESETS[name](corpus)
    sections: dict[str, Any] = {}
    for role in roles().values():
        if role.preset is not None and role.section:
            sections[role.section] = role.preset(name, config)
    for card in METHODS.cards:
        if card.preset is not None:
            sections[card.name] = card.preset(name, config)
    return fitted(config.having(**sections))
