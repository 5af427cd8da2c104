"""What the page's sample browser and its other parts show, as plain data."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.reading.marks import NEWLINE, mark_all
from eval.reading.measured import measured_tasks
from eval.reading.names import method_name
from eval.reading.notes import judge_text
from eval.reading.page.human import RETRIEVED, human_texts, training_texts
from eval.reading.results import CellFiles, Judged, ResultSet
from eval.reading.samples import headlines
from eval.running.cells import is_answer
from eval.running.scoring import FLOOR, HUMAN
from tasks import load_task
from tasks.base import Target, Words
from tasks.common.files import json_text
from tasks.marks import Marks

#: a word's state in one letter
LETTERS = {"": ".", "good": "g", "bad": "b"}


def samples(
    results: ResultSet, targets: int, each: int, data: Path | None = None
) -> dict[str, Any]:
    """Task -> its targets and the samples of every method, the first ``targets`` and ``each``, and
    the human texts of each target under ``human`` (see :func:`human_texts`, which takes ``data``
    and says what is raised), and training texts of its control under ``retrieval``.

    Where a method chooses one of a target's samples, that one comes first. A sample is [target,
    index, words, states, missing, scores, tree]: the target's place in the list, the words joined
    by spaces, one letter a word (``.``, ``g`` as asked, ``b`` against it), what is missing, the
    headline scores and the oracle's tree where it parsed the text.
    """
    shown = {}
    for task in results.tasks:
        every = results.targets(task)
        chosen = every[:targets]
        methods = {cell.method: list(_rows(cell, chosen, each)) for cell in results.cells(task)}
        counts = [len(cell.samples) for cell in results.cells(task)]
        held = sum(map(len, methods.values()))
        people = human_texts(results, task, data)
        if people:
            methods[HUMAN] = list(_people(results, task, people, chosen, each))
        looked_up = training_texts(results, task, data, each)
        if looked_up and RETRIEVED not in methods:
            methods[RETRIEVED] = list(_people(results, task, looked_up, chosen, each, judged=False))
        shown[task] = {
            "name": results.task_name(task),
            "targets": [[target.id, target.control.brief()] for target in chosen],
            "methods": methods,
            "shown": [len(chosen), len(every), held, sum(counts)],
        }
    return shown


def _people(
    results: ResultSet,
    task: str,
    people: Mapping[str, Sequence[Words]],
    targets: list[Target],
    each: int,
    judged: bool = True,
) -> Iterator[list[Any]]:
    """Texts of the corpus as samples. Scores of human ones, which are ``judged``, are stored by
    target: those of a target with several texts belong to none of them."""
    records = results.scores(task, HUMAN) if judged else []
    scores = {r["target"]: headlines(r["scores"]) for r in records}
    for at, target in enumerate(targets):
        texts = people.get(target.id, ())
        for index, words in enumerate(texts[:each]):
            parts = [Judged(part.control, {}, one) for one, part in load_task(task).split(target)]
            marks = mark_all(words, parts)
            score = scores.get(target.id, ()) if len(texts) == 1 else ()
            yield _row(at, index, words, marks, score, "")


def _row(
    at: int, index: int, words: Words, marks: Marks, score: Sequence[float], tree: str
) -> list[Any]:
    return [
        at,
        index,
        " ".join(NEWLINE if word == "\n" else word for word in words),
        "".join(LETTERS[state] for state in marks.states),
        list(marks.missing),
        [round(100 * value, 1) for value in score],
        tree,
    ]


def _rows(cell: CellFiles, targets: list[Target], each: int) -> Iterator[list[Any]]:
    scores = {(r["target"], r["index"]): headlines(r["scores"]) for r in cell.scores}
    by_target: dict[str, list[dict[str, Any]]] = {}
    for record in cell.samples:
        by_target.setdefault(record["target"], []).append(record)
    for at, target in enumerate(targets):
        records = sorted(by_target.get(target.id, ()), key=is_answer, reverse=True)
        for record in records[:each]:
            words = tuple(record["words"])
            judged = cell.judged(target, words)
            marks = mark_all(words, judged)
            tree = next((j.reading["tree"] for j in judged if j.reading.get("tree")), "")
            score = scores.get((target.id, record["index"]), ())
            yield _row(at, record["index"], words, marks, score, tree)


def glance(results: ResultSet) -> list[dict[str, Any]]:
    """For each task, ctrl of every method with its interval, the human and floor values, and the
    value of a full bar."""
    cards = []
    tasks = measured_tasks(results)
    for name in (t for t in results.tasks if t in tasks):
        measured = tasks[name]
        for metric in (m for m in measured.ctrl if m in measured.metrics):
            rows = []
            for method in [*measured.methods, method_name(HUMAN), method_name(FLOOR)]:
                row = measured.row(method, metric)
                if row is None or row.ctrl.ours is None:
                    continue
                first = measured.first(method)
                ppl = first.lm.ours if first is not None and first.lm is not None else None
                rows.append(
                    {
                        "method": results.method_name(method),
                        "reference": method not in measured.methods,
                        "ours": row.ctrl.ours,
                        "low": row.ctrl.low,
                        "high": row.ctrl.high,
                        "paper": row.ctrl.paper,
                        "lm": ppl,
                    }
                )
            part = metric.partition(".")[0] if "+" in name else ""
            title = measured.traits.label + (f": {results.task_name(part)}" if part else "")
            cards.append(
                {
                    "title": title,
                    "metric": measured.metrics[metric],
                    "full": _scale(rows),
                    "rows": rows,
                }
            )
    return cards


def _scale(rows: Iterable[Mapping[str, Any]]) -> float:
    """The value of a full bar: 100, or the largest value of a metric that goes beyond (CIDEr)."""
    values = [row[key] for row in rows for key in ("ours", "high", "paper")]
    return max([100.0, *(value for value in values if value is not None)])


def provenance(results: ResultSet) -> list[dict[str, Any]]:
    """Each cell's command, seeds, settings, artefacts, judges and versions."""
    cells = []
    for cell in results.cells():
        config, identity = cell.config, cell.config.get("identity", {})
        command = config.get("command", "")
        cells.append(
            {
                "task": results.task_name(cell.task),
                "method": results.method_name(cell.method),
                "targets": len({r["target"] for r in cell.samples}),
                "samples": len(cell.samples),
                "seed": identity.get("seed", ""),
                "train_seed": config.get("config", {}).get("train_seed", ""),
                "commit": config.get("commit") or "unknown",
                "command": command if isinstance(command, str) else shlex.join(command),
                "settings": _pretty(config.get("settings", {})),
                "artefacts": identity.get("artefacts", {}),
                "judges": _judges(config),
                "packages": config.get("packages", {}),
                "platform": config.get("platform", ""),
            }
        )
    return cells


def _judges(config: dict[str, Any]) -> dict[str, str]:
    """Role -> id and what is known of how good the judge is."""
    facts = config.get("oracles", {})
    judges = config.get("judges", {})
    return {role: judge_text(name, facts.get(role, {})) for role, name in judges.items()}


def _pretty(value: Any) -> str:
    return json_text(value, indent=1)


def embedded(value: Any) -> str:
    """JSON that can stand inside a script element: no ``</`` and no line separators."""
    text = json_text(value, tight=True)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
