"""Settings of the diffusion of words' logits, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from models.diffusion.config import MOST_STEPS
from models.diffusion.latents.role import DEMO, NETWORK, TRAIN
from models.nets.config import EncoderConfig, TrainConfig, size
from models.nets.presets import sized
from tasks.common.ranges import Checked, ranged, share


@dataclass(frozen=True)
class SimplexConfig(Checked):
    """A network that reads noised logits of a block of words, and the words before it."""

    #: tokens of a sequence, START, END and PAD included
    length: int = size(64, least=4)
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(ema=0.9999))
    #: tokens of a block; as many as there are behind START: the whole text
    block: int = size(25)
    #: logits of a word are this, of all others minus this (K)
    scale: float = ranged(5.0, above=0, most=1e3)
    #: diffusion steps of training
    steps: int = ranged(5000, least=2, most=MOST_STEPS)
    #: share of the training texts that are read twice, the second time with what the first said;
    #: 0: the network has no such input
    self_conditioning: float = share(0.0)

    @property
    def places(self) -> int:
        """Tokens of a block that has room."""
        return min(self.block, self.length - 1)


def by_preset(preset: str, run: Any, **fixed: Any) -> SimplexConfig:
    """The size and the training of the families of latents."""
    length, network, train = sized(preset)
    if preset == "demo":
        network, train = EncoderConfig(3, 192, 4, 768, 0.0, 0.0), DEMO
    elif preset != "paper":
        network, train = NETWORK, TRAIN
    return SimplexConfig(length, network, train, **fixed)


@dataclass(frozen=True)
class SimplexGuidanceConfig(Checked):
    """Logits move along the gradient of log p(control | words) of a classifier of clean text."""

    #: step, times the control's own (``models.diffusion.words.config.NATURAL``); 0 is no guidance
    weight: float = ranged(100.0, least=0, most=1e6)


@dataclass(frozen=True)
class SimplexSettings(Checked):
    """Decoding options."""

    #: steps of each block
    steps: int = ranged(50, least=1, most=MOST_STEPS)
    #: of p(word | logits, text); below 1 the likelier words come more often
    temperature: float = ranged(1.0, above=0, most=1e6)
    #: what an estimate is made of before it is noised again: nucleus, all words of the nucleus at
    #: once (multi-hot); draw, one word drawn from it
    projection: Literal["nucleus", "draw"] = "draw"
    #: mass of the nucleus; 0 is the likeliest word alone
    top_p: float = share(0.95)
    guidance: SimplexGuidanceConfig = field(default_factory=SimplexGuidanceConfig)
