"""The network of edits: a tagger p(e | x_t) and a generator p(x_{t-1} | x_t, e) on one body, an
encoder of the text and a decoder that writes what is put into it (Reid et al. 2022).

Shapes: B batch, L length of texts, M tokens that the decoder reads, D width, V ids of words.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.diffuser.config import EditModelConfig
from models.diffuser.edits import Kind
from models.nets.backbones import cross_states, fresh_body
from models.nets.encoder import WordEncoder
from tasks.vocabulary import PAD


class EditModel(nn.Module):
    """Texts are START, their words, END and PAD. The decoder reads START, the words that are kept,
    and, where a span is put, a token that opens it (``opening``) and the words of the span, each
    with the place of the text that it stands for: the word that is kept, or that of the span's tag.
    It says the words of spans, each span closed by END.

    ``words``: V.
    """

    def __init__(self, config: EditModelConfig, words: int) -> None:
        super().__init__()
        network, width = config.network, config.network.width
        self.words = self.opening = words
        self.encoder = WordEncoder(
            network, config.length, words + 1, norm_first=not config.init_pretrained
        )
        self.tagger = nn.Linear(width, len(Kind))
        self.tag_embedding = nn.Embedding(len(Kind), width)
        self.decoder: Any = fresh_body(
            0, 2 * config.length, layers=config.decoder_layers, width=width, heads=network.heads,
            dropout=network.dropout, feedforward=network.feedforward,
            attention_dropout=network.attention_dropout, cross=True,
        )  # fmt: skip

    @property
    def device(self) -> torch.device:
        return self.encoder.device

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compiles the encoder, the part whose shapes change with the length of a batch alone."""
        self.encoder.compile(*args, **kwargs)

    def read(self, ids: Tensor) -> Tensor:
        """Texts (B, L) -> states (B, L, D)."""
        return self.encoder.states(self.encoder.embed(ids), ids != PAD)

    def tags(self, states: Tensor) -> Tensor:
        """Logits (B, L, 4), fp32, of each token's tag."""
        logits: Tensor = self.tagger(states).float()
        return logits

    def tagged(self, states: Tensor, tags: Tensor) -> Tensor:
        """States with the tags (B, L) of their tokens: what the decoder attends to."""
        return states + self.tag_embedding(tags)

    def written(
        self, memory: Tensor, seen: Tensor, tokens: Tensor, places: Tensor, past: Any = None
    ) -> Tensor:
        """The decoder's states (B, M, D) behind ``tokens`` (B, M), which stand for ``places``
        (B, M) of the text. ``memory`` (B, L, D): as :meth:`tagged` gives it, ``seen`` (B, L): which
        of it are no PAD; ``past``: a cache of what was read before, which grows."""
        embedded = self.encoder.word_embedding(tokens) + self.encoder.position_embedding(places)
        return cross_states(self.decoder, embedded, memory, seen, past)

    def said(self, states: Tensor) -> Tensor:
        """Logits (..., V), fp32, of the next word of a span."""
        return self.encoder.said(states)[..., : self.words]

    def forward(
        self, ids: Tensor, tags: Tensor, tokens: Tensor, places: Tensor, at: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits of tags (B, L, 4), and of the words behind the tokens where ``at`` (B, M) is."""
        states = self.read(ids)
        written = self.written(self.tagged(states, tags), ids != PAD, tokens, places)
        return self.tags(states), self.said(written[at])
