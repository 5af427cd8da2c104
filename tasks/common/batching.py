"""Which examples make up training step ``i``: a pure function of (seed, step), so that a resumed
run sees the same data in the same order without any stored state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class BatchPlan:
    """Batches over ``n`` examples, reshuffled each epoch, the incomplete last batch dropped.

    With ``lengths``, batches hold examples of like lengths: the shuffled epoch is cut into pools of
    ``pool`` batches, each pool is sorted by length, and the batches are visited in random order.
    """

    def __init__(
        self,
        n: int,
        batch: int,
        seed: int,
        lengths: Sequence[int] | None = None,
        pool: int = 50,
    ) -> None:
        if n < 1:
            raise ValueError("no training examples")
        self.n, self.batch, self.seed, self.pool = n, min(batch, n), seed, pool
        self.lengths = None if lengths is None else np.asarray(lengths)
        self.batches_per_epoch = max(1, self.n // self.batch)
        self._epoch = -1
        self._order: np.ndarray

    def __call__(self, step: int) -> np.ndarray:
        """Indices of the examples of ``step``, shape (batch,)."""
        epoch, row = divmod(step, self.batches_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffle(epoch)
        return self._order[row]

    def _shuffle(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, epoch))
        order = rng.permutation(self.n)[: self.batches_per_epoch * self.batch]
        if self.lengths is not None:
            width = self.pool * self.batch
            pools = [order[i : i + width] for i in range(0, len(order), width)]
            order = np.concatenate([p[np.argsort(self.lengths[p], kind="stable")] for p in pools])
        rows = order.reshape(self.batches_per_epoch, self.batch)
        return rows if self.lengths is None else rows[rng.permutation(len(rows))]
