"""CIDEr-D by pycocoevalcap's scorer, which needs no Java (reference notes 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.metrics.text import detokenize, ptb
from tasks.texts import Words


def cider_d(predictions: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """One score an item, in [0, 10]: 10 times the mean over orders 1 to 4 and over references of
    the clipped cosine of tf-idf vectors, with a Gaussian penalty (sigma 6) on the length.

    An n-gram's weight is log(items) less log(items in whose references it stands). The score of an
    item therefore depends on the set that it is scored in: figures of a subset, or of a set with
    fewer references, are not comparable, and in a set of one item every weight, and so every
    score, is 0.
    """
    from pycocoevalcap.cider.cider import Cider  # type: ignore[import-untyped]

    hypotheses = {i: [" ".join(ptb(detokenize(words)))] for i, words in enumerate(predictions)}
    truths = {
        i: [" ".join(ptb(detokenize(words))) for words in humans]
        for i, humans in enumerate(references)
    }
    if not any(text for humans in truths.values() for text in humans):
        return [0.0] * len(hypotheses)
    _, scores = Cider(n=4, sigma=6.0).compute_score(truths, hypotheses)
    return [float(score) for score in scores]
