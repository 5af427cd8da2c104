"""Table 5 of the paper: sentence infilling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.reading.results import ResultSet, method_name, read_json
from eval.reading.table import Number
from eval.reading.tables.control import Compared, Footnotes
from eval.reading.tables.grid import Column, Entry, Grid, entry
from eval.reading.tables.others import paper_table, short
from eval.running.infilling import COPY

RATINGS = "human_ratings.json"
HUMAN = "human"
#: as the paper writes them here, where they differ from elsewhere
METRICS = {
    "bleu4": "BLEU-4 ↑",
    "rouge_l": "ROUGE-L ↑",
    "cider": "CIDEr ↑",
    "bertscore": "BERTScore ↑",
    HUMAN: "human ↑",
}
#: rows that are no methods, and their cells
REFERENCES = {"human text": "human", "unconditional": "unconditional", "left context": COPY}


def table5(results: ResultSet, tasks: Mapping[str, Compared]) -> Grid:
    """The paper's figures, and ours where the set has the task: each with its 95 % interval, the
    references held against each other, and the floor."""
    paper, footnotes = paper_table("infilling")["values"], Footnotes()
    compared = tasks.get("infilling")
    columns = [Column("method", right=False), Column("", right=False)]
    columns += [Column(title) for title in METRICS.values()]
    rows, rules, records = list[list[Entry]](), list[int](), list[dict[str, Any]]()
    others = [m for m in results.methods("infilling") if m not in paper] if compared else []
    ratings = _ratings(results)
    for method in [*paper, *others, *(REFERENCES if compared else ())]:
        rules.append(len(rows))
        ours, spans = list[Entry](), list[Entry]()
        for metric in METRICS:
            number, reason = _ours(results, compared, ratings, method, metric)
            published = paper.get(method, {}).get(metric)
            digits = 2 if metric == HUMAN else 1
            if number is None:
                ours.append(entry(footnotes.mark(reason), "muted") if reason else ())
                spans.append(())
            else:
                ours.append(entry(f"{number.ours:.{digits}f}"))
                spans.append(_span(number, digits))
            records.append(
                {
                    "method": method,
                    "metric": metric,
                    "ours": short(number.ours) if number else "",
                    "low": short(number.low) if number else "",
                    "high": short(number.high) if number else "",
                    "paper": short(published),
                    "reason": reason,
                }
            )
        rows.append([entry(method_name(method), "bold"), entry("ours"), *ours])
        if any(spans):
            rows.append([(), entry("95 %", "muted"), *spans])
        values = [paper.get(method, {}).get(metric) for metric in METRICS]
        if any(value is not None for value in values):
            shown = [entry(short(value), "muted") for value in values]
            rows.append([(), entry("paper", "muted"), *shown])
    notes = [*footnotes.notes, f"Paper: {paper_table('infilling')['where']}."]
    notes += _definitions(results)
    title = "Table 5: sentence infilling"
    return Grid("table5", title, columns, rows, notes, frozenset(rules[1:]), records)


def _ours(
    results: ResultSet,
    compared: Compared | None,
    ratings: Mapping[str, Any],
    method: str,
    metric: str,
) -> tuple[Number | None, str]:
    """Our figure, or why there is none."""
    if metric == HUMAN:
        own = ratings.get(method)
        if own is None:
            return None, ""  # nobody was asked, which is no lack of a method
        return Number(None, own["score"], own["low"], own["high"]), ""
    row = compared.row(method, metric) if compared else None
    if row is not None and row.ctrl.ours is not None:
        return row.ctrl, ""
    if method in REFERENCES and row is None:
        return None, _skipped(results, REFERENCES[method], metric) or "n/a: not run"
    if row is not None and not row.note.startswith("n/a: not run"):
        return None, _skipped(results, method, metric) or row.note
    return None, _skipped(results, method, metric) or results.reason("infilling", method)


def _config(results: ResultSet, method: str) -> dict[str, Any]:
    path = results.folder / "infilling" / method / "config.json"
    return read_json(path) if path.exists() else {}


def _skipped(results: ResultSet, method: str, metric: str) -> str:
    """Why a metric could not be computed when the cell was scored."""
    return str(_config(results, method).get("skipped", {}).get(metric, ""))


def _definitions(results: ResultSet) -> list[str]:
    """What the metrics of the scored cells are exactly."""
    for method in results.methods("infilling") if "infilling" in results.tasks else []:
        described = _config(results, method).get("metrics", {})
        if described:
            return [f"{name}: {text}" for name, text in described.items()]
    return []


def _ratings(results: ResultSet) -> dict[str, Any]:
    path = results.folder / "infilling" / RATINGS
    found: dict[str, Any] = read_json(path).get("methods", {}) if path.exists() else {}
    return found


def _span(number: Number, digits: int) -> Entry:
    if number.low is None or number.high is None:
        return ()
    return entry(f"{number.low:.{digits}f} to {number.high:.{digits}f}", "muted")
