"""How COLD starts and ends: the language model's own logits, and a text from the optimised ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.cold.energy import Energy
from models.nets.decoding import LOGITS
from models.nets.finite import best, check


@torch.no_grad()
def initial(energy: Energy, length: int) -> Tensor:
    """The left-to-right model's logits (R, ``length``, A) in a greedy pass behind O1."""
    state, all_logits = energy.left, []
    for n in range(length):
        logits = energy.next_words(state.last[:, None])
        check(best(logits), LOGITS)
        all_logits.append(logits)
        if n + 1 < length:
            _, state = energy.forward.read(F.embedding(logits.argmax(-1), energy.tables[0]), state)
    return torch.cat(all_logits, 1)


@torch.no_grad()
def round_off(
    energy: Energy, y: Tensor, limits: Sequence[int], marks: Sequence[int]
) -> list[list[int]]:
    """The text of each row's ``y`` (R, N, A), as indices of words, for the first ``len(limits)``.

    At each of the N positions the left-to-right model, given what was chosen before, proposes its
    ``top_k`` best words, beside which stand the keywords; the one with the largest y is chosen
    (Qin et al. 2022, section 3.3). Behind them the model goes on greedily. A row ends with the
    first of ``marks``, at the latest with its entry of ``limits`` words.
    """
    state = energy.left
    tokens: list[Tensor] = []
    most = torch.tensor([*limits, *[0] * (len(y) - len(limits))], device=y.device)
    ends = torch.tensor(list(marks), dtype=torch.long, device=y.device)
    open_ = most > 0
    while bool(open_.any()):
        n = len(tokens)
        logits = energy.next_words(state.last[:, None])
        check(best(logits), LOGITS)
        if n < y.shape[1]:
            chosen = energy.choose(y[:, n : n + 1], energy.candidates(logits))
        else:
            chosen = logits.argmax(-1)
        tokens.append(torch.where(open_, chosen[:, 0], -1))
        open_ = open_ & ~torch.isin(chosen[:, 0], ends) & (most > n + 1)
        if bool(open_.any()):
            _, state = energy.forward.read(F.embedding(chosen, energy.tables[0]), state)
    if not tokens:
        return [[] for _ in limits]
    rows = torch.stack(tokens, 1)[: len(limits)].tolist()
    return [[i for i in row if i >= 0] for row in rows]
