"""Means and diversity against closed forms."""

from __future__ import annotations

import math

import pytest

from eval.reading.intervals import perplexity
from eval.reading.stats import distinct, duplicate_rate, entropy, macro


def test_macro_weighs_targets_alike() -> None:
    assert macro([[0, 0, 0, 0], [1]]) == 0.5
    assert macro([[1, 0], [1, 1], [0, 0]]) == pytest.approx(0.5)


def test_no_targets_or_samples_is_an_error() -> None:
    for values in ([], [[]], [[1.0], []]):
        with pytest.raises(ValueError, match="at least one"):
            macro(values)


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
    with pytest.raises(ValueError, match="as many weights as values"):
        macro([[1.0, 2.0]], [[1.0]])
