"""Settings of networks and their training, free of torch so that ``--help`` stays quick.

Defaults are GPT-2 small's, bert-base's and the reference code's (reference notes, sections 2.9 to
2.12); presets override them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from tasks.common.errors import UserError

if TYPE_CHECKING:
    from tasks.base import Task

#: marks a field that changes how fast a network is trained and not which one: it enters no key
NO_KEY = {"key": False}


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained (paper, appendix B)."""

    #: optimiser steps; the learning rate has decayed by the last one
    steps: int = 200_000
    #: examples a step
    batch: int = 64
    #: peak learning rate of AdamW
    lr: float = 1e-4
    #: linear: to 0 at ``steps``; cosine: likewise along a half cosine; constant
    decay: Literal["linear", "cosine", "constant"] = "linear"
    #: steps over which the learning rate rises to its peak
    warmup: int = 0
    weight_decay: float = 0.0
    #: gradient-norm clipping; 0 switches it off
    clip: float = 0.0
    #: decay of the exponential moving average of the weights; 0 switches it off. It starts from
    #: the initial weights without bias correction, as in the reference code.
    ema: float = 0.0
    #: bf16 matrix products under autocast, where the hardware has them; weights and optimiser stay
    #: in fp32
    bf16: bool = True
    #: compile the network (needs a C++ compiler on a CPU): a third faster for the demo's
    #: Diffusion-LM after a minute of compiling; changes no key. Has no effect on causal language
    #: models and discriminators, whose batches differ in length from step to step.
    compile: bool = field(default=False, metadata=NO_KEY)
    #: seconds between checkpoints; changes no key
    checkpoint: float = field(default=60.0, metadata=NO_KEY)
    #: steps between points of the training curve, each with its validation
    every: int = 500

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.every < 1:
            raise UserError("training needs steps, batch and every of at least 1")

    def lasting(self, steps: int) -> TrainConfig:
        """The same training for another number of steps: the average of the weights covers the
        same share of it."""
        if steps == self.steps:
            return self
        forgets = min(1.0, (1 - self.ema) * self.steps / steps)
        return replace(self, steps=steps, ema=1 - forgets if self.ema else 0.0)


def check_shape(layers: int, width: int, heads: int) -> None:
    """Raises ``UserError`` for a shape that no Transformer has."""
    for name, value in (("layers", layers), ("heads", heads), ("width", width)):
        if value < 1:
            raise UserError(f"{name} is at least 1, not {value}")
    if width % heads:
        raise UserError(f"width {width} is no multiple of heads {heads}")


@dataclass(frozen=True)
class EncoderConfig:
    """A bidirectional Transformer encoder; the defaults are bert-base's."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    feedforward: int = 3072
    #: dropout on embeddings and hidden states
    dropout: float = 0.1
    #: dropout on attention weights; 0 allows the fused kernel on a CPU
    attention_dropout: float = 0.1

    def __post_init__(self) -> None:
        check_shape(self.layers, self.width, self.heads)


@dataclass(frozen=True)
class LMConfig:
    """An autoregressive language model with GPT-2's architecture (paper, section 6.3)."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    #: on embeddings, attention weights and residual branches; a pretrained network keeps its own
    dropout: float = 0.1
    #: longest sequence in tokens, prompt, START and END included; longer ones lose their end
    max_length: int = 128
    #: hub id (owner/name, or owner/name@revision) or local folder of a pretrained GPT-2 or Llama,
    #: GGUF file of a Llama, or PACKAGE/PATH of an installed package that carries one, whose weights
    #: and tokenizer are then used, and never code; the empty string trains from scratch on the
    #: corpus vocabulary. PPLM needs a GPT-2
    pretrained: str = ""
    #: ask ``pretrained`` as it is, in plain text, instead of training it on the corpus, as
    #: Left-only, DELOREAN and COLD are published. For what no pretrained model does, to read from
    #: right to left or the contexts before the middle, fresh networks of ``layers`` and ``width``
    #: are trained
    zero_shot: bool = False
    #: train on the prompt tokens too, as the reference code does, or on the text alone
    loss_on_prompt: bool = True
    train: TrainConfig = field(default_factory=lambda: TrainConfig(lr=5e-5))

    def __post_init__(self) -> None:
        check_shape(self.layers, self.width, self.heads)
        if self.zero_shot and not self.pretrained:
            raise UserError("lm.zero_shot needs lm.pretrained, the model to ask")
        if self.max_length < 4:
            raise UserError("a language model needs a max_length of at least 4")

    @property
    def fresh(self) -> LMConfig:
        """The same network and training without a pretrained start, where that is zero-shot."""
        return replace(self, pretrained="", zero_shot=False) if self.zero_shot else self


@dataclass(frozen=True)
class DiscriminatorConfig:
    """FUDGE's future discriminator: a small causal network that judges every prefix of a text."""

    layers: int = 4
    width: int = 256
    heads: int = 4
    dropout: float = 0.1
    #: longest sequence in tokens, prompt, START and END included
    max_length: int = 128
    #: hidden units of the layers that join a prefix with its next token
    hidden: int = 256
    #: share of the mismatched controls drawn from texts of about the same length (within
    #: ``near_words`` words), so that the length alone does not tell them from matching ones
    near: float = 0.5
    near_words: int = 3
    #: weight of an auxiliary loss, the likelihood of the text under a control that holds
    generative: float = 1.0
    train: TrainConfig = field(default_factory=lambda: TrainConfig(lr=2e-4))

    def __post_init__(self) -> None:
        check_shape(self.layers, self.width, self.heads)
        if not 0 <= self.near <= 1:
            raise UserError(f"near is a share between 0 and 1, not {self.near}")


@dataclass(frozen=True)
class AttributeHeadConfig:
    """PPLM's attribute model: a linear head on the frozen language model's mean hidden state."""

    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(steps=3_000, batch=256, lr=1e-2, every=250, bf16=False)
    )


C = TypeVar("C", LMConfig, DiscriminatorConfig)


def long_enough(config: C, task: Task) -> C:
    """``config`` with room for the prompts of ``task`` and a text."""
    longest = max(config.max_length, task.least_sequence)
    return config if longest == config.max_length else replace(config, max_length=longest)
