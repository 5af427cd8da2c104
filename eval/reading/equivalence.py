"""Whether two cells are equally good within a margin: two one-sided paired tests on targets (TOST,
Schuirmann 1987), in which a difference beyond the margin is what must be refused."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from eval.reading.paired import LM, Records, sides
from eval.reading.stats import Array, Values, as_rows, as_weights, target_means
from tasks.common.ranges import Checked, ranged


@dataclass(frozen=True)
class Margins(Checked):
    """What still counts as equally good."""

    #: of scores, in percentage points
    margin: float = ranged(2.0, above=0, most=100)
    #: of lm, in percent of the perplexity
    lm_margin: float = ranged(5.0, above=0, most=1000)


@dataclass(frozen=True)
class Equivalence:
    """p of the hypotheses that the difference is ``low`` (below 0) or less, and that it is ``high``
    or more: small where that is refused."""

    low: float
    high: float
    p_low: float
    p_high: float
    #: whether less is better, as of lm
    falling: bool = False

    @property
    def worse(self) -> float:
        """p of the hypothesis that the first is worse by the margin or more."""
        return self.p_high if self.falling else self.p_low

    @property
    def p(self) -> float:
        """Of the hypothesis that the difference lies outside of the margins."""
        return max(self.p_low, self.p_high)


def of_records(
    first: Records, second: Records, metric: str, margins: Margins
) -> Equivalence | None:
    """Of ``first`` less ``second``, score records of two cells, over the targets that both have:
    scores in percentage points; of lm the ratio of perplexities, whose logarithm is the difference
    of the nats a token. None where they share fewer than two targets."""
    both = sides(first, second, metric)
    if both is None:
        return None
    if metric != LM:
        return tost(100 * gaps(*both), -margins.margin, margins.margin)
    ratio = math.log1p(margins.lm_margin / 100)
    found = tost(gaps(*both), -ratio, ratio)
    return found and replace(found, falling=True)


def gaps(first: tuple[Values, Values | None], second: tuple[Values, Values | None]) -> Array:
    """Target by target, the mean of the first cell less that of the second; each cell as (values,
    weights) over the same targets."""
    (a, b) = (target_means(as_rows(v), as_weights(v, w)) for v, w in (first, second))
    return a - b


def tost(differences: Array, low: float, high: float) -> Equivalence | None:
    """Of the mean of independent ``differences`` (N,), by Student's t; None for fewer than two.
    Where all are alike, which leaves t without a spread, by the signs of their distances from the
    margins: p = 2^-N, or 1."""
    n = len(differences)
    if n < 2:
        return None
    mean, spread = float(differences.mean()), float(differences.std(ddof=1)) / np.sqrt(n)
    if spread <= 1e-12 * max(1.0, abs(mean)):
        inside = (0.5**n if mean > low else 1.0), (0.5**n if mean < high else 1.0)
        return Equivalence(low, high, *inside)
    below = float(stats.t.sf((mean - low) / spread, n - 1))
    above = float(stats.t.cdf((mean - high) / spread, n - 1))
    return Equivalence(low, high, below, above)
