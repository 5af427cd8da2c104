"""Settings of NADO and of its success function, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from baselines.settings import SampleSettings
from models.nets.config import PromptReader, TrainConfig, dropping, size
from tasks.base import Layout
from tasks.common.ranges import ranged


@dataclass(frozen=True)
class NADOSettings(SampleSettings):
    """NADO (paper, section 3); the sampling options apply after the control."""

    #: exponent of the success function; 1: as the paper, 0: the language model
    weight: float = ranged(1.0, least=0, most=1e6)


@dataclass(frozen=True)
class SuccessConfig(PromptReader):
    """NADO's success function: a small causal network that reads a control and a prefix."""

    layers: int = size(4)
    width: int = size(256)
    heads: int = size(4)
    dropout: float = dropping(0.1)
    #: longest sequence in tokens, prompt, START and END included
    max_length: int = size(128, least=4)
    #: weight of the loss that makes it consistent with its own next step (the released code's)
    consistency: float = ranged(5.0, least=0, most=1e6)
    #: weight of an auxiliary loss, the likelihood of texts under a control that they satisfy
    generative: float = ranged(1.0, least=0, most=1000)
    #: how prompts say at which words something is asked: by numbers, or laid out with one token a
    #: position
    layout: Layout = "numbers"
    train: TrainConfig = field(default_factory=lambda: TrainConfig(steps=20_000, lr=2e-4))


def preset(name: str, config: Any) -> SuccessConfig:
    """The size and the training of the preset's discriminators."""
    given, own = config.discriminator, SuccessConfig()
    return replace(
        own,
        **{one: getattr(given, one) for one in ("layers", "width", "heads", "dropout")},
        max_length=given.max_length,
        layout=given.layout,
        train=given.train,
    )
