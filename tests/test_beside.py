"""Stored rows beside one's own: ``with=``, the reference row, pairs of ``eval.compare``."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stored import ROOT, make_set

from eval.compare import main as compare_main
from eval.reading import shipped
from eval.reading.beside import Beside, Terms, terms
from eval.reading.measured import measure
from eval.reading.names import reference
from eval.reading.results import ResultSet
from eval.reading.tables.grid import markdown
from eval.reading.tables.run import run_tables
from eval.run import guarded, main
from eval.score import main as score_main
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tests.hardening import Tried

DEMO = ROOT / "results" / "demo"
REFERENCE = reference().name
#: what is wrong with a set -> what is said of it, before anything is done
REFUSED = {
    "nowhere": "unknown result set '.*nowhere'",
    " ": "with= : empty, or no text at all",
    "demo,": "with=demo,: a result set has a name",
    "demo,demo": "results/demo is named twice",
    "OUT": "this run's own folder",
    "EMPTY": "is no result set: no folder in it has a targets.jsonl",
    "CUT": r"scores.jsonl is damaged at line 2",
    "CONFIG": r"config.json",
}
TRIED = (
    Tried("with=", "sets that are not there, twice, the run's own or damaged", len(REFUSED),
          "one line, before any work"),
    Tried("with=", "cells of other judges, corpora, controls or without scores", 6,
          "left out, one line a cell"),
)  # fmt: skip


def part(folder: Path, *cells: str, task: str = "length") -> Path:
    """A task of the demo with some of its cells, and its human texts' fluency."""
    shutil.copytree(DEMO / "human", folder / "human")
    (folder / task).mkdir(parents=True)
    for name in ("config.json", "targets.jsonl"):
        shutil.copy(DEMO / task / name, folder / task / name)
    for cell in (*cells, "human"):
        shutil.copytree(DEMO / task / cell, folder / task / cell)
    return folder


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_text())
    change(data)
    write_text(path, json.dumps(data))


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


def cut(path: Path, kept: set[str]) -> None:
    """The lines of some targets."""
    write_text(path, "".join(ln for ln in lines(path) if any(f'"{t}"' in ln for t in kept)))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return part(tmp_path / "out", "fudge")


def table(own: Path, given: str, *methods: str) -> tuple[str, list[str]]:
    """The run's tables as Markdown, and what is said of other sets."""
    results = ResultSet(own, ["length"])
    cell = results.cell("length", methods[0])
    assert cell is not None
    rows = Beside(given, own).rows(results, "length", terms(results, cell), methods)
    measured = measure(
        results, results.task("length"), rows.methods,
        refused={}, corpus="grammar", guests=rows.guests, stand_in=True,
    )  # fmt: skip
    return "\n".join(map(markdown, run_tables(measured))), rows.said


def test_stored_rows_stand_beside_ones_own_with_paired_tests(own: Path) -> None:
    text, said = table(own, "demo", "fudge")
    rows = [row.split(" | ") for row in text.splitlines() if " | len_exact | " in row]
    marked = {(row[0].strip("| "), row[1].strip()) for row in rows}
    # those of the set, and the very same cell of the run's own
    others = {(name, "results/demo") for name in (REFERENCE, "fudge", "ft_sample", "ft_search")}
    assert {("fudge", ""), *others} <= marked
    assert f"| less {REFERENCE} | stored in |" in text
    assert "neither generated nor judged again" in said[0] and len(said) == 1
    paired = [row for row in rows if len(row) == 6]
    assert len(paired) == 4 and all(float(row[-1].strip(" |")) < 0.05 for row in paired)


def test_the_reference_is_taken_from_a_shipped_set_and_said(own: Path) -> None:
    text, said = table(own, "", "fudge")
    assert f"| {REFERENCE} | results/demo | len_exact |" in text
    assert f"{REFERENCE} was not run here: its row is that of results/demo" in said[-1]


def test_the_runs_own_reference_has_its_row_though_it_was_not_asked_for(tmp_path: Path) -> None:
    own = part(tmp_path / "out", "fudge", REFERENCE)
    text, said = table(own, "", "fudge")
    assert f"| {REFERENCE} | len_exact |" in text and f"less {REFERENCE} |" in text
    assert not said and "stored in" not in text


