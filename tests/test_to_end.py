"""Samples are judged up to END; success of the whole of those that go on stands beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.reading.measured import measured_tasks
from eval.reading.results import ResultSet
from eval.reading.tables.grid import markdown
from eval.reading.tables.run import run_tables
from eval.running.cells import Cell, Judged, cut, score_records
from tasks import load_task
from tasks.base import Annotation, Target
from tasks.controls import Length
from tasks.vocabulary import to_end
from tests.stored import make_set


def test_a_text_ends_at_its_first_end() -> None:
    assert to_end(("a", "b", "END", "c", "END")) == ("a", "b")
    assert to_end(("a", "UNK")) == ("a", "UNK") and to_end(["END"]) == ()
    assert cut([("a",), ("a", "END"), ("END", "a")]) == {"cut": 2, "texts": 3}


def test_what_goes_on_has_the_scores_of_both() -> None:
    task, target = load_task("length"), Target("t", Length(2))
    ended, whole = Annotation(("a", "b"), nll=2.0, tokens=3), Annotation(("a", "b", "END", "c"))
    judged = [Judged(target, 0, ended, whole), Judged(target, 1, ended)]
    first, second = score_records(judged, task.score)
    assert first["scores"]["len_exact"] == 1 and first["released"]["len_exact"] == 0
    assert "released" not in second and (first["nll"], first["tokens"]) == (2.0, 3)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A set with one sample that goes on, scored up to END and whole."""
    folder = make_set(tmp_path / "set")
    cell = folder / "length" / "diffusion_lm"
    lines = [json.loads(line) for line in (cell / "samples.jsonl").read_text().splitlines()]
    lines[0]["words"] += ["END", "d"]
    (cell / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    scores = [json.loads(line) for line in (cell / "scores.jsonl").read_text().splitlines()]
    scores[0]["released"] = {"len_exact": 0.0, "len_pm2": 1.0}
    (cell / "scores.jsonl").write_text("".join(json.dumps(line) + "\n" for line in scores))
    return folder


def _judged_now(folder: Path) -> None:
    place = folder / "length" / "diffusion_lm" / "config.json"
    facts = json.loads(place.read_text())
    place.write_text(json.dumps(facts | {"cut": {"cut": 1, "texts": 4}}))


def test_scores_that_read_on_are_stale(own: Path) -> None:
    cell, judges = Cell(own / "length" / "diffusion_lm", {}), {"teacher": "teacher-0"}
    assert not cell.scored_by(judges)
    _judged_now(own)
    assert cell.scored_by(judges)
    # nothing goes on: what an earlier version said holds
    assert Cell(own / "length" / "fudge", {}).scored_by(judges)


def test_tables_show_both_and_say_what_is_stale(own: Path) -> None:
    said = " ".join(measured_tasks(ResultSet(own))["length"].notes)
    assert "diffusion_lm: judged by an earlier version" in said and "task=length" in said
    _judged_now(own)
    results = ResultSet(own)
    measured = measured_tasks(results)["length"]
    row, other = measured.row("diffusion_lm", "len_exact"), measured.row("fudge", "len_exact")
    assert row is not None and other is not None and row.released is not None
    assert row.ctrl.ours == 75.0 and row.released.ours == 50.0 and other.released is None
    assert "diffusion_lm: 1 of 4 samples go on behind END" in " ".join(measured.notes)
    text = markdown(run_tables(measured)[0])
    assert "| released |" in text and "| 50.0 |" in text
    (cell,) = (cell for cell in results.cells() if cell.method == "diffusion_lm")
    assert cell.samples[0]["words"] == ["a", "b", "c"]


def test_sets_without_any_have_no_such_column(tmp_path: Path) -> None:
    measured = measured_tasks(ResultSet(make_set(tmp_path / "set")))["length"]
    assert "released" not in markdown(run_tables(measured)[0])
