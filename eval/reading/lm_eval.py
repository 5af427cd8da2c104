"""A result set in the files that lm-evaluation-harness writes (``--log_samples``), for whatever
reads those: ``MODEL/results_DATE.json`` and ``MODEL/samples_TASK_DATE.jsonl``, of version 0.4.

A method is a model and a target a document, whose responses are the samples. Metrics are shares in
[0, 1]; a document's is that of its samples together, so that a result is the mean over documents.
Metrics of a whole set (BLEU, CIDEr) have results and no figures of documents. A standard error is
what the 95 % interval says under a normal law, its width over 2 x 1.96.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from eval.reading.intervals import DRAWS
from eval.reading.names import TaskTraits
from eval.reading.results import CellFiles, ResultSet
from eval.reading.rows import Number, by_target, ctrl, fluency
from eval.running.cells import CONFIG, SCORES, as_ratio, read_config
from tasks.base import Target
from tasks.common.files import json_text, write_text
from tasks.controls import to_stored
from tasks.metrics.text import detokenize

SOURCE = "control-bench"
#: the harness names what it did with responses before they were scored: nothing
FILTER = "none"
#: of the teacher's figures, whether higher is better; ``nll``: nats a token
TEACHERS = {"nll": False, "perplexity": False}
Z = 1.96


def export(results: ResultSet, out: Path, methods: Sequence[str] = ()) -> Iterator[Path]:
    """Writes the files of every scored method, or of ``methods``, and yields their paths. The date
    is that of the newest scores, so that equal sets give equal files."""
    groups: dict[str, list[CellFiles]] = {}
    for cell in results.cells():
        if cell.scored and (not methods or cell.method in methods):
            groups.setdefault(cell.method, []).append(cell)
    for method, cells in groups.items():
        folder = out / sanitized(method)
        folder.mkdir(parents=True, exist_ok=True)
        date = max((cell.folder / SCORES).stat().st_mtime for cell in cells)
        stamp = datetime.fromtimestamp(date).isoformat().replace(":", "-")
        lines = {cell.task: list(_documents(results, cell)) for cell in cells}
        for task, records in lines.items():
            path = folder / f"samples_{task}_{stamp}.jsonl"
            write_text(path, "".join(json_text(record) + "\n" for record in records))
            yield path
        path = folder / f"results_{stamp}.json"
        write_text(path, json_text(_summary(results, method, cells, lines, date), indent=2) + "\n")
        yield path


def sanitized(model: str) -> str:
    """A model's name as that of a folder, as the harness has it."""
    return re.sub(r"[\"<>:/|\\?*\[\]]+", "__", model)


def _summary(
    results: ResultSet,
    method: str,
    cells: Sequence[CellFiles],
    lines: Mapping[str, Sequence[Mapping[str, Any]]],
    date: float,
) -> dict[str, Any]:
    """``results_DATE.json``."""
    facts, traits = cells[0].config, {cell.task: results.task(cell.task) for cell in cells}
    seed = facts.get("identity", {}).get("seed", 0)
    packages = facts.get("packages", {})
    seconds = sum(float(s.get("seconds", 0.0)) for cell in cells for s in cell.samples)
    figures = {cell.task: _figures(cell, traits[cell.task]) for cell in cells}
    return {
        "results": {
            task: {
                "name": task,
                "alias": traits[task].label,
                "sample_len": len(lines[task]),
                **dict(_flat(found)),
            }
            for task, found in figures.items()
        },
        "group_subtasks": {task: [] for task in figures},
        "configs": {
            cell.task: _config(results, cell, traits[cell.task], figures[cell.task])
            for cell in cells
        },
        "versions": {task: _version(results, task) for task in figures},
        "n-shot": dict.fromkeys(figures, 0),
        "higher_is_better": {
            task: {name: TEACHERS.get(name, True) for name in found}
            for task, found in figures.items()
        },
        "n-samples": {
            task: {"original": len(rows), "effective": len(rows)} for task, rows in lines.items()
        },
        "config": {
            "model": method,
            "model_args": _plain(facts.get("settings", {})),
            "batch_size": str(results.settings.get("batch", "")),
            "batch_sizes": [],
            "device": results.settings.get("device"),
            "use_cache": None,
            "limit": None,
            "bootstrap_iters": DRAWS,
            "gen_kwargs": None,
            **{f"{part}_seed": seed for part in ("random", "numpy", "torch", "fewshot")},
        },
        "git_hash": facts.get("commit"),
        "date": date,
        "pretty_env_info": ", ".join(
            [str(facts.get("platform", "")), *(f"{n} {v}" for n, v in sorted(packages.items()))]
        ),
        "transformers_version": packages.get("transformers"),
        "upper_git_hash": None,
        "task_hashes": {
            task: _hash("".join(r["doc_hash"] + r["prompt_hash"] + r["target_hash"] for r in rows))
            for task, rows in lines.items()
        },
        "model_source": SOURCE,
        "model_name": method,
        "model_name_sanitized": sanitized(method),
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": False,
        "chat_template": None,
        "chat_template_sha": None,
        "total_evaluation_time_seconds": str(round(seconds, 3)),
    }


