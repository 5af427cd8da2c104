"""The comparison table from stored scores."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from eval.reading import paper
from eval.reading.measured import Measured, measure
from eval.reading.names import TaskTraits, traits
from eval.reading.notes import legend
from eval.reading.results import ResultSet
from eval.reading.tables.grid import markdown, plain
from eval.reading.tables.run import COLUMNS, OPTIONAL, brief, run_tables, store
from eval.running.cells import write_lines
from tasks import COMPOSITIONS, in_table, load_task

TASK = TaskTraits(
    "length",
    "Length",
    metrics={"exact": "same length", "within_2": "within 2 words"},
    headlines=("exact",),
    paper_metrics=frozenset({"within_2"}),
)


def build(
    folder: Path,
    task: TaskTraits,
    methods: list[str],
    refused: dict[tuple[str, str], str],
    corpus: str,
) -> Measured:
    write_lines(folder / task.name / "targets.jsonl", [])
    return measure(ResultSet(folder), task, methods, refused=refused, corpus=corpus)


def cells(measured: Measured) -> list[list[str]]:
    return [[plain(cell) for cell in row] for row in run_tables(measured)[0].rows]


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
    # distinct-2 is of one sample, as the floor has no more
    assert (exact.distinct2, exact.entropy, exact.duplicates) == (1.0, 1.0, 1 / 2)
    assert (exact.targets, exact.samples, exact.nfe, exact.seconds) == (2, 4, 7, 0.5)
    assert rows["human text", "exact"].lm.ours == pytest.approx(math.exp(0.5))  # type: ignore[union-attr]
    assert rows["unconditional", "exact"].ctrl.ours == 25
    assert rows["unconditional", "exact"].lm.ours == pytest.approx(math.exp(2))  # type: ignore[union-attr]


def test_log_z_is_the_log_of_a_targets_mean_over_the_targets_that_have_any(results: Path) -> None:
    file = results / "length" / "fudge" / "samples.jsonl"
    records = [json.loads(line) for line in file.read_text().splitlines()]
    for estimates, expected in (
        ([math.log(0.2), None, math.log(0.3), math.log(0.5)], math.log(0.1 * 0.4) / 2),
        ([None, None, math.log(0.3), math.log(0.5)], math.log(0.4)),
        ([None] * 4, None),
    ):
        pairs = zip(records, estimates, strict=True)
        write_lines(file, [r | {"log_z": z} for r, z in pairs])
        table = build(results, TASK, ["fudge"], {}, "e2e")
        assert table.rows[0].log_z == (None if expected is None else pytest.approx(expected))
        heads = [column.title for column in run_tables(table)[0].columns]
        assert ("log Z" in heads) == (expected is not None)


def test_a_cell_that_cannot_be_computed_says_why(results: Path) -> None:
    refused = {("length", "diffusion_lm"): "n/a: no control"}
    table = build(results, TASK, ["diffusion_lm", "ft_sample"], refused, "e2e")
    texts = cells(table)
    assert texts[0][2:4] == ["99.9*", "n/a: no control"]
    assert texts[2][2:4] == ["98.1*", "n/a: not run"]


def test_another_corpus_has_another_definition(results: Path) -> None:
    table = build(results, TASK, ["fudge"], {}, "grammar")
    assert not any(row.ctrl.same_definition for row in table.rows)


def test_markdown_and_json(results: Path) -> None:
    table = build(results, TASK, ["fudge"], {}, "e2e")
    text = markdown(run_tables(table)[0])
    header, rule, first = text.splitlines()[2:5]
    assert header.count("|") == rule.count("|") == first.count("|")
    assert first.startswith("| fudge | exact | 46.9* | 75.0 | +28.1 |")
    store(results, [table], legend("e2e"))
    data = json.loads((results / "table.json").read_text())
    assert data["tables"][0]["rows"][0]["ctrl"]["ours"] == 75
    assert "75.0" in (results / "table.md").read_text()


def test_the_paper_says_nothing_of_texts_of_ones_own(results: Path) -> None:
    refused = {("length", "pplm"): "n/a: no control"}
    table = build(results, TASK, ["fudge", "pplm"], refused, "my/texts.jsonl")
    assert all(row.ctrl.paper is None and row.ctrl.difference is None for row in table.rows)
    assert all(row.lm is None or row.lm.paper is None for row in table.rows)


def test_the_papers_values() -> None:
    values = paper.control()["values"]
    assert values["syntax_spans"]["diffusion_lm"] == {"ctrl": 93.8, "lm": 2.53}
    assert values["length"]["ft_search"] == {"ctrl": 100.0, "lm": 1.83}
    assert values["semantic_content"]["pplm"] == {"ctrl": 9.9, "lm": 5.32}
    both = values["semantic_content+syntax_tree"]["ft_poe"]
    assert both == {"ctrl": {"semantic_content": 61.7, "syntax_tree": 29.2}, "lm": 2.77}
    # Table 2 has five tasks and Table 4 two compositions, in the names of this project
    assert set(values) == {*in_table("control"), *COMPOSITIONS}


def write(folder: Path, scores: list[dict[str, Any]], of: int) -> None:
    """Targets t0, t1, ... with ``of`` samples each, all with the same fluency."""
    rows = [
        {"target": f"t{i // of}", "index": i % of, "scores": s, "nll": 10.0, "tokens": 10}
        for i, s in enumerate(scores)
    ]
    write_lines(folder / "scores.jsonl", rows)
    extra = {"words": ["a", "b"], "nfe": 1, "seconds": 0.5}
    write_lines(
        folder / "samples.jsonl", [{k: r[k] for k in ("target", "index")} | extra for r in rows]
    )


def test_ratio_scores_are_of_all_samples_of_a_target_together(tmp_path: Path) -> None:
    # F1 of a target: (4 + 6) / (4 + 8) and 0 / 5; the mean of each sample's own is another figure
    ratios = [[4, 4], [6, 8], [0, 5], [0, 0]]
    cell = tmp_path / "syntax_tree" / "fudge"
    write(cell, [{"tree_f1": r, "tree_f1_mean": 0.5} for r in ratios], 2)
    table = build(tmp_path, traits(load_task("syntax_tree")), ["fudge"], {}, "e2e")
    rows = {row.metric: row for row in table.rows if row.method == "fudge"}
    assert rows["tree_f1"].ctrl.ours == pytest.approx(100 * (10 / 12 + 0) / 2)
    assert rows["tree_f1_mean"].ctrl.ours == 50
    assert rows["tree_f1"].ctrl.same_definition and not rows["tree_f1_mean"].ctrl.same_definition


def test_a_composition_has_the_papers_value_of_each_part_and_one_lm(tmp_path: Path) -> None:
    task = load_task("semantic_content+syntax_tree")
    scores = {
        "semantic_content.value_stated": 1.0,
        "semantic_content.value_words": 0.0,
        "syntax_tree.tree_f1": [3, 4],
        "syntax_tree.tree_f1_mean": 0.75,
    }
    write(tmp_path / task.name / "diffusion_lm", [scores] * 4, 2)
    table = build(tmp_path, traits(task), ["diffusion_lm", "ft_poe"], {}, "e2e")
    rows = {(row.method, row.metric): row for row in table.rows}
    stated = rows["diffusion_lm", "semantic_content.value_stated"]
    tree = rows["diffusion_lm", "syntax_tree.tree_f1"]
    assert (stated.ctrl.paper, stated.ctrl.ours) == (69.8, 100)
    assert (tree.ctrl.paper, tree.ctrl.ours) == (74.8, 75)
    assert stated.lm is not None and stated.lm.paper == 5.92 and tree.lm is None
    # a method that was not run has a row for each part and no others
    assert [row.metric for row in table.rows if row.method == "ft_poe"] == list(task.headlines)


def test_a_metric_that_no_target_has_is_left_out(tmp_path: Path) -> None:
    task, cell = load_task("parts_of_speech"), tmp_path / "parts_of_speech" / "fudge"
    scores = {"tag_match": 0.5, "tag_match_clean": 0.5}
    write(cell, [scores, scores], 1)
    assert list(build(tmp_path, traits(task), ["fudge"], {}, "e2e").metrics) == list(scores)
    # where some targets have it, it is the mean over those
    write(cell, [scores, scores | {"tag_match_released": 0.25}], 1)
    table = build(tmp_path, traits(task), ["fudge"], {}, "e2e")
    row = next(row for row in table.rows if row.metric == "tag_match_released")
    assert row.ctrl.ours == 25 and row.ctrl.paper == 27.0


def test_paired_differences_stand_below_the_table(results: Path) -> None:
    fill(results / "length" / "diffusion_lm", {"t1": [1.0, 1.0], "t2": [1.0, 1.0]})
    fill(results / "length" / "ft_sample", {"t1": [0.0, 0.0], "t2": [0.0, 0.0]}, nll=20.0)
    table = build(results, TASK, ["diffusion_lm", "fudge", "ft_sample"], {}, "e2e")
    found = {(one.method, one.metric): one.difference for one in table.paired}
    # the headline, the paper's own definition, fluency
    metrics = ("exact", "within_2", "lm")
    assert set(found) == {(m, k) for m in ("fudge", "ft_sample") for k in metrics}
    assert found["fudge", "exact"].value == pytest.approx(-25)
    worse = found["ft_sample", "exact"]
    # two targets of four: of all exchanges half are as far apart
    assert (worse.value, worse.low, worse.p) == (-100, -100, 0.5) and worse.high > -20
    assert found["ft_sample", "lm"].value == pytest.approx(math.exp(2) - math.e)
    assert found["fudge", "lm"].p == 1
    text = markdown(run_tables(table)[1])
    assert "| ft_sample | exact | -100.0 | [-100.0, " in text and "| 1.0000 |" in text
    store(results, [table], legend("e2e"))
    stored = json.loads((results / "table.json").read_text())["tables"][0]["paired"]
    assert [one["difference"]["value"] for one in stored if one["metric"] == "exact"] == [-25, -100]
    shown = [brief(grid) for grid in run_tables(table)]
    assert len(shown) == 2 and len(COLUMNS) - 1 - OPTIONAL == len(cells(table)[0])
    assert shown[1].notes == table.notes and not shown[0].notes
    assert not any(
        plain(cell).startswith("n/a: ") for grid in shown for r in grid.rows for cell in r
    )


def test_a_terminal_is_spared_what_is_empty(tmp_path: Path) -> None:
    one = TaskTraits("length", "Length", metrics={"exact": "same"}, headlines=("exact",))
    fill(tmp_path / "length" / "mine", {"t1": [1.0]})
    (grid,) = run_tables(build(tmp_path, one, ["mine"], {}, "e2e"))
    titles = [column.title for column in brief(grid).columns]
    assert "metric" not in titles and "ctrl paper" not in titles and "ctrl" in titles


def test_what_cannot_be_counted_is_no_figure(tmp_path: Path) -> None:
    """One word has no word pair: neither a zero nor what JSON lacks."""
    fill(tmp_path / "length" / "mine", {"t1": [1.0]})
    sample = {"target": "t1", "index": 0, "words": ["a"], "nfe": 1, "seconds": 1.0}
    write_lines(tmp_path / "length" / "mine" / "samples.jsonl", [sample])
    table = build(tmp_path, TASK, ["mine"], {}, "e2e")
    row = table.first("mine")
    assert row is not None and (row.distinct2, str(row.entropy)) == (None, "0.0")
    store(tmp_path, [table], [])
    assert "NaN" not in (tmp_path / "table.json").read_text()
    assert "nan" not in (tmp_path / "table.md").read_text()


def test_counts_without_the_code_that_sums_them(tmp_path: Path) -> None:
    task = TaskTraits("rhyme", "Rhyme", metrics={"both": "b"}, headlines=("both",))
    task = dataclasses.replace(task, pooled={"both": None})
    write(tmp_path / "rhyme" / "mine", [{"both": [1, 2]}] * 2, 1)
    write(tmp_path / "rhyme" / "diffusion_lm", [{"both": [1, 2]}] * 2, 1)
    table = build(tmp_path, task, ["mine", "diffusion_lm"], {}, "e2e")
    row = table.row("mine", "both")
    assert row is not None and row.ctrl.ours is None and "not at hand" in row.note
    assert [one.metric for one in table.paired] == ["lm"]
