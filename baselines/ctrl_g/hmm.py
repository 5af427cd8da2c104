"""Hidden Markov models of texts, distilled from a language model (Zhang et al. 2024, section 3).

A text w_1 .. w_n, the end among its tokens, has a hidden state for each token; the state emits the
token, and the text is over with the end. Shapes: B texts, L tokens, H states, V ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class HMM(nn.Module):
    """``initial`` (H,), ``transition`` (H, H) and ``emission`` (H, V) are probabilities, whose rows
    sum to 1. They are kept flat: files round matrices to half precision."""

    def __init__(self, states: int, ids: int) -> None:
        super().__init__()
        self.states, self.ids = states, ids
        self.first = nn.Parameter(torch.full((states,), 1 / states), requires_grad=False)
        moves = torch.full((states * states,), 1 / states)
        self.moves = nn.Parameter(moves, requires_grad=False)
        self.words = nn.Parameter(torch.full((states * ids,), 1 / ids), requires_grad=False)

    @property
    def initial(self) -> Tensor:
        return self.first

    @property
    def transition(self) -> Tensor:
        return self.moves.view(self.states, self.states)

    @property
    def emission(self) -> Tensor:
        return self.words.view(self.states, self.ids)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a file of it must agree with."""
        return {"kind": "hmm", "states": self.states}

    def fill(self, counts: Counts, smoothing: float, allowed: Tensor) -> None:
        """The maximum of what ``counts`` expects, each with ``smoothing`` added; ids that are not
        ``allowed`` (V,) are never emitted."""
        sums = [
            (self.first, counts.initial[None] + smoothing),
            (self.moves, counts.transition + smoothing),
            (self.words, (counts.emission + smoothing) * allowed),
        ]
        for parameter, table in sums:
            parameter.copy_((table / table.sum(-1, keepdim=True)).flatten())


class Counts:
    """Expected numbers of first states, of moves between states, and of ids that states emit.
    ``nll``: nats of the texts they are of; ``tokens``: how many tokens these have."""

    def __init__(self, states: int, ids: int) -> None:
        self.initial = torch.zeros(states, dtype=torch.float64)
        self.transition = torch.zeros(states, states, dtype=torch.float64)
        self.emission = torch.zeros(states, ids, dtype=torch.float64)
        self.nll, self.tokens = 0.0, 0

    def assigned(self, states: Tensor, ids: Tensor, mask: Tensor) -> None:
        """Adds texts whose states are known: ``states``, ``ids`` and which tokens are theirs
        (padding on the right), all (B, L)."""
        one = torch.ones((), dtype=torch.float64)
        self.initial.index_put_((states[:, 0],), one, accumulate=True)
        both = mask[:, 1:]
        pairs = (states[:, :-1][both], states[:, 1:][both])
        self.transition.index_put_(pairs, one, accumulate=True)
        self.emission.index_put_((states[mask], ids[mask]), one, accumulate=True)

    def expected(self, model: HMM, ids: Tensor, mask: Tensor) -> None:
        """Adds what ``model`` expects of texts: ``ids`` and which of them count (padding on the
        right), (B, L) both. Forward and backward messages are scaled by each token's probability
        (Rabiner 1989, section V.A), which is exact at any length."""
        transition, length = model.transition, ids.shape[1]
        emitted = model.emission.t()[ids] * mask[..., None] + (~mask)[..., None]  # (B, L, H)
        forward, scale = [model.initial * emitted[:, 0]], []
        for t in range(length):
            total = forward[t].sum(-1, keepdim=True)
            scale.append(total)
            forward[t] = forward[t] / total
            if t + 1 < length:
                forward.append(forward[t] @ transition * emitted[:, t + 1])
        backward = torch.ones_like(forward[0])
        for t in reversed(range(length)):
            seen = (forward[t] * backward * mask[:, t, None]).double()
            self.emission.index_put_(
                (torch.arange(model.states)[None, :], ids[:, t, None]), seen, accumulate=True
            )
            if t == 0:
                self.initial += seen.sum(0)
                break
            ahead = torch.where(mask[:, t, None], emitted[:, t] * backward / scale[t], 0.0)
            self.transition += transition * (forward[t - 1].t() @ ahead)
            backward = torch.where(mask[:, t, None], ahead @ transition.t(), 1.0)
        each = torch.cat(scale, 1).double().log()[mask]
        self.nll, self.tokens = self.nll - float(each.sum()), self.tokens + len(each)


def clusters(vectors: Tensor, count: int, seed: int, rounds: int = 10) -> Tensor:
    """Centres (count, D) of k-means on ``vectors`` (N, D) from randomly chosen ones (Lloyd's)."""
    rng = torch.Generator().manual_seed(seed)
    centres = vectors[torch.randperm(len(vectors), generator=rng)[:count]].clone()
    for _ in range(rounds):
        nearest = closest(vectors, centres)
        sums = torch.zeros_like(centres).index_add_(0, nearest, vectors)
        sizes = torch.bincount(nearest, minlength=len(centres))[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
    return centres


def closest(vectors: Tensor, centres: Tensor) -> Tensor:
    """The nearest of ``centres`` (K, D) for each of ``vectors`` (N, D): (N,)."""
    distance: Tensor = centres.square().sum(1) - 2 * vectors @ centres.t()
    return distance.argmin(1)
