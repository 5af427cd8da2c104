"""Intervals and paired tests: closed forms, scipy as a referee, and how often they are right."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from eval.reading.intervals import (
    Difference,
    holm,
    interval,
    mean_interval,
    paired,
    paired_mean,
    paired_pooled,
    pooled,
)
from eval.reading.stats import macro

RNG = np.random.default_rng(7)


# intervals


@pytest.mark.parametrize("samples", [1, 5, 50])
@pytest.mark.parametrize("targets", [5, 50, 200])
def test_targets_that_were_all_met_allow_what_as_many_trials_do(targets: int, samples: int) -> None:
    """Clopper and Pearson's limit of n successes in n trials, (a / 2)^(1 / n)."""
    low, high = interval([[1.0] * samples] * targets)
    assert high == 1 and low == pytest.approx(0.025 ** (1 / targets), abs=0.012)
    assert interval([[0.0] * samples] * targets) == pytest.approx((0, 1 - low))


def test_one_sample_a_target_is_the_binomial_interval() -> None:
    for hits in (0, 1, 7, 25, 50):
        low, high = interval([[1.0]] * hits + [[0.0]] * (50 - hits))
        exact = stats.binomtest(hits, 50).proportion_ci(0.95)
        assert (low, high) == pytest.approx((exact.low, exact.high), abs=0.015)


def test_samples_that_are_copies_of_each_other_count_once() -> None:
    once = [[float(i % 3 == 0)] for i in range(60)]
    often = [row * 10 for row in once]
    assert interval(often) == pytest.approx(interval(once), abs=0.01)


def test_means_without_ends_have_students_interval() -> None:
    values = RNG.normal(3, 2, size=(30, 4))
    exact = stats.ttest_1samp(values.mean(1), 0).confidence_interval(0.95)
    assert interval(list(values)) == pytest.approx((exact.low, exact.high))


def test_a_single_target_speaks_of_its_samples() -> None:
    row = RNG.normal(2, 1, size=400)
    exact = stats.ttest_1samp(row, 0).confidence_interval(0.95)
    assert interval([row]) == pytest.approx((exact.low, exact.high))
    low, high = interval([[1.0] * 9 + [0.0]])
    assert 0.4 < low < 0.62 and 0.99 < high < 1
    assert interval([[0.5]]) == pytest.approx((0.0125, 0.9875), abs=0.05)
    assert interval([[2.5]]) == (2.5, 2.5)


def test_a_ratio_of_one_target_against_its_linearised_variance() -> None:
    """Var(sum a / sum b) = Var(a - r b) / (n mean(b)^2)."""
    b = RNG.integers(5, 15, size=900).astype(float)
    a = RNG.binomial(b.astype(int), 0.3).astype(float)
    r = a.sum() / b.sum()
    wide = 1.96 * (a - r * b).std() / (math.sqrt(900) * b.mean())
    assert interval([a], weights=[b]) == pytest.approx((r - wide, r + wide), abs=0.15 * wide)


def test_ratios_that_are_all_alike() -> None:
    weights = [row.astype(float) for row in RNG.integers(1, 9, size=(40, 5))]
    low, high = interval([0.5 * row for row in weights], weights=weights)
    assert 0.4 < low < 0.5 < high < 0.6


def test_ratios_of_many_parts_tell_more_than_as_many_trials() -> None:
    """Their interval is about Student's."""
    values = RNG.normal(0.9, 0.02, size=(50, 4)).clip(0, 1)
    exact = stats.ttest_1samp(values.mean(1), 0).confidence_interval(0.95)
    found = interval(list(values))
    assert found == pytest.approx((exact.low, exact.high), abs=0.001)
    assert found[1] - found[0] < 0.01


def population(p: float, alike: float, targets: int, samples: int) -> np.ndarray:
    """Successes (T, N) whose rates by target are Beta with that intraclass correlation."""
    if not alike:
        return (RNG.random((targets, samples)) < p).astype(float)
    many = 1 / alike - 1
    rates = RNG.beta(p * many, (1 - p) * many, size=targets)
    return (RNG.random((targets, samples)) < rates[:, None]).astype(float)


