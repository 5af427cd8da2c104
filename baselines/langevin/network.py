"""A causal language model that reads noised embeddings and predicts the clean next word.

In place of the paper's networks, one finetuned at each level of noise, one that is told the level.

Shapes: B batch, L length, D dimension of embeddings, V words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.langevin.settings import NoisyLMConfig
from models.nets import parallel
from models.nets.backbones import Decoder, fresh_body
from models.nets.encoder import time_embedding
from tasks.common.batching import BatchPlan

#: texts of a validation
HELD, ROWS = 512, 64


class NoisyLM(nn.Module):
    """``table`` (V, D): the embeddings, of norm sqrt(D), so that no training can drown the noise in
    them."""

    def __init__(self, config: NoisyLMConfig, words: int) -> None:
        super().__init__()
        self.config, shape = config, config.network
        width = shape.width
        self.word_embedding = nn.Embedding(words, config.embedding)
        self.up = nn.Sequential(
            nn.Linear(config.embedding, width), nn.Tanh(), nn.Linear(width, width)
        )
        self.level = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.body = fresh_body(
            0,
            config.length,
            layers=shape.layers,
            width=width,
            heads=shape.heads,
            dropout=shape.dropout,
            feedforward=shape.feedforward,
            attention_dropout=shape.attention_dropout,
        )
        self.down = nn.Linear(width, words)

    @property
    def device(self) -> torch.device:
        return self.down.weight.device

    @property
    def table(self) -> Tensor:
        return F.normalize(self.word_embedding.weight, dim=-1) * self.config.embedding**0.5

    def forward(self, y: Tensor, noise: Tensor) -> Tensor:
        """Noised embeddings y (B, L, D), standard deviations ``noise`` (B,) -> logits (B, L, V) of
        the clean word behind each."""
        config, scale = self.config, (1 + noise.square()).rsqrt()
        among = (noise / config.least).log() / torch.tensor(config.most / config.least).log()
        told = self.level(time_embedding(1000 * among, config.network.width))
        embeds = self.up(y * scale[:, None, None]) + told[:, None]
        logits: Tensor = self.down(Decoder(self.body).hidden(embeds=embeds))
        return logits


class CleanWords:
    """Cross-entropy of the clean next word from noised words before it, PAD among them, at noise
    drawn evenly in log; START is given as it is. A :class:`models.nets.train.Objective`."""

    def __init__(self, network: NoisyLM, ids: Tensor, held: Tensor, batches: BatchPlan) -> None:
        self.module: nn.Module = network
        self.network, self.ids, self.held, self.batches = network, ids, held[:HELD], batches

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        ids = self.ids[torch.as_tensor(parallel.share(self.batches(step)))]
        return parallel.mean(self.nats(ids, None).flatten()), {}

    def validate(self) -> Mapping[str, float]:
        """Nats a token of held-out texts, PAD among them, at the same noise every time."""
        if not len(self.held):
            return {}
        rng = torch.Generator().manual_seed(0)
        with torch.no_grad():
            total = sum(float(self.nats(ids, rng).sum()) for ids in self.held.split(ROWS))
        return {"nats": total / (len(self.held) * (self.held.shape[1] - 1))}

    def nats(self, ids: Tensor, rng: torch.Generator | None) -> Tensor:
        """-log p of each word but the first of texts (B, L), (B, L - 1)."""
        config, device = self.network.config, self.network.device
        least, most = torch.tensor([config.least, config.most]).log()
        noise = (least + torch.rand(len(ids), generator=rng) * (most - least)).exp().to(device)
        drawn = torch.randn(*ids.shape, config.embedding, generator=rng).to(device)
        drawn[:, 0] = 0.0
        ids = ids.to(device)
        y = self.network.table[ids] + noise[:, None, None] * drawn
        logits: Any = self.network(y[:, :-1], noise).float()
        return F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
