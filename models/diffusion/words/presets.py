"""How large a denoising network of words is under each preset, and how long it is trained: the same
for every family, so that a table compares what they do with equal means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from models.diffusion.words.config import WordClassifierConfig, WordsConfig
from models.nets.config import EncoderConfig, TrainConfig
from models.nets.presets import MINILM, MINILM_SHAPE, sized
from tasks.corpora import traits

C = TypeVar("C", bound=WordsConfig)

#: 20 minutes of one CPU core on E2E, 5 on the embedded grammar
SMALL = EncoderConfig(
    layers=3, width=256, heads=4, feedforward=1024, dropout=0.0, attention_dropout=0.0
)
TRAIN = TrainConfig(steps=8_000, batch=64, lr=1.5e-3, warmup=200, clip=1.0, ema=0.999, every=250)


def words_preset(config: C, preset: str, run: Any, passes: int = 1) -> C:
    """``config`` with the size and the training of the preset; ``run``: the run's settings. A
    network that reads its texts ``passes`` times a step is trained for as many steps fewer."""
    length, network, train = sized(preset)
    changes: dict[str, Any] = {}
    if preset == "demo":
        network = replace(SMALL, width=128, feedforward=512)
        # an average over a thousand steps would remember the start
        train = replace(TRAIN, steps=2_500, lr=2e-3, ema=0.99)
    elif preset == "pretrained":
        network, train = MINILM_SHAPE, replace(TRAIN, steps=6_000, batch=32, lr=3e-4)
        changes["init_pretrained"] = MINILM
    elif preset != "paper":
        network, train = SMALL, TRAIN
    if traits(run.corpus).sentences and preset != "paper":
        # 48 positions hold 99.5 of 100 windows of three sentences
        length = 48
    if run.window == 3:
        changes["clean_contexts"] = 0.5
    train = replace(train, steps=train.steps // passes)
    return replace(config, length=length, network=network, train=train, **changes)


def classifier_preset(preset: str, config: Any) -> WordClassifierConfig:
    """The classifiers' size and training: a quarter of what the network that they guide gets."""
    length, network, train = sized(preset)
    hidden = WordClassifierConfig().span_hidden
    if preset == "demo":
        network, hidden = replace(SMALL, layers=2, width=128, feedforward=512), 64
        train = replace(TRAIN, steps=2_500, batch=32, lr=2e-3, ema=0.0)
    elif preset != "paper":
        network, hidden = replace(SMALL, layers=2, width=192, feedforward=768), 256
        train = replace(TRAIN, steps=4_000, batch=32, lr=1e-3, ema=0.0)
    return WordClassifierConfig(span_hidden=hidden, network=network, train=train, length=length)
