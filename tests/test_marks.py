"""Which words of a sample are marked as asked for, and which as violating the control."""

from __future__ import annotations

from typing import Any

import pytest

from eval.reading.marks import mark_all, marked
from eval.reading.results import Judged
from eval.reading.tables.grid import Segment, plain
from tasks import load_task
from tasks.base import Task, Words
from tasks.controls import (
    AllOf,
    Control,
    FieldValue,
    Infill,
    Length,
    ParseTree,
    Span,
    TagSequence,
)
from tasks.marks import Marks, unmarked

WORDS: Words = ("The", "Mill", "serves", "fast", "food")
TREE = "(S (NP (DT The) (NNP Mill)) (VP (VBZ serves) (NP (JJ fast) (NN food))))"


TASKS = {
    FieldValue: "semantic_content",
    Infill: "infilling",
    Length: "length",
    ParseTree: "syntax_tree",
    Span: "syntax_spans",
    TagSequence: "parts_of_speech",
}


def task_of(control: Control) -> Task:
    return load_task(TASKS[type(control)])


def states(control: Control, words: Words = WORDS, **reading: Any) -> tuple[str, tuple[str, ...]]:
    found = task_of(control).marks(control, words, reading)
    letters = {"": ".", "good": "g", "bad": "b"}
    return "".join(letters[state] for state in found.states), found.missing


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (Span(3, 4, "NP"), "...gg"),
        (Span(3, 4, "VP"), "...bb"),
        (Span(1, 2, "NP"), ".bb.."),
        (Span(0, 4, "S"), "ggggg"),
    ],
)
def test_span(control: Control, expected: str) -> None:
    assert states(control, tree=TREE) == (expected, ())


def test_span_behind_the_end() -> None:
    assert states(Span(4, 7, "NP"), tree=TREE) == ("....b", ("span",))
    assert states(Span(8, 9, "NP"), tree=TREE) == (".....", ("span",))


def test_span_without_a_parse_is_unmarked() -> None:
    assert states(Span(3, 4, "NP")) == (".....", ())


def test_length() -> None:
    assert states(Length(5)) == (".....", ())
    assert states(Length(3)) == ("...bb", ())
    assert states(Length(6)) == (".....", ("1 word",))
    assert states(Length(8)) == (".....", ("3 words",))


def test_field_value() -> None:
    assert states(FieldValue("food", "fast food")) == ("...gg", ())
    # a substring counts, as the score does
    assert states(FieldValue("name", "Mil")) == (".g...", ())
    assert states(FieldValue("name", "mill")) == (".....", ("mill",))


def test_tags() -> None:
    tags = ["DET", "PROPN", "VERB", "ADJ", "NOUN"]
    assert states(TagSequence(tuple(tags)), tags=tags) == (".....", ())
    assert states(TagSequence(("DET", "NOUN", "VERB")), tags=tags) == (".b.bb", ())
    assert states(TagSequence((*tags, "PUNCT")), tags=tags) == (".....", ("1 tag",))


def test_tree_marks_the_smallest_failing_constituent() -> None:
    gold = "(S (NP (NN *) (NN *)) (VP (NN *) (NP (NN *) (NN *))))"
    assert states(ParseTree(gold), tree=TREE) == (".....", ())
    # the PP inside fails; the VP around it holds
    other = "(S (NP (NN *) (NN *)) (VP (NN *) (PP (NN *) (NN *))))"
    assert states(ParseTree(other), tree=TREE) == ("...bb", ())


def test_tree_of_more_words_than_the_sample() -> None:
    gold = "(S (NP (NN *) (NN *)) (VP (NN *) (NP (NN *) (NN *))))"
    padded = "(S (NP (DT The) (NNP Mill)) (VP (VBZ serves)) (. .) (. .))"
    assert states(ParseTree(gold), WORDS[:3], tree=padded) == ("...", ("2 words",))


def test_composition_shows_the_violation() -> None:
    tags = {"tags": ["DET", "NOUN", "VERB", "ADJ", "NOUN"]}
    asked = TagSequence(("DET", "PROPN", "VERB", "ADJ", "NOUN"))
    value, expected = FieldValue("name", "The Mill"), Marks(("good", "bad", "", "", ""))
    pairs = [Judged(one, tags, task_of(one)) for one in (value, asked)]
    assert mark_all(WORDS, pairs) == expected
    both = load_task("semantic_content+parts_of_speech")
    assert both.marks(AllOf((value, asked)), WORDS, tags) == expected


def test_nothing_is_marked_where_a_task_has_no_marks_or_is_not_at_hand() -> None:
    assert states(Infill(("a", "."), ("b", "."))) == (".....", ())
    assert mark_all(WORDS, [Judged(Length(2), {})]) == unmarked(WORDS)


def test_text_with_marks() -> None:
    found = marked((*WORDS[:3], "\n"), Marks(("good", "good", "", "bad"), ("span",)))
    assert plain(found) == "The Mill serves ⏎ [missing span]"
    assert found[0] == Segment("The Mill", "good") and found[-1] == Segment("[missing span]", "bad")
    assert marked((), unmarked(())) == ()
