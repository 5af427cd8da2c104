"""Means and intervals against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eval.reading.stats import (
    bootstrap_means,
    distinct,
    duplicate_rate,
    entropy,
    interval,
    macro,
    paired,
    perplexity,
)


def test_macro_weighs_targets_alike() -> None:
    assert macro([[0, 0, 0, 0], [1]]) == 0.5
    assert macro([[1, 0], [1, 1], [0, 0]]) == pytest.approx(0.5)


def test_no_targets_or_samples_is_an_error() -> None:
    for values in ([], [[]], [[1.0], []]):
        with pytest.raises(ValueError, match="at least one"):
            macro(values)


def test_constant_scores_have_no_interval() -> None:
    assert interval([[1.0] * 5] * 7) == (1.0, 1.0)


def test_single_target_speaks_of_its_samples() -> None:
    rng = np.random.default_rng(3)
    row = rng.normal(size=400)
    means = bootstrap_means([row], draws=4000)
    assert means.std() == pytest.approx(row.std() / math.sqrt(400), rel=0.06)
    assert means.mean() == pytest.approx(row.mean(), abs=0.005)


def test_variance_over_targets_and_samples() -> None:
    """Drawing T targets and then n samples of each: the variance of the mean is
    (variance of target means + mean within-target variance / n) / T."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(30, 1)) + 2 * rng.normal(size=(30, 8))
    expected = (values.mean(1).var() + values.var(1).mean() / 8) / 30
    assert bootstrap_means(list(values), draws=20_000).var() == pytest.approx(expected, rel=0.05)
    only = bootstrap_means(list(values), draws=20_000, samples=False).var()
    assert only == pytest.approx(values.mean(1).var() / 30, rel=0.05)


def test_unequal_sample_counts() -> None:
    rng = np.random.default_rng(6)
    values = [rng.normal(size=n) for n in rng.integers(1, 9, size=40)]
    expected = (
        np.var([v.mean() for v in values]) + np.mean([v.var() / v.size for v in values])
    ) / 40
    assert bootstrap_means(values, draws=20_000).var() == pytest.approx(expected, rel=0.05)


def test_single_sample_targets_and_slices_agree_with_the_closed_form() -> None:
    values = [[float(i % 2)] for i in range(50)]
    assert bootstrap_means(values, draws=20_000).var() == pytest.approx(0.25 / 50, rel=0.05)
    low, high = interval(values)
    assert 0.3 < low < 0.42 and 0.58 < high < 0.7


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(1).random((200, 50))
    assert interval(list(values), draws=300) == interval(list(values), draws=300)


def test_perplexity_macro_and_token_weighted_differ_on_a_skewed_set() -> None:
    nll, tokens = [[10.0, 2.0], [30.0]], [[10, 1], [10]]
    found = perplexity(nll, tokens)
    assert found["nll"] == pytest.approx((1.5 + 3.0) / 2)
    assert found["ppl"] == pytest.approx(math.exp(2.25))
    assert found["ppl_token"] == pytest.approx(math.exp(42 / 21))
    assert found["ppl_sample"] == pytest.approx(((math.e + math.e**2) / 2 + math.e**3) / 2)
    assert found["low"] <= found["ppl"] <= found["high"]


def test_diversity() -> None:
    texts = [("a", "b", "a", "b"), ("a", "b")]
    assert distinct(texts, 2) == 2 / 4
    assert math.isnan(distinct([("a",)], 2))
    assert entropy(texts) == pytest.approx(1.0)
    assert entropy([("a", "b"), ("c", "d")]) == pytest.approx(2.0)
    assert entropy([("a", "a", "a", "b")]) == pytest.approx(2 - 0.75 * math.log2(3))
    assert math.isnan(entropy([()]))
    assert duplicate_rate([[("a",), ("a",), ("b",)], [("a",)]]) == 1 / 4


def test_ratios_weigh_samples_by_their_denominators() -> None:
    over, under = [[1.0, 3.0], [0.0]], [[1.0, 9.0], [0.0]]
    assert macro(over, under) == pytest.approx((4 / 10 + 0) / 2)
    ones = [[1.0] * 2, [1.0]]
    assert macro(over, ones) == macro(over)
    draws = [bootstrap_means(over, weights=weights) for weights in (ones, None)]
    assert np.allclose(*draws)
    # every ratio of a cell is the same: no draw can move it
    rng = np.random.default_rng(2)
    weights = list(rng.integers(1, 9, size=(6, 5)).astype(float))
    assert interval([0.5 * row for row in weights], weights=weights) == pytest.approx((0.5, 0.5))
    with pytest.raises(ValueError, match="as many weights as values"):
        macro([[1.0, 2.0]], [[1.0]])


def test_bootstrap_of_a_ratio_against_its_linearised_variance() -> None:
    """For one target with many samples, Var(sum a / sum b) = Var(a - r b) / (n mean(b)^2)."""
    rng = np.random.default_rng(4)
    b = rng.integers(5, 15, size=900).astype(float)
    a = rng.binomial(b.astype(int), 0.3).astype(float)
    r = a.sum() / b.sum()
    expected = (a - r * b).std() / (math.sqrt(900) * b.mean())
    found = bootstrap_means([a], draws=4000, weights=[b])
    assert found.std() == pytest.approx(expected, rel=0.06)
    assert found.mean() == pytest.approx(r, abs=0.002)


def test_paired_differences_leave_out_what_targets_have_in_common() -> None:
    rng = np.random.default_rng(8)
    level = rng.normal(size=(60, 1)) * 10
    first, second = (list(level + rng.normal(size=(60, 4)) + shift) for shift in (1.0, 0.0))
    found = paired((first, None), (second, None))
    assert found.value == pytest.approx(macro(first) - macro(second))
    assert found.low < found.value < found.high and found.p < 0.01
    # the targets' own spread, ten times that of the samples, is not in the interval
    per_target = np.array(first).mean(1) - np.array(second).mean(1)
    within = sum(np.var(row) / 4 for cell in (first, second) for row in cell) / 60
    expected = math.sqrt((per_target.var() + within) / 60)
    assert (found.high - found.low) / 3.92 == pytest.approx(expected, rel=0.1)
    # the other way round
    back = paired((second, None), (first, None))
    assert back.value == -found.value and back.p < 0.01


def test_a_cell_does_not_differ_from_itself() -> None:
    cell = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    assert paired((cell, None), (cell, None)).value == 0
    assert paired((cell, None), (cell, None)).p > 0.5
    same = paired(([[1.0]] * 4, None), ([[1.0]] * 4, None))
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    with pytest.raises(ValueError, match="the same targets"):
        paired((cell, None), (cell[:2], None))


def test_paired_perplexities_and_ratios() -> None:
    first, second = [[2.0, 2.0], [2.0]], [[1.0], [1.0, 1.0]]
    found = paired((first, None), (second, None), np.exp)
    assert found.value == found.low == pytest.approx(math.exp(2) - math.e)
    ones = [[1.0, 1.0], [4.0]], [[2.0, 2.0], [8.0]]
    assert paired(ones, (second, second)).value == pytest.approx(0.5 - 1)