@pytest.mark.parametrize("samples", [5, 10, 50])
@pytest.mark.parametrize("alike", [0.02, 0.2, 0.6])
@pytest.mark.parametrize("p", [0.3, 0.6, 0.9])
def test_coverage_of_success(p: float, alike: float, samples: int) -> None:
    """Of 50 targets, whatever their samples have in common: 0.93 to 0.97 of the intervals hold the
    rate that the targets were drawn from, give or take what 600 draws leave open (3 standard errors
    are 0.027)."""
    inside = 0
    for _ in range(600):
        low, high = interval(list(population(p, alike, 50, samples)))
        inside += low <= p <= high
    assert 0.93 - 0.027 <= inside / 600 <= 0.97 + 0.027


def test_coverage_on_average() -> None:
    """Over the settings of the test above, 2,400 draws."""
    inside = 0
    settings = list(product((0.3, 0.6, 0.9), (0.02, 0.2, 0.6), (5, 10)))
    for p, alike, samples in settings * 133:
        low, high = interval(list(population(p, alike, 50, samples)))
        inside += low <= p <= high
    assert 0.93 <= inside / (len(settings) * 133) <= 0.97


@pytest.mark.parametrize("p", [0.98, 0.995])
def test_near_the_ends_it_covers_at_least_as_often(p: float) -> None:
    inside = 0
    for _ in range(600):
        low, high = interval(list(population(p, 0.1, 50, 10)))
        inside += low <= p <= high
    assert inside / 600 >= 0.92


def test_coverage_of_perplexity() -> None:
    inside = 0
    for _ in range(1000):
        nll = RNG.gamma(9, 0.18, size=(50, 1)) + RNG.normal(0, 0.4, size=(50, 10))
        low, high = interval(list(nll), share=False)
        inside += low <= 9 * 0.18 <= high
    assert 0.93 <= inside / 1000 <= 0.97


def test_pooled_metrics_draw_targets() -> None:
    rows = RNG.integers(1, 9, size=(80, 2)).astype(float)
    value, low, high = pooled(list(rows), lambda sums: sums[0] / sums[1])
    assert value == pytest.approx(rows[:, 0].sum() / rows[:, 1].sum()) and low < value < high
    same = paired_pooled(list(rows), list(rows), lambda sums: sums[0] / sums[1])
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    worse = paired_pooled(list(rows), list(rows * [3, 1]), lambda sums: sums[0] / sums[1])
    assert worse.value < 0 and worse.high < 0 and worse.p < 0.01


# differences


def test_what_targets_have_in_common_is_left_out() -> None:
    level = RNG.normal(size=(60, 1)) * 10
    first, second = (list(level + RNG.normal(size=(60, 4)) + shift) for shift in (1.0, 0.0))
    found = paired((first, None), (second, None))
    assert found.value == pytest.approx(macro(first) - macro(second)) and found.p < 0.01
    gaps = np.array(first).mean(1) - np.array(second).mean(1)
    exact = stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    back = paired((second, None), (first, None))
    assert (back.value, back.low, back.high) == pytest.approx(
        (-found.value, -found.high, -found.low)
    )


def test_p_is_that_of_scipys_exchanges() -> None:
    for targets in (8, 40):
        first, second = RNG.normal(size=(2, targets))
        mine = paired(([[v] for v in first], None), ([[v] for v in second], None)).p
        theirs = stats.permutation_test(
            (first - second,), np.mean, permutation_type="samples", n_resamples=9999, rng=1
        ).pvalue
        assert mine == pytest.approx(theirs, abs=1e-12 if targets == 8 else 0.02)


