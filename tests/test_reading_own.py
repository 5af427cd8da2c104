"""A set with a method and a task whose code is not at hand still gives tables, figures, a report
and a comparison: stored data never runs code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stored import make_set

import eval.reading.page.page
from eval.compare import compare
from eval.reading import names
from eval.reading.figures.build import svg_figures
from eval.reading.measured import measured_tasks
from eval.reading.page.page import page
from eval.reading.results import ResultSet
from eval.reading.tables.build import all_tables, write_tables
from eval.reading.tables.grid import Grid, csv_text, plain
from eval.running.cells import write_lines
from tasks.controls import Length, to_json

RHYMES = {"label": "Rhyme", "metrics": {"rhymes": "the last words rhyme", "near": "nearly"}}
RHYMES |= {"headlines": ["rhymes"], "paper_metrics": [], "pooled": [], "fills": False}
CARD = {"label": "Poet 2", "trained": True}


def edit(path: Path, **more: Any) -> None:
    record = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(record | more))


def cell(folder: Path, scores: Sequence[dict[str, Any]]) -> None:
    place = [{"target": f"t{i + 1}", "index": 0} for i in range(len(scores))]
    texts = [{"of": 1, "words": ["a", "b", "c"][: i + 1], "nfe": 1, "seconds": 1} for i in range(2)]
    write_lines(folder / "samples.jsonl", [p | t for p, t in zip(place, texts)])
    rows = [p | {"scores": s, "nll": 2.0, "tokens": 2} for p, s in zip(place, scores)]
    write_lines(folder / "scores.jsonl", rows)
    edit(folder / "config.json", identity={"method": folder.name}, card=CARD)


@pytest.fixture
def own(tmp_path: Path) -> ResultSet:
    folder = make_set(tmp_path / "set")
    targets = [{"id": f"t{i}", "control": to_json(Length(i))} for i in (1, 2)]
    write_lines(folder / "rhyme" / "targets.jsonl", targets)
    edit(folder / "rhyme" / "config.json", task=RHYMES)
    cell(folder / "rhyme" / "poet", [{"rhymes": 1.0, "near": 1.0}, {"rhymes": 0.0, "near": 1.0}])
    cell(folder / "rhyme" / "diffusion_lm", [{"rhymes": 0.0, "near": 1.0}] * 2)
    edit(folder / "rhyme" / "diffusion_lm" / "config.json", card={})
    cell(folder / "length" / "poet", [{"len_exact": 1.0, "len_pm2": 1.0}] * 2)
    return ResultSet(folder)


def column(grid: Grid, group: str) -> dict[str, str]:
    at = [c.group for c in grid.columns].index(group)
    return {plain(r[0]): plain(r[at]) for r in grid.rows if plain(r[1]) == "ours"}


def test_tables(own: ResultSet, tmp_path: Path) -> None:
    grids = {grid.name: grid for grid in all_tables(own, 2)}
    assert column(grids["table2"], "Rhyme")["Poet 2"] == "50.0"
    # its label and that it was trained on the control are those that are stored
    best = [r for r in grids["table2"].rows if any(s.style == "best" for c in r for s in c)]
    assert "Poet 2" not in [plain(row[0]) for row in best]
    examples = grids["examples-rhyme"]
    assert examples.title == "samples under Rhyme control"
    assert {plain(row[0]) for row in examples.rows} == {"target", "Poet 2", "Diffusion-LM"}
    write_tables(list(grids.values()), tmp_path / "tables")
    assert "Poet 2" in (tmp_path / "tables" / "table2.tex").read_text()
    measured = measured_tasks(own)["rhyme"]
    assert measured.metrics == RHYMES["metrics"]
    assert {(one.method, one.metric) for one in measured.paired} == {
        ("poet", "rhymes"),
        ("poet", "lm"),
    }


def test_figures_and_page(own: ResultSet, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {plot.name: svg for plot, svg, _ in svg_figures(own)}
    assert drawn["control-fluency"] and drawn["quality-time"]
    monkeypatch.setattr(eval.reading.page.page, "svg_figures", lambda results: iter(()))
    text = page(own, None, 2, 2)
    assert "Rhyme" in text and "Poet 2" in text


def test_comparison(own: ResultSet) -> None:
    grid = compare(own, own)
    assert ("Rhyme", "Poet 2", "rhymes") in {tuple(map(plain, row[:3])) for row in grid.rows}
    assert "rhyme,poet,near" in csv_text(grid)


def test_bare_names_where_nothing_is_stored(own: ResultSet) -> None:
    for path in own.folder.glob("*/poet/config.json"):
        edit(path, card={})
    edit(own.folder / "rhyme" / "config.json", task={})
    again = ResultSet(own.folder)
    grids = {grid.name: grid for grid in all_tables(again, 2)}
    assert column(grids["table2"], "Length")["poet"] == "100.0"
    assert "rhyme" not in [c.group for c in grids["table2"].columns]
    assert grids["examples-rhyme"].title == "samples under rhyme control"
    assert page(again, None, 2, 2)


def test_a_task_that_fills_has_a_table_like_table_5(own: ResultSet) -> None:
    edit(own.folder / "rhyme" / "config.json", task=RHYMES | {"table": "infilling", "fills": True})
    grids = {grid.name: grid for grid in all_tables(ResultSet(own.folder), 2)}
    table = grids["table-rhyme"]
    assert [column.title for column in table.columns] == ["method", "", "rhymes ↑"]
    assert ["Poet 2", "ours", "50.0"] in [list(map(plain, row[:3])) for row in table.rows]
    assert "Rhyme" not in [c.group for c in grids["table2"].columns]


def test_counts_that_only_the_tasks_code_can_sum(own: ResultSet) -> None:
    edit(own.folder / "rhyme" / "config.json", task=RHYMES | {"pooled": ["rhymes"]})
    again = ResultSet(own.folder)
    (row,) = [r for r in measured_tasks(again)["rhyme"].rows if (r.method, r.metric) == PAIR]
    assert row.ctrl.ours is None and "not at hand" in row.note
    assert "not at hand" in csv_text(compare(again, again))


PAIR = ("poet", "rhymes")


def test_names_and_order() -> None:
    order = names.method_order(["zz", "fudge"])
    assert order.index("pplm") < order.index("fudge") < order.index("ft_poe") < order.index("zz")
    assert names.method_name("fudge") == "FUDGE" and names.method_name("zz") == "zz"
    assert names.reference().label == "Diffusion-LM"
    tasks = names.task_order(["a_task", "length+syntax_tree"])
    assert tasks[:2] == ["semantic_content", "parts_of_speech"]
    assert tasks.index("infilling") < tasks.index("a_task") < tasks.index("length+syntax_tree")
    assert names.task_name("length+rhyme") == "Length + rhyme"
