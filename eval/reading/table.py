"""The comparison with the paper, from stored scores alone (see ``eval.reading.table_text``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.reading.paired import NOTE, Comparison, compare
from eval.reading.stats import (
    Total,
    distinct,
    duplicate_rate,
    entropy,
    interval,
    macro,
    perplexity,
    pooled,
)
from eval.running.cells import CONFIG, SAMPLES, SCORES, as_ratio, read_samples
from eval.running.infilling import COPY
from eval.running.scoring import FLOOR, HUMAN
from tasks import parts
from tasks.base import Task
from tasks.common.jsonl import read

PAPER = Path(__file__).resolve().parents[2] / "results" / "paper.json"
PAPER_TABLES = PAPER.with_name("paper-tables.json")


@dataclass(frozen=True)
class Number:
    """One figure: the paper's, ours with its 95 % interval, and whether both mean the same."""

    paper: float | None
    ours: float | None
    low: float | None = None
    high: float | None = None
    same_definition: bool = False

    @property
    def difference(self) -> float | None:
        return None if self.paper is None or self.ours is None else self.ours - self.paper


@dataclass(frozen=True)
class Row:
    """A method under one metric of a task. ``note``: why there is no number."""

    method: str
    metric: str
    ctrl: Number
    lm: Number | None
    lm_variants: Mapping[str, float] | None = None
    distinct2: float | None = None
    entropy: float | None = None
    duplicates: float | None = None
    targets: int = 0
    samples: int = 0
    nfe: float | None = None
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Table:
    """One task: a row for each method and metric, the human ceiling and the floor; and every
    method against one."""

    task: str
    metrics: Mapping[str, str]
    rows: Sequence[Row]
    notes: Sequence[str]
    paired: Sequence[Comparison] = ()


def build(
    folder: Path,
    task: Task,
    methods: Sequence[str],
    refused: Mapping[tuple[str, str], str],
    corpus: str,
) -> Table:
    """The table of one task of the result set in ``folder``."""
    paper = json.loads(PAPER.read_text(encoding="utf-8"))
    values = paper["values"].get(task.name, {})
    if task.name == "infilling":
        values = json.loads(PAPER_TABLES.read_text(encoding="utf-8"))["infilling"]["values"]
    metrics = _used(folder / task.name, task)
    rows: list[Row] = []
    for method in methods:
        cell = folder / task.name / method
        published, reason = values.get(method, {}), refused.get((task.name, method))
        shown = metrics
        if reason or not (cell / SCORES).exists():
            shown = [m for m in metrics if m in {*task.headlines, *task.paper_metrics}]
        for i, metric in enumerate(shown):
            same = metric in task.paper_metrics and corpus == paper["corpus"]
            total = task.pooled.get(metric)
            rows.append(_row(cell, method, metric, published, same, reason, i == 0, total))
    human = _perplexity(read(folder / HUMAN / SCORES))
    floor = _perplexity(read(folder / FLOOR / SCORES))
    floor_texts = [record["words"] for record in read(folder / FLOOR / SAMPLES)]
    for i, metric in enumerate(metrics):
        records = read(folder / task.name / HUMAN / SCORES)
        ceiling = _ctrl(records, metric, None, False, task.pooled.get(metric))
        rows.append(
            Row(
                "human text",
                metric,
                ceiling,
                _lm(human, None) if i == 0 else None,
                targets=len(records),
                samples=len(records),
                note=_lacking(ceiling) if records else "n/a: the target list has no texts",
            )
        )
    for i, metric in enumerate(metrics):
        records = read(folder / task.name / FLOOR / SCORES)
        base = _ctrl(records, metric, None, False, task.pooled.get(metric))
        rows.append(
            Row(
                "unconditional",
                metric,
                Number(None, base.ours),
                _lm(floor, None) if i == 0 else None,
                distinct2=distinct(floor_texts) if i == 0 and floor_texts else None,
                entropy=entropy(floor_texts) if i == 0 and floor_texts else None,
                duplicates=duplicate_rate([floor_texts]) if i == 0 and floor_texts else None,
                targets=len(records),
                samples=len(floor_texts),
                note=_lacking(base) if records else "n/a: not run",
            )
        )
    for metric in metrics:
        records = read(folder / task.name / COPY / SCORES)
        if records:
            copied = _ctrl(records, metric, None, False, task.pooled.get(metric))
            rows.append(Row("left context", metric, copied, None, targets=len(records)))
    meanings = {metric: task.metrics[metric] for metric in metrics}
    notes = _notes(folder, task, meanings, paper)
    return Table(task.name, meanings, rows, notes, compare(folder, task, methods))


def _used(folder: Path, task: Task) -> list[str]:
    """The metrics of a task without those that no scored target of this set has, such as agreement
    with a released list where targets are drawn from validation texts."""
    found = {
        metric
        for path in folder.glob(f"*/{SCORES}")
        for record in read(path)
        for metric in record["scores"]
    }
    return [metric for metric in task.metrics if metric in found or not found]


def _row(
    cell: Path,
    method: str,
    metric: str,
    published: Mapping[str, Any],
    same: bool,
    refused: str | None,
    first: bool,
    total: Total | None,
) -> Row:
    paper_ctrl, paper_lm = _published(published, metric), published.get("lm")
    if refused or not (cell / SCORES).exists():
        note = refused or "n/a: not run"
        fluency = Number(paper_lm, None) if first else None
        return Row(method, metric, Number(paper_ctrl, None), fluency, note=note)
    scores, samples = read(cell / SCORES), read_samples(cell)
    ctrl = _ctrl(scores, metric, paper_ctrl, same, total)
    note = _lacking(ctrl)
    if not first:
        return Row(method, metric, ctrl, None, note=note)
    texts: dict[str, list[list[str]]] = {}
    for record in samples:
        texts.setdefault(record["target"], []).append(record["words"])
    lm = _perplexity(scores)
    return Row(
        method,
        metric,
        ctrl,
        _lm(lm, paper_lm),
        lm_variants=lm,
        distinct2=distinct([words for group in texts.values() for words in group]),
        entropy=entropy([words for group in texts.values() for words in group]),
        duplicates=duplicate_rate(texts.values()),
        targets=len(texts),
        samples=len(samples),
        nfe=_mean(samples, "nfe"),
        seconds=_mean(samples, "seconds"),
        note=note,
    )


