"""What trainings took, and which of them taught nothing, in tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.reading.measured import measured_tasks
from eval.reading.results import ResultSet
from eval.reading.tables.build import all_tables
from eval.reading.tables.grid import csv_text, latex, markdown
from eval.reading.tables.run import run_tables
from eval.running.networks import networks
from eval.running.plan import Plan
from eval.running.presets import demo
from tasks.common.files import write_text
from tasks.common.recipe import recipe
from tests.stored import ROOT, make_set

PREBUILT = ROOT / "results" / "prebuilt"
LM = {
    "role": "lm", "steps": 1000, "examples": 32_000, "seconds": 90.0, "pflop": 0.5,
    "machine": "a CPU, 1 thread",
}  # fmt: skip
LEARNED = {
    "gain": 0.002, "low": -0.001, "high": 0.005, "texts": 256, "chance": "the entropy",
    "refused": True,
}  # fmt: skip
JUDGE = {**LM, "role": "discriminator", "task": "length", "pflop": 0.25, "learned": LEARNED}


def made(folder: Path, **networks: Any) -> ResultSet:
    """A set whose method fudge has these networks behind it."""
    results = make_set(folder)
    path = results / "length" / "fudge" / "config.json"
    write_text(path, json.dumps(json.loads(path.read_text()) | {"networks": networks}))
    measured_tasks.cache_clear()
    return ResultSet(results)


def grid(results: ResultSet, name: str) -> Any:
    return next((one for one in all_tables(results, 2) if one.name == name), None)


def test_a_set_that_says_nothing_has_no_table(tmp_path: Path) -> None:
    results = made(tmp_path / "set")
    assert grid(results, "budget") is None
    assert "‡" not in markdown(run_tables(measured_tasks(results)["length"])[0])


def test_what_each_method_took(tmp_path: Path) -> None:
    table = grid(made(tmp_path / "set", lm=LM, judge=JUDGE), "budget")
    lines = markdown(table).splitlines()
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    assert rows[2:] == [
        ["**FUDGE**", "lm", "all", "32,000", "0.5", "1.5", "a CPU, 1 thread"],
        ["", "discriminator ‡", "Length", "32,000", "0.25", "1.5", "a CPU, 1 thread"],
        ["", "all", "", "64,000", "0.75", "3.0", ""],
    ]
    assert any("no better than chance" in note for note in table.notes)
    assert "0.002" in csv_text(table) and r"\ddag" in latex(table)


def test_a_sum_of_what_is_not_known_is_none(tmp_path: Path) -> None:
    old = {"role": "lm", "steps": 1000, "examples": 32_000, "seconds": 90.0}
    table = grid(made(tmp_path / "set", lm=old, judge=JUDGE), "budget")
    last = [line for line in markdown(table).splitlines() if line.startswith("|")][-1]
    assert [c.strip() for c in last.split("|")[1:-1]] == ["", "all", "", "64,000", "", "3.0", ""]


def test_rows_on_networks_at_chance_are_marked(tmp_path: Path) -> None:
    results = made(tmp_path / "set", lm=LM, judge=JUDGE)
    measured = measured_tasks(results)["length"]
    assert {row.method for row in measured.rows if row.at_chance} == {"fudge"}
    text = "".join(map(markdown, run_tables(measured)))
    assert "| fudge ‡ |" in text and "| diffusion_lm |" in text
    assert "‡ fudge: discriminator (judge) is no better than chance: the entropy" in text
    rows = measured.as_json()["rows"]
    assert [row["method"] for row in rows if "at_chance" in row] == ["fudge", "fudge"]
    shown = markdown(grid(results, "table2"))
    assert "‡" in shown and "says nothing of the method" in shown


def test_a_malformed_record_is_refused(tmp_path: Path) -> None:
    from tasks.common.errors import UserError

    results = made(tmp_path / "set", lm={**LM, "seconds": "long"})
    with pytest.raises(UserError, match="networks.lm.seconds"):
        grid(results, "budget")


def test_networks_of_an_earlier_version_say_what_they_can(tmp_path: Path) -> None:
    """The shipped ones: those that a method loads, what they start from, and no judge."""
    plan = Plan(demo())

    def find(key: str) -> Path | None:
        return PREBUILT / key if (PREBUILT / key).is_dir() else None

    tuned, judge = (plan.role(f"{role}:syntax_spans") for role in ("finetuned", "discriminator"))
    found = networks({"finetuned": tuned, "discriminator:syntax_spans": judge}, find)
    assert list(found) == [tuned.key, plan.role("lm").key, judge.key]
    for key, one in found.items():
        assert one["role"] == key.rpartition("-")[0] and "learned" not in one
        assert one["examples"] == one["steps"] * 32 and one["seconds"] > 1
    assert found[judge.key]["task"] == "syntax_spans" and "task" not in found[plan.role("lm").key]


def test_those_of_this_version_say_what_was_stored(tmp_path: Path) -> None:
    one = recipe("toy", "train a toy", lambda *_: None, {"task": "length"})
    folder = tmp_path / one.key
    folder.mkdir()
    (folder / "curve.jsonl").write_text('{"step": 1.0, "seconds": 7.0}\n')
    stored = {"steps": 1, "examples": 8, "seconds": 5.0, "pflop": 1e-6, "machine": "a card"}
    (folder / "training.json").write_text(json.dumps(stored))
    found = networks({"toy": one}, lambda key: tmp_path / key)
    assert found == {one.key: {"role": "toy", "task": "length", **stored}}
    assert networks({"toy": one}, lambda key: None) == {}
