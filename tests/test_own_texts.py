"""The texts that targets come from have a row of their own."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from eval.reading.measured import measured_tasks
from eval.reading.names import OWN
from eval.reading.results import ResultSet
from eval.running.cells import write_lines
from tests.stored import make_set


def test_the_row_has_their_lm_and_length(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    cell = folder / "length" / "human"
    scores = {"len_exact": 1.0, "len_pm2": 1.0}
    rows = [{"target": t, "index": 0, "scores": scores, "nll": 6.0, "tokens": 4} for t in "ab"]
    write_lines(cell / "scores.jsonl", rows)
    config = {"identity": {"method": "human"}, "judges": {"teacher": "teacher-0"}}
    (cell / "config.json").write_text(json.dumps(config))
    assert measured_tasks(ResultSet(folder))["length"].first(OWN) is None  # of an earlier version
    measured_tasks.cache_clear()
    (cell / "config.json").write_text(json.dumps(config | {"own": {"texts": 2, "words": 5}}))
    row = measured_tasks(ResultSet(folder))["length"].first(OWN)
    assert row is not None and row.lm is not None and row.ctrl.ours == 100
    assert row.lm.ours == pytest.approx(math.exp(1.5)) and row.length == 2.5


def test_without_texts_it_says_so(tmp_path: Path) -> None:
    row = measured_tasks(ResultSet(make_set(tmp_path / "set")))["length"].first(OWN)
    assert row is not None and row.note == "n/a: the target list has no texts"
