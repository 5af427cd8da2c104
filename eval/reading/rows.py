"""The rows of one task's table: control success and fluency with their intervals, diversity, cost,
and the paper's figure beside ours, of a cell, of human texts, of the floor and of copies.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from eval.reading import paper
from eval.reading.intervals import interval, perplexity, pooled
from eval.reading.names import (
    OWN,
    TaskTraits,
    method_name,
)
from eval.reading.notes import at_chance
from eval.reading.paired import percent_of
from eval.reading.results import CellFiles, ResultSet
from eval.reading.stats import duplicate_rate, entropy, macro, rarefied
from eval.running.cells import CONFIG, LOG_Z, as_ratio, log_z, read_config
from eval.running.infilling import COPY
from eval.running.scoring import FLOOR, HUMAN
from tasks.corpora import CORPORA
from tasks.metrics.text import visible_words

Records = Sequence[Mapping[str, Any]]

NO_CODE = "n/a: the task that sums its counts is not at hand"


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
    """A method under one metric of a task; what is of the cell and not of a metric stands in its
    first row. ``released``: success where samples are judged with what follows their END, as the
    authors' released code does; None where none has anything there. ``distinct2``: of equally many
    samples of every row of a table. ``length``: its words, white space aside. ``copied``:
    percent of its texts that are training texts word for word; ``outside``: percent of their words
    that the teacher of lm does not know; ``subwords``: perplexity a word under the teacher of
    subwords. ``log_z``: the log of the normalising constant that samples estimate, on average over
    the targets of which it is not 0. ``at_chance``: whether a network behind it is no better than
    chance. ``note``: why there is no number. ``stored``: the result set that it is read from, where
    that is another than the table's."""

    method: str
    metric: str
    ctrl: Number
    lm: Number | None
    _: KW_ONLY
    released: Number | None = None
    lm_variants: Mapping[str, float] | None = None
    distinct2: float | None = None
    entropy: float | None = None
    duplicates: float | None = None
    length: float | None = None
    targets: int = 0
    samples: int = 0
    nfe: float | None = None
    seconds: float | None = None
    log_z: float | None = None
    copied: float | None = None
    outside: float | None = None
    subwords: Number | None = None
    note: str = ""
    stored: str = ""
    at_chance: bool = False


def method_rows(
    cell: CellFiles | None,
    task: TaskTraits,
    method: str,
    *,
    metrics: Sequence[str],
    refused: str | None,
    corpus: str,
    count: int,
) -> Iterator[Row]:
    # what the paper says of its corpus says nothing of texts of one's own
    published = paper.values(task.name).get(method, {}) if corpus in CORPORA else {}
    paper_lm = published.get("lm")
    if refused or cell is None or not cell.scored:
        note = refused or "n/a: not run"
        shown = [m for m in metrics if m in {*task.headlines, *task.paper_metrics}]
        for i, metric in enumerate(shown):
            number = Number(paper.ctrl(published, metric), None)
            yield Row(method, metric, number, None if i else Number(paper_lm, None), note=note)
        return
    for i, metric in enumerate(metrics):
        number = dataclasses.replace(
            ctrl(cell.scores, metric, task),
            paper=paper.ctrl(published, metric),
            same_definition=metric in task.paper_metrics and corpus == paper.control()["corpus"],
        )
        note, released = _lacking(number, metric, task), _released(cell.scores, metric, task)
        chance = bool(at_chance(cell))
        row = Row(method, metric, number, None, released=released, note=note, at_chance=chance)
        yield row if i else _of_cell(row, cell, paper_lm, count)


def _released(records: Records, metric: str, task: TaskTraits) -> Number | None:
    """Success of whole samples; None where none goes on behind END."""
    if not any("released" in record for record in records):
        return None
    return ctrl([{**r, "scores": r.get("released", r["scores"])} for r in records], metric, task)


