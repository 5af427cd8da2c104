"""How far a cell's figures may be from those of all targets, and how far two cells differ.

The targets of a task are the sample: what is drawn anew in a repetition is a target with all its
samples, so that the spread of targets' means holds whatever spread their samples have. Shares (of
successes, or ratios in [0, 1]) get the interval of Korn and Graubard (1998): the exact one of
Clopper and Pearson (1934) for as many independent trials as have the variance that was seen, which
has a width where every target was met. Other means get Student's. A difference is put together
from both cells' intervals and the correlation of their targets (Zou and Donner 2008), and tested by
exchanging the cells of targets at random (Fisher's randomisation).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from eval.reading.stats import Array, Values, as_rows, as_weights, macro, target_means

LEVEL = 0.95
#: of the bootstrap of pooled metrics, and exchanges of a test
DRAWS, EXCHANGES = 2000, 9999

Scale = Callable[[Array], Array]
Total = Callable[[Sequence[float]], float]
Column = tuple[Values, Values | None]


def interval(
    values: Values,
    level: float = LEVEL,
    weights: Values | None = None,
    share: bool | None = None,
) -> tuple[float, float]:
    """Of :func:`eval.reading.stats.macro`. ``share``: whether the mean lies in [0, 1] by its
    nature; where it is not said, whether all values do. With a single target it speaks of that
    target's samples alone."""
    cell = _Cell(values, weights, share)
    return cell.interval(level)


class _Cell:
    """What is taken to be independent: the means of targets, or of one target its samples."""

    def __init__(self, values: Values, weights: Values | None, share: bool | None) -> None:
        rows, under = as_rows(values), as_weights(values, weights)
        self.units = target_means(rows, under)
        self.value = float(self.units.mean())
        most = [np.ones_like(row) for row in rows] if under is None else under
        #: successes tell no more than as many independent trials; ratios of many parts may
        self.trials = max(1.0, sum(float(row.sum()) for row in most))
        if share is None:
            pairs = zip(rows, most, strict=True)
            share = all(bool(((row >= 0) & (row <= top)).all()) for row, top in pairs)
        self.share = share
        whole = zip(rows, most, strict=True)
        self.successes = all(bool(((row == 0) | (row == top)).all()) for row, top in whole)
        self.targets = len(rows)
        if len(rows) == 1 and most[0].any():
            # a ratio of sums, to first order: r + (a - r b) / mean(b)
            self.units = self.value + (rows[0] - self.value * most[0]) / most[0].mean()

    def interval(self, level: float) -> tuple[float, float]:
        n = len(self.units)
        wide = float(stats.t.ppf((1 + level) / 2, n - 1)) if n > 1 else math.inf
        spread = float(self.units.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
        if self.share:
            return _exact(self.value, self._trials(spread, wide, level), level)
        if not spread:
            return self.value, self.value
        return self.value - wide * spread, self.value + wide * spread

    def _trials(self, spread: float, wide: float, level: float) -> float:
        """How many independent trials tell as much as these units.

        How alike the samples of a target are shows in the targets that do not all have the same end
        of the scale; where there are none of these a target counts once, whatever its samples.
        """
        n, p = len(self.units), self.value
        telling = min(np.count_nonzero(self.units > 0), np.count_nonzero(self.units < 1))
        alike = 1 / (1 + float(telling)) ** 2
        seen = p * (1 - p) / spread**2 if spread > 1e-12 else math.inf
        seen = min(seen, self.trials if self.successes or math.isinf(seen) else math.inf)
        # with few targets their spread is uncertain itself
        seen *= (float(stats.norm.ppf((1 + level) / 2)) / wide) ** 2 if n > 1 else 1.0
        return max(1.0, 1 / ((1 - alike) / seen + alike / n))


def _exact(share: float, trials: float, level: float) -> tuple[float, float]:
    """Clopper and Pearson's, of a number of trials that need not be whole."""
    hits, tail = share * trials, (1 - level) / 2
    misses = trials - hits
    low = float(stats.beta.ppf(tail, hits, misses + 1)) if share > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, misses)) if share < 1 else 1.0
    return min(low, share), max(high, share)


def pooled(
    rows: Sequence[npt.ArrayLike], total: Total, seed: int = 0
) -> tuple[float, float, float]:
    """A metric of summed counts (corpus BLEU), with its 95 % interval: percentiles of a bootstrap
    over targets.

    ``rows``: the counts of each target; ``total``: the metric of their sum.
    """
    counts = np.asarray(rows, dtype=np.float64)
    low, high = _percentiles(_pooled_draws(counts, total, seed))
    return total(counts.sum(0).tolist()), low, high


def _pooled_draws(counts: Array, total: Total, seed: int) -> Array:
    picked = np.random.default_rng(seed).integers(len(counts), size=(DRAWS, len(counts)))
    return np.array([total(counts[row].sum(0).tolist()) for row in picked])


def _percentiles(drawn: Array, level: float = LEVEL) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
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
    first: Column,
    second: Column,
    scale: Scale = lambda means: means,
    seed: int = 0,
    share: bool | None = None,
) -> Difference:
    """Two cells over the same targets, each as (values, weights). ``scale``, a rising function,
    maps a macro mean to what is compared (``np.exp`` for perplexities); ``share``: as of
    :func:`interval`, of both.

    p is the share of exchanges of the cells' targets after which their means differ as much; of a
    single target, of its samples.
    """
    a, b = (_Cell(*side, share) for side in (first, second))
    if a.targets != b.targets:
        raise ValueError("a paired comparison needs the same targets in both cells")
    return _joined([(a, b)], scale, seed)