def _figures(cell: CellFiles, task: TaskTraits) -> dict[str, Number]:
    """Metric -> value and interval: shares, and what the teacher says."""
    found = dict[str, Number]()
    for metric in task.metrics:
        one = ctrl(cell.scores, metric, task)
        if one.ours is not None:
            # what is measured in percent
            shares = [None if v is None else v / 100 for v in (one.ours, one.low, one.high)]
            found[metric] = Number(None, shares[0], shares[1], shares[2])
    lm = fluency(cell.scores)
    if lm is not None:
        found["nll"] = Number(None, lm["nll"], math.log(lm["low"]), math.log(lm["high"]))
        found["perplexity"] = Number(None, lm["ppl"], lm["low"], lm["high"])
    return found


def _flat(figures: Mapping[str, Number]) -> Iterator[tuple[str, float]]:
    for name, one in figures.items():
        if one.ours is not None:
            yield f"{name},{FILTER}", one.ours
        if one.low is not None and one.high is not None:
            yield f"{name}_stderr,{FILTER}", (one.high - one.low) / (2 * Z)


def _config(
    results: ResultSet, cell: CellFiles, task: TaskTraits, figures: Mapping[str, Number]
) -> dict[str, Any]:
    """A task as the harness would be told of it."""
    return {
        "task": cell.task,
        "task_alias": task.label,
        "dataset_path": SOURCE,
        "dataset_name": results.corpus,
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{asked}}",
        "metric_list": [
            {
                "metric": name,
                "aggregation": "perplexity" if name == "perplexity" else "mean",
                "higher_is_better": TEACHERS.get(name, True),
            }
            for name in figures
        ],
        "num_fewshot": 0,
        "repeats": max((r.get("of", 1) for r in cell.samples), default=1),
        "should_decontaminate": False,
        "metadata": {
            "version": _version(results, cell.task),
            "definitions": {n: text for n, text in task.metrics.items() if n in figures},
            "judges": cell.config.get("judges", {}),
        },
    }


def _version(results: ResultSet, task: str) -> int:
    identity: Mapping[str, Any] = read_config(results.folder / task / CONFIG).get("identity", {})
    return int(identity.get("task_version", 1))


def _documents(results: ResultSet, cell: CellFiles) -> Iterator[dict[str, Any]]:
    """The lines of ``samples_TASK_DATE.jsonl``: one for each target that has samples."""
    texts: dict[str, list[str]] = {}
    for record in cell.samples:
        texts.setdefault(record["target"], []).append(detokenize(record["words"]))
    scores = {rows[0]["target"]: rows for rows in by_target(cell.scores, lambda record: record)}
    for number, target in enumerate(results.targets(cell.task)):
        if target.id in texts and target.id in scores:
            yield _document(number, target, texts[target.id], scores[target.id], cell)


def _document(
    number: int,
    target: Target,
    texts: list[str],
    scores: Sequence[Mapping[str, Any]],
    cell: CellFiles,
) -> dict[str, Any]:
    asked, prompt = target.control.brief(), target.control.say()
    doc = {"id": target.id, "control": to_stored(target.control), "prompt": prompt, "asked": asked}
    figures = dict(_of_document(scores))
    return {
        "doc_id": number,
        "doc": doc,
        "target": asked,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"method": cell.method}}},
        "resps": [texts],
        "filtered_resps": [texts],
        "filter": FILTER,
        "metrics": list(figures),
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(asked),
        **figures,
    }


def _of_document(scores: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """Metric -> value of a target's samples together; none of a set's counts."""
    for metric in dict.fromkeys(name for record in scores for name in record["scores"]):
        values = [record["scores"][metric] for record in scores if metric in record["scores"]]
        if not any(isinstance(value, Sequence) and len(value) != 2 for value in values):
            over, under = (sum(part) for part in zip(*map(as_ratio, values)))
            yield metric, over / under if under else 0.0
    if scores[0].get("nll") is not None:
        yield "nll", sum(r["nll"] / r["tokens"] for r in scores) / len(scores)


def _plain(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | None]:
    """Nested settings as dotted names of plain values."""
    flat: dict[str, str | int | float | None] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _plain(value, f"{prefix}{name}.")
        else:
            plain = value is None or isinstance(value, (str, int, float))
            flat[prefix + name] = value if plain else json_text(value)
    return flat


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
