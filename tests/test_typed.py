"""Controls as people type them, and as targets of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks import load_task
from tasks.common.errors import UserError
from tasks.controls import (
    AllOf,
    Control,
    FieldValue,
    Infill,
    Length,
    ParseTree,
    Span,
    TagSequence,
    from_json,
    to_json,
)
from tasks.corpora import load_corpus, tokenizer
from tasks.given import given, read_given
from tasks.typed import Known, plain

CORPUS = load_corpus("grammar", size_train=200, size_valid=1)
KNOWN = Known(CORPUS.train, tokenizer("grammar"))
ITALIAN, NINE = FieldValue("food", "Italian"), Length(9)
TREE = ParseTree("(S (NP (NN *) (NN *)) (VP (NN *)))")
READ: list[tuple[str, str, Control]] = [
    ("length", " 9 ", NINE),
    ("semantic_content", "food=Italian", ITALIAN),
    ("semantic_content", 'food = "Italian"', ITALIAN),
    ("semantic_content", "priceRange=cheap", FieldValue("price", "cheap")),
    ("semantic_content", "family friendly=yes", FieldValue("family friendly", "yes")),
    ("parts_of_speech", "DET NOUN PUNCT", TagSequence(("DET", "NOUN", "PUNCT"))),
    ("parts_of_speech", "DT NN VBZ JJ .", TagSequence(("DET", "NOUN", "VERB", "ADJ", "PUNCT"))),
    ("syntax_spans", "(0, 3, NP)", Span(0, 3, "NP")),
    ("syntax_spans", "0-3:S::VP", Span(0, 3, "S::VP")),
    ("syntax_tree", "(S (NP * *) (VP *))", TREE),
    ("syntax_tree", "(S (NP (NN *) (NN *)) (VP (NN *)))", TREE),
    ("syntax_tree", "(TOP (S (NP (DT The) (NN mill)) (VP (VBZ is))))", TREE),
    ("infilling", "Tom ran . _ He hid .", Infill(("Tom", "ran", "."), ("He", "hid", "."))),
    ("length+semantic_content", "length=9; food=Italian", AllOf((NINE, ITALIAN))),
    ("semantic_content+length", 'food="Italian"; 9', AllOf((NINE, ITALIAN))),
    ("length+semantic_content", "9; semantic_content=food=Italian;", AllOf((NINE, ITALIAN))),
]  # fmt: skip


@pytest.mark.parametrize(("task", "text", "control"), READ)
def test_what_is_typed_is_read(task: str, text: str, control: Control) -> None:
    one = load_task(task)
    read = one.typed(text, KNOWN)
    assert read == control and one.asks(read)
    assert not load_task("syntax_spans+syntax_tree").asks(read)


def test_a_corpus_with_tags_of_another_set() -> None:
    words = [text.words for text in CORPUS.train]
    texts = [type(t)(t.words, tags=tuple("W" for _ in w)) for t, w in zip(CORPUS.train, words)]
    task = load_task("parts_of_speech")
    assert task.typed("W W", Known(texts, str.split)) == TagSequence(("W", "W"))
    with pytest.raises(UserError, match="unknown tag 'DET'"):
        task.typed("DET", Known(texts, str.split))


def test_ids_follow_from_controls() -> None:
    assert given(NINE).id == given(from_json(to_json(NINE))).id == "own-8c03a1f67340"
    assert len({given(control).id for _, _, control in READ}) == len({c for *_, c in READ})
    assert given(ITALIAN).control == ITALIAN and given(ITALIAN).source is None


def test_a_class_that_says_nothing_of_how_it_is_typed() -> None:
    assert plain(Length, "9", "mine") == NINE
    assert plain(Length, '{"words": 9}', "mine") == NINE
    assert plain(TagSequence, "DET NOUN", "mine") == TagSequence(("DET", "NOUN"))
    assert plain(ParseTree, "(S *)", "mine") == ParseTree("(S *)")
    assert plain(Span, '{"start": 0, "end": 1, "label": "NP"}', "mine") == Span(0, 1, "NP")
    with pytest.raises(UserError, match='write {"start": ..., "end": ..., "label": ...}'):
        plain(Span, "0-1:NP", "mine")
    with pytest.raises(UserError, match="does not say what class"):
        plain(None, "9", "mine")


def test_a_file_of_controls(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    lines = [{"control": "9"}, {"id": "ten", "control": to_json(Length(10)), "prompt": ["10"]}]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    targets = read_given(path, load_task("length"), KNOWN)
    assert [(t.id, t.control) for t in targets] == [(given(NINE).id, NINE), ("ten", Length(10))]
