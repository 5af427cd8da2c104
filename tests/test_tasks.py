"""What holds for every task, and the tasks of spans and length."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.running.cells import read_targets, share, write_targets
from tasks import COMPOSITIONS, in_table, load_task, parts
from tasks.base import Annotation, Corpus, Target, Task, Text
from tasks.common.errors import UserError
from tasks.controls import Length, Span
from tasks.corpora import load_corpus
from tasks.length import LengthTask
from tasks.oracles.trees import spans
from tasks.syntax_spans import SyntaxSpans
from tasks.targets import NoReleasedList

HERE = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", HERE.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "control_targets").is_dir(),
    reason=f"no released targets in {DATA} (set DIFFUSION_BENCH_DATA)",
)
GRAMMAR = load_corpus("grammar", size_train=200, size_valid=250)
E2E = Corpus("e2e", (), GRAMMAR.valid)


@pytest.fixture(params=[*in_table("control"), *COMPOSITIONS])
def task(request: pytest.FixtureRequest) -> Task:
    return load_task(request.param)


def annotate(text: Text) -> Annotation:
    return Annotation(text.words, text.tree, text.tags)


def values(task: Task, target: Target, text: Text) -> set[float]:
    """Every score of the text itself under a target, ratios as their quotients."""
    return {share(score) for score in task.score(target, annotate(text)).values()}


def test_registered_names_and_metrics(task: Task) -> None:
    assert parts(task.name) == tuple(part for part in task.name.split("+"))
    assert task.paper_metrics <= set(task.metrics) >= set(task.headlines)


def test_a_draw_is_a_prefix_of_a_longer_one(task: Task) -> None:
    many = task.targets(GRAMMAR, 80, "validation", 5)
    assert len({target.id for target in many}) == 80
    assert task.targets(GRAMMAR, 50, "validation", 5) == many[:50]
    assert task.targets(GRAMMAR, 50, "auto", 5) == many[:50]
    assert task.targets(GRAMMAR, 50, "validation", 6) != many[:50]


def test_the_same_id_is_the_same_target_under_any_seed(task: Task) -> None:
    known: dict[str, Target] = {}
    for seed in range(4):
        for target in task.targets(GRAMMAR, 150, "validation", seed):
            assert known.setdefault(target.id, target) == target


def test_the_source_text_satisfies_its_target(task: Task) -> None:
    by_words = {text.words: text for text in GRAMMAR.valid}
    for target in task.targets(GRAMMAR, 200, "validation", 0):
        if task.name == "semantic_content":  # a pair of many texts, see its own tests
            assert target.source is None and task.references(target, GRAMMAR)
            continue
        assert target.source is not None
        assert task.references(target, GRAMMAR) == [target.source]
        assert values(task, target, by_words[target.source]) == {1.0}
        assert target.control.needed_words <= len(target.source)


def test_examples_hold_and_their_prompts_are_known(task: Task) -> None:
    texts = {text.words: text for text in GRAMMAR.train}
    tokens = task.prompt_tokens(GRAMMAR.train)
    assert len(tokens) == len(set(tokens))
    for control, words in task.examples(GRAMMAR.train, 0):
        if task.name != "semantic_content":
            assert values(task, Target("x", control), texts[words]) == {1.0}
        assert set(task.prompt(control)) <= set(tokens)


def test_a_target_keeps_its_scores_on_its_way_through_a_file(task: Task, tmp_path: Path) -> None:
    targets = [
        dataclasses.replace(target, source=None, released=target.control)
        for target in task.targets(GRAMMAR, 10, "validation", 0)
    ]
    write_targets(tmp_path / "targets.jsonl", targets)
    assert read_targets(tmp_path / "targets.jsonl") == targets


def test_asking_for_too_many_says_how_many_there_are() -> None:
    few = Corpus("grammar", (), GRAMMAR.valid[:3])
    with pytest.raises(UserError, match="4 targets asked for: the validation texts give 3"):
        LengthTask().targets(few, 4, "validation", 0)
    total = len(
        {s for t in few.valid for s in spans(t.tree or "") if s[1] - s[0] + 1 < len(t.words)}
    )
    with pytest.raises(UserError, match=f"give {total}$"):
        SyntaxSpans().targets(few, 500, "validation", 0)
    assert len(SyntaxSpans().targets(few, total, "validation", 0)) == total
    with pytest.raises(UserError, match="32 targets asked for: the released list has 31"):
        LengthTask().targets(E2E, 32, "released", 0)
    with pytest.raises(UserError, match="at least 1"):
        LengthTask().targets(few, 0, "validation", 0)


def test_unknown_and_unavailable_sources(task: Task, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'released'"):
        task.targets(GRAMMAR, 2, "relased", 0)
    with pytest.raises(NoReleasedList, match="there is no released"):
        task.targets(GRAMMAR, 2, "released", 0)
    with pytest.raises(UserError, match="needs data=DIR"):
        SyntaxSpans().targets(E2E, 2, "released", 0)
    with pytest.raises(UserError, match=r"has no control_targets/target_spans\.jsonl"):
        SyntaxSpans(tmp_path).targets(E2E, 2, "released", 0)
    drawn = SyntaxSpans(tmp_path).targets(E2E, 2, "auto", 0)
    assert drawn == SyntaxSpans().targets(GRAMMAR, 2, "validation", 0)


GOOD = {"words_": ["START", "Try", "it", ".", "\n", "END"], "spans": [[0, 1, "VP"]]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no list of words"),
        (json.dumps({**GOOD, "words_": ["Try", "it"]}), "no list of words"),
        (json.dumps({**GOOD, "spans": []}), "no list of spans"),
        (json.dumps({**GOOD, "spans": [[0, 4, "S"]]}), "is no span"),
        (json.dumps({**GOOD, "spans": [[2, 1, "S"]]}), "is no span"),
        (json.dumps({**GOOD, "spans": [["0", 1, "S"]]}), "is no span"),
    ],
)
def test_a_malformed_released_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "target_spans.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{line}\n")
    for source in ("released", "auto"):  # a damaged list is never passed over
        with pytest.raises(UserError, match=f"^target_spans.jsonl line 2: .*{message}"):
            SyntaxSpans(tmp_path).targets(E2E, 1, source, 0)


def test_released_lengths() -> None:
    targets = LengthTask().targets(E2E, 31, "auto", 0)
    assert sorted(t.control.needed_words for t in targets) == list(range(8, 39))
    assert LengthTask().targets(E2E, 10, "released", 0) == targets[:10]
    assert LengthTask().targets(E2E, 32, "auto", 0)[0].id.startswith("valid-")


@given(st.integers(1, 60), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_length_scores(asked: int, got: int) -> None:
    scores = LengthTask().score(Target("x", Length(asked)), Annotation(("w",) * got))
    assert scores == {"len_exact": asked == got, "len_pm2": abs(asked - got) <= 2}


def test_span_scores_need_start_end_and_label() -> None:
    tree = "(TOP (S (VP (VB Try) (NP (PRP it))) (. .) (-NONE- -NL-)))"
    annotation = Annotation(("Try", "it", ".", "\n"), tree)

    def score(*span: int | str) -> float:
        target = Target("x", Span(*span))  # type: ignore[arg-type]
        return SyntaxSpans().score(target, annotation)["span_success"]

    assert score(0, 1, "VP") == score(1, 1, "NP") == score(0, 3, "S") == 1.0
    assert score(0, 1, "NP") == score(0, 2, "VP") == score(1, 1, "PRP") == 0.0
    chain = Annotation(("Go",), "(S (VP (VB Go)))")
    for label, expected in (("S::VP", 1.0), ("VP", 0.0), ("S", 0.0)):
        found = SyntaxSpans().score(Target("x", Span(0, 0, label)), chain)
        assert found == {"span_success": expected}
    empty = Annotation((), "(TOP )")
    assert SyntaxSpans().score(Target("x", Span(0, 0, "NP")), empty) == {"span_success": 0.0}
    with pytest.raises(UserError, match="no parse"):
        SyntaxSpans().score(Target("x", Span(0, 0, "NP")), Annotation(("Go",)))


def test_texts_without_trees_are_refused() -> None:
    bare = Corpus("e2e", (), (Text(("Go", ".")),))
    with pytest.raises(UserError, match="needs a parse of every text"):
        SyntaxSpans().targets(bare, 1, "validation", 0)


def test_validation_spans_resemble_the_released_ones() -> None:
    targets = SyntaxSpans().targets(GRAMMAR, 200, "validation", 0)
    controls = [t.control for t in targets if isinstance(t.control, Span)]
    assert len(set(controls)) == 200
    assert {"NP", "VP", "PP", "S"} <= {c.label for c in controls}
    assert all(c.end - c.start + 1 < len(t.source or ()) for c, t in zip(controls, targets))


@needs_data
def test_the_released_spans_agree_with_the_reference_notes() -> None:
    targets = SyntaxSpans(DATA).targets(E2E, 200, "auto", 0)
    assert SyntaxSpans(DATA).targets(E2E, 50, "released", 9) == targets[:50]
    controls = [t.control for t in targets if isinstance(t.control, Span)]
    labels = Counter(c.label for c in controls)
    assert [labels[x] for x in ("NP", "VP", "PP", "S", "ADJP")] == [89, 40, 23, 16, 15]
    assert set(labels) <= set(SyntaxSpans().prompt_tokens([]))
    widths = [c.end - c.start + 1 for c in controls]
    assert (min(widths), max(widths), round(sum(widths) / 200, 1)) == (1, 38, 6.0)
    assert sum(c.end == len(t.source or ()) - 1 for c, t in zip(controls, targets)) == 16
    assert all(t.source and t.source[-1] == "\n" and "START" not in t.source for t in targets)
    with pytest.raises(UserError, match="201 targets asked for: the released list has 200"):
        SyntaxSpans(DATA).targets(E2E, 201, "released", 0)
