"""The comparison with the paper, from stored scores alone: for the terminal, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.cells import CONFIG, SAMPLES, SCORES
from eval.jsonl import read
from eval.scoring import FLOOR, HUMAN
from eval.stats import distinct, duplicate_rate, interval, macro, perplexity
from eval.store import write_text
from tasks.base import Task

PAPER = Path(__file__).resolve().parent.parent / "results" / "paper.json"


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
    duplicates: float | None = None
    targets: int = 0
    samples: int = 0
    nfe: float | None = None
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Table:
    """One task: a row for each method and metric, the human ceiling and the floor."""

    task: str
    metrics: Mapping[str, str]
    rows: Sequence[Row]
    notes: Sequence[str]


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
    rows: list[Row] = []
    for method in methods:
        cell = folder / task.name / method
        published = values.get(method, {})
        for i, metric in enumerate(task.metrics):
            same = metric == task.paper_metric and corpus == paper["corpus"]
            rows.append(
                _row(
                    cell,
                    method,
                    metric,
                    published,
                    same,
                    refused.get((task.name, method)),
                    first=i == 0,
                )
            )
    human = _perplexity(read(folder / HUMAN / SCORES))
    floor = _perplexity(read(folder / FLOOR / SCORES))
    floor_texts = [record["words"] for record in read(folder / FLOOR / SAMPLES)]
    for i, metric in enumerate(task.metrics):
        records = read(folder / task.name / HUMAN / SCORES)
        ceiling = _ctrl(records, metric, None, False)
        rows.append(
            Row(
                "human text",
                metric,
                ceiling,
                _lm(human, None) if i == 0 else None,
                targets=len(records),
                samples=len(records),
                note="" if records else "n/a: the target list has no texts",
            )
        )
    for i, metric in enumerate(task.metrics):
        records = read(folder / task.name / FLOOR / SCORES)
        base = _ctrl(records, metric, None, False)
        rows.append(
            Row(
                "unconditional",
                metric,
                Number(None, base.ours),
                _lm(floor, None) if i == 0 else None,
                distinct2=distinct(floor_texts) if i == 0 else None,
                duplicates=duplicate_rate([floor_texts]) if i == 0 else None,
                targets=len(records),
                samples=len(floor_texts),
            )
        )
    return Table(task.name, task.metrics, rows, _notes(folder, task, paper))


def _row(
    cell: Path,
    method: str,
    metric: str,
    published: Mapping[str, float],
    same: bool,
    refused: str | None,
    first: bool,
) -> Row:
    paper_ctrl, paper_lm = published.get("ctrl"), published.get("lm")
    if refused or not (cell / SCORES).exists():
        note = refused or "n/a: not run"
        return Row(method, metric, Number(paper_ctrl, None), Number(paper_lm, None), note=note)
    scores, samples = read(cell / SCORES), read(cell / SAMPLES)
    ctrl = _ctrl(scores, metric, paper_ctrl, same)
    if not first:
        return Row(method, metric, ctrl, None)
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
        duplicates=duplicate_rate(texts.values()),
        targets=len(texts),
        samples=len(samples),
        nfe=macro([[record["nfe"]] for record in samples]),
        seconds=macro([[record["seconds"]] for record in samples]),
    )


def by_target(records: Sequence[Mapping[str, Any]], value: Any) -> list[list[float]]:
    """``value(record)`` of each sample, grouped by target."""
    groups: dict[str, list[float]] = {}
    for record in records:
        groups.setdefault(record["target"], []).append(value(record))
    return list(groups.values())


def _ctrl(
    records: Sequence[Mapping[str, Any]], metric: str, paper: float | None, same: bool
) -> Number:
    """Success in percent."""
    values = by_target(records, lambda r: 100 * r["scores"][metric])
    if not values:
        return Number(paper, None, same_definition=same)
    return Number(paper, macro(values), *interval(values), same_definition=same)


def _perplexity(records: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    if not records:
        return None
    return perplexity(
        by_target(records, lambda r: r["nll"]), by_target(records, lambda r: r["tokens"])
    )


def _lm(found: Mapping[str, float] | None, paper: float | None) -> Number:
    """The teacher is trained here, so the paper's lm-score never has quite our definition."""
    if found is None:
        return Number(paper, None)
    return Number(paper, found["ppl"], found["low"], found["high"])


