"""``python -m eval.in_context run=results/SET``: infilling judged for English.

A language model that wrote none of the answers reads left context, middle and right context of each
item, with the middle of each method, a human one, and those of the floors (definitions:
``eval.reading.in_context``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.reading.in_context import FILE, Reader, readers
from eval.reading.results import CellFiles, ResultSet
from eval.reading.stats import rarefied
from eval.running.infilling import COPY, by_turns, copies
from eval.running.judge import SUBWORDS
from eval.running.roles import roles
from eval.running.scoring import FLOOR, HUMAN
from eval.running.store import Store
from eval.studies.human import answered, filling
from models.nets.presets import SMOLLM
from models.nets.recipes import TEACHER
from tasks.base import Target, Words
from tasks.common.errors import UserError
from tasks.common.files import canonical, json_text, write_text
from tasks.common.progress import Progress
from tasks.common.ranges import Checked, maybe_empty
from tasks.common.shipped import SHIPPED
from tasks.metrics.text import visible_words

if TYPE_CHECKING:
    from eval.running.runner import Run
    from models.nets.teacher import Teacher
    from tasks.common.recipe import Recipe

USAGE = """\
usage: python -m eval.in_context key=value ...

How well the middles of an infilling set read in their stories, under a language model that wrote
none of them: perplexity in context beside that of human middles, distinct word pairs, copies, and
how often a story is likelier with one method's middle than with another's or a human one. That is a
comparison by a language model's likelihood and no human judgement (python -m eval.human asks
people). What was read before is not read again. python -m eval.tables prints the tables too.

  python -m eval.in_context run=results/demo-stories
  python -m eval.in_context run=results/small-anlg data=DIR
  python -m eval.in_context run=results/small-anlg data=DIR model=trained
"""
#: ``model``: the set's own teacher
TRAINED = "trained"


@dataclass(frozen=True)
class InContextOptions(Checked):
    """What to read, and who reads it."""

    #: folder of the result set
    run: str = "results/demo-stories"
    #: a pretrained language model that is asked as it is (folder, hub id, GGUF file or
    #: PACKAGE/PATH), or trained: the teacher that is trained on the set's corpus, which reads words
    #: that it does not know as one unknown word
    model: str = SMOLLM
    #: folder of the corpus files, where contexts are not stored with the results
    data: str | None = None
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas; shipped: those that come with the
    #: program
    prebuilt: str = maybe_empty(SHIPPED)
    #: auto (a GPU where there is one), cpu, cuda, ...
    device: str = "auto"


def main(given: Sequence[str]) -> None:
    from rich.console import Console

    from eval.reading.tables.in_context import in_context_tables
    from eval.reading.tables.terminal import View, show
    from eval.running.config import check_device
    from eval.running.display import Display
    from eval.running.options import options
    from eval.running.runner import Run

    chosen = options(InContextOptions, given, USAGE)
    if chosen is None:
        return
    check_device(chosen.device)
    results = ResultSet(Path(chosen.run))
    task = filling(results)
    config = results.config(chosen.store, chosen.prebuilt)
    config = replace(config, device=chosen.device, data=chosen.data or config.data)
    if chosen.model != TRAINED:
        second = replace(config.teacher, pretrained=chosen.model, zero_shot=True)
        config = config.having(teacher=second)
    run = Run(config, Display(Console(stderr=True, soft_wrap=True, highlight=False)))
    read(run, results, task, chosen.model)
    show(list(in_context_tables(results)), view=View(legend="full"))
    print(f"readings: {results.folder / task / FILE}")


def read(run: Run, results: ResultSet, task: str, model: str) -> None:
    """Has the stories of a set's infilling read that were not yet, and stores what was said."""
    from models.nets.teacher import Teacher

    place, known = results.folder / task / FILE, readers(results, task)
    judge = run.plan.role("teacher" if model == TRAINED else SUBWORDS)
    run.build([judge, run.plan.texts_for(task), run.plan.role("corpus")])
    targets = {target.id: target for target in run.lists.full(task)}
    skipped = {cell.method: _skipped(cell, run, judge.key, model) for cell in results.cells(task)}
    skipped = {method: reason for method, reason in skipped.items() if reason}
    rows = dict(_rows(results, task, targets))
    every = {row: middles for row, middles in rows.items() if row not in skipped}
    if not set(every) - {HUMAN, FLOOR, COPY}:
        reasons = "; ".join(skipped.values())
        raise UserError(f"{results.folder / task} has no answers to read {reasons}".rstrip())
    distinct2 = _distinct2(every)
    before = next((one for one in known if one.id == judge.key), None)
    found, digests = dict[str, Any](), dict[str, str]()
    teacher: Teacher | None = None
    training = _sentences(run)
    for row, middles in every.items():
        digest = _digest(targets, middles)
        if before and before.digests.get(row) == digest:
            items = before.rows[row]
        else:
            with run.display.stage(f"read the stories of {row}") as progress:
                teacher = teacher or Teacher.load(run.path(judge), run.plan.device)
                items = _items(teacher, targets, middles, training, progress)
        found[row], digests[row] = items, digest
        # a kill loses one row
        _store(place, known, Reader(model, judge.key, found, digests, distinct2, skipped))


