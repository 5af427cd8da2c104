"""Means and intervals over targets and their samples (reference notes, sections 2.8 and 4.2).

Scores of one cell are a list with one array for each target: the values of its samples. Means are
macro: over the samples of a target, then over targets. Intervals come from a bootstrap that draws
targets first and then samples within each drawn target, since the samples of a target are alike.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

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


def macro(values: Values, weights: Values | None = None) -> float:
    """Mean over targets of the mean over samples; with ``weights``, of the sum of a target's
    values over the sum of its weights (a ratio such as F1 over all samples of a target)."""
    return float(_target_means(_rows(values), _weights(values, weights)).mean())


def _weights(values: Values, weights: Values | None) -> list[Array] | None:
    if weights is None:
        return None
    rows = _rows(weights)
    if [row.size for row in rows] != [row.size for row in _rows(values)]:
        raise ValueError("as many weights as values, target by target")
    return rows


def _target_means(rows: Sequence[Array], weights: Sequence[Array] | None) -> Array:
    if weights is None:
        return np.array([row.mean() for row in rows])
    return _ratio(np.array([row.sum() for row in rows]), np.array([row.sum() for row in weights]))


def _ratio(over: Array, under: Array) -> Array:
    """An empty ratio is 0."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def bootstrap_means(
    values: Values,
    draws: int = DRAWS,
    seed: int = 0,
    samples: bool = True,
    weights: Values | None = None,
) -> Array:
    """Macro means of ``draws`` resampled cells, shape (draws,).

    Each draws as many targets as there are, with replacement, and within each drawn target as many
    samples as it has; ``samples=False`` keeps the samples of a target as they are. ``weights``: as
    in :func:`macro`, drawn along with their values.
    """
    rows, under = _rows(values), _weights(values, weights)
    rng = np.random.default_rng(seed)
    if not samples or max(row.size for row in rows) == 1:
        means = _target_means(rows, under)
        picked: Array = means[rng.integers(len(rows), size=(draws, len(rows)))].mean(1)
        return picked
    cell = _Cell(rows, under)
    out = np.empty(draws)
    for start, n in _slices(draws, cell.width * len(rows)):
        targets = rng.integers(len(rows), size=(n, len(rows)))
        out[start : start + n] = cell.resampled(targets, rng)
    return out


