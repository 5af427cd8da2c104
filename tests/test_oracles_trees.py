"""Trees, sentences of texts and bracketing scores, on fixtures worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.oracles.decoding import _cky
from tasks.oracles.segments import join, segment
from tasks.oracles.treebank import clean, load_treebank
from tasks.oracles.trees import bracketing, escape, leaves, spans, unescape

CAT = "(TOP (S (NP (DT the) (NN cat)) (VP (VBD sat) (ADVP (RB down))) (. .)))"


def test_spans_of_a_plain_tree() -> None:
    assert spans(CAT) == {(0, 4, "S"), (0, 1, "NP"), (2, 3, "VP"), (3, 3, "ADVP")}


def test_unary_chains_join_from_the_top() -> None:
    assert spans("(S (VP (VB eat) (NP (NN fish))))") == {(0, 1, "S::VP"), (1, 1, "NP")}
    assert spans("(ROOT (S (NP (NP (NN fish)))))") == {(0, 0, "S::NP::NP")}


@pytest.mark.parametrize("wrapper", ["TOP", "S1", "ROOT", ""])
def test_wrappers_are_no_constituents(wrapper: str) -> None:
    assert spans(f"({wrapper} (NP (NN fish)))") == {(0, 0, "NP")}


def test_the_empty_tree_has_no_spans() -> None:
    assert spans("(TOP )") == frozenset() and leaves("(TOP )") == ()


@pytest.mark.parametrize("tree", ["", "fish", "(S (NN fish)", "(NN fish))", "(S) (S)", ")("])
def test_a_malformed_tree_is_named(tree: str) -> None:
    with pytest.raises(UserError, match="malformed tree"):
        spans(tree)


def test_spans_agree_with_benepar() -> None:
    from benepar.decode_chart import get_labeled_spans
    from nltk import Tree

    for tree in (CAT, "(TOP (S (VP (VB eat) (NP (NP (NN fish))) (PP (IN by) (NP (NN sea))))))"):
        assert spans(tree) == set(get_labeled_spans(Tree.fromstring(tree)))


@pytest.mark.parametrize("word", ["(", ")", "\n", "a(b)", "plain", "\t", "£", "Café"])
def test_leaves_give_the_words_back(word: str) -> None:
    assert unescape(escape(word)) == word
    assert leaves(f"(S (NN {escape(word)}) (NN x))") == (word, "x")


def test_bracketing_by_hand() -> None:
    gold = "(S (NP (DT the) (NN cat)) (VP (VBD sat) (PRT (RP down))) (. .))"
    # gold: S, NP, VP, PRT; predicted: S, VP, ADVP, of which S, VP and ADVP (= PRT) match
    predicted = "(S (DT the) (NN cat) (VP (VBD sat) (ADVP (RB down))) (. .))"
    score = bracketing([gold], [predicted])
    assert (score.precision, score.recall) == (1.0, 0.75)
    assert score.f1 == pytest.approx(2 * 0.75 / 1.75)


def test_punctuation_counts_only_when_asked() -> None:
    gold = "(S (NP (NN fish)) (VP (VBZ eats)) (. .))"
    predicted = "(TOP (S (S (NP (NN fish)) (VP (VBZ eats))) (. .)))"
    # without the full stop the inner S covers what the outer one covers, once too often
    assert bracketing([gold], [predicted], ignore_punctuation=True).precision == 0.75
    assert bracketing([gold], [predicted]).precision == 0.75
    moved = "(S (NP (NN fish)) (VP (VBZ eats) (. .)))"
    assert bracketing([gold], [moved], ignore_punctuation=True).f1 == 1.0
    assert bracketing([gold], [moved]).f1 == pytest.approx(2 / 3)


def test_bracketing_counts_over_all_trees_together() -> None:
    a, b = "(S (NP (NN x) (NN y)) (VB z))", "(S (NN x) (VP (NN y) (VB z)))"
    score = bracketing([a, a], [a, b])
    assert (score.precision, score.recall) == (0.75, 0.75)


def test_bracketing_refuses_trees_over_other_words() -> None:
    with pytest.raises(UserError, match="3 and 1 words"):
        bracketing(["(S (A a) (B b) (C c))"], ["(S (A a))"])


def test_texts_are_cut_into_sentences() -> None:
    words = 'It is nice . It is " cheap ! " Go ?\n'.replace("\n", " \n").split(" ")
    parts = segment(words, max_words=50)
    assert [len(p.words) for p in parts] == [4, 6, 2, 1]
    assert parts[-1].newline
    assert [w for p in parts for w in p.words] == words
    assert [len(p.words) for p in segment(words, 50, split=False)] == [12, 1]
    assert [len(p.words) for p in segment(words[:4], max_words=3)] == [3, 1]
    assert segment([], 10) == []


def test_trees_of_sentences_are_joined() -> None:
    a, b = "(S (NP (NN a)) (VP (VB b)))", "(FRAG (NN c))"
    assert join([]) == "(TOP )"
    assert spans(join([a, None])) == {(0, 2, "S"), (0, 0, "NP"), (1, 1, "VP")}
    assert leaves(join([None, a, None])) == ("\n", "a", "b", "\n")
    assert spans(join([a, b, None])) == {
        (0, 3, "S"), (0, 1, "S"), (0, 0, "NP"), (1, 1, "VP"), (2, 2, "FRAG")
    }  # fmt: skip
    # final punctuation, but no other leaf, stands beside its sentence; a lone sentence keeps it
    c, d = "(S (NP (NN a)) (VP (VB b)) (. .) ('' \"))", "(NP (NN c) (NN d))"
    assert join([c, d]) == "(S (S (NP (NN a)) (VP (VB b))) (. .) ('' \") (NP (NN c) (NN d)))"
    assert join([c, "(X (. .))"]).endswith("('' \") (X (. .)))")
    assert join([c]) == c
    assert leaves(join([None])) == ("\n",)


def test_the_best_binary_tree_is_found() -> None:
    """Against all binary trees of five words, enumerated."""
    best = np.random.default_rng(0).normal(size=(4, 5, 5)).astype(np.float32)

    def highest(chart: np.ndarray, i: int, j: int) -> float:
        own = float(chart[i, j])
        inner = [highest(chart, i, k) + highest(chart, k + 1, j) for k in range(i, j)]
        return own + max(inner, default=0.0)

    def followed(chart: np.ndarray, splits: np.ndarray, i: int, j: int) -> float:
        if i == j:
            return float(chart[i, i])
        k = int(splits[i, j])
        return (
            float(chart[i, j]) + followed(chart, splits, i, k) + followed(chart, splits, k + 1, j)
        )

    for chart, splits in zip(best, _cky(best), strict=True):
        assert followed(chart, splits, 0, 4) == pytest.approx(highest(chart, 0, 4), abs=1e-5)


def test_treebank_trees_are_cleaned() -> None:
    from nltk import Tree

    raw = (
        "( (S (NP-SBJ-1 (-NONE- *)) (VP (VB eat) (NP=2 (NN fish)) (ADVP|PRT (RB up)))"
        " (-LRB- -LRB-)))"
    )
    tree = clean(Tree.fromstring(raw))
    assert tree is not None
    assert " ".join(str(tree).split()) == (
        "(S (VP (VB eat) (NP (NN fish)) (ADVP (RB up))) (-LRB- -LRB-))"
    )
    assert clean(Tree.fromstring("(S (NP (-NONE- *)))")) is None


def test_a_missing_treebank_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"treebank\.zip"):
        load_treebank(tmp_path)
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "treebank.zip").write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"treebank\.zip"):
        load_treebank(tmp_path)
