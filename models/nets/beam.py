"""Beam search for causal language models, cached and batched over many prompts, each of which has
its rows side by side; see :mod:`models.nets.decoding`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.nets.backbones import CachedNetwork, CausalLM
from models.nets.decoding import LOGITS, least_rows, stack, staying, until
from models.nets.finite import check, naming_rows


@torch.inference_mode()
def beam_search(
    model: CausalLM,
    prompts: Sequence[Sequence[int]],
    limit: int,
    eos: int,
    forbidden: Sequence[int],
    beams: int = 4,
) -> list[tuple[list[int], int]]:
    """The best continuation of each prompt (all of one length), and how many steps it took.

    The rules are those of ``transformers``' ``generate(num_beams=beams)`` with its defaults
    (length_penalty 1, early_stopping False): a hypothesis that ends among the best ``beams`` of
    2 * ``beams`` candidates is kept with its log-probability divided by its number of tokens (eos
    included); a prompt is done once its best running score over the current length cannot beat
    the worst of ``beams`` finished ones; at the limit running hypotheses count as finished.
    """
    device = model.device
    n = len(prompts)
    ids = stack(prompts, device)  # (P, L), one row a prompt, fillers repeat the first
    count, vocabulary = len(ids), model.vocabulary
    network, least = CachedNetwork(model), least_rows(model)
    hidden = network.feed(ids.repeat_interleave(beams, 0))
    running = torch.zeros(count, beams, 0, dtype=torch.long, device=device)
    score = torch.full((count, beams), -1e9, device=device)
    score[:, 0] = 0.0
    best = torch.full((count, beams), -1e9, device=device)  # finished, normalised, descending
    finished = torch.zeros(count, beams, dtype=torch.bool, device=device)
    texts: list[list[list[int]]] = [[[] for _ in range(beams)] for _ in range(count)]
    open_ = torch.ones(count, dtype=torch.bool, device=device)
    open_[n:] = False
    steps = [0] * count
    place = list(range(count))  # of which prompt each of the rows below is
    for length in range(1, limit + 1):
        for p in open_.nonzero()[:, 0].tolist():
            steps[place[p]] = length
        log_probs = model.logits(hidden).float().log_softmax(-1)
        log_probs[:, list(forbidden)] = -torch.inf
        total = (log_probs.view(len(score), beams, -1) + score[:, :, None]).flatten(1)
        candidate, at = total.topk(2 * beams, dim=-1)
        with naming_rows(torch.tensor(place)):
            check(candidate[:, 0].isfinite() | ~open_, LOGITS)
        origin, token = at // vocabulary, at % vocabulary
        sequences = torch.cat([running.gather(1, _wide(origin, running)), token[:, :, None]], 2)
        ends = token == eos
        if length == limit:
            ends = torch.ones_like(ends)
        _finish(
            texts,
            place,
            best,
            finished,
            open_=open_,
            candidate=candidate,
            ends=ends,
            sequences=sequences,
            length=length,
        )
        score, keep = candidate.masked_fill(ends, -1e9).topk(beams, dim=-1)
        running = sequences.gather(1, _wide(keep, sequences))
        possible = score[:, 0] / length > torch.where(finished, best, -1e9).min(1).values
        open_ &= possible
        if length == limit or not bool(open_.any()):
            break
        first = torch.arange(len(score), device=device)[:, None] * beams
        rows, token = first + origin.gather(1, keep), token.gather(1, keep)
        stay = None if least is None else staying(~open_, -(-least // beams))
        if stay is not None:
            rows, token, score, running = rows[stay], token[stay], score[stay], running[stay]
            best, finished, open_ = best[stay], finished[stay], open_[stay]
            place = [place[p] for p in stay.tolist()]
        network.reorder(rows.flatten())
        hidden = network.feed(token.view(-1, 1))
    return [(until(texts[p][0], eos), steps[p]) for p in range(n)]


def _finish(
    texts: list[list[list[int]]],
    place: Sequence[int],
    best: Tensor,
    finished: Tensor,
    *,
    open_: Tensor,
    candidate: Tensor,
    ends: Tensor,
    sequences: Tensor,
    length: int,
) -> None:
    """Merges the candidates that just ended into each open prompt's best finished ones; ``place``:
    where its texts are."""
    beams = best.shape[1]
    new = ends & open_[:, None]
    new[:, beams:] = False
    for p in new.any(1).nonzero()[:, 0].tolist():
        merged = torch.cat([best[p], torch.where(new[p], candidate[p] / length, -1e9)])
        flags = torch.cat([finished[p], new[p]])
        top, order = merged.topk(beams)
        pool = [*texts[place[p]], *sequences[p].tolist()]
        texts[place[p]] = [pool[i] for i in order.tolist()]
        best[p], finished[p] = top, flags[order]


def _wide(index: Tensor, like: Tensor) -> Tensor:
    return index[:, :, None].expand(-1, -1, like.shape[2])
