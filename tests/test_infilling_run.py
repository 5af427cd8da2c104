"""Sentence infilling from the command line, at toy size, on stories that may not be stored."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from carded import refuses
from test_metrics_infilling import tiny_bert

from baselines import METHODS
from eval.compare import main as compare_main
from eval.report import main as report_main
from eval.run import guarded, main
from eval.running.cells import CONFIG, SAMPLES, SCORES, TARGETS
from eval.score import main as score_main
from eval.studies.human import main as human_main
from eval.tables import main as tables_main
from eval.targets import main as targets_main
from models.base import INFILLING
from slurm.sweep import main as sweep_main

#: the methods of the paper's comparison
INFILLERS = [m for m, card in METHODS.items() if INFILLING in card.tables and not card.group]
NAMES = ("Ada", "Bert", "Cleo", "Dora")
THINGS = ("kite", "drum", "lamp", "sled")
PLACES = ("yard", "attic")
NETWORK = "layers=1 {0}.network.width=16 {0}.network.heads=2 {0}.network.feedforward=32"
TOY = (
    "task=infilling method=all corpus=rocstories targets=5 samples=3 floor=3 batch=8 threads=1 "
    "vocabulary.above=0 window=3 longest=38 diffusion.length=40 diffusion.positions=40 "
    "diffusion.steps=40 "
    "diffusion.time=16 diffusion.train.steps=20 diffusion.train.batch=4 "
    "diffusion.network." + NETWORK.format("diffusion") + " "
    "lm.layers=1 lm.width=16 lm.heads=2 lm.train.steps=20 lm.train.batch=4 "
    "unconditional.sampling.steps=10 diffusion_lm.infilling.sampling.steps=10 "
    "diffusion_lm.infilling.layout=framed diffusion_lm.infilling.middle=variable "
    "cold.iterations=3 cold.chains=2 delorean.passes=2 delorean.backward_steps=2"
).split()


def stories() -> list[str]:
    """Thirty-two stories of five sentences."""
    return [
        f"{name} owned a {thing}. It was kept in the {place}. One day the {thing} broke. "
        f"{name} mended it with glue. Now the {thing} works again."
        for name, thing, place in product(NAMES, THINGS, PLACES)
    ]


def write_data(folder: Path) -> None:
    (folder / "rocstories").mkdir(parents=True)
    rows = "".join(json.dumps([story]) + "\n" for story in stories())
    (folder / "rocstories" / "roc_valid.json").write_text(rows)
    items = {
        f"item-{i}": {
            "obs1": f"{NAMES[i % 4]} found an odd {THINGS[i % 3]}.",
            "obs2": f"The {THINGS[i % 3]} shone at night.",
            "gold_labels": [f"The {THINGS[i % 3]} was polished.", "Paint made it bright."][: 1 + i],
        }
        for i in range(6)
    }
    (folder / "anlg").mkdir()
    (folder / "anlg" / "dev.json").write_text(json.dumps(items))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run of every method."""
    folder = tmp_path_factory.mktemp("infilling")
    write_data(folder / "data")
    assert main(arguments(folder)) == 0
    return folder


def arguments(folder: Path) -> list[str]:
    places = [f"data={folder / 'data'}", f"out={folder / 'out'}", f"store={folder / 'store'}"]
    return [*TOY, *places]


def test_every_method_answers_every_item(whole: Path) -> None:
    task = whole / "out" / "infilling"
    ids = [row["id"] for row in lines(task / TARGETS)]
    assert len(ids) == 5 and all(name.startswith("released-item-") for name in ids)
    for method in INFILLERS:
        samples, scores = lines(task / method / SAMPLES), lines(task / method / SCORES)
        assert [row["target"] for row in scores] == ids
        by_target = {name: [s for s in samples if s["target"] == name] for name in ids}
        for row in scores:
            own = by_target[row["target"]]
            assert len(own) == {"cold": 2, "delorean": 2}.get(method, 3)
            assert {s["chosen"] for s in own} == {row["index"]}
            assert len(row["scores"]["bleu4"]) == 10 and 0 <= row["scores"]["rouge_l"] <= 1


def test_no_sentence_of_the_data_is_stored(whole: Path) -> None:
    """Contexts and references stay with the corpus; what methods wrote is theirs."""
    told = [s for row in stories() for s in row.split(". ")]
    items = json.loads((whole / "data" / "anlg" / "dev.json").read_text()).values()
    told += [i[k] for i in items for k in ("obs1", "obs2")] + [
        g for i in items for g in i["gold_labels"]
    ]
    parts = {" ".join(sentence.rstrip(".").split()[:4]) for sentence in told}
    for path in (whole / "out").rglob("*"):
        if path.is_file() and path.name not in (SAMPLES, "table.json"):
            text = path.read_text()
            assert not [part for part in parts if part in text], path
    kinds = {row["control"]["kind"] for row in lines(whole / "out" / "infilling" / TARGETS)}
    assert kinds == {"withheld"}


def test_nothing_is_done_twice(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (whole / "out").rglob("*.jsonl")}
    assert main(arguments(whole)) == 0
    assert "nothing was left to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (whole / "out").rglob("*.jsonl")} == before