def _notes(folder: Path, task: Task, paper: Mapping[str, Any]) -> list[str]:
    notes = [f"ctrl, {name}: {text}, in percent." for name, text in task.metrics.items()]
    if task.name in paper["ctrl"]:
        notes.append(f"Paper's ctrl: {paper['ctrl'][task.name]['definition']}.")
    return notes + _oracle_notes(folder / task.name)


def legend(corpus: str) -> list[str]:
    """What holds for every table of a result set."""
    paper = json.loads(PAPER.read_text(encoding="utf-8"))
    where = "" if corpus == paper["corpus"] else f" (theirs is for E2E, ours for {corpus})"
    return [
        f"Paper: {paper['source']}.",
        "* the paper's figure has another definition, corpus or teacher than ours" + where + ".",
        "lm: perplexity under a teacher trained here: exp of the NLL a token, averaged over the "
        f"samples of a target, then over targets. Paper's lm: {paper['lm']}.",
        "95 % interval: bootstrap over targets, then over samples within each.",
        "human text: the texts that the targets were taken from; its lm is that of validation "
        "texts. unconditional: samples without control, each held against every target.",
        "distinct-2: distinct word pairs over all; repeats: samples equal to an earlier one of the "
        "same target.",
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


HEADER = (
    "method",
    "metric",
    "ctrl paper",
    "ctrl",
    "diff",
    "95 % interval",
    "lm paper",
    "lm",
    "diff",
    "95 % interval",
    "distinct-2",
    "repeats",
)


def cells(row: Row) -> list[str]:
    """The row as text, one string a column of ``HEADER``."""
    ctrl = [_paper(row.ctrl, 1), row.note, "", ""] if row.note else _number(row.ctrl, 1)
    lm = _number(row.lm, 2) if row.lm else [""] * 4
    rest = [
        "" if row.distinct2 is None else f"{row.distinct2:.3f}",
        "" if row.duplicates is None else f"{100 * row.duplicates:.1f} %",
    ]
    return [row.method, row.metric, *ctrl, *lm, *rest]


def _paper(number: Number, digits: int) -> str:
    if number.paper is None:
        return ""
    return f"{number.paper:.{digits}f}" + ("" if number.same_definition else "*")


def _number(number: Number, digits: int) -> list[str]:
    if number.ours is None:
        return [_paper(number, digits), "", "", ""]
    gap = number.difference
    span = (
        ""
        if number.low is None or number.high is None
        else f"[{number.low:.{digits}f}, {number.high:.{digits}f}]"
    )
    return [
        _paper(number, digits),
        f"{number.ours:.{digits}f}",
        "" if gap is None else f"{gap:+.{digits}f}",
        span,
    ]


def markdown(table: Table) -> str:
    """A Markdown table with its notes."""
    lines = [
        f"### {table.task}",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|" + "---|" * 2 + "---:|" * (len(HEADER) - 2),
    ]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in table.rows]
    lines += [""] + [f"- {note}" for note in table.notes]
    return "\n".join(lines) + "\n"


def rich_table(table: Table) -> Any:
    """The same for a terminal; columns that are empty throughout are left out."""
    from rich import box
    from rich.table import Table as RichTable

    out = RichTable(title=table.task, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    rows = [cells(row) for row in table.rows]
    single = len(table.metrics) == 1
    used = [
        i for i in range(len(HEADER)) if any(row[i] for row in rows) and not (single and i == 1)
    ]
    for i in used:
        out.add_column(HEADER[i], justify="left" if i < 2 else "right", no_wrap=True)
    for row in rows:
        out.add_row(*[row[i] for i in used])
    return out


def store(folder: Path, tables: Sequence[Table], corpus: str) -> None:
    """Writes ``table.md`` and ``table.json``."""
    notes = "".join(f"- {note}\n" for note in legend(corpus))
    text = "\n".join(markdown(table) for table in tables)
    write_text(folder / "table.md", f"{text}\n{notes}")
    data = {"tables": [asdict(table) for table in tables], "legend": legend(corpus)}
    write_text(folder / "table.json", json.dumps(data, indent=1, ensure_ascii=False))
