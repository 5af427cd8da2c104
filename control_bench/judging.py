"""Samples that are at hand, judged as ``python -m eval.score`` judges those of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_bench.asked import targets
from control_bench.samples import Generated
from eval.running.cells import SAMPLES, TARGETS, Cell, write_lines, write_targets
from eval.running.external import Form
from eval.running.scoring import Scoring
from tasks.base import Target, Words
from tasks.common.errors import UserError, unknown
from tasks.common.names import check_name
from tasks.common.progress import Progress
from tasks.controls import Control
from tasks.corpora import tokenizer, traits

if TYPE_CHECKING:
    from eval.running.runner import Run

#: a sample of another program: what was asked, and the text or its tokens
Judged = tuple[Control | Target, str | Sequence[str]] | Mapping[str, Any]
#: task -> method -> target -> its samples' records, without their place
Rows = dict[str, dict[str, dict[Target, list[dict[str, Any]]]]]
FORM = "expected a sample of generate, (control, text) or {'target': ..., 'text': ...}"


def rows(
    samples: Iterable[Generated | Judged],
    task: str,
    method: str,
    corpus: str,
    targets_of: Callable[[], Sequence[Target]],
) -> Rows:
    """The samples by task, method and target. ``task``: the one that all are of, or nothing;
    ``targets_of``: its targets, for samples that go by their ids. Raises ``UserError``, naming the
    sample by its place from 0, for one of another form or task.
    """
    check_name(method, f"method={method}: samples")
    form = Form(tokenizer(corpus), traits(corpus).closing)
    drawn: dict[str, Target] = {}
    groups: Rows = {}
    for place, one in enumerate(samples):
        if isinstance(one, Generated):
            of, target, by = one.task, one.target, one.method
            record = {"words": list(one.words), "tokens": list(one.tokens), "nfe": one.nfe}
            record |= {"seconds": one.seconds, "answer": one.answer}
        else:
            asked, text = _pair(one, place)
            if isinstance(asked, str):
                if not task:
                    raise UserError(f"sample {place}: name the task that target '{asked}' is of")
                drawn = drawn or {target.id: target for target in targets_of()}
                if asked not in drawn:
                    raise UserError(f"sample {place}: {unknown('target', asked[:80], drawn)}")
                asked = drawn[asked]
            ((of, target),), by = targets(asked), method
            record = {"words": list(_words(text, form, place)), "answer": True}
        if task and of != task:
            raise UserError(f"sample {place} is of task {of}, not {task}")
        groups.setdefault(of, {}).setdefault(by, {}).setdefault(target, []).append(record)
    return groups


def _pair(one: Any, place: int) -> tuple[Any, Any]:
    if isinstance(one, Mapping):
        if "target" not in one or ("text" in one) == ("words" in one):
            raise UserError(f"sample {place}: 'target', and either 'text' or 'words'; {FORM}")
        return one["target"], one.get("text", one.get("words"))
    if isinstance(one, tuple) and len(one) == 2:
        return one
    raise UserError(f"sample {place} is {type(one).__name__}: {FORM}")


def _words(text: Any, form: Form, place: int) -> Words:
    if isinstance(text, str):
        return form.of_text(text)
    if isinstance(text, Sequence) and all(isinstance(word, str) and word for word in text):
        return form.of_words(tuple(text))
    raise UserError(f"sample {place}: its text is neither a string nor a list of non-empty strings")


def judge(
    run: Run,
    folder: Path,
    task: str,
    by_method: Mapping[str, Mapping[Target, Sequence[Mapping[str, Any]]]],
    progress: Progress,
) -> None:
    """Writes the samples of a task and their scores as a result set in ``folder``; the judges are
    those of ``run``."""
    run.build(run.judges.needs)
    every = dict.fromkeys(target for group in by_method.values() for target in group)
    (folder / task).mkdir(parents=True)
    write_targets(folder / task / TARGETS, list(every))
    for method, group in by_method.items():
        cell = Cell(folder / task / method, {"method": method})
        write_lines(cell.folder / SAMPLES, _records(group))
        scoring = Scoring(
            folder,
            run.plan,
            run.judges.judge,
            corpus=run.corpus,
            targets=partial(_of, list(group)),
            sources=partial(_of, list(group)),
            infilling=run.scoring.infilling,
            known=run.judges.known_words,
        )
        cell.write_config(**run.provenance)
        scoring.score_cells(task, {method: cell}, {method: run.provenance}, progress)


def _of(group: list[Target], task: str) -> list[Target]:
    return group


def _records(group: Mapping[Target, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """As ``samples.jsonl`` holds them; the index counts the samples of a target."""
    records = []
    for target, samples in group.items():
        answers = [i for i, one in enumerate(samples) if one["answer"]]
        chosen = {"chosen": answers[0]} if 0 < len(answers) < len(samples) else {}
        for index, one in enumerate(samples):
            place = {"target": target.id, "index": index, "of": len(samples)}
            facts = {name: value for name, value in one.items() if name != "answer"}
            records.append({**place, **facts, **chosen})
    return records
