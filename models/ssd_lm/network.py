"""The network that reads the noised logits of a block behind words, and its training (Han et al.
2023, section 3.1).

Shapes: B batch, L length, K places of a block, V vocabulary, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.encoder import WordEncoder, time_embedding
from models.nets.precision import LEAST_TOKENS, by_token, pad_rows
from models.ssd_lm.config import SimplexConfig
from models.ssd_lm.process import Simplex
from tasks.common.batching import BatchPlan
from tasks.vocabulary import PAD, Vocabulary

VALIDATION_TEXTS, CHUNK = 256, 64


class SimplexEncoder(WordEncoder):
    """Logits of the words of a block from the words before it, clean, and from the mean of the word
    embeddings under the softmax of the block's own noised logits. What follows is not seen."""

    def __init__(self, config: SimplexConfig, vocabulary: int) -> None:
        super().__init__(config.network, config.length, vocabulary, timed=True, norm_first=True)
        self.config = config
        #: reads what was said before; it starts at 0
        self.again: nn.Linear | None = None
        if config.self_conditioning:
            self.again = nn.Linear(config.network.width, config.network.width, bias=False)
            nn.init.zeros_(self.again.weight)

    def mean(self, logits: Tensor) -> Tensor:
        """The mean word embedding (B, K, W) under the softmax of ``logits`` (B, K, V)."""
        table = self.word_embedding.weight
        return by_token(lambda p: p @ table, logits.float().softmax(-1).to(table.dtype))

    def block(
        self, ids: Tensor, x: Tensor, start: Tensor, time: Tensor, previous: Tensor | None = None
    ) -> Tensor:
        """Logits (B, K, V), fp32, of the words from ``start`` (B,) on, where ``x`` (B, K, V) are
        noised logits at ``time`` (B,) in [0, 1], of texts ``ids`` (B, L), of which only the words
        before are read. ``previous`` (B, K, W): the mean of what was said before, or zeros."""
        assert self.time is not None
        at = start[:, None] + torch.arange(x.shape[1], device=x.device)
        length = min(ids.shape[1], max(LEAST_TOKENS, int(at.max()) + 1))
        place = at[..., None].expand(-1, -1, self.word_embedding.embedding_dim)
        read = self.mean(x)
        if previous is not None and self.again is not None:
            read = read + self.again(previous.to(read.dtype))
        dtype = self.word_embedding.weight.dtype
        hidden = self.word_embedding(ids[:, :length]).scatter(1, place, read.to(dtype))
        features = time_embedding(1000 * pad_rows(time), hidden.shape[-1]).to(hidden.dtype)
        hidden = hidden + self.position_embedding.weight[:length]
        hidden = hidden + self.time(features)[: len(x), None]
        seen = torch.arange(length, device=x.device) <= at[:, -1:]
        return by_token(self.said, self.states(hidden, seen).gather(1, place))


def build(config: SimplexConfig, vocabulary: Vocabulary) -> tuple[SimplexEncoder, dict[str, Any]]:
    """A fresh network, and what its file must agree with."""
    return SimplexEncoder(config, len(vocabulary)), {"kind": "simplex of words"}


class BlockObjective:
    """Cross-entropy of the words of a block behind a context of any length, which each text draws
    for itself (the released code draws one for a batch)."""

    def __init__(
        self, module: SimplexEncoder, train: Tensor, held: Tensor, plan: BatchPlan
    ) -> None:
        self.module, self.train, self.held, self.plan = module, train, held, plan
        config = module.config
        self.process = Simplex(config.steps, config.scale, module.words)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Any]]:
        ids = self.train[torch.from_numpy(self.plan(step))]
        return self.nll(ids, None).mean(), {}

    def validate(self) -> Mapping[str, float]:
        """Nats a token of held-out texts under fixed noise."""
        rng = torch.Generator().manual_seed(0)
        parts = self.held[:VALIDATION_TEXTS].split(CHUNK)
        found = torch.cat([self.nll(part, rng).mean(1) for part in parts])
        return {"nll": float(found.mean())}

    def nll(self, ids: Tensor, rng: torch.Generator | None) -> Tensor:
        """-log p of each word of the blocks, (B, K), of texts ``ids`` (B, L)."""
        config, count, device = self.module.config, len(ids), self.module.device
        places = config.places
        # a block begins at a token of the text, and ends with the sequence at the latest
        most = (ids != PAD).sum(1).clamp(min=2, max=ids.shape[1] - places + 1) - 1
        start = 1 + (torch.rand(count, generator=rng) * most).long()
        level = torch.randint(0, config.steps, (count,), generator=rng)
        noise = torch.randn(count, places, self.module.words, generator=rng)
        twice = torch.rand(count, generator=rng) < config.self_conditioning
        ids, start, level, noise = (one.to(device) for one in (ids, start, level, noise))
        gold = ids.gather(1, start[:, None] + torch.arange(places, device=device))
        x, time = self.process.corrupt(self.process.hot(gold), level, noise), level + 1
        time, previous = time / config.steps, None
        if config.self_conditioning:
            previous = self.first(ids, x, start, time, twice.nonzero()[:, 0].to(device))
        logits = self.module.block(ids, x, start, time, previous)
        return F.cross_entropy(logits.flatten(0, 1), gold.flatten(), reduction="none").view_as(gold)

    @torch.no_grad()
    def first(self, ids: Tensor, x: Tensor, start: Tensor, time: Tensor, rows: Tensor) -> Tensor:
        """The mean (B, K, W) of what is said of the texts ``rows`` (R,), zeros of the others."""
        width = self.module.word_embedding.embedding_dim
        none = torch.zeros(*x.shape[:2], width, device=x.device)
        if not len(rows):
            return none
        said = self.module.block(ids[rows], x[rows], start[rows], time[rows])
        return none.index_copy(0, rows, self.module.mean(said).to(none.dtype))
