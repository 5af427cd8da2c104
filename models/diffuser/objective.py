"""What the network of edits descends: the cross-entropies of tags and of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffuser.config import EditModelConfig
from models.diffuser.network import EditModel
from models.diffuser.pairs import NONE, Batch, Story, batch, pair
from models.diffusion.words.frame import FRAME
from models.nets.ahead import Draws, moved
from tasks.common.batching import BatchPlan

#: held-out texts behind a point of the training curve
VALIDATION_TEXTS = 512
CHUNK = 64


class EditObjective:
    """-log p(e | x_t) a token and -log p(words | x_t, e) a word that is put, the end of a span
    counted as one; both are means over a batch, and add up (Reid et al. 2022)."""

    def __init__(
        self, module: EditModel, config: EditModelConfig, train: Sequence[Story],
        held: Sequence[Story], seed: int,
    ) -> None:  # fmt: skip
        self.module, self.config, self.train, self.held = module, config, train, held
        self.words = [i for i in range(module.words) if i not in FRAME]
        lengths = [len(story.words) for story in train]
        self.plan = BatchPlan(len(train), config.train.batch, seed, lengths=lengths)
        self.draws = Draws(self._draw, seed, module.device)

    def _draw(self, step: int, rng: torch.Generator | None) -> list[Tensor]:
        (own,) = torch.randint(2**62, (1,), generator=rng).tolist()
        return list(self._noised([self.train[i] for i in self.plan(step)], own))

    def _noised(self, stories: Sequence[Story], seed: int) -> Batch:
        rng = np.random.default_rng(seed)
        pairs = [pair(story, self.config, self.words, rng) for story in stories]
        return batch(pairs, self.config.length, self.module.opening)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        tags, words = self._losses(Batch(*self.draws(step)))
        parts = {"tags": tags.mean(), "words": words.sum() / max(1, len(words))}
        return parts["tags"] + parts["words"], parts

    def _losses(self, made: Batch) -> tuple[Tensor, Tensor]:
        """Nats of each tag that is asked for, and of each word that is put."""
        ids, tags, asked, tokens, places, said = moved(made, self.module.device)
        at, known = said != NONE, asked != NONE
        of_tags, of_words = self.module(ids, tags, tokens, places, at)
        return (
            F.cross_entropy(of_tags[known], asked[known], reduction="none"),
            F.cross_entropy(of_words, said[at], reduction="none"),
        )

    def validate(self) -> Mapping[str, float]:
        """The same of texts from all over the held-out ones, under fixed noise."""
        count = min(VALIDATION_TEXTS, len(self.held))
        rows = np.linspace(0, len(self.held) - 1, count).astype(int)
        by_length = sorted(rows, key=lambda i: len(self.held[i].words))
        nats = torch.zeros(2, 2, dtype=torch.float64)
        for at in range(0, count, CHUNK):
            made = self._noised([self.held[i] for i in by_length[at : at + CHUNK]], at)
            for which, losses in enumerate(self._losses(made)):
                nats[which] += torch.tensor([float(losses.double().sum()), len(losses)])
        tags, words = (nats[:, 0] / nats[:, 1].clamp(min=1)).tolist()
        return {"loss": tags + words, "tags": tags, "words": words}
