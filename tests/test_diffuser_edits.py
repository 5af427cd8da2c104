"""Edit scripts, their inverses, how tags and spans say them, and the corruption that draws them."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from models.diffuser.corruption import Corruption, EditsConfig
from models.diffuser.edits import (
    Edit,
    Kind,
    Marks,
    Script,
    applied,
    between,
    composed,
    inverse,
    kept,
    marks,
    places,
    result,
    source,
)
from tasks.common.errors import UserError

WORDS = range(4, 9)
#: six words that tests of the law of edits draw from
MANY = range(100, 106)


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    kind = draw(st.sampled_from(Kind))
    some = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(tuple)
    old = () if kind is Kind.INSERT else draw(some)
    new = old if kind is Kind.KEEP else () if kind is Kind.DELETE else draw(some)
    return Edit(kind, old, new)


scripts = st.lists(edits(), max_size=8).map(tuple)
texts = st.lists(st.sampled_from(WORDS), max_size=12).map(tuple)
configs = st.tuples(*[st.integers(0, 6)] * 4, st.floats(0.2, 5)).filter(
    lambda given: sum(given[:3]) > 0
)


@given(scripts)
def test_tags_and_spans_say_what_a_script_does(script: Script) -> None:
    assert applied(source(script), marks(script)) == result(script)
    back = inverse(script)
    assert source(back) == result(script) and inverse(back) == script
    assert applied(result(script), marks(back)) == source(script)


@given(texts, configs, st.integers(0, 2**32 - 1))
def test_a_corrupted_text_is_had_back(
    text: tuple[int, ...], given: tuple[float, ...], seed: int
) -> None:
    *counts, length = given
    config = EditsConfig(*(count / sum(counts) for count in counts), length)
    noise, rng = Corruption(config, WORDS, 16), np.random.default_rng(seed)
    first = noise.edit(text, rng)
    second = noise.edit(result(first), rng)
    assert source(first) == text and len(result(second)) <= 16
    for script in (first, second, composed(first, second)):
        noised = result(script)
        assert applied(noised, marks(inverse(script))) == source(script)
    assert source(composed(first, second)) == text
    assert result(composed(first, second)) == result(second)


@given(scripts, st.data())
def test_what_both_keep_is_kept(first: Script, data: st.DataObject) -> None:
    """Words that either lets go are not among the kept ones of both in turn."""
    text = result(first)
    noise = Corruption(EditsConfig(), WORDS, len(text) + 8)
    second = noise.edit(text, np.random.default_rng(data.draw(st.integers(0, 99))))
    through = {k: i for i, k in kept(first)}
    wanted = [(through[k], m) for k, m in kept(second) if k in through]
    assert kept(composed(first, second)) == wanted


@given(texts, texts)
def test_between_any_two_texts(old: tuple[int, ...], new: tuple[int, ...]) -> None:
    script = between(old, new, ())
    assert (source(script), result(script)) == (old, new) and len(script) <= 1


def test_by_hand() -> None:
    script = (
        Edit(Kind.INSERT, (), (9,)), Edit(Kind.KEEP, (4, 5), (4, 5)), Edit(Kind.DELETE, (6,), ()),
        Edit(Kind.INSERT, (), (7, 8)), Edit(Kind.REPLACE, (4,), (5,)),
    )  # fmt: skip
    said = marks(script)
    assert said == Marks(
        (Kind.INSERT, Kind.KEEP, Kind.KEEP, Kind.REPLACE, Kind.REPLACE), ((9,), (7, 8, 5))
    )
    assert places(said.tags) == [0, 3] and applied((4, 5, 6, 4), said) == (9, 4, 5, 7, 8, 5)


def test_what_is_no_edit() -> None:
    for kind, old, new in ((Kind.KEEP, (1,), (2,)), (Kind.INSERT, (), ()), (Kind.DELETE, (), ())):
        with pytest.raises(ValueError, match=kind.name):
            Edit(kind, old, new)
    with pytest.raises(ValueError, match="another text"):
        applied((1,), Marks((Kind.KEEP,), ()))
    with pytest.raises(ValueError, match="START"):
        applied((), Marks((Kind.DELETE,), ()))
    keep = (Edit(Kind.KEEP, (1,), (1,)),)
    with pytest.raises(ValueError, match="another text"):
        composed(keep, (Edit(Kind.KEEP, (2,), (2,)),))
    alone = {"keep": 0.0, "replace": 0.0, "delete": 0.0, "insert": 1.0}
    for wrong in ({"keep": 0.7}, {"length": 0.0}, alone):
        with pytest.raises(UserError):
            EditsConfig(**wrong)


def test_the_law_of_edits() -> None:
    """Kinds by E_t, lengths by E_l given that there is a word, words by chance; chi-square. One
    long text, so that its ends do not count."""
    config, rng = EditsConfig(), np.random.default_rng(0)
    text = tuple(rng.integers(4, 90, 60_000).tolist())
    script = Corruption(config, MANY, 10**6).edit(text, rng)
    kinds = Counter(edit.kind for edit in script)
    counts = [kinds[kind] for kind in Kind]
    assert sum(counts) > 20_000
    assert chisquare(counts, np.array(config.shares) * sum(counts)).pvalue > 1e-3
    top = 9
    poisson = [math.exp(-3) * 3**n / math.factorial(n) / (1 - math.exp(-3)) for n in range(1, top)]
    for kind in Kind:
        sizes = Counter(min(top, len(edit.old or edit.new)) for edit in script if edit.kind is kind)
        found = [sizes[n] for n in range(1, top + 1)]
        law = np.array([*poisson, 1 - sum(poisson)])
        assert chisquare(found, law * sum(found)).pvalue > 1e-3, kind
    put = Counter(w for edit in script if edit.kind is not Kind.KEEP for w in edit.new)
    assert set(put) == set(MANY) and chisquare(list(put.values())).pvalue > 1e-3
    replaced = [edit for edit in script if edit.kind is Kind.REPLACE]
    assert all(len(edit.old) == len(edit.new) for edit in replaced)


def test_a_span_takes_the_words_that_are_lacking() -> None:
    rng, noise = np.random.default_rng(0), Corruption(EditsConfig(0.5, 0.5, 0, 0), range(4, 9), 30)
    text, seen = tuple(range(4, 9)) * 2, set[int]()
    for _ in range(200):
        script = noise.edit(text, rng)
        for more in (-3, 0, 4):
            made = noise.resized(script, more, rng)
            put = [edit for edit in made if edit.kind is Kind.REPLACE]
            assert source(made) == text and [i for i, _ in kept(made)] == [
                i for i, _ in kept(script)
            ]
            if any(len(edit.new) + more > 0 for edit in script if edit.kind is Kind.REPLACE):
                assert len(result(made)) == len(text) + more and all(edit.new for edit in put)
                seen.add(more)
            else:
                assert made == script
    assert seen == {-3, 0, 4}


def test_no_text_outgrows_its_room() -> None:
    config = EditsConfig(keep=0.1, replace=0.0, delete=0.0, insert=0.9, length=50.0)
    noise, rng = Corruption(config, WORDS, 6), np.random.default_rng(0)
    assert {len(result(noise.edit((4, 5, 6), rng))) for _ in range(20)} == {6}
    assert noise.edit((), rng) and len(result(noise.edit((), rng))) == 6
