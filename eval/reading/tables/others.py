"""Tables 6 and 7 of the paper, and its comparison of decoding speed (appendix C)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.reading.results import (
    PAPER_TASKS,
    CellFiles,
    ResultSet,
    method_name,
    method_order,
    read_json,
    task_name,
)
from eval.reading.stats import interval, macro
from eval.reading.table import PAPER_TABLES, by_target
from eval.reading.tables.control import Footnotes
from eval.reading.tables.grid import Column, Entry, Grid, entry
from eval.running.scoring import FLOOR

LIKELIHOOD = "likelihood.json"
#: samples that appendix C's times are for
SPEED_SAMPLES = 50


def paper_table(table: str) -> dict[str, Any]:
    found: dict[str, Any] = read_json(PAPER_TABLES)[table]
    return found


def _number(value: float | None, digits: int = 1) -> Entry:
    return entry("" if value is None else f"{value:.{digits}f}")


def short(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def table6(results: ResultSet) -> Grid:
    """Hyperparameters: the paper's beside those that made the stored samples."""
    paper = paper_table("hyperparameters")["values"]
    # infilling pins and has no guidance
    own = (task for task in results.tasks if task != "infilling")
    tasks = list(dict.fromkeys([*PAPER_TASKS, *own]))
    columns = [Column("method", right=False), Column("", right=False)]
    columns += [Column(t, task_name(task)) for task in tasks for t in ("trade-off", "lr")]
    known = {m for task in results.tasks for m in results.methods(task)} | set(paper)
    rows, rules, records = list[list[Entry]](), list[int](), list[dict[str, Any]]()
    for method in method_order(known):
        used = {task: _used(results, task, method) for task in tasks}
        published = paper.get(method, {})
        if not any(used.values()) and not published:
            continue
        rules.append(len(rows))
        for who, values in (("ours", used), ("paper", published)):
            if not any(values.values()):
                continue
            cells = []
            for task in tasks:
                found = values.get(task) or {}
                for name in ("tradeoff", "lr"):
                    cells.append(entry(short(found.get(name)), "muted" if who == "paper" else ""))
            label = entry(method_name(method), "bold") if len(rows) == rules[-1] else ()
            rows.append([label, entry(who, "muted" if who == "paper" else ""), *cells])
        for task in tasks:
            for name in ("tradeoff", "lr"):
                ours, theirs = (
                    (used[task] or {}).get(name),
                    published.get(task, {}).get(name),
                )
                if ours is not None or theirs is not None:
                    records.append(
                        {
                            "method": method,
                            "task": task,
                            "name": name,
                            "ours": short(ours),
                            "paper": short(theirs),
                        }
                    )
    notes = [
        "trade-off: λ of the fluency term (Diffusion-LM), weight of the discriminator (FUDGE), "
        "gradient steps a token (PPLM). lr: step size of the gradient updates.",
        "Empty: the method has no such parameter, or the cell was not run.",
        f"Paper: {paper_table('hyperparameters')['where']}.",
    ]
    title = "Table 6: hyperparameters of control"
    return Grid("table6", title, columns, rows, notes, frozenset(rules[1:]), records)


#: where a method's trade-off and step size stand in its resolved settings
SETTINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "diffusion_lm": {"tradeoff": ("guidance", "fluency"), "lr": ("guidance", "lr")},
    "fudge": {"tradeoff": ("lam",)},
    "pplm": {"tradeoff": ("steps",), "lr": ("step_size",)},
}


def _used(results: ResultSet, task: str, method: str) -> dict[str, float]:
    cell = results.cell(task, method)
    if cell is None or method not in SETTINGS:
        return {}
    settings = cell.config.get("identity", {}).get("settings", {})
    found = {}
    for name, path in SETTINGS[method].items():
        value: Any = settings
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, (int, float)):
            found[name] = float(value)
    return found