def _store(place: Path, known: Sequence[Reader], made: Reader) -> None:
    """Writes what a model said in the place of what it said before, or behind the others'."""
    there = any(one.id == made.id for one in known)
    every = [made if one.id == made.id else one for one in known] + ([] if there else [made])
    write_text(place, json_text({"readers": list(map(asdict, every))}, tight=True) + "\n")


def _rows(
    results: ResultSet, task: str, targets: Mapping[str, Target]
) -> Iterator[tuple[str, dict[str, Words]]]:
    """Row -> target -> middle: of every method, the first human one, and of the floors."""
    for method in results.methods(task):
        said = answered(results, method)
        yield method, {target: said[target] for target in targets if target in said}
    whole = list(targets.values())
    yield HUMAN, {target.id: target.references[0] for target in whole}
    texts = [tuple(record["words"]) for record in results.floor_samples]
    others = {FLOOR: by_turns(whole, texts) if texts else {}, COPY: copies(whole)}
    for name, answers in others.items():
        if answers:
            yield name, {target: words for target, (_, words) in answers.items()}


def _items(
    teacher: Teacher, targets: Mapping[str, Target], middles: Mapping[str, Words],
    training: frozenset[Words], progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """What is stored of each story."""
    stories = [_story(targets[target], middle) for target, middle in middles.items()]
    nats = teacher.parts(stories, progress)
    return {
        target: {
            "nats": [round(one, 4) for one in figures],
            "words": [len(visible_words(part)) for part in story],
            "copied": story[1] in training or story[1] in (story[0], story[2]),
        }
        for target, story, figures in zip(middles, stories, nats, strict=True)
    }


def _story(target: Target, middle: Words) -> tuple[Words, Words, Words]:
    contexts = target.control.contexts
    assert contexts is not None, f"target {target.id} has no contexts"
    return contexts[0], middle, contexts[1]


def _sentences(run: Run) -> frozenset[Words]:
    """Every sentence of the training texts."""
    corpus = run.corpus(run.plan.role("corpus"))
    return frozenset(sentence for text in corpus.train for sentence in text.split())


def _digest(targets: Mapping[str, Target], middles: Mapping[str, Words]) -> str:
    text = canonical([[target, _story(targets[target], one)] for target, one in middles.items()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _distinct2(rows: Mapping[str, Mapping[str, Words]]) -> dict[str, float | None]:
    """Of equally many middles of each row, as expected of so many; None of no word pairs."""
    count = min(map(len, rows.values()))
    found = {row: rarefied(list(middles.values()), count) for row, middles in rows.items()}
    return {row: None if value != value else value for row, value in found.items()}


def _skipped(cell: CellFiles, run: Run, judge: str, model: str) -> str:
    """Why a method's middles are not read: one of its networks is the reader, or began as it. Empty
    where none is."""
    artefacts = cell.config.get("identity", {}).get("artefacts", {})
    for role, key in artefacts.items():
        began = _began(run, cell, role, key, model)
        if key == judge or began or _same(run.store, key, judge):
            return f"n/a: {cell.method} uses {model} itself ({role})"
    if _named(cell.config.get("settings"), model):
        return f"n/a: {cell.method} uses {model} itself"
    return ""


def _began(run: Run, cell: CellFiles, role: str, key: str, model: str) -> bool:
    """Whether an artefact of the cell is made from the model, by its recipe; where today's recipe
    is another than the cell's, by all settings that it may have had."""
    try:
        made = run.plan.role(role, cell.folder.parent.name)
    except UserError:  # a role that nothing brings any more
        made = None
    if made is not None and made.key == key:
        return _made_from(made, model)
    settings, part = dict(cell.config.get("config", {})), roles().get(role.partition(":")[0])
    settings.pop(TEACHER.section, None)
    # a network without settings of its own has those of another, of whichever
    return _named(settings.get(part.section, {}) if part and part.section else settings, model)


def _made_from(recipe: Recipe, model: str) -> bool:
    deps = recipe.deps.values()
    return _named(recipe.spec.config, model) or any(_made_from(one, model) for one in deps)


def _named(settings: Any, model: str) -> bool:
    """Whether a setting says the name of the model."""
    if isinstance(settings, Mapping):
        return any(_named(one, model) for one in settings.values())
    return bool(settings == model)


def _same(store: Store, key: str, judge: str) -> bool:
    """Whether both are at hand and have one network's weights."""
    ours, theirs = (_weights(store.find(one)) for one in (key, judge))
    return bool(ours) and ours == theirs


@cache
def _weights(folder: Path | None) -> str:
    """Their digest; empty where there are none."""
    from models.nets.artefact import WEIGHTS
    from models.nets.teacher import weights_digest

    return weights_digest(folder) if folder and (folder / WEIGHTS).exists() else ""
