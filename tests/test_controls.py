"""How a control says itself, and how it is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from eval.running.cells import read_targets, write_targets
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import (
    AllOf,
    Control,
    FieldValue,
    Infill,
    Length,
    ParseTree,
    Span,
    Stored,
    TagSequence,
    Withheld,
    from_json,
    to_json,
)

MILL = FieldValue("name", "The Mill")
TREE = ParseTree("(S (NP (NN *) (NN *)) (VP (NN *)))")


@dataclass(frozen=True)
class LastWord(Control, kind="test_last_word"):
    word: str


@dataclass(frozen=True)
class Rhyme(Control, kind="test_rhyme"):
    first_line: str
    sounds: tuple[str, ...] = ("oo", "ee")


@dataclass(frozen=True)
class Rising(Control, kind="test_rising"):
    pass


#: control -> its sentence, its short form
GOLDEN: dict[Control, tuple[str, str]] = {
    Span(2, 4, "NP"): (
        "Words 3 to 5 of the text, counted from 1, form a noun phrase (NP).",
        "words 2 to 4 are a constituent NP",
    ),
    Span(0, 0, "S::VP"): (
        "Word 1 of the text, counted from 1, forms a clause made of a verb phrase alone (S::VP).",
        "words 0 to 0 are a constituent S::VP",
    ),
    Span(1, 2, "ZZ"): (
        "Words 2 to 3 of the text, counted from 1, form a constituent ZZ (ZZ).",
        "words 1 to 2 are a constituent ZZ",
    ),
    Length(12): ("The text has 12 words.", "12 words"),
    Length(1): ("The text has 1 word.", "1 words"),
    MILL: ("The text says that its name is The Mill.", "name is The Mill"),
    FieldValue("price", "less than £ 20"): (
        "The text says that its price is less than £20.",
        "price is less than £ 20",
    ),
    FieldValue("Type", "pub"): ("The text says that its type is pub.", "Type is pub"),
    FieldValue("near", "Burger King"): (
        "The text says that it is near Burger King.",
        "near is Burger King",
    ),
    FieldValue("family friendly", "yes"): (
        "The text says that it is family friendly.",
        "family friendly is yes",
    ),
    FieldValue("family friendly", "no"): (
        "The text says that it is not family friendly.",
        "family friendly is no",
    ),
    FieldValue("area", "none"): (
        "The text does not say anything about its area.",
        "area is none",
    ),
    TagSequence(("DET", "NOUN")): (
        "The text has 2 words, whose universal part-of-speech tags are, in order, DET NOUN.",
        "tags DET NOUN",
    ),
    TagSequence(("NOUN",)): (
        "The text is one word, whose universal part-of-speech tag is NOUN.",
        "tags NOUN",
    ),
    TREE: (
        "The constituency tree of the text is (S (NP * *) (VP *)), where each * stands for one "
        "word.",
        "tree (S (NP * *) (VP *))",
    ),
    Infill(("Ann", "did", "n't", "go", "."), ("She", "slept", ".")): (
        'The text is one sentence that stands between "Ann didn\'t go." and "She slept." and makes '
        "one story of the three.",
        "Ann did n't go . ____ She slept .",
    ),
    Withheld("abc"): (
        "What is asked of the text quotes texts that are not stored with results.",
        "(its contexts are not stored with results)",
    ),
    AllOf((MILL, Span(1, 3, "VP"), Length(6))): (
        "The text says that its name is The Mill, and words 2 to 4 of the text, counted from 1, "
        "form a verb phrase (VP), and the text has 6 words.",
        "name is The Mill and words 1 to 3 are a constituent VP and 6 words",
    ),
    LastWord("hall"): (
        'The text satisfies the condition "test last word: hall".',
        "test last word: hall",
    ),
    Rhyme("Blue"): (
        'The text satisfies the condition "test rhyme: first line Blue, sounds oo ee".',
        "test rhyme: first line Blue, sounds oo ee",
    ),
    Rising(): ('The text satisfies the condition "test rising".', "test rising"),
}


@pytest.mark.parametrize("control", GOLDEN, ids=lambda control: control.kind)
def test_golden_sentences(control: Control) -> None:
    assert (control.say(), control.brief()) == GOLDEN[control]
    assert control.say().endswith(".") and "\n" not in control.say()


def test_every_kind_has_a_golden_sentence() -> None:
    built_in = {k for k, c in Control.kinds.items() if c.__module__ == "tasks.controls"}
    assert built_in - {"stored"} <= {control.kind for control in GOLDEN}


def test_a_long_tag_sequence_is_cut_in_its_short_form_alone() -> None:
    control = TagSequence(("NOUN",) * 14)
    assert control.brief() == f"tags{' NOUN' * 12} ... (14 tags)"
    assert control.say().count("NOUN") == 14


def test_parts_contexts_and_measure() -> None:
    both = AllOf((MILL, Length(6)))
    assert both.parts == (MILL, Length(6)) and MILL.parts == (MILL,)
    assert Infill(("a",), ("b",)).contexts == (("a",), ("b",)) and MILL.contexts is None
    assert Length(3).measure(("a", "b")) == "2 words" and MILL.measure(("a",)) == ""


@pytest.mark.parametrize("control", GOLDEN, ids=lambda control: control.kind)
def test_json_and_back(control: Control) -> None:
    again = from_json(json.loads(json.dumps(to_json(control))))
    assert again == control and hash(again) == hash(control)


def test_kinds_and_fields_that_are_taken_are_refused() -> None:
    with pytest.raises(UserError, match="the control kind 'length' is Length's"):

        class Longest(Control, kind="length"):
            words: int

    with pytest.raises(UserError, match="no field of a control can be called 'parts'"):

        class Chapters(Control, kind="test_chapters"):
            parts: int

    assert Control.kinds["length"] is Length and "test_chapters" not in Control.kinds


def test_built_in_kinds_are_stored_bare_and_others_with_their_short_form(tmp_path: Path) -> None:
    file = tmp_path / "targets.jsonl"
    both = AllOf((LastWord("hall"), Length(3)))
    write_targets(file, [Target("a", Length(3)), Target("b", both, released=LastWord("x"))])
    last = {"kind": "test_last_word", "word": "hall", "brief": "test last word: hall"}
    bare = {"kind": "length", "words": 3}
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"id": "a", "control": bare},
        {
            "id": "b",
            "control": {"kind": "all_of", "controls": [last, bare]},
            "released": {"kind": "test_last_word", "word": "x", "brief": "test last word: x"},
        },
    ]
    assert [target.control for target in read_targets(file)] == [Length(3), both]


def test_a_kind_that_is_not_at_hand_is_shown_and_stored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "targets.jsonl"
    both = AllOf((LastWord("hall"), Length(3)))
    write_targets(file, [Target("a", LastWord("hall")), Target("b", both)])
    before = file.read_bytes()
    monkeypatch.delitem(Control.kinds, "test_last_word")
    one, two = [target.control for target in read_targets(file)]
    assert one == Stored("test_last_word", '{"word":"hall"}', "test last word: hall")
    assert len({one, two}) == 2  # hashable, as the controls that they stand for
    assert one.brief() == "test last word: hall"
    assert two.brief() == "test last word: hall and 3 words"
    assert one.say() == 'The text satisfies the condition "test last word: hall".'
    write_targets(file, read_targets(file))
    assert file.read_bytes() == before
    with pytest.raises(UserError, match="unknown control 'test_last_word'"):
        from_json({"kind": "test_last_word", "word": "hall"})


def test_committed_targets_do_not_change_when_rewritten(tmp_path: Path) -> None:
    results = Path(__file__).parents[1] / "results"
    files = sorted(results.glob("*/*/targets.jsonl"))
    assert len(files) > 10
    for file in files:
        again = tmp_path / "targets.jsonl"
        write_targets(again, read_targets(file))
        assert again.read_bytes() == file.read_bytes(), file
