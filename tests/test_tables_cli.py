"""The paper's tables from stored results: numbers, reasons, formats, and sets that lack things."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from stored import ROOT, TEXTS, fill, make_set

from baselines import METHODS
from eval.reading.measured import measured_tasks
from eval.reading.results import ResultSet
from eval.reading.tables.build import all_tables, write_tables
from eval.reading.tables.control import table2
from eval.reading.tables.examples import example_tables
from eval.reading.tables.grid import (
    Column,
    Grid,
    Segment,
    csv_text,
    entry,
    html_table,
    latex,
    latex_document,
    markdown,
    plain,
    tex_escape,
)
from eval.reading.tables.hyperparameters import table6
from eval.reading.tables.likelihood import table7
from eval.reading.tables.speed import speed
from eval.running.cells import write_lines
from eval.tables import main
from tasks.common.errors import UserError
from tasks.controls import AllOf, FieldValue, Length, TagSequence


def records(grid: Grid) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text(grid))))


def test_table2_numbers(tmp_path: Path) -> None:
    results = ResultSet(make_set(tmp_path / "set"))
    grid = table2(results, measured_tasks(results))
    rows = {(r["task"], r["method"], r["quantity"]): r for r in records(grid)}
    ours = rows["length", "diffusion_lm", "ctrl"]
    # within 2 words: all four; the paper's own figure stands beside
    assert (ours["metric"], ours["ours"], ours["paper"]) == ("len_pm2", "100", "99.9")
    assert float(ours["difference"]) == pytest.approx(0.1)
    assert rows["length", "fudge", "ctrl"]["ours"] == "50"
    # 2 nats a word in every sample
    assert float(rows["length", "fudge", "lm"]["ours"]) == pytest.approx(7.38906, rel=1e-5)
    assert (ours["targets"], ours["samples"]) == ("2", "4")


def test_what_sets_a_method_apart_stands_below_its_name() -> None:
    results = ResultSet(ROOT / "results" / "demo-steering")
    grid = table2(results, measured_tasks(results))
    below: dict[str, str] = {}
    for first, second in zip(grid.rows, grid.rows[1:], strict=False):
        if plain(first[1]) == "ours" and plain(second[1]) != "ours":
            below[plain(first[0])] = plain(second[0])
    assert below["FT-sample"] == below["NADO"] == "trained on it"
    assert below["Ctrl-G"] == below["SMC (rule)"] == "knows the rule"
    assert below["FUDGE"] == below["Diffusion-LM"] == below["target texts"] == ""
    apart = {row["method"]: row["set apart"] for row in records(grid)}
    assert apart["ft_cfg"] == "trained on it" and apart["fudge"] == ""


def test_every_missing_cell_says_why(tmp_path: Path) -> None:
    refused = {"length/pplm": "n/a: no positional control"}
    results = ResultSet(make_set(tmp_path / "set", refused=refused))
    rows = records(table2(results, measured_tasks(results)))
    assert all(bool(row["ours"]) != bool(row["reason"]) for row in rows)
    reasons = {(row["task"], row["method"]): row["reason"] for row in rows}
    assert reasons["length", "pplm"] == "n/a: no positional control"
    out = f"out={results.folder}"
    assert reasons["length", "ft_sample"] == (
        f"not run: python -m eval.run task=length method=ft_sample {out}"
    )
    # one command for a task of which there is nothing
    assert reasons["syntax_tree", "fudge"].endswith(f"task=syntax_tree method=all {out}")


def test_unjudged_samples_are_no_zero(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    (folder / "length" / "fudge" / "scores.jsonl").unlink()
    results = ResultSet(folder)
    rows = records(table2(results, measured_tasks(results)))
    (row,) = [
        r for r in rows if (r["task"], r["method"], r["quantity"]) == ("length", "fudge", "ctrl")
    ]
    assert row["ours"] == "" and row["reason"].startswith("not judged yet: python -m eval.run")


def test_significance_and_best(tmp_path: Path) -> None:
    targets = {f"t{i}": Length(3) for i in range(12)}
    good = {name: ["a b c"] * 3 for name in targets}
    poor = {name: ["a b c d e f"] * 3 for name in targets}
    texts = {"diffusion_lm": good, "fudge": poor, "ft_sample": good}
    results = ResultSet(make_set(tmp_path / "set", texts, targets))
    grid = table2(results, measured_tasks(results))
    at = [f"{c.group} {c.title}" for c in grid.columns].index("Length ctrl ↑")
    shown = {plain(row[0]): row[at] for row in grid.rows if plain(row[1]) == "ours"}
    assert plain(shown["FUDGE"]) == "0.0†" and plain(shown["FT-sample"]) == "100.0"
    assert shown["Diffusion-LM"][0].style == "best" and shown["FT-sample"][0].style == ""


def test_bold_is_what_contends(tmp_path: Path) -> None:
    """Neither what was trained on the control or knows its rule, nor what asks for none."""
    targets = {f"t{i}": Length(3) for i in range(12)}
    good = {name: ["a b c"] * 3 for name in targets}
    poor = {name: ["a b c d e f"] * 3 for name in targets}
    some = {name: ["a b c", "a b c", "a b c d e f"] for name in targets}
    aided = {"ft_sample": good, "rejection": good, "lm_plain": good}
    results = ResultSet(
        make_set(tmp_path / "set", aided | {"fudge": some, "diffusion_lm": poor}, targets)
    )
    grid = table2(results, measured_tasks(results))
    at = [f"{c.group} {c.title}" for c in grid.columns].index("Length ctrl ↑")
    rows = [row for row in grid.rows if plain(row[1]) == "ours" and row[at]]
    assert [plain(row[0]) for row in rows if row[at][0].style == "best"] == ["FUDGE"]
    assert {name for name in aided if not METHODS.card(name).contends} == set(aided)


@pytest.mark.parametrize("methods", [["fudge"], ["diffusion_lm"], []])
def test_few_methods(tmp_path: Path, methods: list[str]) -> None:
    folder = make_set(tmp_path / "set", {m: TEXTS[m] for m in methods})
    grids = {grid.name: grid for grid in all_tables(ResultSet(folder), 3)}
    own = {r["method"] for r in records(grids["table2"]) if r["task"] == "length" and r["ours"]}
    assert own == set(methods)
    assert ("table11" in grids) == bool(methods)


def test_single_target_and_a_method_of_ones_own(tmp_path: Path) -> None:
    texts = {"mine": {"t1": ["a b c"]}}
    results = ResultSet(make_set(tmp_path / "set", texts, {"t1": Length(3)}))
    grid = table2(results, measured_tasks(results))
    (row,) = [r for r in records(grid) if r["method"] == "mine" and r["quantity"] == "ctrl"
              and r["task"] == "length"]  # fmt: skip
    assert (row["ours"], row["low"], row["high"], row["paper"]) == ("100", "2.5", "100", "")


def test_another_version(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    path = folder / "length" / "fudge" / "samples.jsonl"
    path.write_text(path.read_text().replace('"words"', '"text"'))
    with pytest.raises(UserError, match="line 1 has no 'words': it was made by another version"):
        all_tables(ResultSet(folder), 3)


def test_a_task_of_another_version(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    shutil.copytree(folder / "length", folder / "rhyme")
    grids = {grid.name: grid for grid in all_tables(ResultSet(folder), 3)}
    assert "examples-rhyme" in grids
    assert not any(r["task"] == "rhyme" for r in records(grids["table2"]))


def test_no_result_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no result set"):
        ResultSet(tmp_path / "nowhere")
    make_set(tmp_path / "set")
    with pytest.raises(UserError, match=r"there is no result set .*sett \(there: .*set\)"):
        ResultSet(tmp_path / "sett")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is no result set"):
        ResultSet(tmp_path / "empty")


def test_hyperparameters_and_speed(tmp_path: Path) -> None:
    results = ResultSet(make_set(tmp_path / "set"))
    used = {(r["method"], r["task"], r["name"]): r for r in records(table6(results))}
    assert used["fudge", "length", "tradeoff"]["ours"] == "2"
    assert used["diffusion_lm", "syntax_tree", "lr"] == {
        "method": "diffusion_lm", "task": "syntax_tree", "name": "lr", "ours": "", "paper": "0.2",
    }  # fmt: skip
    (fast,) = [r for r in records(speed(results)) if r["method"] == "fudge"]
    assert (fast["seconds"], fast["evaluations"], fast["paper"]) == ("12.5", "5", "50")


def test_likelihood_table(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    missing = records(table7(ResultSet(folder)))
    assert {r["reason"] for r in missing} == {f"not run: python -m eval.likelihood run={folder}"}
    one = {"nats": 2.0, "bits": 2.885, "low": 1.9, "high": 2.1}
    term = {"term": "prior", "label": "prior", **one}
    models = [
        {"model": "lm", "label": "LM", **one},
        {"model": "diffusion", "label": "bound", **one, "terms": [term]},
    ]
    (folder / "likelihood.json").write_text(json.dumps({"models": models, "notes": ["n"]}))
    grid = table7(ResultSet(folder))
    assert [r["term"] for r in records(grid)] == ["total", "total", "prior"]
    assert plain(grid.rows[1][1]) == "2.000" and grid.notes[0] == "n"


def test_examples_mark_what_is_wrong(tmp_path: Path) -> None:
    results = ResultSet(make_set(tmp_path / "set"))
    (grid,) = example_tables(results, 2)
    texts = {(plain(row[0]), plain(row[2])) for row in grid.rows}
    assert ("FUDGE", "a [missing 2 words]") in texts and ("Diffusion-LM", "a b c") in texts
    long = next(row for row in grid.rows if plain(row[2]) == "a b c d e f")
    assert [s for s in long[2] if s.style == "bad"] == [Segment("c d e f", "bad")]
    assert plain(long[1]) == "no" and long[1][0].style == "bad"


ODD = Grid(
    "odd",
    "A & B: 100 % of <x>",
    [Column("a_b", "group"), Column("text", "group", wide=True, right=False)],
    [
        [entry("1"), (Segment("x | *y* "), Segment("bad words", "bad"))],
        [entry("2"), entry("ünï£ 猫")],
    ],
    ["note with $ and #"],
)


def test_markdown_escapes() -> None:
    text = markdown(ODD)
    assert r"| 1 | x \| \*y\* ***✗ bad words*** |" in text
    assert text.count("|---:|---|") == 1


def test_html_escapes() -> None:
    page = html_table(ODD)
    assert '<span class="bad">bad words</span>' in page and "<x>" not in page


def test_csv_without_records_is_the_cells() -> None:
    assert csv_text(ODD).splitlines()[:2] == ["group: a_b,group: text", "1,x | *y* bad words"]


def test_latex_escapes() -> None:
    assert tex_escape("50 % & {a}_b ~ ^ \\ 猫") == (
        r"50 \% \& \{a\}\_b \textasciitilde{} \textasciicircum{} \textbackslash{} [U+732B]"
    )
    text = latex(ODD)
    assert text.count("{") == text.count("}")
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path: Path) -> None:
    grids = [*all_tables(ResultSet(make_set(tmp_path / "set")), 2), ODD]
    write_tables(grids, tmp_path / "tables")
    (tmp_path / "tables" / "all.tex").write_text(latex_document(g.name for g in grids))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    run = subprocess.run(command, cwd=tmp_path / "tables", capture_output=True)
    assert run.returncode == 0, run.stdout[-2000:]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_set(tmp_path / "set")
    main([f"run={folder}"])
    first = {p.name: p.read_bytes() for p in (folder / "tables").iterdir()}
    assert {"table2.md", "table2.csv", "table2.tex", "all.tex"} <= set(first)
    main([f"run={folder}", "show=false"])
    assert first == {p.name: p.read_bytes() for p in (folder / "tables").iterdir()}
    main(["--help"])
    shown = capsys.readouterr().out
    assert "Table 2" in shown and "targets (int) = 6" in shown
    with pytest.raises(UserError, match="did you mean 'targets'"):
        main(["target=3"])
    with pytest.raises(UserError, match="at least 1"):
        main([f"run={folder}", "targets=0"])


def test_thousands_of_samples(tmp_path: Path) -> None:
    targets = {f"t{i}": Length(3) for i in range(100)}
    folder = make_set(tmp_path / "set", {}, targets)
    fill(folder / "length" / "fudge", {t: ["a b c", "a"] * 25 for t in targets}, targets)
    grid = {g.name: g for g in all_tables(ResultSet(folder), 3)}["table2"]
    (row,) = [
        r for r in records(grid)
        if (r["task"], r["method"], r["quantity"]) == ("length", "fudge", "ctrl")
    ]  # fmt: skip
    assert (row["ours"], row["samples"]) == ("100", "5000")


@pytest.mark.parametrize(
    "committed", sorted((ROOT / "results").glob("*/tables")), ids=lambda path: path.parent.name
)
def test_committed_tables_are_what_the_command_gives(committed: Path, tmp_path: Path) -> None:
    write_tables(all_tables(ResultSet(committed.parent), 6), tmp_path)
    made = {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()}
    stored = {p.name: p.read_text(encoding="utf-8") for p in committed.iterdir()}
    local, name = str(committed.parent), f"results/{committed.parent.name}"
    assert {n: t.replace(local, name) for n, t in made.items()} == stored


def test_a_composition_is_read_part_by_part(tmp_path: Path) -> None:
    """Readings lie apart, by judge; those of judges that are no longer the cell's are left out."""
    task, words = "semantic_content+parts_of_speech", ["The", "Mill"]
    control = AllOf((FieldValue("name", "Mill"), TagSequence(("DET", "NOUN"))))
    folder = make_set(tmp_path / "set", {}, {"t1": control}, task)
    cell = folder / task / "fudge"
    sample = {"target": "t1", "index": 0, "of": 1, "words": words, "tokens": words, "nfe": 1.0}
    write_lines(cell / "samples.jsonl", [sample])
    scores = {
        "semantic_content.value_stated": 1.0,
        "semantic_content.value_words": 1.0,
        "parts_of_speech.tag_match": 0.5,
        "parts_of_speech.tag_match_clean": 0.5,
    }
    score = {"target": "t1", "index": 0, "scores": scores, "nll": 4.0, "tokens": 2}
    write_lines(cell / "scores.jsonl", [score])
    readings = [
        {"words": words, "nll": 4.0, "judges": {"teacher": "lm"}},
        {"words": words, "tags": ["DET", "PROPN"], "judges": {"tagger": "new"}},
        {"words": words, "tags": ["DET", "NOUN"], "judges": {"tagger": "old"}},
    ]
    write_lines(cell / "annotations.jsonl", readings)
    judges = {"teacher": "lm", "tagger": "new"}
    (cell / "config.json").write_text(json.dumps({"identity": {}, "judges": judges}))
    grids = {grid.name: grid for grid in all_tables(ResultSet(folder), 3)}
    (row,) = [r for r in grids[f"examples-{task}"].rows if plain(r[0]) == "FUDGE"]
    assert plain(row[1]) == "yes 50 %"
    assert row[2] == (Segment("The"), Segment(" "), Segment("Mill", "bad"))
    found = {(r["metric"], r["method"]): r["ours"] for r in records(grids["table4"])}
    assert found["semantic_content.value_stated", "fudge"] == "100"
    assert found["parts_of_speech.tag_match", "fudge"] == "50"
