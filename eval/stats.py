"""Means and intervals over targets and their samples (reference notes, sections 2.8 and 4.2).

Scores of one cell are a list with one array for each target: the values of its samples. Means are
macro: over the samples of a target, then over targets. Intervals come from a bootstrap that draws
targets first and then samples within each drawn target, since the samples of a target are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Values = Sequence[npt.ArrayLike]
Array = npt.NDArray[np.float64]

DRAWS = 2000


def _rows(values: Values) -> list[Array]:
    rows = [np.asarray(row, dtype=np.float64).ravel() for row in values]
    if not rows or any(row.size == 0 for row in rows):
        raise ValueError("statistics need at least one target and one sample of each")
    return rows


def macro(values: Values) -> float:
    """Mean over targets of the mean over samples."""
    return float(np.mean([row.mean() for row in _rows(values)]))


def bootstrap_means(
    values: Values, draws: int = DRAWS, seed: int = 0, samples: bool = True
) -> Array:
    """Macro means of ``draws`` resampled cells, shape (draws,).

    Each draws as many targets as there are, with replacement, and within each drawn target as many
    samples as it has; ``samples=False`` keeps the samples of a target as they are.
    """
    rows = _rows(values)
    counts = np.array([row.size for row in rows])
    rng = np.random.default_rng(seed)
    if not samples or counts.max() == 1:
        means = np.array([row.mean() for row in rows])
        picked: Array = means[rng.integers(len(rows), size=(draws, len(rows)))].mean(1)
        return picked
    flat = np.concatenate(rows)
    offsets = np.cumsum(counts) - counts
    out = np.empty(draws)
    # Some hundred megabytes would go to one (draws, targets, samples) block; so go in slices.
    size = max(1, 2_000_000 // (len(rows) * int(counts.max())))
    for start in range(0, draws, size):
        n = min(size, draws - start)
        targets = rng.integers(len(rows), size=(n, len(rows)))
        width = counts[targets]  # (n, targets): samples of each drawn target
        uniform = rng.random((n, len(rows), int(counts.max())))
        index = offsets[targets][..., None] + (uniform * width[..., None]).astype(np.int64)
        inside = np.arange(uniform.shape[2]) < width[..., None]
        sums = np.where(inside, flat[index], 0.0).sum(2)
        out[start : start + n] = (sums / width).mean(1)
    return out


def interval(
    values: Values, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the macro mean. With a single target it speaks of that target's
    samples alone."""
    means = bootstrap_means(values, draws, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def perplexity(nll: Values, tokens: Values, seed: int = 0) -> dict[str, float]:
    """The lm-score in all its readings, from total NLL (nats) and predicted tokens of each sample.

    ``nll``: macro mean of the NLL a token; ``ppl``: its exponential, the headline, with its
    interval ``low``, ``high``; ``ppl_token``: exponential of the token-weighted mean;
    ``ppl_sample``: macro mean of each sample's own perplexity.
    """
    totals, counts = _rows(nll), _rows(tokens)
    each = [total / count for total, count in zip(totals, counts, strict=True)]
    low, high = interval(each, seed=seed)
    weighted = sum(t.sum() for t in totals) / sum(c.sum() for c in counts)
    mean = macro(each)
    return {
        "nll": mean,
        "ppl": math.exp(mean),
        "low": math.exp(low),
        "high": math.exp(high),
        "ppl_token": math.exp(weighted),
        "ppl_sample": macro([np.exp(row) for row in each]),
    }


def distinct(texts: Iterable[Sequence[str]], n: int = 2) -> float:
    """Distinct n-grams over all n-grams of all texts together; NaN where there is none."""
    grams = [tuple(words[i : i + n]) for words in texts for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else math.nan


def duplicate_rate(texts_by_target: Iterable[Sequence[Sequence[str]]]) -> float:
    """Share of samples that repeat an earlier sample of the same target."""
    total = repeated = 0
    for texts in texts_by_target:
        total += len(texts)
        repeated += len(texts) - len({tuple(words) for words in texts})
    return repeated / total if total else math.nan
