"""What an objective of words costs a text in the mean, exact: the random numbers that it draws are
enumerated, and times integrated by quadrature."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from models.diffusion.words import noise
from models.diffusion.words.frame import words_of

LEAST = inspect.signature(noise.weighted_times).parameters["least"].default
PANELS, NODES = 12, 12


def times() -> tuple[Tensor, Tensor]:
    """Nodes and weights of an integral over [LEAST, 1], dense towards both ends."""
    import numpy as np

    x, w = (torch.tensor(part) for part in np.polynomial.legendre.leggauss(NODES))
    # t = s / (1 + s) with log s from log LEAST to log 1 / LEAST, and the rest up to 1
    low = math.log(LEAST / (1 - LEAST))
    edges = torch.linspace(low, -low, PANELS + 1, dtype=torch.float64)
    half = (edges[1] - edges[0]) / 2
    log_s = (edges[:-1, None] + half * (1 + x)).flatten()
    s = log_s.exp()
    t, weight = s / (1 + s), (half * w).repeat(PANELS) * s / (1 + s) ** 2
    rest = LEAST / 2
    return torch.cat([t, 1 - rest * (1 - x)]), torch.cat([weight, rest * w])


@contextmanager
def told(**functions: Any) -> Iterator[None]:
    with mock.patch.multiple(noise, **functions):
        yield


def by_count(objective: Any, text: Tensor) -> float:
    """Of one that masks a uniform number of words."""
    free = words_of(text[None])[0]
    places = free.nonzero()[:, 0].tolist()
    n, rows, chance = len(places), [], []
    for k in range(1, n + 1):
        for subset in itertools.combinations(places, k):
            rows.append([p in subset for p in range(len(text))])
            chance.append(1 / n / math.comb(n, k))
    masks = torch.tensor(rows)
    share = (masks.sum(1) - 0.5) / n
    functions = {
        "spread_times": lambda count, rng, least=0.0: share,
        "some": lambda free, count, rng: _same(masks, count),
    }
    with told(**functions):
        nats = objective.nats(text.expand(len(rows), -1), free.expand(len(rows), -1), None)
    return float((nats.double() * torch.tensor(chance, dtype=torch.float64)).sum())


def _same(masks: Tensor, count: Tensor) -> Tensor:
    assert masks.sum(1).tolist() == count.tolist()
    return masks


def by_noise(objective: Any, text: Tensor, steps: int = 0, absorbing: bool = False) -> float:
    """Of one that noises each word at a time: at all of ``steps``, or over [LEAST, 1]."""
    free = words_of(text[None])[0]
    words, places = objective.words, free.nonzero()[:, 0]
    kinds = torch.tensor([0, 1]) if absorbing else words
    states = torch.cartesian_prod(*[kinds] * len(places)).view(-1, len(places))
    t, weight = times() if not steps else (torch.arange(steps), torch.ones(steps).double())
    at = t.repeat_interleave(len(states))
    z = text.expand(len(at), -1).clone()
    hits = torch.zeros(z.shape, dtype=torch.bool)
    each = states.repeat(len(t), 1)
    if absorbing:
        hits[:, places] = each.bool()
    else:
        z[:, places] = each
    seen: dict[str, Tensor] = {}

    def hit(free: Tensor, chance: Tensor, rng: Any) -> Tensor:
        seen["chance"] = chance.double()
        return hits

    def drawn_times(rows: int, *rest: Any) -> tuple[Tensor, Tensor]:
        return at, torch.ones(rows, dtype=torch.float64)

    functions = {
        "hit": hit, "replaced": lambda ids, where, words, rng: z, "weighted_steps": drawn_times,
        "weighted_times": drawn_times, "spread_times": lambda rows, rng, least=0.0: at,
    }  # fmt: skip
    with told(**functions):
        nats = objective.nats(text.expand(len(at), -1), free.expand(len(at), -1), None).double()
    chance = seen["chance"][:, None]
    if absorbing:
        likely = torch.where(hits[:, places], chance, 1 - chance).prod(1)
    else:
        own = (z == text)[:, places]
        likely = ((1 - chance) * own + chance / len(words)).prod(1)
    nats = torch.where(likely > 0, nats, 0.0)
    return float((nats * likely * weight.repeat_interleave(len(states))).sum())
