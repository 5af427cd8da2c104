"""ROUGE-L of one item, as COCO's tools and as Google's define it (reference notes 3.2).

Both take the longest common subsequence of hypothesis and reference. They differ in tokens, in the
weight of recall, and in what they do with several references, and so are not comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from tasks.metrics.text import detokenize, ptb
from tasks.texts import Words


def coco(prediction: Words, references: Sequence[Words]) -> float:
    """COCO's ROUGE-L, in [0, 1], by pycocoevalcap; the paper's.

    P and R are the highest precision and the highest recall over the references, each taken on its
    own; F = (1 + b^2) P R / (R + b^2 P) with b = 1.2. 0 for a prediction without tokens.
    """
    tokens = ptb(detokenize(prediction))
    others = [" ".join(ptb(detokenize(reference))) for reference in references]
    if not tokens:  # pycocoevalcap would take the empty text for one empty token
        return 0.0
    return float(_coco().calc_score([" ".join(tokens)], others))


def google(prediction: Words, references: Sequence[Words]) -> float:
    """rouge-score's ROUGE-L, in [0, 1]: F1 of the best reference, no stemming."""
    texts = [detokenize(reference) for reference in references]
    return float(_google().score_multi(texts, detokenize(prediction))["rougeL"].fmeasure)


@cache
def _coco() -> Any:
    from pycocoevalcap.rouge.rouge import Rouge  # type: ignore[import-untyped]

    return Rouge()


@cache
def _google() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

    return RougeScorer(["rougeL"], use_stemmer=False)
