"""Transformer encoders: their configuration, what they are told of the time, and one that reads and
writes words.

Shapes: B batch, L length, V words.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

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


def _norm_first_encoder(config: EncoderConfig, positions: int) -> nn.Module:
    """An encoder whose layers normalise what they read and not what they write. It learns at rates
    that leave BERT's at the frequencies of words (E2E, 500 steps at 1.5e-3: 3.4 nats a word against
    4.3), and is what diffusion of words is published with."""
    from transformers import RobertaPreLayerNormConfig
    from transformers.models.roberta_prelayernorm.modeling_roberta_prelayernorm import (
        RobertaPreLayerNormEncoder,
    )

    bert = bert_config(config, positions)
    kept = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
            "intermediate_size", "hidden_dropout_prob", "attention_probs_dropout_prob",
            "max_position_embeddings")  # fmt: skip
    same = {name: getattr(bert, name) for name in kept}
    made = RobertaPreLayerNormConfig(**same, bos_token_id=None, eos_token_id=None, pad_token_id=0)
    made._attn_implementation = bert._attn_implementation
    encoder: nn.Module = RobertaPreLayerNormEncoder(made)
    return encoder


def unseen(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """What an encoder adds to attention so that positions are read only where ``seen`` (B, L);
    (B, 1, 1, L)."""
    added = torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
    return added[:, None, None]


class WordEncoder(nn.Module):
    """Logits of a word at every position from the words at all of them; the output layer is tied to
    the word embeddings (Devlin et al. 2019). ``timed``: it is told the time of the noise, whose
    embedding is added to every position. ``norm_first``: as of :func:`_norm_first_encoder`."""

    def __init__(
        self,
        config: EncoderConfig,
        positions: int,
        words: int,
        timed: bool = False,
        norm_first: bool = False,
    ) -> None:
        super().__init__()
        width = config.width
        self.words, self.positions = words, positions
        self.word_embedding = nn.Embedding(words, width)
        self.position_embedding = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)
        self.norm_first = norm_first
        if norm_first:
            self.encoder = _norm_first_encoder(config, positions)
        else:
            from transformers.models.bert.modeling_bert import BertEncoder

            self.encoder = BertEncoder(bert_config(config, positions))
        self.transform = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=1e-12)
        )
        self.bias = nn.Parameter(torch.zeros(words))
        self.time: nn.Sequential | None = None
        if timed:
            # a time that outweighs the words, which are small, hides them: it starts at 0
            last = nn.Linear(width, width)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), last)
        with torch.no_grad():
            # logits of a fresh network have a spread of about 1
            self.word_embedding.weight *= width**-0.5
            self.position_embedding.weight *= width**-0.5

    @property
    def device(self) -> torch.device:
        return self.bias.device

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compiles the encoder, the part whose shapes change with the length of a batch alone."""
        self.encoder.compile(*args, dynamic=True, **kwargs)

    def forward(self, ids: Tensor, time: Tensor | None = None, at: Tensor | None = None) -> Tensor:
        """``ids`` (B, L), under noise of ``time`` (B,) in [0, 1] -> logits (B, L, V), fp32; of the
        positions ``at`` (B, L) alone, (M, V)."""
        hidden = self.states(self.embed(ids, time))
        return self.said(hidden if at is None else hidden[at])

    def embed(self, ids: Tensor, time: Tensor | None = None) -> Tensor:
        """What the encoder reads of texts, (B, L, D)."""
        hidden = self.word_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        if self.time is not None:
            assert time is not None
            features = time_embedding(1000 * time, hidden.shape[-1]).to(hidden.dtype)
            hidden = hidden + self.time(features)[:, None]
        return hidden

    def states(self, hidden: Tensor, seen: Tensor | None = None) -> Tensor:
        """The encoder's last states (B, L, D); ``seen`` (B, L): the positions that are read at
        all."""
        more = {} if seen is None else {"attention_mask": unseen(seen, hidden.dtype)}
        if not self.norm_first:
            hidden = self.norm(hidden)
        hidden = self.encoder(self.dropout(hidden), **more).last_hidden_state
        return self.norm(hidden) if self.norm_first else hidden

    def said(self, hidden: Tensor) -> Tensor:
        """Logits (..., V), fp32, from the last states (..., D)."""
        hidden = self.transform(hidden.to(self.bias.dtype))
        return F.linear(hidden, self.word_embedding.weight).float() + self.bias.float()
