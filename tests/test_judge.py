"""Judging, the JSON-lines files behind it, and the marks on shown samples."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from eval.running.cells import Cell, first_difference, share
from eval.running.display import Display, duration
from eval.running.judge import Judge, guard
from eval.running.scoring import together
from eval.running.store import seal
from models.base import Sample, TargetSamples
from models.nets.config import TrainConfig
from tasks import load_task
from tasks.base import Target, Words
from tasks.common.errors import UserError
from tasks.common.jsonl import append, mend, read
from tasks.common.recipe import Spec, settings
from tasks.controls import AllOf, FieldValue, Length, ParseTree

SPANS, LENGTH = load_task("syntax_spans"), load_task("length")
ANY = Target("x", Length(1))


class Oracle:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Words]] = {"teacher": [], "parser": [], "tagger": []}

    def parse(self, sentences, progress=None):  # type: ignore[no-untyped-def]
        self.seen["parser"] += sentences
        return ["(S " + " ".join(f"(X {w})" for w in words) + ")" for words in sentences]

    def tag(self, sentences):  # type: ignore[no-untyped-def]
        self.seen["tagger"] += sentences
        return [tuple(word.upper() for word in words) for words in sentences]

    def score(self, texts):  # type: ignore[no-untyped-def]
        self.seen["teacher"] += texts
        return [(float(len(words)), len(words) + 1) for words in texts]


def judge(oracle: Oracle, parser: str = "parser-1") -> Judge:
    ids = {"teacher": "teacher-1", "parser": parser, "tagger": "tagger-1"}
    return Judge(ids, {role: lambda: oracle for role in ids})


def pairs(*texts: Words) -> list[tuple[Target, Words]]:
    return [(ANY, words) for words in texts]


def test_each_distinct_text_is_judged_once_and_kept(tmp_path: Path) -> None:
    oracle, cache = Oracle(), tmp_path / "annotations.jsonl"
    texts = pairs(("a", "b"), ("a", "b"), ("c",), ())
    found = judge(oracle).annotate(SPANS, texts, cache)
    assert oracle.seen["teacher"] == oracle.seen["parser"] == [("a", "b"), ("c",), ()]
    assert [one.words for one in found] == [words for _, words in texts]
    assert found[0] == found[1] and found[0].tree == "(S (X a) (X b))"
    assert (found[2].nll, found[2].tokens) == (1.0, 2)
    again = Oracle()
    assert judge(again).annotate(SPANS, texts, cache) == found
    assert not any(again.seen.values())


def test_another_oracle_judges_anew(tmp_path: Path) -> None:
    cache = tmp_path / "annotations.jsonl"
    judge(Oracle()).annotate(SPANS, pairs(("a",)), cache)
    other = Oracle()
    judge(other, "parser-2").annotate(SPANS, pairs(("a",)), cache)
    assert other.seen == {"teacher": [], "parser": [("a",)], "tagger": []}
    # a task without trees asks the teacher alone, which has answered
    third = Oracle()
    assert judge(third, "parser-3").annotate(LENGTH, pairs(("a",)), cache)[0].tree is None
    assert not any(third.seen.values())


def test_records_of_before_the_tagger_are_read(tmp_path: Path) -> None:
    cache, oracle = tmp_path / "annotations.jsonl", Oracle()
    by = {"teacher": "teacher-1", "parser": "parser-1"}
    append(cache, [{"words": ["a"], "nll": 2.5, "tokens": 2, "tree": "(NP (X a))", "judges": by}])
    (found,) = judge(oracle).annotate(SPANS, pairs(("a",)), cache)
    assert (found.nll, found.tokens, found.tree) == (2.5, 2, "(NP (X a))")
    assert not any(oracle.seen.values())


def test_the_parser_reads_a_view_and_the_teacher_the_text(tmp_path: Path) -> None:
    oracle, cache = Oracle(), tmp_path / "annotations.jsonl"
    two, three = ParseTree("(S (NN *) (NN *))"), ParseTree("(S (NN *) (NN *) (NN *))")
    value, text = FieldValue("name", "c"), ("a", "b", "\n", "c")
    aims = [Target("2", AllOf((value, two))), Target("3", AllOf((value, three)))]
    task = load_task("semantic_content+syntax_tree")
    found = judge(oracle).annotate(task, [(aim, text) for aim in aims], cache)
    assert oracle.seen == {"teacher": [text], "parser": [text[:2], ("a", "b", ".")], "tagger": []}
    assert [one.parts[1].tree for one in found] == ["(S (X a) (X b))", "(S (X a) (X b) (X .))"]
    assert found[0].parts[0].tree is None and found[0].nll == found[0].parts[1].nll == 4
    for aim, one in zip(aims, found, strict=True):
        scores = task.score(aim, one)
        assert scores["semantic_content.value_stated"] == 1  # of the text, not of its view
        assert scores["syntax_tree.tree_f1"] == (2, 2)


def test_human_texts_are_not_read_by_the_teacher(tmp_path: Path) -> None:
    oracle = Oracle()
    task = load_task("parts_of_speech")
    (found,) = judge(oracle).annotate(task, pairs(("a",)), tmp_path / "x.jsonl", fluency=False)
    assert (found.tags, found.nll) == (("A",), None)
    assert oracle.seen["teacher"] == []
    (lm,) = judge(oracle).fluency([("a",)], tmp_path / "x.jsonl")
    assert (lm.nll, lm.tags) == (1, None)
    with pytest.raises(UserError, match="no oracle tagger is configured"):
        Judge({"teacher": "t"}, {}).identity(task.needs)


def test_scores_of_several_texts_together() -> None:
    scores = [{"f1": (2.0, 4.0), "hit": 1.0}, {"f1": (0.0, 6.0), "hit": 0.0}]
    assert together(scores) == {"f1": (2.0, 10.0), "hit": 0.5}  # type: ignore[arg-type]
    assert (share((2, 4)), share([0, 0]), share(0.3)) == (0.5, 0.0, 0.3)


def test_guide_and_judge_must_differ(tmp_path: Path) -> None:
    for name, weights in (("lm", "w1"), ("teacher", "w2"), ("copy", "w1")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "weights.safetensors").write_text(weights)
        (folder / "vocabulary.json").write_text("shared by all")
        seal(folder, Spec(name, {}, 1))
    guard({"lm": tmp_path / "lm"}, {"teacher": tmp_path / "teacher"})
    with pytest.raises(UserError, match="teacher .* is the same network as the generator's lm"):
        guard({"lm": tmp_path / "lm"}, {"teacher": tmp_path / "copy"})


def test_a_judge_goes_on_behind_a_torn_reading(tmp_path: Path) -> None:
    cache, texts = tmp_path / "annotations.jsonl", pairs(("a",), ("b", "c"))
    whole = judge(Oracle()).annotate(SPANS, texts, cache)
    lines = cache.read_bytes()
    cache.write_bytes(lines[:-7])
    oracle = Oracle()
    assert judge(oracle).annotate(SPANS, texts, cache) == whole
    # beside the text that it was read with
    assert oracle.seen["parser"] == [("a",), ("b", "c")] and cache.read_bytes() == lines
    assert [path.name for path in tmp_path.iterdir()] == [cache.name]


def test_a_torn_last_line_is_passed_over_and_others_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    append(path, [{"a": 1}, {"a": "\u2028 line"}])
    with open(path, "ab") as file:
        file.write(b'{"a": "caf\xc3')
    assert read(path) == [{"a": 1}, {"a": "\u2028 line"}]
    mend(path)
    append(path, [{"a": 3}])
    assert [r["a"] for r in read(path)][-1] == 3
    path.write_text('{"a": 1}\n{"a"\n{"a": 2}\n')
    with pytest.raises(UserError, match="line 2"):
        read(path)


def test_incomplete_targets_do_not_count(tmp_path: Path) -> None:
    cell = Cell(tmp_path, {})
    cell.add(TargetSamples("t1", tuple(Sample(i, ("w",), ("w",), 1, 0.1) for i in range(3))))
    lines = (tmp_path / "samples.jsonl").read_text().splitlines(keepends=True)
    torn = [line.replace('"t1"', '"t2"') for line in lines[:2]]
    (tmp_path / "samples.jsonl").write_text("".join(lines + torn))
    assert list(cell.samples()) == ["t1"]
    cell.arrange([Target("t1", Length(1))])
    assert (tmp_path / "samples.jsonl").read_text() == "".join(lines)


def test_an_estimate_that_is_zero_is_stored_as_null(tmp_path: Path) -> None:
    cell = Cell(tmp_path, {})
    words, known = ("w",), enumerate((-2.5, -math.inf, None))
    one = TargetSamples("t1", tuple(Sample(i, words, words, 1, 0.0, z) for i, z in known))
    cell.add(one)
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [line.get("log_z", "none") for line in lines] == [-2.5, None, "none"]
    assert list(cell.stored([Target("t1", Length(1))])) == [one]


def test_first_difference_is_named() -> None:
    assert first_difference({"a": {"b": 1}}, {"a": {"b": 1}}) is None
    assert first_difference({"a": {"b": 1}}, {"a": {"b": 2}}) == "a.b (stored: 1, now: 2)"
    assert first_difference({"a": 1, "z": 0}, {"a": 1}) == "z (stored: 0, now: the default)"


def test_time_between_checkpoints_changes_no_key() -> None:
    assert settings(TrainConfig(checkpoint=1)) == settings(TrainConfig(checkpoint=2))
    assert settings(TrainConfig(steps=1)) != settings(TrainConfig(steps=2))


def test_plain_output_is_a_few_lines_and_announces_long_stages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = [0.0]
    monkeypatch.setattr("eval.running.display.time.monotonic", lambda: clock[0])
    with open(tmp_path / "log", "w") as file:
        display = Display(Console(file=file, width=120))
        display.total = 2
        with display.stage("train [it]") as progress:
            for step in range(1000):
                clock[0] += 0.2
                progress(step + 1, 1000, "loss 1.5")
        with display.stage("short") as progress:
            progress(1, 1)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0] == "[1/2] train [it]"
    assert lines[1].startswith("  expected to take about 3 min (0.2 s a step")
    assert "of 1000  loss 1.5" in lines[2] and lines[2].endswith("left)")
    assert lines[-3] == "[1/2] done in 3 min"
    assert lines[-1] == "[2/2] done in 0 s"
    assert len(lines) < 12


def test_durations() -> None:
    assert [duration(s) for s in (3.2, 240, 7500)] == ["3 s", "4 min", "2 h 05 min"]


def test_records_are_json_lines(tmp_path: Path) -> None:
    append(tmp_path / "deep" / "x.jsonl", [{"w": ["é"]}])
    assert json.loads((tmp_path / "deep" / "x.jsonl").read_text()) == {"w": ["é"]}
