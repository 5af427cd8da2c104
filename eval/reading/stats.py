"""Means over targets and their samples, and the diversity of texts (reference notes, sections 2.8
and 4.2).

Scores of one cell are a list with one array for each target: the values of its samples. Means are
macro: over the samples of a target, then over targets.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Values = Sequence[npt.ArrayLike]
Array = npt.NDArray[np.float64]


def as_rows(values: Values) -> list[Array]:
    """Flat arrays, one a target. Raises ``ValueError`` where there is no target or sample."""
    rows = [np.asarray(row, dtype=np.float64).ravel() for row in values]
    if not rows or any(row.size == 0 for row in rows):
        raise ValueError("statistics need at least one target and one sample of each")
    return rows


def macro(values: Values, weights: Values | None = None) -> float:
    """Mean over targets of the mean over samples; with ``weights``, of the sum of a target's
    values over the sum of its weights (a ratio such as F1 over all samples of a target)."""
    return float(target_means(as_rows(values), as_weights(values, weights)).mean())


def as_weights(values: Values, weights: Values | None) -> list[Array] | None:
    """The same of weights. Raises ``ValueError`` where they are not as many as the values."""
    if weights is None:
        return None
    rows = as_rows(weights)
    if [row.size for row in rows] != [row.size for row in as_rows(values)]:
        raise ValueError("as many weights as values, target by target")
    return rows


def target_means(rows: Sequence[Array], weights: Sequence[Array] | None) -> Array:
    """The mean of each target's samples, (T,); with weights the ratio of sums, an empty one 0."""
    if weights is None:
        return np.array([row.mean() for row in rows])
    return _ratio(np.array([row.sum() for row in rows]), np.array([row.sum() for row in weights]))


def _ratio(over: Array, under: Array) -> Array:
    """An empty ratio is 0."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def distinct(texts: Iterable[Sequence[str]], n: int = 2) -> float:
    """Distinct n-grams over all n-grams of all texts together; NaN where there is none."""
    grams = [tuple(words[i : i + n]) for words in texts for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else math.nan


def rarefied(texts: Sequence[Sequence[str]], count: int, n: int = 2) -> float:
    """:func:`distinct` as expected of ``count`` of the texts, drawn without replacement: distinct
    n-grams over all n-grams, each in expectation (rarefaction by samples: Colwell et al. 2012,
    Estimating S(n)). An n-gram of k of N texts is missed with probability C(N-k, m) / C(N, m).
    NaN where there is no n-gram."""
    grams = [[tuple(words[i : i + n]) for i in range(len(words) - n + 1)] for words in texts]
    total, held = len(texts), Counter(gram for own in grams for gram in set(own))
    if not held:
        return math.nan
    every = math.comb(total, count)
    missed = {k: math.comb(total - k, count) / every for k in set(held.values())}
    expected = sum(1 - missed[k] for k in held.values())
    return expected / (sum(map(len, grams)) * count / total)


def entropy(texts: Iterable[Sequence[str]]) -> float:
    """Shannon entropy, in bits, of the words of all texts together; NaN where there is none."""
    counts = Counter(word for words in texts for word in words)
    if not counts:
        return math.nan
    p = np.array(list(counts.values())) / counts.total()
    return float(-(p * np.log2(p)).sum())


def duplicate_rate(texts_by_target: Iterable[Sequence[Sequence[str]]]) -> float:
    """Share of samples that repeat an earlier sample of the same target."""
    total = repeated = 0
    for texts in texts_by_target:
        total += len(texts)
        repeated += len(texts) - len({tuple(words) for words in texts})
    return repeated / total if total else math.nan