class _Cell:
    """The samples of all targets in one array, from where they are drawn at once."""

    def __init__(self, rows: Sequence[Array], weights: Sequence[Array] | None) -> None:
        self.counts = np.array([row.size for row in rows])
        self.offsets = np.cumsum(self.counts) - self.counts
        self.width = int(self.counts.max())
        self.flat = np.concatenate(rows)
        self.under = None if weights is None else np.concatenate(weights)

    def resampled(self, targets: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
        """Macro means (n,) of the drawn ``targets`` (n, T), their samples drawn now."""
        width = self.counts[targets]
        uniform = rng.random((*targets.shape, self.width))
        index = self.offsets[targets][..., None] + (uniform * width[..., None]).astype(np.int64)
        inside = np.arange(self.width) < width[..., None]
        sums: Array = np.where(inside, self.flat[index], 0.0).sum(2)
        if self.under is None:
            means: Array = (sums / width).mean(1)
            return means
        ratios: Array = _ratio(sums, np.where(inside, self.under[index], 0.0).sum(2)).mean(1)
        return ratios


def _slices(draws: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, number) of pieces of the draws: all at once would take some hundred megabytes."""
    step = max(1, 2_000_000 // size)
    for start in range(0, draws, step):
        yield start, min(step, draws - start)


def interval(
    values: Values,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
    weights: Values | None = None,
) -> tuple[float, float]:
    """Percentile interval of the macro mean. With a single target it speaks of that target's
    samples alone."""
    return _percentiles(bootstrap_means(values, draws, seed, weights=weights), level)


Total = Callable[[Sequence[float]], float]


def pooled(
    rows: Sequence[npt.ArrayLike], total: Total, seed: int = 0
) -> tuple[float, float, float]:
    """A metric of summed counts (corpus BLEU), with its 95 % interval over targets.

    ``rows``: the counts of each target; ``total``: the metric of their sum.
    """
    counts = np.asarray(rows, dtype=np.float64)
    drawn = _pooled_draws(counts, total, np.random.default_rng(seed), DRAWS)
    return (total(counts.sum(0).tolist()), *_percentiles(drawn, 0.95))


def _pooled_draws(counts: Array, total: Total, rng: np.random.Generator, draws: int) -> Array:
    picked = rng.integers(len(counts), size=(draws, len(counts)))
    return np.array([total(counts[row].sum(0).tolist()) for row in picked])


def paired_pooled(
    first: Sequence[npt.ArrayLike], second: Sequence[npt.ArrayLike], total: Total, seed: int = 0
) -> Difference:
    """:func:`paired` for a metric of summed counts: both get the same drawn targets."""
    sides = [np.asarray(rows, dtype=np.float64) for rows in (first, second)]
    value = total(sides[0].sum(0).tolist()) - total(sides[1].sum(0).tolist())
    # equal seeds draw equal targets
    a, b = (_pooled_draws(side, total, np.random.default_rng(seed), DRAWS) for side in sides)
    return _difference(value, a - b)


def _percentiles(means: Array, level: float) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """First cell less second: the difference of their macro means, its 95 % interval, and the
    two-sided p-value of no difference."""

    value: float
    low: float
    high: float
    p: float


def paired(
    first: tuple[Values, Values | None],
    second: tuple[Values, Values | None],
    scale: Callable[[Array], Array] = lambda means: means,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Paired bootstrap of two cells over the same targets, each as (values, weights).

    Both get the same drawn targets, and each its own drawn samples within them (reference notes
    4.2). ``scale`` maps a macro mean to what is compared (``np.exp`` for perplexities). p is twice
    the share of draws on the other side of zero, counting the data themselves as one more draw.
    """
    return _difference(*_paired_draws(first, second, scale, draws, seed))


def paired_mean(
    tasks: Sequence[tuple[tuple[Values, Values | None], tuple[Values, Values | None]]],
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """The mean over tasks of the differences of :func:`paired`, each task's targets drawn apart:
    the tasks are given, their targets are a sample."""
    parts = [_paired_draws(*two, lambda m: m, draws, seed + i) for i, two in enumerate(tasks)]
    values, drawn = zip(*parts, strict=True)
    return _difference(float(np.mean(values)), np.mean(drawn, axis=0))


def mean_interval(
    tasks: Sequence[tuple[Values, Values | None]], draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """The mean over tasks of :func:`macro`, with its 95 % interval; targets are drawn as in
    :func:`paired_mean`."""
    value = float(np.mean([macro(values, weights) for values, weights in tasks]))
    drawn = [
        bootstrap_means(values, draws, seed + i, weights=weights)
        for i, (values, weights) in enumerate(tasks)
    ]
    return (value, *_percentiles(np.mean(drawn, axis=0), 0.95))


def _paired_draws(
    first: tuple[Values, Values | None],
    second: tuple[Values, Values | None],
    scale: Callable[[Array], Array],
    draws: int,
    seed: int,
) -> tuple[float, Array]:
    """The difference, and its bootstrap draws (draws,)."""
    cells, means = [], []
    for values, weights in (first, second):
        rows, under = _rows(values), _weights(values, weights)
        cells.append(_Cell(rows, under))
        means.append(scale(_target_means(rows, under).mean(keepdims=True))[0])
    targets = len(cells[0].counts)
    if len(cells[1].counts) != targets:
        raise ValueError("a paired comparison needs the same targets in both cells")
    rng, out = np.random.default_rng(seed), np.empty(draws)
    for start, n in _slices(draws, targets * max(cell.width for cell in cells)):
        drawn = rng.integers(targets, size=(n, targets))
        a, b = (scale(cell.resampled(drawn, rng)) for cell in cells)
        out[start : start + n] = a - b
    return float(means[0] - means[1]), out


def _difference(value: float, drawn: Array) -> Difference:
    tail = 1 + min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = min(1.0, 2 * float(tail) / (len(drawn) + 1))
    return Difference(value, *_percentiles(drawn, 0.95), p)


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
