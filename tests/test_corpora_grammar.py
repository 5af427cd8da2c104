"""The embedded corpus: exact trees and tags, agreement of words and meaning, determinism."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.base import Corpus, Text
from tasks.common.errors import UserError
from tasks.corpora import load_corpus
from tasks.corpora.grammar import FIELDS, draw
from tasks.corpora.pcfg import UPOS, DeadEnd, Grammar
from tasks.oracles.trees import leaves, preterminals, spans
from tasks.vocabulary import Vocabulary

ALL_UPOS = set(UPOS.values()) | {"SCONJ"}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus("grammar", size_train=4_000, size_valid=300)


def check(text: Text) -> None:
    assert text.tree is not None
    assert text.tags is not None
    assert leaves(text.tree) == text.words
    assert len(text.tags) == len(text.words)
    assert set(text.tags) <= ALL_UPOS
    assert 5 <= len(text.words) <= 30
    assert text.words[-1] == "."
    tags = preterminals(text.tree)
    for i, word in enumerate(text.words):
        if i == 0 or text.words[i - 1] == ".":
            assert word[0].isupper()
        if word.lower() in ("a", "an") and tags[i] == "DT":
            vowel = text.words[i + 1][0].lower() in "aeiou"
            assert (word.lower() == "an") == vowel, text.words
        assert (word in ",.") == (text.tags[i] == "PUNCT" and word != "-")
    found = spans(text.tree)
    assert any((start, end) == (0, len(text.words) - 1) for start, end, _ in found)
    for start, end, _ in found:  # brackets nest
        assert not any(start < a <= end < b for a, b, _ in found)
    sequence = " ".join(text.words)
    assert not re.search(r"[,.] [,.]|\b(\w+) \1\b", sequence), sequence


@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_every_text_is_well_formed(seed: int) -> None:
    check(draw(Random(seed)))


def test_every_text_of_a_corpus_is_well_formed(corpus: Corpus) -> None:
    for text in corpus.train:
        check(text)


def test_the_fields_are_what_the_text_says(corpus: Corpus) -> None:
    kinds = {"pub": ("pub", "tavern"), "restaurant": ("restaurant", "eatery")}
    for text in corpus.train:
        said, fields = " ".join(text.words), dict(text.fields)
        assert list(fields) == [field for field in FIELDS if field in fields]
        for field in ("name", "near"):
            assert field not in fields or fields[field] in said
        if "eatType" in fields and not said.startswith("One of"):
            kind = fields["eatType"]
            assert any(noun in said.lower() for noun in kinds.get(kind, (kind,)))
        if "priceRange" not in fields:
            assert not re.search(r"\b(cheap|pricey|expensive|priced|prices|pounds)\b", said), said
        if fields.get("familyFriendly") == "no":
            assert re.search(r"not|adults", said), said
        high = r"excellent|glowing|superb|delicious|five stars|highly"
        low = r"disappointing|poorly|poor |bland|unpopular|mediocre|one star"
        assert not (re.search(high, said) and re.search(low, said)), said


def test_it_is_varied(corpus: Corpus) -> None:
    lengths = Counter(len(text.words) for text in corpus.train)
    assert set(lengths) == set(range(5, 31))
    assert max(lengths.values()) < 0.1 * len(corpus.train)
    assert len(Vocabulary.build((t.words for t in corpus.train), above=0)) > 350
    assert len({text.words for text in corpus.train}) > 0.97 * len(corpus.train)
    labels = Counter(s[2] for t in corpus.train for s in spans(t.tree or ""))
    assert {"NP", "VP", "PP", "S", "SBAR", "ADJP", "ADVP", "WHNP", "WHADVP", "SINV"} <= set(labels)
    assert not any(
        a == b for label in labels for a, b in zip(label.split("::"), label.split("::")[1:])
    )
    two = sum(text.words.count(".") > 1 for text in corpus.train) / len(corpus.train)
    assert 0.3 < two < 0.7


def test_splits_are_disjoint_and_validation_has_no_duplicates(corpus: Corpus) -> None:
    valid = {text.words for text in corpus.valid}
    assert (len(corpus.train), len(corpus.valid), len(valid)) == (4_000, 300, 300)
    assert not valid & {text.words for text in corpus.train}


def test_a_seed_gives_the_same_corpus_and_another_seed_another() -> None:
    one, same, other = (
        load_corpus("grammar", size_train=50, size_valid=5, seed=seed) for seed in (3, 3, 4)
    )
    assert one == same
    assert one.digest == same.digest != other.digest
    longer = load_corpus("grammar", size_train=80, size_valid=5, seed=3)
    assert longer.train[:50] == one.train


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(UserError, match="at least 1"):
        load_corpus("grammar", size_train=0)


TOY = """
TOP:
    1 (S $SUBJ# $VP#)
SUBJ#:
    1 (NP DT:a JJ:old NN:<owl|pair>)
VP#:
    1 (VP V:watch V=AUX:be $X) ; +seen
X:
    2 (NP NNP:Blue_Heron) ; kind=a_b
    1 - ; kind!=a_b|c
""".replace("$SUBJ# $VP#", "$SUBJs $VPp")


def test_the_notation() -> None:
    grammar = Grammar(TOY)
    text, told = grammar.expand("TOP", {"kind": "a b"}, Random(0))
    assert text.tree == (
        "(S (NP (DT An) (JJ old) (NN owl)) (VP (VBP watch) (VBP are) (NP (NNP Blue) (NNP Heron))))"
    )
    assert text.tags == ("DET", "ADJ", "NOUN", "VERB", "AUX", "PROPN", "PROPN")
    assert told == {"seen"}
    assert len(grammar.expand("TOP", {"kind": "d"}, Random(0))[0].words) == 5
    with pytest.raises(DeadEnd):
        grammar.expand("TOP", {"kind": "c"}, Random(0))
    for wrong in ("A:\n    1 $B", "A:\n    1 (NP NN:x", "A:\n    1 ZZ:x", "A:\n    1 NN:x ; odd"):
        with pytest.raises(ValueError, match=r"no productions|unbalanced|malformed"):
            Grammar(wrong)


def test_the_default_corpus_is_the_same_everywhere() -> None:
    """A digest over the first texts: it changes only when the grammar itself is changed, and then
    every stored artefact of this corpus changes with it."""
    texts = load_corpus("grammar", size_train=20, size_valid=2).train
    sha = hashlib.sha256("\n".join(" ".join(t.words) for t in texts).encode()).hexdigest()
    assert sha[:16] == "85f8722a629b451b"
