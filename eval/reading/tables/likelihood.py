"""Table 7 of the paper: likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.reading import paper
from eval.reading.results import ResultSet
from eval.reading.schema import Likelihood
from eval.reading.tables.entries import full, short
from eval.reading.tables.grid import Column, Entry, Grid, Style, entry
from tasks.common.schema import read_json

LIKELIHOOD = "likelihood.json"
COLUMNS = (
    Column("model", right=False),
    Column("nats a token"),
    Column("95 %"),
    Column("bits a token"),
    Column("paper, nats"),
)
TITLE = "Table 7: negative log-likelihood"
#: rows that stand for ``eval.likelihood``'s where it was not run
MODELS = {"lm": "causal LM, exact", "diffusion": "Diffusion-LM, upper bound"}
#: models that the paper's figure of another is of (appendix F)
PRINTED = {"simplex": "diffusion"}


def table7(results: ResultSet) -> Grid:
    """Diffusion-LM's variational bound and its terms, the causal LM's exact value."""
    printed = paper.table("likelihood")
    values = printed["values"].get(results.corpus, {})
    notes = [f"Paper: {printed['where']}."]
    path = results.folder / LIKELIHOOD
    if not path.exists():
        reason = f"not run: python -m eval.likelihood run={results.folder}"
        rows = [
            [entry(label), entry("[a]", "muted"), (), (), entry(short(values.get(key)), "muted")]
            for key, label in MODELS.items()
        ]
        records = [
            {"model": key, "nats": "", "paper": short(values.get(key)), "reason": reason}
            for key in MODELS
        ]
        return Grid("table7", TITLE, COLUMNS, rows, [f"[a] {reason}", *notes], records=records)
    stored = read_json(path, Likelihood)
    rows, records = [], []
    for record in stored["models"]:
        model = record["model"]
        published = short(values.get(PRINTED.get(model, model)))
        rows.append(_row(record["label"], record, published, "bold"))
        records.append(_record(model, "total", record, published))
        for term in record.get("terms", ()):
            rows.append(_row(f"  {term['label']}", term, "", "muted"))
            records.append(_record(model, term["term"], term, ""))
    return Grid("table7", TITLE, COLUMNS, rows, [*stored["notes"], *notes], records=records)


def _row(label: str, record: Mapping[str, Any], published: str, style: Style) -> list[Entry]:
    interval = f"[{record['low']:.3f}, {record['high']:.3f}]" if "low" in record else ""
    return [
        entry(label, style),
        entry(f"{record['nats']:.3f}"),
        entry(interval, "muted"),
        entry(f"{record['bits']:.3f}"),
        entry(published, "muted"),
    ]


def _record(model: str, term: str, record: Mapping[str, Any], published: str) -> dict[str, Any]:
    shown = {name: full(record.get(name)) for name in ("nats", "low", "high", "bits")}
    return {"model": model, "term": term, **shown, "paper": published, "reason": ""}
