"""Means and intervals against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eval.stats import bootstrap_means, distinct, duplicate_rate, interval, macro, perplexity


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
    assert duplicate_rate([[("a",), ("a",), ("b",)], [("a",)]]) == 1 / 4
