"""How large a network is, what a step of its training costs and how much memory it needs, from its
settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GIB = 2.0**30
#: bytes a parameter in training: weights, gradients and both moments of AdamW in fp32; and an
#: average of the weights
TRAINED, AVERAGED = 16, 4
#: bytes that a layer keeps of a token for the backward pass, in units of its width, and of its
#: attention weights (Korthikanti et al. 2022, equation 1, in 16 bit); twice as many in fp32
ACTIVATIONS, ATTENTION = 34, 5


@dataclass(frozen=True)
class Shape:
    """``parameters``: embeddings included. ``tokens``: of a training step, ``batch`` sequences of
    about ``length``. ``average``: an average of the weights is kept; ``half``: products are in
    bf16."""

    parameters: float
    layers: int
    width: int
    heads: int
    vocabulary: int
    batch: int
    length: float
    average: bool = False
    half: bool = True

    @property
    def tokens(self) -> float:
        return self.batch * self.length

    @property
    def flops(self) -> float:
        """Of a training step: 6 a parameter and token, and those of attention (Kaplan et al.
        2020)."""
        attention = 12 * self.layers * self.width * self.length
        return (6 * self.parameters + attention) * self.tokens

    @property
    def training(self) -> float:
        """Bytes: parameters and optimiser, activations of a batch, logits and their gradient."""
        states = self.parameters * (TRAINED + (AVERAGED if self.average else 0))
        scores = ATTENTION * self.heads * self.length / self.width
        kept = self.tokens * self.layers * self.width * (ACTIVATIONS + scores)
        return states + kept * (1 if self.half else 2) + 8 * self.tokens * self.vocabulary

    def decoding(self, batch: int) -> float:
        """Bytes: parameters, the states of a batch with a gradient through them, and logits."""
        tokens = batch * self.length
        scores = ATTENTION * self.heads * self.length / self.width
        kept = tokens * self.layers * self.width * (ACTIVATIONS + scores)
        return 4 * self.parameters + kept + 8 * tokens * self.vocabulary


def shape(pace: Mapping[str, Any], vocabulary: int, words: float, length: float = 0) -> Shape:
    """The shape that the settings of a network and its training describe. ``words``: those of a
    usual text; ``length``: tokens of a sequence, where another network's settings fix it."""
    inner = next((pace[k] for k in ("network", "model") if isinstance(pace.get(k), Mapping)), pace)
    train = pace.get("train")
    train = train if isinstance(train, Mapping) else {}
    layers, width = int(inner.get("layers", 1)), int(inner.get("width", inner.get("d_model", 128)))
    feedforward = int(inner.get("feedforward", 4 * width))
    # sequences of a language model are as long as their texts, START and END included
    usual = min(float(pace.get("max_length", 2**20)), words + 2)
    fixed = float(pace.get("length", length) or usual)
    rows = int(pace.get("embedding") or width)
    return Shape(
        parameters=layers * (4 * width**2 + 2 * width * feedforward) + vocabulary * rows,
        layers=layers,
        width=width,
        heads=int(inner.get("heads", 1)),
        vocabulary=vocabulary,
        batch=int(train.get("batch", 1)),
        length=fixed,
        average=bool(train.get("ema")),
        half=bool(train.get("bf16", True)),
    )