def test_without_any_reference_the_first_method_is_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "shipped", lambda: tmp_path / "nothing")
    own = part(tmp_path / "out", "ft_sample", "fudge")
    text, said = table(own, "", "ft_sample", "fudge")
    assert "| less ft_sample | metric |" in text and not said
    text, _ = table(own, "", "ft_sample")
    assert "less" not in text


def test_subsets_pair_on_the_targets_in_common_and_say_how_many(own: Path) -> None:
    few = {json.loads(line)["id"] for line in lines(own / "length" / "targets.jsonl")[:7]}
    cut(own / "length" / "targets.jsonl", few)
    for name in ("samples.jsonl", "scores.jsonl"):
        cut(own / "length" / "fudge" / name, few)
    text, said = table(own, "demo", "fudge")
    assert any("7 of its 40 targets are scored and among the 7 here" in one for one in said)
    assert "| targets |" not in text  # every row of the table is of the same seven
    # the other way round: a stored set of fewer
    small, big = own, part(own.parent / "big", "ft_sample")
    text, said = table(big, str(small), "ft_sample")
    assert any(": 7 of its 7 targets are scored and among the 40 here" in one for one in said)
    row = next(row for row in text.splitlines() if row.startswith("| fudge |") and "0.0" in row)
    assert str(small) in row
    assert [row for row in text.splitlines() if row.startswith("| fudge |") and " | 7 | " in row]