def paired_mean(
    tasks: Sequence[tuple[Column, Column]], seed: int = 0, share: bool | None = None
) -> Difference:
    """The mean over tasks of the differences of :func:`paired`: the tasks are given, their targets
    are a sample."""
    cells = [(_Cell(*first, share), _Cell(*second, share)) for first, second in tasks]
    return _joined(cells, lambda means: means, seed)


def mean_interval(tasks: Sequence[Column], share: bool | None = None) -> tuple[float, float, float]:
    """The mean over tasks of :func:`eval.reading.stats.macro`, with its 95 % interval."""
    cells = [_Cell(*side, share) for side in tasks]
    return _mean([(cell.value, *cell.interval(LEVEL)) for cell in cells])


def _mean(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Of independent figures with their intervals (Zou and Donner 2008)."""
    value = sum(one for one, _, _ in parts) / len(parts)
    below = math.hypot(*(one - low for one, low, _ in parts)) / len(parts)
    above = math.hypot(*(high - one for one, _, high in parts)) / len(parts)
    return value, value - below, value + above


def _joined(cells: Sequence[tuple[_Cell, _Cell]], scale: Scale, seed: int) -> Difference:
    value, low, high = _mean([_less(a, b, scale) for a, b in cells])
    return Difference(value, low, high, _exchanged(cells, seed))


def _less(a: _Cell, b: _Cell, scale: Scale) -> tuple[float, float, float]:
    """a less b, with its interval (Zou and Donner 2008, equation 12)."""
    ((p, p_low, p_high), (q, q_low, q_high)) = (
        scale(np.array([one.value, *one.interval(LEVEL)])).tolist() for one in (a, b)
    )
    alike = 0.0
    # units that are all alike differ in their last digits
    if a.targets > 1 and min(a.units.std(), b.units.std()) > 1e-12:
        alike = float(np.corrcoef(a.units, b.units)[0, 1])

    def arm(mine: float, its: float) -> float:
        return math.sqrt(max(0.0, mine**2 + its**2 - 2 * alike * mine * its))

    return p - q, p - q - arm(p - p_low, q_high - q), p - q + arm(p_high - p, q - q_low)


def _exchanged(cells: Sequence[tuple[_Cell, _Cell]], seed: int) -> float:
    """p of the mean over tasks of the differences of means."""
    ((a, b), *others) = cells
    if a.targets == 1 and not others:
        # of a single target, its samples change sides
        return _tested((a.units, b.units), _less_mean, "independent", seed)
    gaps = [np.atleast_1d(_gap(a, b)) for a, b in cells]
    shares = np.concatenate([gap / len(gap) for gap in gaps])
    return _tested((shares,), np.sum, "samples", seed)


def _gap(a: _Cell, b: _Cell) -> Array | float:
    """Target by target; of a single one, of its means."""
    return a.value - b.value if a.targets == 1 else a.units - b.units


def _less_mean(first: Array, second: Array, axis: int) -> Array:
    less: Array = first.mean(axis) - second.mean(axis)
    return less


def _tested(data: tuple[Array, ...], statistic: Callable[..., Any], kind: str, seed: int) -> float:
    """p of random exchanges, or of all where there are no more than ``EXCHANGES``; what was seen is
    one of them."""
    if not any(one.any() for one in data) or min(map(len, data)) < 2:
        # nothing differs, or every exchange is as large as what was seen
        return 1.0
    found = stats.permutation_test(
        data, statistic, permutation_type=kind, n_resamples=EXCHANGES, batch=1000,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(found.pvalue)


def paired_pooled(
    first: Sequence[npt.ArrayLike], second: Sequence[npt.ArrayLike], total: Total, seed: int = 0
) -> Difference:
    """:func:`paired` for a metric of summed counts: percentiles of a bootstrap in which both get
    the same drawn targets."""
    a, b = (np.asarray(rows, dtype=np.float64) for rows in (first, second))
    value = total(a.sum(0).tolist()) - total(b.sum(0).tolist())
    # equal seeds draw equal targets
    low, high = _percentiles(_pooled_draws(a, total, seed) - _pooled_draws(b, total, seed))
    ways = np.random.default_rng(seed).integers(2, size=(DRAWS, len(a))).astype(float)
    less = ways @ (b - a)
    drawn = [total((a.sum(0) + gap).tolist()) - total((b.sum(0) - gap).tolist()) for gap in less]
    as_large = int((np.abs(drawn) >= abs(value) * (1 - 1e-12)).sum())
    return Difference(value, low, high, (1 + as_large) / (1 + DRAWS))


def holm(p: Sequence[float]) -> list[float]:
    """p-values of tests that are read together, so that the chance of any false one is kept (Holm
    1979)."""
    order, out, least = np.argsort(p, kind="stable"), [0.0] * len(p), 0.0
    for place, i in enumerate(order):
        least = max(least, min(1.0, (len(p) - place) * p[i]))
        out[i] = least
    return out


def perplexity(nll: Values, tokens: Values) -> dict[str, float]:
    """The lm-score in all its readings, from total NLL (nats) and predicted tokens of each sample.

    ``nll``: macro mean of the NLL a token; ``ppl``: its exponential, the headline, with its
    interval ``low``, ``high``; ``ppl_token``: exponential of the token-weighted mean;
    ``ppl_sample``: macro mean of each sample's own perplexity.
    """
    totals, counts = as_rows(nll), as_rows(tokens)
    each = [total / count for total, count in zip(totals, counts, strict=True)]
    low, high = interval(each, share=False)
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
