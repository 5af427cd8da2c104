"""Settings of networks and their training, free of torch so that ``--help`` stays quick.

Defaults are GPT-2 small's, bert-base's and the reference code's (reference notes, sections 2.9 to
2.12); presets override them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

from tasks.base import Layout, Task
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, maybe_empty, ranged, share

#: marks a field that changes how fast a network is trained and not which one: it enters no key
NO_KEY = {"key": False}


@dataclass(frozen=True)
class TrainConfig(Checked):
    """How a network is trained (paper, appendix B)."""

    #: optimiser steps; the learning rate has decayed by the last one
    steps: int = ranged(200_000, least=1, most=10**9)
    #: examples a step
    batch: int = ranged(64, least=1, most=10**6)
    #: peak learning rate of AdamW
    lr: float = ranged(1e-4, least=0, most=1000)
    #: linear: to 0 at ``steps``; cosine: likewise along a half cosine; constant
    decay: Literal["linear", "cosine", "constant"] = "linear"
    #: steps over which the learning rate rises to its peak
    warmup: int = ranged(0, least=0, most=10**9)
    weight_decay: float = ranged(0.0, least=0, most=1000)
    #: gradient-norm clipping; 0 switches it off
    clip: float = ranged(0.0, least=0, most=1e9)
    #: decay of the exponential moving average of the weights; 0 switches it off. It starts from
    #: the initial weights without bias correction, as in the reference code.
    ema: float = ranged(0.0, least=0, below=1)
    #: bf16 matrix products under autocast, where the hardware has them; weights and optimiser stay
    #: in fp32
    bf16: bool = True
    #: compile the network (needs a C++ compiler on a CPU): a third faster for the demo's
    #: Diffusion-LM after a minute of compiling; on a GPU, networks of up to 200 M parameters are
    #: replayed as CUDA graphs. Changes no key. Has no effect on causal language models and
    #: discriminators, whose batches differ in length from step to step.
    compile: bool = field(default=False, metadata=NO_KEY)
    #: seconds between checkpoints; changes no key
    checkpoint: float = ranged(60.0, least=0, most=1e9, **NO_KEY)
    #: steps between points of the training curve, each with its validation
    every: int = ranged(500, least=1, most=10**9)

    def lasting(self, steps: int) -> TrainConfig:
        """The same training for another number of steps: the average of the weights covers the
        same share of it."""
        if steps == self.steps:
            return self
        forgets = min(1.0, (1 - self.ema) * self.steps / steps)
        return replace(self, steps=steps, ema=1 - forgets if self.ema else 0.0)


class Transformer(Checked):
    """The base of a network's settings that have ``width`` and ``heads``."""

    width: int
    heads: int

    def __post_init__(self) -> None:
        """Raises ``UserError`` for a shape that no Transformer has."""
        super().__post_init__()
        if self.width % self.heads:
            raise UserError(f"width {self.width} is no multiple of heads {self.heads}")


class PromptReader(Transformer):
    """The base of the settings of a network that may read prompts before a text."""

    max_length: int
    layout: Layout


def size(default: int, least: int = 1) -> Any:
    """A field that counts layers, units or positions: up to what no machine holds."""
    return ranged(default, least=least, most=2**20)


def dropping(default: float) -> Any:
    """A field that holds a dropout probability."""
    return ranged(default, least=0, below=1)


@dataclass(frozen=True)
class EncoderConfig(Transformer):
    """A bidirectional Transformer encoder; the defaults are bert-base's."""

    layers: int = size(12)
    width: int = size(768)
    heads: int = size(12)
    feedforward: int = size(3072)
    #: dropout on embeddings and hidden states
    dropout: float = dropping(0.1)
    #: dropout on attention weights; 0 allows the fused kernel on a CPU
    attention_dropout: float = dropping(0.1)