def test_what_is_not_like_the_run_is_left_out_and_named(own: Path, tmp_path: Path) -> None:
    other = part(tmp_path / "other", "fudge", "ft_sample", "ft_search", REFERENCE)
    length = other / "length"
    edit(length / "fudge" / "config.json", lambda d: d["judges"].update(teacher="teacher-0"))
    edit(
        length / "ft_sample" / "config.json",
        lambda d: d["identity"]["targets"].update(texts="corpus-0", task_version=9),
    )
    (length / "ft_search" / "scores.jsonl").unlink()
    records = [json.loads(line) for line in lines(length / REFERENCE / "scores.jsonl")]
    for record in records:
        del record["scores"]["len_pm2"]
    write_text(length / REFERENCE / "scores.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    text, said = table(own, str(other), "fudge")
    assert str(other) not in text
    reasons = {one.split(": ")[1].split(", ")[-1]: one for one in said}
    assert "another teacher (teacher-0, here teacher-" in reasons["fudge"]
    assert "another corpus (corpus-0, here corpus-" in reasons["ft_sample"]
    assert "it has no scores" in reasons["ft_search"]
    assert "its scores have no len_pm2" in said[[REFERENCE in s for s in said].index(True)]
    edit(length / "fudge" / "config.json", lambda d: d.pop("judges"))
    assert any("does not say its judges" in one for one in table(own, str(other), "fudge")[1])
    no_such = part(tmp_path / "spans", "fudge", task="syntax_spans")
    assert f"stored: {no_such} has no length." in table(own, str(no_such), "fudge")[1]


def test_a_target_of_another_control_is_named(own: Path, tmp_path: Path) -> None:
    other = part(tmp_path / "other", "ft_sample")
    path = other / "length" / "targets.jsonl"
    first = json.loads(lines(path)[0])
    first["control"]["words"] += 1
    write_text(path, json.dumps(first) + "\n" + "".join(lines(path)[1:]))
    assert any(
        f"ft_sample: left out, target {first['id']} is another control there" in one
        for one in table(own, str(other), "fudge")[1]
    )


def test_terms_say_which_entry_differs() -> None:
    here = Terms({"texts": "a", "task_version": 1}, {"teacher": "t"})
    assert here.unlike(Terms({**here.targets, "targets": 3, "seed": 9}, here.judges)) == ""
    assert "code of the task (none, here x)" in here.unlike(
        Terms({**here.targets, "code": "x"}, here.judges)
    )
    assert "another parser" in here.unlike(Terms(here.targets, {"teacher": "t", "parser": "p"}))
    assert "does not say its targets" in Terms({}, {}).unlike(here)
    second = Terms(here.targets, {"teacher": "t", "subwords": "s"})
    assert here.unlike(second) == second.unlike(here) == ""  # one of them has a column more
    assert "another subwords (s, here z)" in second.unlike(
        Terms(here.targets, {"teacher": "t", "subwords": "z"})
    )


@pytest.mark.parametrize("given", REFUSED)
def test_a_bad_set_is_one_line_before_any_work(
    given: str, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = part(tmp_path / "other", "ft_sample")
    cell = other / "length" / "ft_sample"
    if given == "CUT":
        first, _, *others = lines(cell / "scores.jsonl")
        write_text(cell / "scores.jsonl", first + '{"target": "t\n' + "".join(others))
    if given == "CONFIG":
        write_text(cell / "config.json", "[]")
    (tmp_path / "empty").mkdir()
    places = {"OUT": own, "EMPTY": tmp_path / "empty", "CUT": other, "CONFIG": other}
    value = str(places.get(given, given))
    before = {path: path.stat().st_mtime_ns for path in own.rglob("*")}
    samples = tmp_path / "mine.jsonl"
    write_text(samples, '{"target": "valid-0", "words": ["a"]}\n')
    out = f"out={own}"
    for command in (
        lambda: main(["task=length", "method=fudge", out, f"with={value}"]),
        lambda: guarded(score_main, ["task=length", f"samples={samples}", out, f"with={value}"]),
    ):
        code, said = command(), capsys.readouterr().err
        assert code == 2 and said.count("\n") == 1 and said.startswith("error: ")
        assert re.search(REFUSED[given], said)
    assert before == {path: path.stat().st_mtime_ns for path in own.rglob("*")}


def test_from_the_command_line_to_the_table(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is left to do, so nothing is loaded; stored cells stay as they are."""
    before = {path: path.stat().st_mtime_ns for path in DEMO.rglob("*")}
    given = ["task=length", "method=fudge", f"out={own}"]
    assert main([*given, "with=demo", "legend=full"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("nothing was left to do")
    assert "neither generated nor" in shown and "no room for: " in shown and "distinct-2:" in shown
    assert max(map(len, shown.splitlines())) <= 80 + len(str(own))
    written = (own / "table.md").read_text()
    assert "| ft_search | results/demo | len_exact |" in written and "entropy" in written
    data = json.loads((own / "table.json").read_text())["tables"][0]
    assert {row.get("stored", "") for row in data["rows"]} == {"", "results/demo"}
    assert before == {path: path.stat().st_mtime_ns for path in DEMO.rglob("*")}
    assert main([*given, "columns=all"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "entropy" in shown and "no room for" not in shown and "legend=full, or " in shown
    assert main([*given, "columns=most"]) == 2
    assert "columns=most" in capsys.readouterr().err


def test_compare_pairs_different_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = make_set(tmp_path / "own")
    compare_main([f"{own}:fudge", f"{own}:diffusion_lm", f"out={tmp_path / 'out'}"])
    shown = capsys.readouterr().out
    assert "own:diffusion_lm against own:fudge" in shown and "+50.0" in shown
    assert "/own:diffusion\\_lm less" in (tmp_path / "out" / "compare.md").read_text()
    first = (tmp_path / "out" / "compare.csv").read_text().splitlines()
    assert first[0].endswith(",other") and first[1].startswith("length,fudge,len_exact,2,")
    wrong = {
        ("demo:fudge", f"{own}:mine"): "unknown method of .*own 'mine'",
        ("demo:fudge", str(own)): "name a method of both sets, or of neither",
        ("demo:pplm", f"{own}:fudge"): "have no task in common",
        ("demi:fudge", "demo:fudge"): "unknown result set 'demi': did you mean 'demo'",
        ("demo:", "demo:fudge"): "unknown method of",
    }
    for given, reason in wrong.items():
        with pytest.raises(UserError, match=reason):
            compare_main(list(given))


def test_compare_says_where_other_judges_read_the_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = make_set(tmp_path / "own"), make_set(tmp_path / "other")
    edit(
        other / "length" / "fudge" / "config.json",
        lambda d: d["judges"].update(teacher="teacher-1"),
    )
    compare_main([f"{own}:fudge", f"{other}:fudge"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "is not quite like with like in" in shown and "another teacher (teacher-1" in shown
