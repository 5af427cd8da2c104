"""Transformer encoders: their configuration, what they are told of the time, and one that reads and
writes words.

Shapes: B batch, L length, V words.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.config import EncoderConfig

if TYPE_CHECKING:
    from transformers import BertConfig


def bert_config(config: EncoderConfig, positions: int) -> BertConfig:
    """A transformers configuration of that encoder.

    On a CPU the plain attention is chosen: at sequences of 64 the backward pass of the fused
    kernel made a training step half again as long (measured: 0.38 against 0.25 s).
    """
    from transformers import BertConfig

    made = BertConfig(
        vocab_size=1,
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=config.feedforward,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.attention_dropout,
        max_position_embeddings=positions,
    )
    made._attn_implementation = "sdpa" if torch.cuda.is_available() else "eager"
    return made


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """Sinusoidal features of t (B,) on the scale [0, 1000): cosines, then sines; (B, dim)."""
    half = dim // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class WordEncoder(nn.Module):
    """Logits of a word at every position from the words at all of them, as BERT has them: the
    output layer is tied to the word embeddings (Devlin et al. 2019)."""

    def __init__(self, config: EncoderConfig, positions: int, words: int) -> None:
        super().__init__()
        from transformers.models.bert.modeling_bert import BertEncoder

        width = config.width
        self.words, self.positions = words, positions
        self.word_embedding = nn.Embedding(words, width)
        self.position_embedding = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = BertEncoder(bert_config(config, positions))
        self.transform = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=1e-12)
        )
        self.bias = nn.Parameter(torch.zeros(words))
        with torch.no_grad():
            # logits of a fresh network have a spread of about 1
            self.word_embedding.weight *= width**-0.5
            self.position_embedding.weight *= width**-0.5

    @property
    def device(self) -> torch.device:
        return self.bias.device

    def forward(self, ids: Tensor) -> Tensor:
        """``ids`` (B, L) -> logits (B, L, V), fp32."""
        hidden = self.word_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        hidden = self.encoder(self.dropout(self.norm(hidden))).last_hidden_state
        hidden = self.transform(hidden.to(self.bias.dtype))
        return F.linear(hidden, self.word_embedding.weight).float() + self.bias.float()
