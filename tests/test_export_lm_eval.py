"""Result sets in lm-evaluation-harness's files: the fields that its 0.4 reads and writes, and the
figures of the set again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter, with_config
from stored import make_set
from typing_extensions import TypedDict

from eval import export_lm_eval
from eval.reading.lm_eval import export
from eval.reading.results import ResultSet
from eval.run import guarded

DEMO = Path(__file__).parent.parent / "results" / "demo"
STRICT = ConfigDict(strict=True, extra="forbid")
Plain = dict[str, Any]

#: what the harness writes (lm_eval/result_schema.py of 0.4.13), less what is of a tokenizer
Results = with_config(STRICT)(
    TypedDict(  # type: ignore[operator]
        "Results",
        {
            "results": dict[str, dict[str, int | float | str]],
            "group_subtasks": dict[str, list[str]],
            "configs": dict[str, Plain],
            "versions": dict[str, int],
            "n-shot": dict[str, int],
            "higher_is_better": dict[str, dict[str, bool]],
            "n-samples": dict[str, dict[str, int]],
            "config": Plain,
            "git_hash": str | None,
            "date": float,
            "pretty_env_info": str,
            "transformers_version": str | None,
            "upper_git_hash": None,
            "task_hashes": dict[str, str],
            "model_source": str,
            "model_name": str,
            "model_name_sanitized": str,
            "system_instruction": None,
            "system_instruction_sha": None,
            "fewshot_as_multiturn": bool,
            "chat_template": None,
            "chat_template_sha": None,
            "total_evaluation_time_seconds": str,
        },
    )
)


@with_config(ConfigDict(strict=True, extra="allow"))
class Sample(TypedDict):
    doc_id: int
    doc: Plain
    target: str
    arguments: dict[str, dict[str, Any]]
    resps: list[list[str]]
    filtered_resps: list[list[str]]
    filter: str
    metrics: list[str]
    doc_hash: str
    prompt_hash: str
    target_hash: str


def load(folder: Path) -> tuple[Plain, dict[str, list[Plain]]]:
    """A model's results and the samples of each task, as its files have them."""
    (path,) = folder.glob("results_*.json")
    results = json.loads(path.read_text(encoding="utf-8"))
    TypeAdapter(Results).validate_python(results)
    stamp = path.stem.removeprefix("results_")
    samples = {}
    for task in results["results"]:
        lines = (folder / f"samples_{task}_{stamp}.jsonl").read_text("utf-8").splitlines()
        samples[task] = [json.loads(line) for line in lines]
        for record in samples[task]:
            TypeAdapter(Sample).validate_python(record)
    assert len([*folder.iterdir()]) == 1 + len(samples)
    return results, samples


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_figures_are_the_sets_and_results_are_means_over_documents(tmp_path: Path) -> None:
    paths = list(export(ResultSet(DEMO), tmp_path, ["fudge"]))
    assert {path.parent.name for path in paths} == {"fudge"}
    results, samples = load(tmp_path / "fudge")
    table = json.loads((DEMO / "table.json").read_text())
    rows = {
        (one["task"], row["metric"]): row
        for one in table["tables"]
        for row in one["rows"]
        if row["method"] == "fudge"
    }
    checked = 0
    for task, found in results["results"].items():
        assert results["n-samples"][task] == {"original": 40, "effective": 40}
        assert found["sample_len"] == len(samples[task]) == 40
        assert len(samples[task][0]["resps"][0]) == 5
        for metric, higher in results["higher_is_better"][task].items():
            value, error = found[f"{metric},none"], found[f"{metric}_stderr,none"]
            if metric != "perplexity":
                mean = sum(record[metric] for record in samples[task]) / 40
                assert mean == pytest.approx(value)
            if (task, metric) in rows:
                ours = rows[task, metric]["ctrl"]
                assert higher and 100 * value == pytest.approx(ours["ours"])
                assert 392 * error == pytest.approx(ours["high"] - ours["low"])
                checked += 1
    assert checked > 10
    lm = rows["length", "len_exact"]["lm"]
    assert results["results"]["length"]["perplexity,none"] == pytest.approx(lm["ours"])
    assert results["higher_is_better"]["length"]["perplexity"] is False
    assert results["config"]["random_seed"] == 0 and len(results["git_hash"]) >= 40
    hashes = "".join(r["doc_hash"] + r["prompt_hash"] + r["target_hash"] for r in samples["length"])
    assert results["task_hashes"]["length"] == sha(hashes)


def test_documents_say_what_was_asked_and_what_came(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    list(export(ResultSet(folder), tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"diffusion_lm", "fudge"}
    _, samples = load(tmp_path / "out" / "fudge")
    first, second = samples["length"]
    assert first["doc"] == {
        "id": "t1",
        "control": {"kind": "length", "words": 3},
        "prompt": "The text has 3 words.",
        "asked": "3 words",
    }
    assert first["doc_hash"] == sha(json.dumps(first["doc"], indent=2))
    assert first["target_hash"] == sha("3 words") and first["target"] == "3 words"
    assert first["arguments"]["gen_args_0"]["arg_0"] == "The text has 3 words."
    assert first["resps"] == first["filtered_resps"] == [["a", "a b c"]]
    assert (first["len_exact"], first["len_pm2"], first["nll"]) == (0.5, 1.0, 2.0)
    assert (second["len_exact"], second["len_pm2"]) == (0.0, 0.0)


def test_metrics_of_a_set_have_results_and_no_figures_of_documents(tmp_path: Path) -> None:
    list(export(ResultSet(DEMO.parent / "demo-stories"), tmp_path, ["cold"]))
    results, samples = load(tmp_path / "cold")
    assert 0.3 < results["results"]["infilling"]["bleu4,none"] < 0.5
    assert "bleu4" not in samples["infilling"][0]["metrics"]


def test_again_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    for out in ("a", "b"):
        list(export(ResultSet(folder), tmp_path / out))
    kept = [
        {
            str(p.relative_to(tmp_path / out)): p.read_bytes()
            for p in (tmp_path / out).rglob("*.js*")
        }
        for out in ("a", "b")
    ]
    assert kept[0] == kept[1] and len(kept[0]) == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["run={tmp}/none"], "there is no result set"),
        (["run={set}", "method=fugde"], "unknown method 'fugde': did you mean 'fudge'?"),
        (["run={set}", "out={set}/run.json"], "is no folder"),
        (["run={set}", "format=json"], "unknown key 'format'"),
        (["run={damaged}"], "scores.jsonl"),
    ],
)
def test_mistakes_are_one_line(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, damaged = make_set(tmp_path / "good"), make_set(tmp_path / "damaged")
    (damaged / "length" / "fudge" / "scores.jsonl").write_text('{"target": 3}\n')
    places = {"tmp": tmp_path, "set": good, "damaged": damaged}
    assert guarded(export_lm_eval.main, [one.format(**places) for one in given]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
    assert not (good / "lm_eval").exists()
