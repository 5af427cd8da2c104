"""The comparison table from stored scores."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eval.cells import write_lines
from eval.table import PAPER, build, cells, markdown, store

TASK: Any = SimpleNamespace(
    name="length",
    metrics={"exact": "same length", "within_2": "within 2 words"},
    paper_metric="within_2",
)


def fill(folder: Path, values: dict[str, list[float]], nll: float = 10.0) -> None:
    rows = [
        {
            "target": target,
            "index": i,
            "nll": nll,
            "tokens": 10,
            "scores": {"exact": value, "within_2": 1.0},
        }
        for target, row in values.items()
        for i, value in enumerate(row)
    ]
    write_lines(folder / "scores.jsonl", rows)
    samples = [
        {"target": r["target"], "index": r["index"], "words": ["a", "b"], "nfe": 7, "seconds": 0.5}
        for r in rows
    ]
    write_lines(folder / "samples.jsonl", samples)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    fill(tmp_path / "length" / "fudge", {"t1": [1.0, 0.0], "t2": [1.0, 1.0]})
    fill(tmp_path / "length" / "human", {"t1": [1.0], "t2": [1.0]})
    fill(tmp_path / "length" / "unconditional", {"t1": [0.0], "t2": [0.5]})
    fill(tmp_path / "human", {"0": [0.0]}, nll=5.0)
    fill(tmp_path / "unconditional", {"unconditional": [0.0]}, nll=20.0)
    return tmp_path


def test_rows(results: Path) -> None:
    table = build(results, TASK, ["fudge", "pplm"], {("length", "pplm"): "n/a: no control"}, "e2e")
    rows = {(row.method, row.metric): row for row in table.rows}
    exact, within = rows["fudge", "exact"], rows["fudge", "within_2"]
    assert exact.ctrl.ours == 75 and exact.ctrl.paper == 46.9
    assert exact.ctrl.difference == pytest.approx(28.1)
    assert not exact.ctrl.same_definition and within.ctrl.same_definition
    assert exact.ctrl.low is not None and exact.ctrl.high is not None
    assert exact.ctrl.low <= 75 <= exact.ctrl.high
    assert exact.lm is not None and exact.lm.ours == pytest.approx(math.e)
    assert (exact.distinct2, exact.duplicates) == (1 / 4, 1 / 2)
    assert (exact.targets, exact.samples, exact.nfe, exact.seconds) == (2, 4, 7, 0.5)
    assert rows["human text", "exact"].lm.ours == pytest.approx(math.exp(0.5))  # type: ignore[union-attr]
    assert rows["unconditional", "exact"].ctrl.ours == 25
    assert rows["unconditional", "exact"].lm.ours == pytest.approx(math.exp(2))  # type: ignore[union-attr]


def test_a_cell_that_cannot_be_computed_says_why(results: Path) -> None:
    refused = {("length", "diffusion_lm"): "n/a: no control"}
    table = build(results, TASK, ["diffusion_lm", "ft_sample"], refused, "e2e")
    texts = [cells(row) for row in table.rows]
    assert texts[0][2:4] == ["99.9*", "n/a: no control"]
    assert texts[2][2:4] == ["98.1*", "n/a: not run"]


def test_another_corpus_has_another_definition(results: Path) -> None:
    table = build(results, TASK, ["fudge"], {}, "grammar")
    assert not any(row.ctrl.same_definition for row in table.rows)


def test_markdown_and_json(results: Path) -> None:
    table = build(results, TASK, ["fudge"], {}, "e2e")
    text = markdown(table)
    header, rule, first = text.splitlines()[2:5]
    assert header.count("|") == rule.count("|") == first.count("|")
    assert first.startswith("| fudge | exact | 46.9* | 75.0 | +28.1 |")
    store(results, [table], "e2e")
    data = json.loads((results / "table.json").read_text())
    assert data["tables"][0]["rows"][0]["ctrl"]["ours"] == 75
    assert "75.0" in (results / "table.md").read_text()


def test_the_papers_values() -> None:
    values = json.loads(PAPER.read_text())["values"]
    assert values["syntax_spans"]["diffusion_lm"] == {"ctrl": 93.8, "lm": 2.53}
    assert values["length"]["ft_search"] == {"ctrl": 100.0, "lm": 1.83}