def _of_cell(row: Row, cell: CellFiles, paper_lm: float | None, count: int) -> Row:
    """The row with what is of the whole cell; ``count``: of so many samples distinct-2 is."""
    variants, texts = fluency(cell.scores), by_target(cell.samples, lambda r: r["words"])
    return dataclasses.replace(
        row,
        lm=_lm(variants, paper_lm),
        lm_variants=variants,
        **_diversity([words for group in texts for words in group], count),
        duplicates=duplicate_rate(texts),
        targets=len(texts),
        samples=len(cell.samples),
        nfe=_mean(cell.samples, "nfe"),
        seconds=_mean(cell.samples, "seconds"),
        log_z=_log_z(cell.samples),
        **_of_texts(read_config(cell.folder / CONFIG)),
        subwords=_subwords(cell.scores),
    )


def _of_texts(config: Mapping[str, Any]) -> dict[str, Any]:
    """What was counted of a cell's texts, in percent."""
    parts = {"outside": ("unknown", "words"), "copied": ("copied", "texts")}
    return {
        name: 100 * config[name][part] / max(1, config[name][whole])
        for name, (part, whole) in parts.items()
        if name in config
    }


def _mean_words(config: Mapping[str, Any]) -> float | None:
    """Of a cell whose texts are not stored."""
    words, texts = config.get("outside", {}).get("words"), config.get("copied", {}).get("texts")
    return words / texts if words is not None and texts else None


def _subwords(records: Records) -> Number | None:
    figures = fluency(records, "subword_nll", "subword_words")
    return None if figures is None else _lm(figures, None)


def ceiling(results: ResultSet, task: TaskTraits, metrics: Sequence[str]) -> Iterator[Row]:
    """The human texts that are meant to satisfy each target."""
    records, common = results.scores(task.name, HUMAN), results.common_scores(HUMAN)
    lm, known = _lm(fluency(common), None), read_config(results.folder / HUMAN / CONFIG)
    for i, metric in enumerate(metrics):
        number = ctrl(records, metric, task)
        yield Row(
            method_name(HUMAN),
            metric,
            number,
            None if i else lm,
            targets=len(records),
            samples=len(records),
            **({} if i else _of_texts(known)),
            length=None if i else _mean_words(known),
            subwords=None if i else _subwords(common),
            note=_lacking(number, metric, task) if records else "n/a: the target list has no texts",
        )


def own_texts(results: ResultSet, task: TaskTraits, metrics: Sequence[str]) -> Iterator[Row]:
    """The texts that the targets come from: success, and what the teacher says of them."""
    records = results.scores(task.name, HUMAN)
    own = read_config(results.folder / task.name / HUMAN / CONFIG).get("own")
    if not task.fluency or (records and own is None):  # an earlier version did not read them
        return
    for i, metric in enumerate(metrics):
        number = ctrl(records, metric, task)
        yield Row(
            OWN,
            metric,
            number,
            None if i else _lm(fluency(records), None),
            targets=len(records),
            samples=len(records),
            length=own["words"] / own["texts"] if own and own["texts"] and not i else None,
            note=_lacking(number, metric, task) if records else "n/a: the target list has no texts",
        )


def floor_row(
    results: ResultSet, task: TaskTraits, metrics: Sequence[str], count: int
) -> Iterator[Row]:
    """Samples without control, each held against every target."""
    records, common = results.scores(task.name, FLOOR), results.common_scores(FLOOR)
    lm, known = _lm(fluency(common), None), read_config(results.folder / task.name / FLOOR / CONFIG)
    texts = [record["words"] for record in results.floor_samples]
    for i, metric in enumerate(metrics):
        number = ctrl(records, metric, task)
        row = Row(
            method_name(FLOOR),
            metric,
            Number(None, number.ours),
            None if i else lm,
            released=_released(records, metric, task),
            targets=len(records),
            samples=len(texts),
            **({} if i else _of_texts(known)),
            subwords=None if i else _subwords(common),
            note=_lacking(number, metric, task) if records else "n/a: not run",
        )
        if texts and not i:
            repeats = duplicate_rate([texts])
            row = dataclasses.replace(row, **_diversity(texts, count), duplicates=repeats)
        yield row