def test_p_of_one_target_is_of_its_samples() -> None:
    first, second = RNG.normal(0.6, 1, size=30), RNG.normal(0, 1, size=30)
    found = paired(([first], None), ([second], None))
    exact = stats.permutation_test(
        (first, second), lambda a, b: a.mean() - b.mean(), n_resamples=9999, rng=1
    ).pvalue
    assert found.p == pytest.approx(exact, abs=0.02)


def test_one_sample_tells_no_difference() -> None:
    assert paired(([[1.0]], None), ([[2.0]], None)).p == 1
    assert paired(([[1.0, 1.5]], None), ([[2.0]], None)).p == 1


def test_a_cell_does_not_differ_from_itself() -> None:
    cell = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    assert paired((cell, None), (cell, None)).value == 0
    assert paired((cell, None), (cell, None)).p == 1
    same = paired(([[1.0]] * 50, None), ([[1.0]] * 50, None))
    assert (same.value, same.p) == (0, 1)
    # both may miss up to 7 of 100 that were not drawn
    assert same.low == -same.high and 0.05 < same.high < 0.12
    with pytest.raises(ValueError, match="the same targets"):
        paired((cell, None), (cell[:2], None))


def test_perplexities_and_ratios() -> None:
    first, second = [[2.0, 2.0], [2.0]], [[1.0], [1.0, 1.0]]
    found = paired((first, None), (second, None), np.exp, share=False)
    assert found.value == found.low == pytest.approx(math.exp(2) - math.e)
    assert found.p == 0.5  # of two targets there are four exchanges
    ones = [[1.0, 1.0], [4.0]], [[2.0, 2.0], [8.0]]
    assert paired(ones, (ones[1], ones[1])).value == pytest.approx(0.5 - 1)


def test_size_of_the_paired_test() -> None:
    """Two methods that are alike, whose targets are hard or easy for both: 0.03 to 0.07 are said to
    differ at 0.05, and as many intervals of the difference lack 0."""
    wrong = outside = 0
    for _ in range(600):
        rates = RNG.beta(2, 2, size=(50, 1))
        first, second = (list((RNG.random((50, 10)) < rates) * 1.0) for _ in range(2))
        found = paired((first, None), (second, None))
        wrong += found.p <= 0.05
        outside += not found.low <= 0 <= found.high
    assert 0.03 <= wrong / 600 <= 0.07
    assert 0.02 <= outside / 600 <= 0.07


def test_tasks_are_drawn_apart() -> None:
    few, lots = list(RNG.random((5, 4))), list(RNG.random((50, 4)))
    zeros = [row * 0 for row in lots]
    d = paired_mean([((few, None), (few, None)), ((lots, None), (zeros, None))])
    assert d.value == pytest.approx(macro(lots) / 2) and d.p < 0.001
    assert paired_mean([((few, None), (few[::-1], None))]) == paired((few, None), (few[::-1], None))
    (a, b), (c, e) = interval(few), interval(lots)
    value, low, high = mean_interval([(few, None), (lots, None)])
    assert value == pytest.approx((macro(few) + macro(lots)) / 2)
    assert value - low == pytest.approx(math.hypot(macro(few) - a, macro(lots) - c) / 2)
    assert high - value == pytest.approx(math.hypot(b - macro(few), e - macro(lots)) / 2)


def test_same_data_same_figures() -> None:
    cells = [list(RNG.random((30, 5))) for _ in range(2)]
    found = [paired((cells[0], None), (cells[1], None)) for _ in range(2)]
    assert found[0] == found[1] and isinstance(found[0], Difference)


def test_holms_correction() -> None:
    assert holm([]) == [] and holm([0.04]) == [0.04]
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1, 1]
    p = RNG.random(20) ** 3
    # the step-down rule, written out: rejected are the first ones below level / (those left)
    for level in (0.01, 0.05, 0.2):
        order, rejected = np.argsort(p), set()
        for place, i in enumerate(order):
            if p[i] > level / (20 - place):
                break
            rejected.add(int(i))
        assert {i for i, one in enumerate(holm(list(p))) if one <= level} == rejected
