"""The choice among candidates: its utility by hand and by brute force, and what it must not see."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.base import Words
from tasks.metrics.mbr import choose, sentence_bleu, utilities

WORD = st.sampled_from(["the", "The", "dog", "ran", "home", "."])
TEXT = st.lists(WORD, max_size=7).map(tuple)
CANDIDATES = st.lists(TEXT, min_size=1, max_size=9)


def w(text: str) -> Words:
    return tuple(text.split())


def test_sentence_bleu_by_hand() -> None:
    # matches 3, 2, 1, 0 of 4, 3, 2, 1 n-grams: (4/5)(3/4)(2/3)(1/2) = 1/5, equal lengths
    assert sentence_bleu(w("The dog ran home"), w("the dog ran away")) == pytest.approx(0.2**0.25)
    # 2, 1, 0, 0 of 2, 1, 0, 0: every (k + 1)/(k + 1) is 1; half as long: exp(1 - 4/2)
    assert sentence_bleu(w("the dog"), w("the dog ran home")) == pytest.approx(math.exp(-1))
    # clipped: 1 of 3, 0 of 2, 0 of 1, 0 of 0: (2/4)(1/3)(1/2)(1/1) = 1/12; longer: no penalty
    assert sentence_bleu(w("dog dog dog"), w("the dog")) == pytest.approx((1 / 12) ** 0.25)
    assert sentence_bleu(w("a b c d e"), w("a b c d e")) == 1.0


def test_an_empty_text_is_like_nothing() -> None:
    assert sentence_bleu((), w("the dog")) == sentence_bleu(w("the dog"), ()) == 0.0
    assert sentence_bleu((), ()) == 0.0


def direct(prediction: Words, reference: Words) -> float:
    """The definition, without tables."""
    if not prediction or not reference:
        return 0.0
    a, b = ([word.lower() for word in words] for words in (prediction, reference))
    product = 1.0
    for n in range(1, 5):
        mine, theirs = (Counter(zip(*(t[i:] for i in range(n)))) for t in (a, b))
        product *= ((mine & theirs).total() + 1) / (mine.total() + 1)
    return min(1.0, math.exp(1 - len(b) / len(a))) * product**0.25


@settings(max_examples=80, deadline=None)
@given(TEXT, TEXT)
def test_sentence_bleu_is_its_definition(a: Words, b: Words) -> None:
    assert sentence_bleu(a, b) == pytest.approx(direct(a, b), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(CANDIDATES)
def test_utility_is_the_mean_over_the_others(candidates: list[Words]) -> None:
    found = utilities(candidates)
    for i, own in enumerate(candidates):
        others = [direct(o, own) for j, o in enumerate(candidates) if j != i]
        expected = sum(others) / len(others) if others else 0.0
        assert found[i] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_chosen_text_does_not_depend_on_the_order(data: st.DataObject) -> None:
    candidates = data.draw(CANDIDATES)
    other = data.draw(st.permutations(candidates))
    chosen = candidates[choose(candidates)]
    assert other[choose(other)] == chosen
    if any(candidates):
        assert chosen
        found = utilities(candidates)
        assert found[candidates.index(chosen)] == max(found)


def test_ties_go_by_the_words_alone() -> None:
    # two texts without a common word are exactly as like each other
    assert choose([w("zebras graze"), w("apes climb")]) == 1
    assert choose([w("apes climb"), w("zebras graze")]) == 0
    assert choose([w("b"), w("a"), w("a")]) == 1  # the first of equal texts


def test_the_text_in_the_middle_wins() -> None:
    candidates = [w("he took the bus home"), w("he took the bus"), w("she slept"), w("he took it")]
    assert choose(candidates) == 1


def test_repetitions_count() -> None:
    twice = [w("she slept"), w("she slept"), w("he took the bus"), w("he took a bus today")]
    assert twice[choose(twice)] == w("she slept")


def test_candidates_of_length_zero() -> None:
    assert choose([(), w("she slept"), ()]) == 1
    assert choose([(), ()]) == 0
    assert choose([w("she slept")]) == 0
    with pytest.raises(ValueError, match="no candidate"):
        choose([])