def _mean(samples: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """None for the samples of other programs, of which it is not known."""
    known = [[float(record[name])] for record in samples if name in record]
    return macro(known) if known else None


def _published(values: Mapping[str, Any], metric: str) -> float | None:
    """The paper's ctrl; of a composition, that of the part whose metric it is."""
    ctrl = values.get("ctrl", values.get(metric))
    return ctrl.get(metric.split(".")[0]) if isinstance(ctrl, Mapping) else ctrl


def _lacking(ctrl: Number) -> str:
    return "n/a: the targets have none" if ctrl.ours is None else ""


def by_target(records: Sequence[Mapping[str, Any]], value: Any) -> list[list[float]]:
    """``value(record)`` of each sample, grouped by target."""
    groups: dict[str, list[float]] = {}
    for record in records:
        groups.setdefault(record["target"], []).append(value(record))
    return list(groups.values())


def _ctrl(
    records: Sequence[Mapping[str, Any]],
    metric: str,
    paper: float | None,
    same: bool,
    total: Total | None = None,
) -> Number:
    """Success in percent, over the targets that have the metric. ``total``: of a pooled one."""
    records = [r for r in records if metric in r["scores"]]
    if not records:
        return Number(paper, None, same_definition=same)
    if total is not None:
        rows = [r["scores"][metric] for r in records]
        figures = pooled(rows, lambda sums: 100 * total(sums))
        return Number(paper, *figures, same_definition=same)
    values = by_target(records, lambda r: 100 * as_ratio(r["scores"][metric])[0])
    weights = by_target(records, lambda r: as_ratio(r["scores"][metric])[1])
    low, high = interval(values, weights=weights)
    return Number(paper, macro(values, weights), low, high, same_definition=same)


def _perplexity(records: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    if not records or records[0].get("nll") is None:
        return None
    return perplexity(
        by_target(records, lambda r: r["nll"]), by_target(records, lambda r: r["tokens"])
    )


def _lm(found: Mapping[str, float] | None, paper: float | None) -> Number:
    """The teacher is trained here, so the paper's lm-score never has quite our definition."""
    if found is None:
        return Number(paper, None)
    return Number(paper, found["ppl"], found["low"], found["high"])


def _notes(
    folder: Path, task: Task, metrics: Mapping[str, str], paper: Mapping[str, Any]
) -> list[str]:
    notes = [f"ctrl, {name}: {text}, in percent." for name, text in metrics.items()]
    for name in parts(task.name):
        if name in paper["ctrl"]:
            notes.append(f"Paper's ctrl, {name}: {paper['ctrl'][name]['definition']}.")
    return notes + _oracle_notes(folder / task.name) + _skipped(folder / task.name)


def _skipped(folder: Path) -> list[str]:
    """Metrics that could not be computed when the cells were scored."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob(f"*/{CONFIG}")):
        found |= json.loads(path.read_text(encoding="utf-8")).get("skipped", {})
    return [f"{metric}: {reason}" for metric, reason in found.items()]


def legend(corpus: str, fluency: bool = True) -> list[str]:
    """What holds for every table of a result set; ``fluency``: whether any has lm-scores."""
    paper = json.loads(PAPER.read_text(encoding="utf-8"))
    if not fluency:
        where = json.loads(PAPER_TABLES.read_text(encoding="utf-8"))["infilling"]["where"]
        return [
            f"Paper: {paper['source'].partition(', Tables')[0]}, {where}.",
            "* the paper's figure is of other networks, items and BERTScore scales than ours.",
            "95 % interval: bootstrap over items.",
            "human text: the human middles of an item held against each other, where it has two or "
            "more. unconditional: first sentences of samples without any context. left context: the"
            " sentence on the left, given as the answer.",
            NOTE.replace("then over samples; ", ""),
        ]
    where = "" if corpus == paper["corpus"] else f" (theirs is for E2E, ours for {corpus})"
    return [
        f"Paper: {paper['source']}.",
        "* the paper's figure has another definition, corpus or teacher than ours" + where + ".",
        "lm: perplexity under a teacher trained here: exp of the NLL a token, averaged over the "
        f"samples of a target, then over targets. Paper's lm: {paper['lm']}.",
        "95 % interval: bootstrap over targets, then over samples within each.",
        "human text: the texts that the targets were taken from, or, for semantic content, the "
        "validation texts whose meaning has the asked value; its lm is that of validation "
        "texts. unconditional: samples without control, each held against every target.",
        "distinct-2: distinct word pairs over all; entropy: of the words of all samples, in bits; "
        "repeats: samples equal to an earlier one of the same target.",
        NOTE,
    ]


def _oracle_notes(folder: Path) -> list[str]:
    for path in sorted(folder.glob(f"*/{CONFIG}")):
        oracles = json.loads(path.read_text(encoding="utf-8")).get("oracles")
        if not oracles:
            continue
        notes = []
        for role, facts in oracles.items():
            shown = [
                f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}"
                for k, v in facts.items()
                if k != "id"
            ]
            notes.append(f"{role}: {facts['id']}" + (f" ({', '.join(shown)})" if shown else ""))
        return notes
    return []
