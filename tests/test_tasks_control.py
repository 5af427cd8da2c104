"""Semantic content, parts-of-speech, syntax tree and compositions."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tasks import load_task, parts
from tasks.base import Annotation, Corpus, Target, Text
from tasks.common.errors import UserError
from tasks.composition import Composition
from tasks.controls import AllOf, FieldValue, Length, ParseTree, Span, TagSequence
from tasks.corpora import load_corpus
from tasks.oracles.trees import brackets, nodes, skeleton, spans
from tasks.parts_of_speech import PartsOfSpeech
from tasks.semantic_content import FIELDS, SemanticContent, pairs, spaced
from tasks.syntax_tree import SyntaxTree
from tasks.targets import NoReleasedList

HERE = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", HERE.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "control_targets").is_dir(),
    reason=f"no released targets in {DATA} (set DIFFUSION_BENCH_DATA)",
)
GRAMMAR = load_corpus("grammar", size_train=150, size_valid=250)
E2E = Corpus("e2e", (), GRAMMAR.valid)

# semantic content


def stated(value: str, text: str) -> dict[str, float]:
    target = Target("x", FieldValue("family friendly", value))
    return SemanticContent().score(target, Annotation(tuple(text.split(" "))))


def test_a_value_is_stated_as_a_substring_and_as_whole_words() -> None:
    assert stated("no", "It is not cheap .") == {"value_stated": 1, "value_words": 0}
    assert stated("no", "Children : no .") == {"value_stated": 1, "value_words": 1}
    assert stated("No", "Children : no .") == {"value_stated": 0, "value_words": 0}
    assert stated("city centre", "in the city centre") == {"value_stated": 1, "value_words": 1}
    assert stated("city centre", "centre of the city") == {"value_stated": 0, "value_words": 0}
    assert stated("a b c", "b c") == {"value_stated": 0, "value_words": 0}


def test_values_are_spaced_as_texts_are() -> None:
    assert spaced("£20-25") == "£ 20 - 25" == spaced("£ 20 - 25")
    assert spaced("less than £20") == "less than £ 20"
    assert spaced("5 out of 5") == "5 out of 5" and spaced("Sea-Side") == "Sea - Side"


def test_every_text_is_an_example_of_all_eight_fields() -> None:
    text = Text(("x", "."), fields=(("eatType", "pub"), ("priceRange", "£20-25")))
    found = [control for control, _ in SemanticContent().examples([text], 0)]
    known = {"Type": "pub", "price": "£ 20 - 25"}
    assert found == [FieldValue(field, known.get(field, "none")) for field in FIELDS]
    prompt = SemanticContent().prompt(found[FIELDS.index("price")])
    assert prompt == ["price", ":", "£", "20", "-", "25"]


def test_validation_pairs_are_distinct_and_all_there_are() -> None:
    task = SemanticContent()
    known = {pair for text in GRAMMAR.valid for pair in pairs(text)}
    targets = task.targets(GRAMMAR, 10_000, "validation", 0)
    controls = [t.control for t in targets if isinstance(t.control, FieldValue)]
    assert len(controls) == len(known) == len({(c.field, c.value) for c in controls})
    assert {c.field for c in controls} == set(FIELDS)


def test_references_are_the_texts_whose_meaning_has_the_pair() -> None:
    task, one = SemanticContent(), ("area", "harbour")
    found = task.references(Target("x", FieldValue(*one)), GRAMMAR)
    assert found == [t.words for t in GRAMMAR.valid if one in t.fields] != []
    assert all("harbour" in words for words in found)


# parts-of-speech


def tags(asked: str, found: str, released: str = "") -> dict[str, float]:
    other = TagSequence(tuple(released.split())) if released else None
    target = Target("x", TagSequence(tuple(asked.split())), released=other)
    own = tuple(found.split())
    return PartsOfSpeech().score(target, Annotation(("w",) * len(own), tags=own))


def test_tags_are_compared_over_the_length_of_the_target() -> None:
    assert tags("DET NOUN VERB PUNCT", "DET NOUN")["tag_match"] == 0.5
    assert tags("DET NOUN", "DET NOUN VERB VERB VERB")["tag_match"] == 1
    assert tags("DET NOUN", "NOUN DET")["tag_match"] == 0
    assert tags("DET", "")["tag_match"] == 0
    assert tags("DET NOUN SPACE", "DET VERB SPACE") == {
        "tag_match": pytest.approx(2 / 3),
        "tag_match_clean": 0.5,
    }
    # the released newline tag is what the authors' tagger made of it
    assert tags("DET NOUN SPACE", "DET NOUN SPACE", "DET PROPN PUNCT") == {
        "tag_match": 1,
        "tag_match_clean": 1,
        "tag_match_released": pytest.approx(1 / 3),
    }
    with pytest.raises(UserError, match="has no tags"):
        PartsOfSpeech().score(Target("x", TagSequence(("DET",))), Annotation(("w",)))


def test_retagged_targets_have_the_oracles_tags_and_keep_the_released_ones() -> None:
    one = Target("x", TagSequence(("DET", "NOUN")), ("a", "b"), TagSequence(("DET", "NOUN")))

    def tag(texts: Any) -> list[tuple[str, ...]]:
        return [tuple(word.upper() for word in words) for words in texts]

    (found,) = PartsOfSpeech().retag([one], tag)
    assert found.control == TagSequence(("A", "B"))
    assert found.released == one.control and found.id == one.id
    value = FieldValue("name", "a")
    both = Target("x", AllOf((value, one.control)), ("a", "b"), AllOf((value, one.control)))
    task = load_task("semantic_content+parts_of_speech")
    (found,) = task.retag([both], tag)
    assert found.control == AllOf((value, TagSequence(("A", "B"))))
    assert found.released == both.control
    assert SyntaxTree().retag([one], tag) == [one]


# syntax tree


def score(asked: str, found: str) -> tuple[Any, Any]:
    target = Target("x", ParseTree(skeleton(asked)))
    own = tuple("w" for _ in nodes(found).leaves)
    scores = SyntaxTree().score(target, Annotation(own, tree=found))
    return scores["tree_f1"], scores["tree_f1_mean"]


def test_evalb_by_hand() -> None:
    """Each figure counted by hand as EVALB does with every tag NN: the wrapper is deleted, each
    node of a unary chain counts, PRT is ADVP, punctuation stays a word."""
    gold = "(TOP (S (NP (DT the) (NN cat)) (VP (VBD sat) (PRT (RP down))) (. .)))"
    # gold: S(0,5) NP(0,2) VP(2,4) PRT(3,4)
    assert score(gold, gold) == ((8, 8), 1)
    assert score(gold, gold.replace("PRT", "ADVP")) == ((8, 8), 1)
    # S(0,4) NP(0,2) VP(2,4) ADVP(3,4), the full stop outside: S no longer matches
    outside = "(TOP (S (NP (DT a) (NN b)) (VP (VB c) (ADVP (RB d)))) (. .))"
    assert score(gold, outside) == ((6, 8), 0.75)
    # S(0,5) FRAG(0,5) NP(0,5): one of three matches, of four
    assert score(gold, "(S (FRAG (NP (X a) (X b) (X c) (X d) (X e))))") == ((2, 7), 2 / 7)
    # a chain of two equal labels needs two equal labels
    chain = "(TOP (S (NP (NP (NN fish)))))"
    assert score(chain, chain) == ((6, 6), 1)
    assert score(chain, "(TOP (S (NP (NN fish))))") == ((4, 5), 0.8)
    assert score(gold, "(TOP (A a) (A b) (A c) (A d) (A e))") == ((0, 4), 0)


def test_skeletons_keep_labels_and_extents_alone() -> None:
    tree = "(TOP (S (NP (DT the)\n (NN cat)) (VP (VBD sat)) (. .) (-NONE- -NL-)))"
    bare = skeleton(tree)
    assert bare == "(S (NP (NN *) (NN *)) (VP (NN *)) (NN *) (NN *))"
    assert ParseTree(bare).needed_words == 5 and spans(bare) == spans(tree)
    # a wrapper around several roots stays, so that the tree is one
    assert skeleton("(TOP (NP (NN a)) (. .))") == "(TOP (NP (NN *)) (NN *))"
    for text in GRAMMAR.valid:
        assert brackets(skeleton(text.tree or ""), text.tree or "")[0] > 0
        assert skeleton(skeleton(text.tree or "")) == skeleton(text.tree or "")


def test_samples_are_cut_and_filled_to_the_targets_length() -> None:
    task, target = SyntaxTree(), Target("x", ParseTree("(S (NN *) (NN *) (NN *))"))
    assert task.view(target, ("a", "\n")) == ("a", ".", ".")
    assert task.view(target, ("a", "b", "c", "d")) == ("a", "b", "c")
    assert task.view(target, ()) == (".", ".", ".")
    with pytest.raises(UserError, match="3 and 2 words"):
        task.score(target, Annotation(("a", "b"), tree="(S (X a) (X b))"))


def test_a_prompt_is_the_tree_without_pre_terminals() -> None:
    control = ParseTree("(S (NP (NN *) (NN *)) (VP (NN *)))")
    assert SyntaxTree().prompt(control) == ["(S", "(NP", "*", "*", ")", "(VP", "*", ")", ")"]


def test_the_authors_trees_were_not_released() -> None:
    with pytest.raises(NoReleasedList, match="source=validation"):
        SyntaxTree(DATA).targets(E2E, 1, "released", 0)
    assert SyntaxTree(DATA).targets(E2E, 3, "auto", 0)[0].id.startswith("valid-")


# compositions


def test_any_tasks_compose_in_the_registrys_order() -> None:
    assert parts("syntax_tree+semantic_content") == ("semantic_content", "syntax_tree")
    task = load_task("parts_of_speech+length")
    assert isinstance(task, Composition) and task.name == "length+parts_of_speech"
    assert task.needs == {"tags"}
    assert load_task("semantic_content+syntax_tree").reads == {"fields", "tree"}
    assert load_task("semantic_content").reads == {"fields"}
    assert load_task("semantic_content").needs == frozenset()
    for name, message in (
        ("length+lenth", "did you mean 'length'"),
        ("length+length", "different"),
    ):
        with pytest.raises(UserError, match=message):
            load_task(name)


def test_a_composition_scores_each_part_from_its_own_annotation() -> None:
    task = load_task("semantic_content+syntax_tree")
    control = AllOf((FieldValue("name", "Fig"), ParseTree("(S (NP (NN *)) (NN *))")))
    target = Target("x", control)
    assert task.prompt(control) == ["name", ":", "Fig", "(S", "(NP", "*", ")", "*", ")"]
    words = ("The", "Fig", "\n")
    whole, viewed = Annotation(words), Annotation(words, tree="(S (NP (X a)) (. .))")
    assert task.score(target, Annotation(words, parts=(whole, viewed))) == {
        "semantic_content.value_stated": 1,
        "semantic_content.value_words": 1,
        "syntax_tree.tree_f1": (4, 4),
        "syntax_tree.tree_f1_mean": 1,
    }
    aims = [(part.name, aim.control) for part, aim in task.split(target)]
    assert aims == [("semantic_content", control.controls[0]), ("syntax_tree", control.controls[1])]
    with pytest.raises(TypeError, match="not a composition"):
        task.prompt(Length(3))


def test_both_controls_come_from_one_text_in_which_they_hold() -> None:
    targets = load_task("length+syntax_spans").targets(GRAMMAR, 40, "validation", 0)
    for target in targets:
        assert isinstance(target.control, AllOf) and target.source is not None
        span, length = target.control.controls
        assert length == Length(len(target.source)) and isinstance(span, Span)
    # the value is one that the text states, as whole words: "no" of "not" is none
    task = SemanticContent()
    text = Text(("It", "is", "not", "cheap", "."), fields=(("familyFriendly", "no"), ("area", "x")))
    assert task.of_text(text, 0) is None
    stated = dataclasses.replace(text, fields=(*text.fields, ("priceRange", "cheap")))
    assert {task.of_text(stated, seed) for seed in range(5)} == {FieldValue("price", "cheap")}


# released lists


@needs_data
def test_the_released_values_and_tags() -> None:
    values = SemanticContent(DATA).targets(E2E, 200, "auto", 0)
    controls = [t.control for t in values if isinstance(t.control, FieldValue)]
    assert len(controls) == 79 and {c.field for c in controls} == set(FIELDS)
    assert Counter(c.field for c in controls)["name"] == 34
    assert [t.id for t in SemanticContent(DATA).targets(E2E, 9, "released", 0)] == [
        t.id for t in values[:9]
    ]
    tagged = PartsOfSpeech(DATA).targets(E2E, 200, "released", 3)
    assert all(t.released == t.control and t.source and t.source[-1] == "\n" for t in tagged)
    lengths = [t.control.needed_words for t in tagged]
    assert (min(lengths), max(lengths), round(sum(lengths) / 200, 1)) == (7, 40, 22.3)


@needs_data
def test_the_released_pairs_agree_with_the_reference_notes() -> None:
    task = load_task("semantic_content+parts_of_speech", DATA)
    targets = task.targets(E2E, 200, "released", 0)
    hits = [
        task.score(t, Annotation(t.source, tags=t.control.controls[1].tags))  # type: ignore[arg-type,union-attr]
        for t in targets
    ]
    assert all(h["parts_of_speech.tag_match"] == 1 for h in hits)
    # notes 2.8: literally present in 75.5 % of the source sentences
    assert sum(h["semantic_content.value_stated"] for h in hits) == 151  # type: ignore[misc]
    with pytest.raises(NoReleasedList):
        load_task("semantic_content+syntax_tree", DATA).targets(E2E, 1, "released", 0)


GOOD = {"words_": ["START", "Hi", "END"], "pos": ["START", "INTJ", "END"], "attr": ["a", ":", "b"]}


@pytest.mark.parametrize(
    ("task", "name", "good", "bad", "message"),
    [
        ("semantic_content", "attribute", GOOD["attr"], ["a", "b"], "no list of a field's"),
        ("semantic_content", "attribute", GOOD["attr"], ["a", ":"], "no list of a field's"),
        ("parts_of_speech", "pos", GOOD, {**GOOD, "pos": ["INTJ"]}, "no list of tags"),
        ("parts_of_speech", "pos", GOOD, {**GOOD, "pos": ["START", "X", "X", "END"]}, "2 tags"),
        (
            "semantic_content+parts_of_speech", "compose_pos_attr", GOOD, {**GOOD, "attr": 3},
            "no list of a field's",
        ),
    ],
)  # fmt: skip
def test_a_malformed_released_line_is_named(
    task: str, name: str, good: Any, bad: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / f"target_{name}.jsonl"
    path.write_text(f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    for source in ("released", "auto"):
        with pytest.raises(UserError, match=f"^{path.name} line 2: .*{message}"):
            load_task(task, tmp_path).targets(E2E, 1, source, 0)
    path.write_text(f"{json.dumps(good)}\n")
    assert load_task(task, tmp_path).targets(E2E, 1, "released", 0)[0].id == "released-000"
