"""A language model that reads soft tokens: what the methods that optimise continuous logits share.

A soft token is a distribution over the vocabulary; the network reads its expected embedding,
softmax(logits / temperature) @ embedding matrix, so that gradients reach the logits (Qin et al.
2020; Qin et al. 2022). Rows of one call have contexts of one length, hence no padding along the
sequence; with the number of rows from :func:`models.nets.decoding.padded_rows`, a row's result does
not depend on the rows beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.nets.backbones import CausalLM, Past


class SoftReader:
    """A language model whose inputs are embeddings and whose weights are frozen.

    The model is put in eval mode (no dropout) and its parameters stop requiring gradients, so that
    differentiating its outputs costs no weight gradients. Logits are fp32 or finer; embeddings
    have the dtype of the weights.
    """

    def __init__(self, model: CausalLM) -> None:
        self.model = model.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def table(self) -> Tensor:
        """The embedding of every id, (V, D)."""
        return self.model.table

    @property
    def vocabulary(self) -> int:
        """How many ids there are, V."""
        return self.model.vocabulary

    @property
    def positions(self) -> int:
        """The longest sequence that the network can read, in tokens."""
        return self.model.positions

    def embed_ids(self, ids: Tensor) -> Tensor:
        """``ids`` (R, n) -> their embeddings (R, n, D), positions not added."""
        return self.model.embed(ids)

    def embed_soft(self, probabilities: Tensor) -> Tensor:
        """Distributions over the ids (R, n, V) -> expected embeddings (R, n, D)."""
        # as one product, as below: torch may copy the table for each row
        flat = probabilities.flatten(0, 1).to(self.table.dtype) @ self.table
        return flat.view(*probabilities.shape[:2], -1)

    def logits(self, embeds: Tensor, past: Past = (), last: int = 0) -> Tensor:
        """``embeds`` (R, n, D), behind the cached ``past`` if there is one -> logits (R, n, V),
        those at position i predicting what stands at i + 1; differentiable in both arguments.

        ``last``: the logits of that many last positions alone; 0: of all.
        """
        return self.feed(embeds, past, last)[0]

    def feed(self, embeds: Tensor, past: Past = (), last: int = 0) -> tuple[Tensor, Past]:
        """As :meth:`logits`, with the cache of all that was read so far; ``past`` stays as it is
        and can be used again."""
        hidden, following = self.model.read(embeds, past)
        hidden = hidden[:, -last:]
        logits = full(self.model.logits(hidden.flatten(0, 1))).view(*hidden.shape[:2], -1)
        return logits, following


def full(x: Tensor) -> Tensor:
    """``x`` in fp32, where it is of less precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def nll(logits: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    """Summed negative log-likelihoods in nats, (R,): ``logits`` (R, n, V) predict ``ids`` (R, n).
    ``mask`` (R, n): 1 where a token counts, 0 where it is padding."""
    each = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")
    return (each if mask is None else each * mask).sum(1)


def repeat(past: Past, times: int) -> Past:
    """The cache of R rows -> one of R * ``times`` rows, each row's copies side by side."""
    return [(k.repeat_interleave(times, 0), v.repeat_interleave(times, 0)) for k, v in past]