def table7(results: ResultSet) -> Grid:
    """Likelihood: Diffusion-LM's variational bound and its terms, the causal LM's exact value."""
    path = results.folder / LIKELIHOOD
    corpus = results.corpus
    paper = paper_table("likelihood")["values"].get(corpus, {})
    columns = [
        Column("model", right=False),
        Column("nats a token"),
        Column("95 %"),
        Column("bits a token"),
        Column("paper, nats"),
    ]
    title = "Table 7: negative log-likelihood"
    notes = [f"Paper: {paper_table('likelihood')['where']}."]
    if not path.exists():
        reason = f"not run: python -m eval.likelihood run={results.folder}"
        labels = (("lm", "causal LM, exact"), ("diffusion", "Diffusion-LM, upper bound"))
        rows = [
            [entry(label), entry("[a]", "muted"), (), (), entry(short(paper.get(key)), "muted")]
            for key, label in labels
        ]
        records = [
            {"model": key, "nats": "", "paper": short(paper.get(key)), "reason": reason}
            for key, _ in labels
        ]
        return Grid("table7", title, columns, rows, [f"[a] {reason}", *notes], records=records)
    stored = read_json(path)
    rows, records = [], []
    for record in stored["models"]:
        # the paper's figure is of a model of appendix F
        published = paper.get({"simplex": "diffusion"}.get(record["model"], record["model"]))
        rows.append(_likelihood_row(record["label"], record, published, "bold"))
        records.append(_likelihood_record(record["model"], "total", record, published))
        for term in record.get("terms", ()):
            rows.append(_likelihood_row(f"  {term['label']}", term, None, "muted"))
            records.append(_likelihood_record(record["model"], term["term"], term, None))
    notes = [*stored["notes"], *notes]
    return Grid("table7", title, columns, rows, notes, records=records)


def _likelihood_row(
    label: str, record: Mapping[str, Any], paper: float | None, style: Any
) -> list[Entry]:
    span = f"[{record['low']:.3f}, {record['high']:.3f}]" if "low" in record else ""
    return [
        entry(label, style),
        entry(f"{record['nats']:.3f}"),
        entry(span, "muted"),
        entry(f"{record['bits']:.3f}"),
        entry(short(paper), "muted"),
    ]


def _likelihood_record(
    model: str, term: str, record: Mapping[str, Any], paper: float | None
) -> dict[str, Any]:
    shown = {k: f"{record[k]:.6g}" if k in record else "" for k in ("nats", "low", "high", "bits")}
    return {"model": model, "term": term, **shown, "paper": short(paper), "reason": ""}


def speed(results: ResultSet) -> Grid:
    """Seconds for 50 samples and network evaluations a sample, from the stored samples."""
    paper = paper_table("speed")["values"]
    columns = [
        Column("method", right=False),
        Column("task", right=False),
        Column(f"seconds for {SPEED_SAMPLES}"),
        Column("95 %"),
        Column("evaluations a sample"),
        Column("paper, seconds"),
    ]
    rows, records, footnotes = list[list[Entry]](), list[dict[str, Any]](), Footnotes()
    methods = {m for task in results.tasks for m in results.methods(task)}
    for method in [*method_order(methods), FLOOR]:
        cells = _timed(results, method)
        published = short(paper.get(method))
        name = entry(method_name(method), "bold")
        if not cells and published:
            reason = results.reason(results.tasks[0], method)
            missing = entry(footnotes.mark(reason), "muted")
            rows.append([name, (), missing, (), (), entry(published, "muted")])
            records.append({"method": method, "paper": published, "reason": reason})
        for cell in cells:
            times = by_target(cell.samples, lambda r: SPEED_SAMPLES * r["seconds"])
            low, high = interval(times)
            seconds, nfe = macro(times), macro([[r["nfe"]] for r in cell.samples])
            rows.append(
                [
                    name,
                    entry(task_name(cell.task)),
                    entry(f"{seconds:.3g}"),
                    entry(f"[{low:.3g}, {high:.3g}]", "muted"),
                    entry(f"{nfe:.0f}"),
                    entry(published, "muted"),
                ]
            )
            records.append(
                {
                    "method": method,
                    "task": cell.task,
                    "seconds": f"{seconds:.6g}",
                    "low": f"{low:.6g}",
                    "high": f"{high:.6g}",
                    "evaluations": f"{nfe:.6g}",
                    "paper": published,
                    "reason": "",
                }
            )
    settings = results.settings
    notes = [
        *footnotes.notes,
        f"Wall time of decoding alone, {settings.get('batch', '?')} samples at once on device="
        f"{settings.get('device', '?')} ({results.run.get('platform', 'unknown platform')}).",
        "evaluations: forward passes of any network, one a sequence "
        "(Diffusion-LM: denoising steps and guidance updates).",
        f"Paper: {paper_table('speed')['where']}, on a GPU: PPLM one sample after another, the "
        "others batched; unconditional: 2000 steps.",
    ]
    return Grid("speed", "Decoding speed (appendix C)", columns, rows, notes, records=records)


def _timed(results: ResultSet, method: str) -> list[CellFiles]:
    """The cells of a method whose samples carry their cost."""
    if method == FLOOR:
        cells = [CellFiles("", FLOOR, results.folder / FLOOR)]
    else:
        cells = [c for t in results.tasks if (c := results.cell(t, method)) is not None]
    return [
        c for c in cells if c.samples and all({"seconds", "nfe"} <= r.keys() for r in c.samples)
    ]
