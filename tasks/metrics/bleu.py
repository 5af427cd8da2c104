"""Corpus BLEU-4 by sacrebleu, from counts of each item that can be summed and resampled.

The settings are the nearest to those of e2e-metrics, which the paper's figures came from: the 13a
tokenizer, lower case, the closest reference length (the shorter one on ties) and no smoothing
(reference notes 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from tasks.metrics.text import detokenize
from tasks.texts import Words

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

ORDERS = 4
#: correct n-grams of orders 1 to 4, all n-grams of orders 1 to 4, length, reference length
Counts = tuple[int, ...]


@cache
def _metric() -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="13a", lowercase=True, smooth_method="none", effective_order=False)


def statistics(prediction: Words, references: Sequence[Words]) -> Counts:
    """One item's 10 counts: correct 1..4, total 1..4, its length, the closest reference's length.

    Any number of references from one up. An empty prediction counts nothing but its reference.
    """
    if not references:
        raise ValueError("BLEU needs at least one reference")
    texts = [[detokenize(reference)] for reference in references]
    score = _metric().corpus_score([detokenize(prediction)], texts)
    return (*score.counts, *score.totals, score.sys_len, score.ref_len)


def from_statistics(rows: Sequence[Sequence[float]]) -> float:
    """BLEU, in 0..100, of the items with these counts together: exactly sacrebleu's
    ``corpus_score`` of them. 0 where an order has no match, for nothing is smoothed."""
    if not rows:
        raise ValueError("BLEU needs at least one item")
    sums = [round(sum(column)) for column in zip(*rows, strict=True)]
    correct, total, (length, reference) = sums[:ORDERS], sums[ORDERS:-2], sums[-2:]
    score: float = _metric().compute_bleu(correct, total, length, reference).score
    return score


def signature() -> str:
    """sacrebleu's signature, for a number of references that varies."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="13a", lowercase=True, smooth_method="none", effective_order=False)
    metric.corpus_score(["a", "a"], [["a", "a"], ["b", None]])  # type: ignore[list-item]
    return str(metric.get_signature())
