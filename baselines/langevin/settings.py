"""Settings of Langevin sampling and of its network, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.nets.config import EncoderConfig, TrainConfig, size
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged


@dataclass(frozen=True)
class NoisyLMConfig(Checked):
    """A causal language model of noised embeddings, for Langevin sampling (experimental)."""

    #: tokens of a sequence, START, END and PAD included
    length: int = size(64, least=3)
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    #: dimension of the embeddings, whose norm is its square root
    embedding: int = size(16)
    #: standard deviations of the least and of the most noise
    least: float = ranged(0.3, above=0, most=1e6)
    most: float = ranged(10.0, above=0, most=1e6)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least >= self.most:
            raise UserError(
                f"noisy_lm.least={self.least} is no less than noisy_lm.most={self.most}"
            )


@dataclass(frozen=True)
class LangevinSettings(Checked):
    """Annealed Langevin dynamics; the published number of levels and of updates."""

    #: levels of noise, each a constant share of the one before
    levels: int = ranged(19, least=1, most=10**5)
    #: gradient steps at each of them
    updates: int = ranged(300, least=1, most=10**6)
    #: size of a step, in variances of the level's noise; at 2 and above no step settles
    step: float = ranged(0.1, above=0, below=2)