def copies_row(results: ResultSet, task: TaskTraits, metrics: Sequence[str]) -> Iterator[Row]:
    """What copying a context gives, where the task has any."""
    records = results.scores(task.name, COPY)
    for metric in metrics if records else ():
        number = ctrl(records, metric, task)
        yield Row(method_name(COPY), metric, number, None, targets=len(records))


def _lacking(number: Number, metric: str, task: TaskTraits) -> str:
    if number.ours is not None:
        return ""
    code = task.pooled.get(metric, _lacking) is None
    return NO_CODE if code else "n/a: the targets have none"


def ctrl(records: Records, metric: str, task: TaskTraits) -> Number:
    """Success in percent under one metric, over the targets that have it; no number where there are
    none, or where the metric is of counts that only the task's code can sum."""
    values = [r for r in records if metric in r["scores"]]
    if not values or task.pooled.get(metric, ctrl) is None:
        return Number(None, None)
    total = task.pooled.get(metric)
    if total is not None:
        return Number(None, *pooled([r["scores"][metric] for r in values], percent_of(total)))
    over = by_target(values, lambda r: as_ratio(r["scores"][metric])[0])
    under = by_target(values, lambda r: as_ratio(r["scores"][metric])[1])
    low, high = interval(over, weights=under)
    return Number(None, 100 * macro(over, under), 100 * low, 100 * high)


def fluency(records: Records, nll: str = "nll", tokens: str = "tokens") -> dict[str, float] | None:
    """The lm-score in all its readings (``intervals.perplexity``); None where no teacher read them.
    ``nll``, ``tokens``: the entries of a record that hold nats and what they are of."""
    if not records or records[0].get(nll) is None:
        return None
    return perplexity(by_target(records, lambda r: r[nll]), by_target(records, lambda r: r[tokens]))


def _lm(figures: Mapping[str, float] | None, published: float | None) -> Number:
    """The teacher is trained here, so the paper's lm-score never has quite our definition."""
    if figures is None:
        return Number(published, None)
    return Number(published, figures["ppl"], figures["low"], figures["high"])


def _diversity(texts: Sequence[Sequence[str]], count: int) -> dict[str, Any]:
    """None where there is nothing to count, as no word pair in texts of one word."""
    figures = {"distinct2": rarefied(texts, min(count, len(texts))), "entropy": entropy(texts)}
    figures["length"] = sum(len(visible_words(words)) for words in texts) / len(texts)
    # adding zero makes -0.0, the entropy of a single word repeated, a plain zero
    return {name: None if math.isnan(value) else value + 0.0 for name, value in figures.items()}


def _log_z(samples: Records) -> float | None:
    """None where no method estimated it, or no target has any."""
    known = by_target([record for record in samples if LOG_Z in record], log_z)
    means = [np.logaddexp.reduce(group) - math.log(len(group)) for group in known]
    left = [float(value) for value in means if value > -math.inf]
    return sum(left) / len(left) if left else None


def _mean(samples: Records, name: str) -> float | None:
    """None for the samples of other programs, of which it is not known."""
    known = [[float(record[name])] for record in samples if name in record]
    return macro(known) if known else None


@dataclass(frozen=True)
class Cost:
    """Of decoding: ``seconds`` for some number of samples with their 95 % interval over targets,
    and network ``evaluations`` a sample."""

    seconds: float
    low: float
    high: float
    evaluations: float


def cost(samples: Records, number: int) -> Cost | None:
    """The cost of ``number`` samples; None where the samples do not carry it."""
    if not samples or not all({"seconds", "nfe"} <= record.keys() for record in samples):
        return None
    times = by_target(samples, lambda r: number * r["seconds"])
    return Cost(macro(times), *interval(times, share=False), macro([[r["nfe"]] for r in samples]))


def by_target(records: Records, value: Callable[[Mapping[str, Any]], Any]) -> list[list[Any]]:
    """``value(record)`` of each sample, grouped by target."""
    groups: dict[str, list[Any]] = {}
    for record in records:
        groups.setdefault(record["target"], []).append(value(record))
    return list(groups.values())