@dataclass(frozen=True)
class LMConfig(PromptReader):
    """An autoregressive language model with GPT-2's architecture (paper, section 6.3)."""

    layers: int = size(12)
    width: int = size(768)
    heads: int = size(12)
    #: on embeddings, attention weights and residual branches; a pretrained network keeps its own
    dropout: float = dropping(0.1)
    #: longest sequence in tokens, prompt, START and END included; longer ones lose their end
    max_length: int = size(128, least=4)
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
    #: of a network that reads prompts, which say at which words something is asked (spans, length):
    #: by numbers, as the reference code does, or laid out with one token a position
    layout: Layout = "numbers"
    train: TrainConfig = field(default_factory=lambda: TrainConfig(lr=5e-5))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.zero_shot and not self.pretrained:
            raise UserError("lm.zero_shot needs lm.pretrained, the model to ask")

    @property
    def fresh(self) -> LMConfig:
        """The same network and training without a pretrained start, where that is zero-shot."""
        return replace(self, pretrained="", zero_shot=False) if self.zero_shot else self


#: what ``teacher.pretrained`` leaves to the command
AUTO = "auto"


@dataclass(frozen=True)
class TeacherConfig(LMConfig):
    """The judges of fluency: a language model of the corpus's words, trained here (lm), and a
    pretrained one of subwords, which knows every word (lm (subwords))."""

    #: the teacher of subwords, named as lm.pretrained is (folder, hub id, GGUF file or
    #: PACKAGE/PATH) and asked as it is, in plain text: its figures stand as lm (subwords). auto:
    #: for eval.score the language model of preset pretrained where its package is installed, for
    #: other commands none; the empty string: none
    pretrained: str = maybe_empty(AUTO)
    #: false: train ``pretrained`` on the corpus and let it be the one teacher, as the paper does
    #: with GPT-2
    zero_shot: bool = True

    def __post_init__(self) -> None:
        super(LMConfig, self).__post_init__()

    @property
    def first(self) -> LMConfig:
        """The teacher that is trained on the corpus."""
        given = {one.name: getattr(self, one.name) for one in fields(LMConfig)}
        start = "" if self.zero_shot or self.pretrained == AUTO else self.pretrained
        return LMConfig(**{**given, "pretrained": start, "zero_shot": False})

    @property
    def second(self) -> str:
        """The name of the teacher of subwords; empty where there is none."""
        return self.pretrained if self.zero_shot and self.pretrained != AUTO else ""


@dataclass(frozen=True)
class DiscriminatorConfig(PromptReader):
    """FUDGE's future discriminator: a small causal network that judges every prefix of a text."""

    layers: int = size(4)
    width: int = size(256)
    heads: int = size(4)
    dropout: float = dropping(0.1)
    #: longest sequence in tokens, prompt, START and END included
    max_length: int = size(128, least=4)
    #: hidden units of the layers that join a prefix with its next token
    hidden: int = size(256)
    #: share of the mismatched controls drawn from texts of about the same length (within
    #: ``near_words`` words), so that the length alone does not tell them from matching ones
    near: float = share(0.5)
    near_words: int = size(3, least=0)
    #: weight of an auxiliary loss, the likelihood of the text under a control that holds
    generative: float = ranged(1.0, least=0, most=1000)
    #: how prompts say at which words something is asked: by numbers, or laid out with one token a
    #: position
    layout: Layout = "numbers"
    train: TrainConfig = field(default_factory=lambda: TrainConfig(lr=2e-4))


@dataclass(frozen=True)
class AttributeHeadConfig:
    """PPLM's attribute model: a linear head on the frozen language model's mean hidden state."""

    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(steps=3_000, batch=256, lr=1e-2, every=250, bf16=False)
    )


C = TypeVar("C", bound=PromptReader)


def long_enough(config: C, task: Task) -> C:
    """``config`` with room for the prompts of ``task`` and a text, and with a layout that prompts
    of the task have: where there is but one, the setting leaves the network as it is."""
    layout: Layout = config.layout if task.numbered else "numbers"
    longest = max(config.max_length, task.laid(layout).least_sequence)
    if (layout, longest) == (config.layout, config.max_length):
        return config
    fields: Any = config  # a dataclass, as all of them are
    fitted: C = replace(fields, layout=layout, max_length=longest)
    return fitted
