"""Samples of any method edited towards the control by another: cells, table, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_runner import arguments

from baselines import METHODS
from eval.generate import main as generate_main
from eval.reading.names import TaskTraits
from eval.reading.repairs import Repair, compared
from eval.reading.results import CellFiles, ResultSet
from eval.run import guarded, main
from eval.running.cells import write_lines
from eval.running.command import parse
from slurm.sweep import main as sweep_main
from tasks.common.errors import UserError

NETWORK = "layers=1 {0}.network.width=16 {0}.network.heads=2 {0}.network.feedforward=32"
EDITS = (
    "diffuser_repair.steps=2 edit_model.length=24 edit_model.decoder_layers=1 "
    "edit_model.train.steps=4 edit_model.train.every=2 edit_model.train.warmup=1 "
    "edit_model.train.batch=4 edit_model.network." + NETWORK.format("edit_model")
).split()
REPAIR = ["repair=diffuser_repair", *EDITS]
ROW = "diffusion_lm-repaired"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy run of one method, and of what edits it."""
    place = tmp_path_factory.mktemp("repair")
    assert main(arguments(place, *REPAIR)) == 0
    return place


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_edited_samples_are_a_row_of_their_own(folder: Path) -> None:
    task = folder / "out" / "length"
    source, edited = lines(task / "diffusion_lm/samples.jsonl"), lines(task / ROW / "samples.jsonl")
    assert [(r["target"], r["index"]) for r in source] == [
        (r["target"], r["index"]) for r in edited
    ]
    record = json.loads((task / ROW / "config.json").read_text())
    assert record["repairs"] == "diffusion_lm" and record["card"]["label"].endswith(", repaired")
    assert set(record["identity"]["artefacts"]) == {"edit_model"}
    # where the samples lie is no part of what the edited ones are
    assert str(folder) not in json.dumps(record["identity"])
    (table,) = json.loads((folder / "out" / "table.json").read_text())["tables"]
    assert [row["method"] for row in table["rows"] if row["lm"]][:2] == ["diffusion_lm", ROW]
    (one,) = table["repairs"]
    assert (one["method"], one["repaired"]) == ("diffusion_lm", ROW)
    assert one["failures"] + one["successes"] == len(source)
    assert "failures repaired" in (folder / "out" / "table.md").read_text()
    results = ResultSet(folder / "out")
    assert results.methods("length") == ["diffusion_lm", ROW]
    assert "method=diffusion_lm " in results.command("length", f"diffusion_lm,{ROW}")


def test_it_is_what_the_editing_method_makes_of_stored_samples(
    folder: Path, tmp_path: Path
) -> None:
    out = folder / "out"
    more = ["method=diffuser_repair", f"diffuser_repair.source={out}:diffusion_lm", *EDITS]
    assert main([*arguments(tmp_path, *more, "floor=0", store=folder / "store")]) == 0
    alone = lines(tmp_path / "out" / "length" / "diffuser_repair" / "samples.jsonl")
    assert alone == lines(out / "length" / ROW / "samples.jsonl")


def test_a_run_goes_on_and_notices_other_samples(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = folder / "out" / "length" / ROW / "samples.jsonl"
    text = place.read_text()
    place.write_text("".join(text.splitlines(keepends=True)[:5]))
    assert main(arguments(folder, *REPAIR)) == 0
    assert place.read_text() == text
    assert main(arguments(folder, *REPAIR)) == 0
    assert "nothing was left to do" in capsys.readouterr().out
    # samples of other settings would be edited: the row is not theirs
    other = [*arguments(folder, *REPAIR), "seed=1"]
    assert main(other) == 2
    config = json.loads((folder / "out" / "length" / ROW / "config.json").read_text())
    assert config["identity"]["seed"] == 0


def test_what_cannot_be_edited_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="did you mean 'diffuser_repair'"):
        parse(["task=length", "repair=diffuser"])
    given = ["task=length", "method=fudge", "repair=diffuser_repair"]
    assert parse(given).rows == ["fudge", "fudge-repaired"]
    assert parse([*given[:1], "method=fudge"]).rows == ["fudge"]
    assert guarded(generate_main, [*given, "control=9"]) == 2
    assert sweep_main(given) == 2
    assert capsys.readouterr().err.count("edits no stored samples") == 2
    with pytest.raises(UserError, match="edits no samples of other methods"):
        METHODS.card("fudge").editing(None, "")


def test_failures_mended_and_successes_broken(tmp_path: Path) -> None:
    cells = []
    for name, successes in (("a", (0, 0.5, 1, 1)), ("b", (1, 0.5, 1, 0))):
        place = tmp_path / name
        rows = [{"target": "t", "index": i} for i in range(4)]
        words = [["w", "x" if i == 1 else name] for i in range(4)]
        samples = zip(rows, words, strict=True)
        write_lines(place / "samples.jsonl", [{**row, "words": own} for row, own in samples])
        scores = zip(rows, successes, strict=True)
        write_lines(
            place / "scores.jsonl",
            [{**row, "scores": {"p": [4 * own, 4], "q": 0}} for row, own in scores],
        )
        cells.append(CellFiles("task", name, place))
    found = compared(TaskTraits("task", "Task", headlines=("p",)), *cells)
    assert found == Repair("a", "b", failures=2, mended=1, successes=2, broken=1, unchanged=1)
    # of a composition all parts are asked for
    both = compared(TaskTraits("task", "Task", headlines=("p", "q")), *cells)
    assert (both.failures, both.mended, both.successes) == (4, 0, 0)
