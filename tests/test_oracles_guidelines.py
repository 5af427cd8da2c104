"""Trees of the first treebank rewritten to the newer guidelines, worked out by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from nltk import Tree

from tasks.corpora import grammar
from tasks.oracles.guidelines import drop_hyphens, lexicon, modernise, pieces, traditional
from tasks.oracles.treebank import HELD_OUT, domain_sentences, load_treebank
from tasks.oracles.trees import bracketing, leaves

DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", "../shared/data"))
needs_data = pytest.mark.skipif(
    not (DATA / "nltk_data" / "corpora" / "treebank.zip").exists(), reason=f"no treebank in {DATA}"
)
WORDS = lexicon(
    Tree.fromstring(text)
    for text in (
        "(S (NP (DT the) (CD four) (NN year) (JJ old) (NN user)) (VP (VBD based) (IN up)))",
        "(NP (NNP York) (JJ friendly) (VB look) (JJ long) (NN term))",
    )
)


def new(text: str) -> str:
    return " ".join(str(modernise(Tree.fromstring(text), WORDS)).split())


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        # a modifier is a phrase by the kind of its head
        (
            "(NP (DT a) (JJ user-friendly) (NN look))",
            "(NP (DT a) (ADJP (NN user) (HYPH -) (JJ friendly)) (NN look))",
        ),
        (
            "(NP (DT a) (JJ four-year) (NN plan))",
            "(NP (DT a) (NML (CD four) (HYPH -) (NN year)) (NN plan))",
        ),
        (
            "(NP (DT a) (JJ 17-year-old) (NN plan))",
            "(NP (DT a) (ADJP (CD 17) (HYPH -) (NN year) (HYPH -) (JJ old)) (NN plan))",
        ),
        (
            "(NP (JJ non-user) (NN plan))",
            "(NP (ADJP (AFX non) (HYPH -) (NN user)) (NN plan))",
        ),
        # unknown words: by their ending
        (
            "(NP (JJ zinc-coated) (NN plan))",
            "(NP (ADJP (NN zinc) (HYPH -) (VBN coated)) (NN plan))",
        ),
        # a phrase's head or only word is split in place, another modifier keeps its phrase
        (
            "(VP (VBZ is) (ADJP (JJ user-friendly)))",
            "(VP (VBZ is) (ADJP (NN user) (HYPH -) (JJ friendly)))",
        ),
        (
            "(ADJP (RB very) (JJ user-friendly))",
            "(ADJP (RB very) (ADJP (NN user) (HYPH -) (JJ friendly)))",
        ),
        ("(NP (DT a) (NN year-end))", "(NP (DT a) (NN year) (HYPH -) (NN end))"),
        ("(VP (VB red-flag) (NP (NN it)))", "(VP (NN red) (HYPH -) (VB flag) (NP (NN it)))"),
        # names
        (
            "(NP (DT the) (NNP New) (JJ York-based) (NN user))",
            "(NP (DT the) (ADJP (NML (NNP New) (NNP York)) (HYPH -) (VBN based)) (NN user))",
        ),
        (
            "(ADJP (JJ New) (JJ York-based))",
            "(ADJP (NML (JJ New) (NNP York)) (HYPH -) (VBN based))",
        ),
        (
            "(NP (NNP Rolls-Royce) (NNP Inc.))",
            "(NP (NML (NNP Rolls) (HYPH -) (NNP Royce)) (NNP Inc.))",
        ),
        (
            "(NP (DT a) (NNP New) (NNP York) (NN user))",
            "(NP (DT a) (NML (NNP New) (NNP York)) (NN user))",
        ),
        ("(NP (NNP New) (NNP York))", "(NP (NNP New) (NNP York))"),
        ("(NP (NAC (NNP A) (, ,) (NNP B)) (NN c))", "(NP (NML (NNP A) (, ,) (NNP B)) (NN c))"),
        # coordinated modifiers, but neither heads nor what a noun beside makes doubtful
        (
            "(NP (DT the) (NN food) (CC and) (NN wine) (NNS lovers))",
            "(NP (DT the) (NML (NN food) (CC and) (NN wine)) (NNS lovers))",
        ),
        (
            "(NP (JJ big) (, ,) (JJ old) (CC and) (JJ red) (NNS cars))",
            "(NP (ADJP (JJ big) (, ,) (JJ old) (CC and) (JJ red)) (NNS cars))",
        ),
        ("(NP (NN food) (CC and) (NN wine))", "(NP (NN food) (CC and) (NN wine))"),
        (
            "(NP (NN car) (NN food) (CC and) (NN wine) (NNS lovers))",
            "(NP (NN car) (NN food) (CC and) (NN wine) (NNS lovers))",
        ),
        ("(NP (NNP Ford) (CC &) (NNP Co) (NNP Inc))", "(NP (NNP Ford) (CC &) (NNP Co) (NNP Inc))"),
        # ranges of numbers and what a hyphen does not join
        ("(NP (CD 20-25))", "(NP (QP (CD 20) (HYPH -) (CD 25)))"),
        ("(NP (DT the) (NNP F-16) (: --))", "(NP (DT the) (NNP F-16) (: --))"),
        # tokens of raw text
        (
            r"(NP (`` ``) (# #) (CD 1\/2) ('' '') (-LRB- -LCB-) (-LRB- -LRB-))",
            "(NP (`` \") (# £) (CD 1/2) ('' \") (-LRB- {) (-LRB- -LRB-))",
        ),
    ],
)  # fmt: skip
def test_newer_guidelines(old: str, expected: str) -> None:
    assert new(old) == expected


def test_a_tree_comes_back_to_its_first_words() -> None:
    old = (
        "(S (NP (DT A) (JJ four-year) (NNP New) (NNP York) (NN plan)) (VP (VBZ is) (ADJP"
        " (JJ user-friendly))) (. .))"
    )
    words = Tree.fromstring(old).leaves()
    origin = pieces(words)
    assert origin == [0, 1, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7]
    back = traditional(Tree.fromstring(new(old)), origin, words)
    assert bracketing([old], [" ".join(str(back).split())]).f1 == 1.0
    assert back.leaves() == words


def test_hyphens_are_dropped_and_phrases_kept() -> None:
    tree = Tree.fromstring(
        "(NP (ADJP (NN a) (HYPH -) (JJ b)) (QP (CD 1) (HYPH -) (CD 2)) (NN c) (HYPH -) (NN d))"
    )
    rng = np.random.default_rng(0)
    every = " ".join(str(drop_hyphens(tree, rng, 1.0)).split())
    assert every == "(NP (ADJP (NN a) (JJ b)) (QP (CD 1) (HYPH -) (CD 2)) (NN c) (NN d))"
    assert drop_hyphens(tree, rng, 0.0) == tree


def test_texts_of_several_sentences_are_cut_for_a_parser_of_sentences() -> None:
    text = "(S (S (NP (NN a)) (VP (VBZ is))) (. .) (S (NP (PRP It)) (VP (VBZ is))) (. .))"
    joined = "(S (S (NP (NN a))) (. .) (S (S (NP (NN b))) (, ,) (CC and) (S (NP (NN c)))) (. .))"
    whole = "(SINV (PP (IN in) (NP (NN x))) (VP (VBZ is)) (NP (NN y)) (. .))"
    assert domain_sentences([text, joined, whole]) == (
        "(S (NP (NN a)) (VP (VBZ is)) (. .))",
        "(S (NP (PRP It)) (VP (VBZ is)) (. .))",
        "(S (NP (NN a)) (. .))",
        "(S (S (NP (NN b))) (, ,) (CC and) (S (NP (NN c))) (. .))",
        whole,
    )


def test_every_word_of_the_grammar_reaches_the_parser_but_for_hyphens() -> None:
    trees = [text.tree for text in grammar.load(size_train=200, size_valid=1).train if text.tree]
    words = [word for tree in trees for word in leaves(tree)]
    cut = domain_sentences(trees)
    assert [w for tree in cut for w in leaves(tree) if w != "-"] == [w for w in words if w != "-"]
    assert sum(words.count(end) for end in (".", "!", "?")) == len(cut)
    kept = sum(leaves(tree).count("-") for tree in cut)
    assert 0 < kept < words.count("-")


@needs_data
def test_the_whole_treebank_is_rewritten() -> None:
    bank = load_treebank(DATA)
    assert len(bank.held_out) == len(bank.originals) == HELD_OUT
    assert not any("(NAC" in tree for tree in bank.train + bank.held_out)
    # the same words, but for those that were split
    for one, other in zip(bank.held_out, bank.originals, strict=True):
        assert len(leaves(one)) == len(pieces(Tree.fromstring(other).leaves()))
