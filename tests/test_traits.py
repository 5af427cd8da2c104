"""Traits of tasks and corpora: what the rest of the project asks in place of their names."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import pytest

from eval.running.command import parse
from tasks import COMPOSITIONS, TASKS, asked_of, in_table, known, load_task, suited
from tasks.base import Annotation, Corpus, Target, Task, Text
from tasks.common.errors import UserError
from tasks.controls import Length
from tasks.corpora import CORPORA, traits, with_sentences
from tasks.length import LengthTask
from tasks.targets import TooFewTargets

#: name -> label, rank, example_table, table, fills, composes, recurs, fluency, quotes,
#: least_sequence; one task alone has controls without positions
EXPECTED = {
    "semantic_content": (
        "Semantic Content", 0, "table12", "control", False, True, False, True, False, 0,
    ),
    "parts_of_speech": (
        "Parts-of-speech", 1, "table10", "control", False, True, False, True, False, 0,
    ),
    "syntax_tree": ("Syntax Tree", 2, "table3", "control", False, True, False, True, False, 256),
    "syntax_spans": ("Syntax Spans", 3, "table9", "control", False, True, False, True, False, 0),
    "length": ("Length", 4, "table11", "control", False, True, True, True, False, 0),
    "infilling": ("Infilling", 5, "", "infilling", True, False, False, False, True, 0),
}  # fmt: skip


def traits_of(task: Task) -> tuple[object, ...]:
    return (
        task.label, task.rank, task.example_table, task.table, task.fills, task.composes,
        task.recurs, task.fluency, task.quotes, task.least_sequence,
    )  # fmt: skip


def test_every_registered_task_has_its_traits() -> None:
    assert {name: traits_of(load_task(name)) for name in TASKS} == EXPECTED
    assert [name for name in TASKS if load_task(name).attributes] == ["semantic_content"]
    assert not load_task(COMPOSITIONS[0]).attributes


def test_the_paper_compositions_have_those_of_their_parts() -> None:
    both = [traits_of(load_task(name)) for name in COMPOSITIONS]
    rest = ("", "control", False, False, False, True, False)
    assert both == [
        ("Semantic Content + Syntax Tree", 1000, *rest, 256),
        ("Semantic Content + Parts-of-speech", 1000, *rest, 0),
    ]


class Plain(Task):
    """Says no more than it must."""

    name = "ends_in_a_vowel"
    metrics: Mapping[str, str] = {"vowel": "the last letter is a vowel"}

    def targets(self, corpus, n, source, seed):  # type: ignore[no-untyped-def]
        return [Target(f"valid-{i}", Length(i + 1)) for i in range(len(corpus.valid))][:n]

    def examples(self, texts, seed):  # type: ignore[no-untyped-def]
        return iter(())

    def prompt(self, control):  # type: ignore[no-untyped-def]
        return []

    def prompt_tokens(self, texts):  # type: ignore[no-untyped-def]
        return []

    def score(self, target, annotation):  # type: ignore[no-untyped-def]
        return {"vowel": 1.0}


def test_the_defaults_suit_a_new_task() -> None:
    task = Plain()
    assert traits_of(task) == (
        "Ends in a vowel", 1000, "", "control", False, True, False, True, False, 0,
    )  # fmt: skip
    assert task.data is None and task.paper_metrics == frozenset()
    assert task.headlines == task.running == ("vowel",)
    assert all(task.refuses_corpus(name) is None for name in CORPORA)
    assert set(task.marks(Length(1), ("a", "b"), {}).states) == {""}
    assert task.score(Target("x", Length(1)), Annotation(("a",))) == {"vowel": 1.0}


def test_corpora() -> None:
    assert with_sentences() == ("stories", "rocstories", "anlg")
    assert [name for name in CORPORA if traits(name).gold] == ["grammar"]
    assert [name for name in CORPORA if traits(name).embedded] == ["grammar", "stories"]
    assert [traits(name).lists for name in CORPORA] == ["", "control_targets", "", "anlg", "anlg"]
    assert traits("nobody's").vocabulary == 821 and not traits("nobody's").embedded


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_pair_of_a_task_and_a_corpus(corpus: str) -> None:
    """Stories have no trees, tags or fields; infilling needs stories."""
    of_stories = corpus in ("stories", "rocstories", "anlg")
    expected = ("length", "infilling") if of_stories else tuple(EXPECTED)[:-1]
    assert set(asked_of(corpus)) == set(expected)
    for task in TASKS:
        given = [f"task={task}", f"corpus={corpus}"]
        if task in expected:
            assert parse(given).tasks == [task]
        else:
            with pytest.raises(UserError, match=task):
                parse(given)
    everything = ("infilling",) if of_stories else (*in_table("control"), *COMPOSITIONS)
    assert suited(corpus) == everything == tuple(parse(["task=all", f"corpus={corpus}"]).tasks)


def test_every_pair_of_tasks_composes_or_says_why() -> None:
    for one, other in permutations(TASKS, 2):
        if "infilling" in (one, other):
            with pytest.raises(UserError, match="infilling cannot be composed with another task"):
                load_task(f"{one}+{other}")
        else:
            task = load_task(f"{one}+{other}")
            assert task.name in (f"{one}+{other}", f"{other}+{one}")
            assert (task.refuses_corpus("stories") is None) == ({one, other} == {"length"})
            assert task.refuses_corpus("e2e") is None
    with pytest.raises(UserError, match="corpus=stories has no trees for syntax_tree"):
        parse(["task=length+syntax_tree", "corpus=stories"])
    with pytest.raises(UserError, match="infilling cannot be composed"):
        parse(["task=length+infilling", "corpus=stories"])


def test_registered_tasks_have_no_code_in_identities() -> None:
    assert load_task("length").digest == load_task(COMPOSITIONS[0]).digest == ""
    assert known("length") and known(COMPOSITIONS[0])
    assert not known("lenth") and not known("length+lenth")


def texts(*lengths: int) -> Corpus:
    return Corpus("toy", (), tuple(Text(("w",) * n) for n in lengths))


def test_drawing_goes_on_until_enough_targets_fit() -> None:
    corpus, task = texts(*([3] * 6 + [9] * 6)), LengthTask()
    drawn = task.draw(corpus, 5, "validation", 0, 5)
    assert [target.control for target in drawn] == [Length(3)] * 5
    in_order = task.targets(corpus, 12, "validation", 0)
    assert drawn == [target for target in in_order if target.control == Length(3)][:5]
    assert task.draw(corpus, 5, "validation", 0, 62) == in_order[:5]
    with pytest.raises(TooFewTargets, match=r"give 12 \(6 of 7 fit longest=5 words\)"):
        task.draw(corpus, 7, "validation", 0, 5)


def test_released_lists_are_taken_as_they_are_and_few_controls_are_all_given() -> None:
    e2e = Corpus("e2e", (), texts(3).valid)
    released = LengthTask().targets(e2e, 20, "released", 0)
    assert LengthTask().draw(e2e, 20, "auto", 0, 10) == released
    few = texts(1, 1, 1)
    assert [t.control for t in Plain().draw(few, 9, "validation", 0, 2)] == [Length(1), Length(2)]
    with pytest.raises(TooFewTargets, match="9 targets asked for: none fits longest=0 words"):
        Plain().draw(few, 9, "validation", 0, 0)
