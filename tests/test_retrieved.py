"""Retrieval of training texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from baselines import METHODS
from baselines.retrieved import CARD, Retrieved
from tasks import in_table, load_task
from tasks.base import Target, Text
from tasks.common.errors import UserError
from tasks.controls import AllOf, FieldValue, Length, ParseTree, Span, TagSequence
from tasks.corpora import load_corpus
from tasks.corpora.stored import write_corpus

GRAMMAR = load_corpus("grammar", size_train=300, size_valid=60)


def made(task: str, texts: Any = GRAMMAR.train) -> Retrieved:
    return Retrieved(load_task(task), texts)


def content(results: Any) -> dict[tuple[str, int], tuple[str, ...]]:
    return {(r.target_id, s.index): s.words for r in results for s in r.samples}


@pytest.mark.parametrize("name", [*in_table("control"), "semantic_content+syntax_tree"])
def test_every_task_is_served_with_training_texts(name: str) -> None:
    """The same whatever the batch, the order and the number of samples."""
    task, generator = load_task(name), made(name)
    targets = task.draw(GRAMMAR, 6, "validation", 0, 40)
    whole = content(generator.generate(targets, 4, seed=1))
    known = {text.words for text in GRAMMAR.train}
    assert set(whole.values()) <= known and len(whole) == 24
    assert content(generator.generate(targets[::-1], 4, seed=1, batch=1)) == whole
    fewer = content(generator.generate(targets[:2], 2, seed=1))
    assert fewer.items() <= whole.items()
    if "+" not in name:  # the nearest of a composition are the same whatever the seed
        assert content(generator.generate(targets, 4, seed=2)) != whole


FIELDS = [
    Text(("a", "red", "house"), fields=(("food", "red"),)),
    Text(("the", "red", "door"), fields=(("food", "red"),)),
    Text(("it", "is", "scarlet"), fields=(("food", "red"),)),
    Text(("a", "blue", "door"), fields=(("food", "blue"),)),
]


def test_texts_satisfy_the_control_without_replacement() -> None:
    """Of those whose meaning has the value, those that say so; then they come again."""
    target = Target("t", FieldValue("food", "red"))
    (result,) = made("semantic_content", FIELDS).generate([target], 5, seed=0)
    texts = [s.words for s in result.samples]
    assert set(texts[:2]) == {FIELDS[0].words, FIELDS[1].words}
    assert texts[2:4] == texts[:2] and texts[4] == texts[0]
    assert all(s.nfe == 0 and s.tokens == s.words for s in result.samples)
    (only,) = made("semantic_content", FIELDS[2:]).generate([target], 1, seed=0)
    assert only.samples[0].words == FIELDS[2].words, "by its meaning, where no text says so"


def test_words_that_are_the_same_are_one_text() -> None:
    target = Target("t", FieldValue("food", "red"))
    (result,) = made("semantic_content", [FIELDS[0]] * 9 + [FIELDS[1]]).generate([target], 2, 0)
    assert len({s.words for s in result.samples}) == 2


def test_the_nearest_stand_in() -> None:
    texts = [
        Text(("a",) * n, "(S (NN a))", tags=tags)
        for n, tags in ((3, ("DET", "NOUN", "VERB")), (3, ("DET", "VERB", "VERB")), (2, ("X", "X")))
    ]
    texts = [Text((f"{i}",) * len(t.words), tags=t.tags) for i, t in enumerate(texts)]
    asked = Target("t", TagSequence(("DET", "NOUN", "NOUN")))
    (result,) = made("parts_of_speech", texts).generate([asked], 3, seed=0)
    assert [s.words[0] for s in result.samples] == ["0", "1", "2"]
    lengths = [Text(("w",) * n) for n in (4, 9, 20)]
    (result,) = made("length", lengths).generate([Target("t", Length(8))], 1, seed=0)
    assert len(result.samples[0].words) == 9


def test_a_composition_needs_all_of_its_parts() -> None:
    texts = [
        Text(("red", "b", "c"), fields=(("food", "red"),)),
        Text(("red", "b"), fields=(("food", "red"),)),
        Text(("blue", "b", "c"), fields=(("food", "blue"),)),
    ]
    generator = made("length+semantic_content", texts)
    for words, wanted in ((2, texts[1]), (3, texts[0])):
        target = Target("t", AllOf((Length(words), FieldValue("food", "red"))))
        (result,) = generator.generate([target], 3, seed=0)
        assert {s.words for s in result.samples} == {wanted.words}
    # none has both: half of it is better than nothing
    target = Target("t", AllOf((Length(7), FieldValue("food", "red"))))
    (result,) = generator.generate([target], 2, seed=0)
    assert {s.words[0] for s in result.samples} == {"red"}


def test_spans_and_trees_of_annotations() -> None:
    trees = ["(S (NP (NN a)) (VP (NN b)))", "(S (NP (NN a) (NN b)) (VP (NN c)))"]
    texts = [Text(tuple("abc"[: i + 2]), tree) for i, tree in enumerate(trees)]
    for task, control, wanted in (
        ("syntax_spans", Span(0, 1, "NP"), 1),
        ("syntax_spans", Span(0, 0, "NP"), 0),
        ("syntax_tree", ParseTree("(S (NP (NN *)) (VP (NN *)))"), 0),
    ):
        (result,) = made(task, texts).generate([Target("t", control)], 2, seed=0)
        assert {s.words for s in result.samples} == {texts[wanted].words}


def test_it_is_a_method_of_no_comparison() -> None:
    assert METHODS["retrieved"] is CARD and CARD.knows_rule and CARD.trained
    assert "copies" in CARD.label and "copies training texts" in CARD.paper
    assert CARD.refuses(load_task("infilling")) is not None
    assert CARD.refuses(load_task("semantic_content+parts_of_speech")) is None


def test_without_examples_there_is_nothing_to_retrieve(tmp_path: Path) -> None:
    write_corpus(tmp_path, GRAMMAR)
    loaded = Retrieved.load(
        {"task_texts": tmp_path}, load_task("length"), None, torch.device("cpu")
    )
    assert len(loaded.texts) == len({text.words for text in GRAMMAR.train})
    with pytest.raises(UserError, match="no training text is an example of length"):
        made("length", [])