def test_an_interrupted_cell_goes_on_the_same(whole: Path) -> None:
    cell = whole / "out" / "infilling" / "ar_infilling"
    text = (cell / SAMPLES).read_text()
    kept = text.splitlines(keepends=True)[:4]  # one target and a piece of the next
    (cell / SAMPLES).write_text("".join(kept))
    assert main(arguments(whole)) == 0
    assert (cell / SAMPLES).read_text() == text


def test_another_data_folder_is_noticed(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(tmp_path / "data")
    changed = (tmp_path / "data" / "anlg" / "dev.json").read_text().replace("odd", "old")
    (tmp_path / "data" / "anlg" / "dev.json").write_text(changed)
    cell = whole / "out" / "infilling" / "ar_infilling"
    text = (cell / SAMPLES).read_text()
    (cell / SAMPLES).write_text("")
    given = [a for a in arguments(whole) if not a.startswith("data=")]
    assert main([*given, f"data={tmp_path / 'data'}"]) == 2
    assert "is not in the corpus" in capsys.readouterr().err
    (cell / SAMPLES).write_text(text)


def test_table_5_and_the_report(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = whole / "out"
    assert guarded(tables_main, [f"run={out}"]) == 0
    table = (out / "tables" / "table5.md").read_text()
    for name in ("Left-only", "DELOREAN", "COLD", "Diffusion-LM", "AR", "human text"):
        assert f"**{name}**" in table
    assert "skipped: roberta-large not available" in table and "PPLM" not in table
    assert guarded(report_main, [f"run={out}"]) == 0
    assert "Infilling" in (out / "report.html").read_text()
    capsys.readouterr()
    assert guarded(compare_main, [str(out), str(out)]) == 0
    assert "bleu4" in capsys.readouterr().out


def test_methods_of_other_tasks_say_why_they_have_no_cell() -> None:
    others = {m for m, card in METHODS.items() if not card.group} - set(INFILLERS)
    for method in sorted(others):
        assert refuses(METHODS.load(method), "infilling")
    for method in sorted(set(INFILLERS) - {"diffusion_lm"}):
        assert refuses(METHODS.load(method), "infilling") is None
        assert refuses(METHODS.load(method), "length") == "it fills in sentences only"


def test_shards_on_a_cluster_give_the_same(whole: Path, tmp_path: Path) -> None:
    given = [a for a in arguments(whole) if not a.startswith("out=")]
    out = tmp_path / "out"
    assert sweep_main([*given, f"out={out}", "cluster=debug", "shards=2"]) == 0
    for path in (whole / "out" / "infilling").rglob("*.jsonl"):
        if path.name != "timing.jsonl":
            other = out / path.relative_to(whole / "out")
            assert other.read_bytes() == path.read_bytes(), path


def test_a_local_model_folder_gives_bertscore(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scoring alone is done again, with the model, its layer and the hash said."""
    network = tiny_bert(tmp_path / "tiny")
    samples = (whole / "out" / "infilling" / "cold" / SAMPLES).read_text()
    given = [*arguments(whole), f"bertscore.model={network}", "bertscore.layer=2"]
    assert main(given) == 0
    assert "tiny" in (config := (whole / "out" / "infilling" / "cold" / CONFIG).read_text())
    assert "L2" in json.loads(config)["metrics"]["bertscore"]
    assert (whole / "out" / "infilling" / "cold" / SAMPLES).read_text() == samples
    scores = lines(whole / "out" / "infilling" / "cold" / SCORES)
    assert all(-1 <= row["scores"]["bertscore"] <= 1 for row in scores)
    assert main(arguments(whole)) == 0  # and as before
    capsys.readouterr()


def test_answers_of_another_program(whole: Path, tmp_path: Path) -> None:
    """The targets are given out in full, and a file of answers is judged like a method."""
    keys = [a for a in arguments(whole) if not a.startswith("method=")]
    file = tmp_path / "targets.jsonl"
    assert guarded(targets_main, [*keys, f"file={file}"]) == 0
    asked = lines(file)
    assert all(row["control"]["left"] and row["control"]["right"] for row in asked)
    answers = tmp_path / "mine.jsonl"
    answers.write_text(
        "".join(
            json.dumps({"target": r["id"], "text": "Paint made it bright."}) + "\n" for r in asked
        )
    )
    # eval.score calls the file so, and counts its samples itself
    keys = [key for key in keys if not key.startswith("samples=")]
    assert guarded(score_main, [*keys, f"samples={answers}"]) == 0
    scores = lines(whole / "out" / "infilling" / "mine" / SCORES)
    assert max(row["scores"]["rouge_l"] for row in scores) == 1


def test_blinded_pairs_show_the_contexts(whole: Path, tmp_path: Path) -> None:
    """The pairs for raters hold what results may not: they are drawn from the corpus again."""
    out, pairs = whole / "out", tmp_path / "pairs.csv"
    given = ["export", f"run={out}", "methods=diffusion_lm,ar_infilling", "items=4", f"out={pairs}"]
    places = [f"data={whole / 'data'}", f"store={whole / 'store'}"]
    assert guarded(human_main, [*given, *places]) == 0
    assert pairs.read_text().count("found an odd") == 4
    config = json.loads((out / "infilling" / "cold" / CONFIG).read_text())
    assert config["skipped"]["bertscore"].startswith("skipped: roberta-large")
