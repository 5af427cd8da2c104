"""GPT-2 (Radford et al. 2019), the architecture of the paper's baselines (section 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

from models.nets.backbones.base import CausalLM


def gpt2(
    vocabulary: int, positions: int, layers: int, width: int, heads: int, dropout: float
) -> GPT2Config:
    """GPT-2's architecture. ``gelu_pytorch_tanh`` is GPT-2's GELU as one fused operation, and
    eager attention is the implementation whose rows were found bitwise independent of the number
    of rows (see :mod:`models.nets.decoding`) and the fastest to train at these lengths on a CPU."""
    return GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        # GPT-2's 0.02 at its width of 768; a narrow network starts too small with it
        initializer_range=0.02 * (768 / width) ** 0.5,
        activation_function="gelu_pytorch_tanh",
        attn_implementation="eager",  # type: ignore[call-arg]
        # ids of whole sequences are made by the codec
        bos_token_id=None,
        eos_token_id=None,
    )


def body(
    vocabulary: int,
    positions: int,
    layers: int,
    width: int,
    heads: int,
    dropout: float,
    *,
    feedforward: int | None = None,
    attention_dropout: float | None = None,
    cross: bool = False,
) -> nn.Module:
    """As :func:`models.nets.backbones.fresh_body`."""
    config = gpt2(max(1, vocabulary), positions, layers, width, heads, dropout)
    config.add_cross_attention = cross
    if feedforward is not None:
        config.n_inner = feedforward
    if attention_dropout is not None:
        config.attn_pdrop = attention_dropout
    made = GPT2Model(config)
    if not vocabulary:
        del made.wte
    return made


class GPT2(CausalLM):
    """A GPT-2 with its transposed embedding as output layer."""

    kind: ClassVar[str] = "gpt2"
    steerable: ClassVar[bool] = True

    @classmethod
    def fresh(
        cls, vocabulary: int, positions: int, layers: int, width: int, heads: int, dropout: float
    ) -> Self:
        """One of random weights."""
        return cls(GPT2LMHeadModel(gpt2(vocabulary, positions, layers, width, heads, dropout)))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        return cls.fresh(**record)

    @classmethod
    def from_pretrained(cls, place: str, gguf_file: str | None, options: Mapping[str, Any]) -> Self:
        form: dict[str, Any] = {"attn_implementation": "eager", "dtype": torch.float32}
        return cls(GPT2LMHeadModel.from_pretrained(place, **form, **options))

    @property
    def record(self) -> dict[str, Any]:
        config = self.network.config
        return {
            "vocabulary": config.vocab_size,
            "positions": config.n_positions,
            "layers": config.n_layer,
            "width": config.n_embd,
            "heads": config.n_head,
            "dropout": config.resid_pdrop,
        }

    def lengthen(self, positions: int) -> None:
        """With fresh embeddings (prompts make texts longer)."""
        old = self.body.wpe.weight
        if positions <= len(old):
            return
        new = nn.Embedding(positions, old.shape[1])
        nn.init.normal_(new.weight, std=self.network.config.initializer_range)
        with torch.no_grad():
            new.weight[: len(old)] = old
        self.body.wpe = new
        self.network.config.n_positions = positions
