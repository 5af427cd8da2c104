"""How large a denoising network of words is under each preset, and how long it is trained: the same
for every family, so that a table compares what they do with equal means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from models.diffusion.words.config import WordClassifierConfig, WordsConfig
from models.nets.config import EncoderConfig, TrainConfig
from models.nets.presets import sized

C = TypeVar("C", bound=WordsConfig)

#: 20 minutes of one CPU core on E2E, 5 on the embedded grammar
SMALL = EncoderConfig(
    layers=3, width=256, heads=4, feedforward=1024, dropout=0.0, attention_dropout=0.0
)
TRAIN = TrainConfig(steps=8_000, batch=64, lr=1.5e-3, warmup=200, clip=1.0, ema=0.999, every=250)


def words_preset(config: C, preset: str) -> C:
    """``config`` with the size and the training of the preset."""
    length, network, train = sized(preset)
    if preset == "demo":
        network = replace(SMALL, width=128, feedforward=512)
        train = replace(TRAIN, steps=4_000, lr=2e-3)
    elif preset != "paper":
        network, train = SMALL, TRAIN
    changes: Any = {"length": length, "network": network, "train": train}
    return replace(config, **changes)


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
