"""The objective of a denoising network of words: its family's loss on texts in their frame. Free of
torch, so that a family's file may hold its card.

Shapes: B batch, L length.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from models.diffusion.words.config import WordsConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from models.diffusion.words.frame import Texts
    from models.nets.encoder import WordEncoder

C = TypeVar("C", bound=WordsConfig)
#: held-out texts behind a point of the training curve
VALIDATION_TEXTS = 512
CHUNK = 64


class WordsObjective(ABC, Generic[C]):
    """Descends nats a word. A family says what a text costs (``nats``).

    ``words`` (W,): the ids of words, which noise that draws words draws from; ``mask``: that of the
    mask.
    """

    def __init__(
        self, module: WordEncoder, config: C, train: Texts, held: Texts, seed: int
    ) -> None:
        from models.diffusion.words.frame import word_ids
        from tasks.common.batching import BatchPlan

        self.module, self.config, self.train, self.held = module, config, train, held
        self.words, self.mask = word_ids(module.words - 1), module.words - 1
        lengths = train.words.tolist()
        self.plan = BatchPlan(len(train.ids), config.train.batch, seed, lengths=lengths)

    @abstractmethod
    def nats(self, ids: Tensor, free: Tensor, rng: torch.Generator | None) -> Tensor:
        """What each text costs, (B,), fp32: an unbiased estimate of the family's bound on
        -log p(words that are ``free`` (B, L) | the others), or its loss where it has none.

        ``ids`` (B, L) and ``free`` are on the CPU; random numbers are drawn there, by ``rng`` or
        from torch's global state."""

    def counted(self, ids: Tensor) -> Tensor:
        """Words as the network's outputs for ``words`` count them, from 0."""
        import torch

        place = torch.zeros(self.mask + 1, dtype=torch.long)
        place[self.words] = torch.arange(len(self.words))
        return place[ids]

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Any]]:
        ids, free = self.batch(step)
        return self.nats(ids, free, None).sum() / free.sum(), {}

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The training texts of a step (B, L), and which of their positions are noised."""
        import torch

        ids, middle = self.train.batch(torch.from_numpy(self.plan(step)))
        return ids, self.free(ids, middle, None)

    def validate(self) -> Mapping[str, float]:
        """Nats a word, of texts from all over the held-out ones, at fixed random numbers."""
        import torch

        rng = torch.Generator().manual_seed(0)
        count = min(VALIDATION_TEXTS, len(self.held.ids))
        rows = torch.linspace(0, len(self.held.ids) - 1, count).long()
        nats = words = 0.0
        # by length, so that a chunk is cut short
        for part in rows[self.held.words[rows].argsort(stable=True)].split(CHUNK):
            ids, middle = self.held.batch(part)
            free = self.free(ids, middle, rng)
            nats += float(self.nats(ids, free, rng).sum())
            words += float(free.sum())
        return {"nats": nats / words}

    def free(self, ids: Tensor, middle: Tensor | None, rng: torch.Generator | None) -> Tensor:
        """Which positions are noised: words, of some windows of stories those of the middle."""
        import torch

        from models.diffusion.words.frame import words_of

        words = words_of(ids)
        if middle is None or not self.config.clean_contexts:
            return words
        alone = torch.rand(len(ids), generator=rng) < self.config.clean_contexts
        return words & (middle | ~alone[:, None])
