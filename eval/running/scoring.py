"""From samples to scores: each cell's, the floor's, and those of human texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.running.cells import (
    ANNOTATIONS,
    SCORES,
    Cell,
    Judged,
    as_ratio,
    copied,
    cut,
    fluency_facts,
    outside,
    score_records,
    share,
    write_lines,
)
from eval.running.infilling import COPY, InfillingMetrics, answers
from eval.running.judge import Judge
from eval.running.plan import Plan
from models.base import stream_seed
from tasks.base import Annotation, Corpus, Score, Target, Task, Words
from tasks.common.progress import Progress
from tasks.common.recipe import Recipe
from tasks.metrics.text import visible_words
from tasks.vocabulary import to_end

if TYPE_CHECKING:
    from models.base import TargetSamples

FLOOR = "unconditional"
HUMAN = "human"
#: validation texts behind the human lm-score
HUMAN_TEXTS = 1000


class Scoring:
    """Writes ``scores.jsonl`` files; needs judges and no generator."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        judge: Judge,
        *,
        corpus: Callable[[Recipe], Corpus],
        targets: Callable[[str], list[Target]],
        sources: Callable[[str], list[Target]],
        infilling: InfillingMetrics,
        known: Callable[[], frozenset[str]],
    ) -> None:
        """``targets``: the stored ones of a task; ``sources``: the same with their human texts;
        ``infilling``: the metrics of the task whose scores are of a set; ``known``: the words of
        the first teacher's vocabulary."""
        self.folder, self.plan, self.judge = folder, plan, judge
        self.corpus, self.targets, self.sources = corpus, targets, sources
        self.infilling, self._known = infilling, known
        self._scores: dict[tuple[str, str, Words], Mapping[str, Score]] = {}

    def judges(self, name: str) -> dict[str, str]:
        """Who judges a task: role -> id."""
        task = self.plan.task(name)
        ids = self.judge.identity(task.needs, task.fluency)
        return ids | self.infilling.identity if task.pooled else ids

    def rates(
        self, name: str, cell: Cell, targets: Sequence[Target], finished: TargetSamples
    ) -> list[tuple[float, ...]]:
        """Running scores (``Task.running``) of samples just generated; their annotations are
        kept."""
        task = self.plan.task(name)
        target = next(t for t in targets if t.id == finished.target_id)
        samples = finished.samples
        if finished.chosen is not None:
            samples = (samples[finished.chosen],)
        judged = self._read(task, cell, target, [sample.words for sample in samples])
        return [
            tuple(share(scores[metric]) for metric in task.running)
            for scores in (self._score(task, target, one.annotation) for one in judged)
        ]

    def _read(self, task: Task, cell: Cell, target: Target, texts: Sequence[Words]) -> list[Judged]:
        """The samples of a target as the judges read them: up to END, and, where they go on behind
        it, parser and tagger the whole too."""
        cache = cell.folder / ANNOTATIONS
        ended = [(target, to_end(words)) for words in texts]
        annotated = self.judge.annotate(task, ended, cache, fluency=task.fluency)
        longer = [(target, words) for words in texts if to_end(words) != words]
        whole = self.judge.annotate(task, longer, cache, fluency=False) if longer else []
        by_words = {words: one for (_, words), one in zip(longer, whole, strict=True)}
        return [
            Judged(target, index, one, by_words.get(words))
            for index, (words, one) in enumerate(zip(texts, annotated, strict=True))
        ]

    def _score(self, task: Task, target: Target, annotation: Annotation) -> Mapping[str, Score]:
        """The scores of a text under a target, made once: while samples are generated, or when they
        are judged."""
        key = (task.name, target.id, annotation.words)
        if key not in self._scores:
            self._scores[key] = task.score(target, annotation)
        return self._scores[key]

    def annotate(self, name: str, cell: Cell, progress: Progress) -> list[Judged]:
        """Every sample of a complete cell with what the judges say of it.

        Target by target, as :meth:`rates` does while samples are generated: the teacher then reads
        the same texts together, and its figures agree to the last digit.
        """
        samples, targets, task = cell.samples(), self.targets(name), self.plan.task(name)
        judged: list[Judged] = []
        for done, target in enumerate(targets, 1):
            texts = [tuple(record["words"]) for record in samples[target.id]]
            judged += self._read(task, cell, target, texts)
            progress(done, len(targets), "targets judged")
        return judged

    def score_task(
        self,
        name: str,
        cells: Mapping[str, Cell],
        records: Mapping[str, Mapping[str, Any]],
        floor: Cell,
        progress: Progress,
    ) -> None:
        """Scores every cell of a task, the floor where it has samples, and the human sources of the
        task's targets."""
        self.score_cells(name, cells, records, progress)
        if self.plan.task(name).pooled:
            self._references(name, floor)
            return
        targets, judges = self.targets(name), self.judges(name)
        if floor.samples():
            self._floor(name, floor, targets, judges, progress)
        self._human(name, judges, progress)

    def score_cells(
        self,
        name: str,
        cells: Mapping[str, Cell],
        records: Mapping[str, Mapping[str, Any]],
        progress: Progress,
    ) -> None:
        """Scores the cells alone: neither the floor nor human texts are read. The answers of a
        method to a task whose metrics are of a set are scored together."""
        task, facts = self.plan.task(name), self._facts(name)
        for method, cell in cells.items():
            said: Mapping[str, Any] = {}
            if task.pooled:
                rows = self.infilling.rows(self.sources(name), answers(cell.samples()))
            else:
                judged = self.annotate(name, cell, progress)
                rows = score_records(judged, partial(self._score, task))
                texts = [one.annotation.words for one in judged]
                said = self._said_of(texts if task.fluency else None)
            every = [tuple(r["words"]) for group in cell.samples().values() for r in group]
            write_lines(cell.folder / SCORES, rows)
            cell.write_config(**records[method], **facts, **said, cut=cut(every))

    def _facts(self, name: str) -> dict[str, Any]:
        """What the cells of a task say of who judged them."""
        judges, metrics = self.judges(name), self.infilling
        if not self.plan.task(name).pooled:
            return {"judges": judges}
        return {"judges": judges, "metrics": metrics.described, "skipped": metrics.skipped}

    def _references(self, name: str, floor: Cell) -> None:
        """The floor's answers, the references against each other, and copies of a context."""
        metrics, targets, facts = self.infilling, self.sources(name), self._facts(name)
        samples = floor.samples()
        if samples:
            task_cell = Cell(self.folder / name / FLOOR, floor.identity)
            texts = [tuple(record["words"]) for record in next(iter(samples.values()))]
            ended = list(map(to_end, texts))
            task_cell.write_config()
            write_lines(task_cell.folder / SCORES, metrics.floor(targets, ended))
            task_cell.write_config(**facts, cut=cut(texts))
        for label, rows in ((HUMAN, metrics.human(targets)), (COPY, metrics.copies(targets))):
            cell = Cell(self.folder / name / label, {"method": label})
            cell.write_config()
            write_lines(cell.folder / SCORES, rows)
            cell.write_config(**facts)

    def _floor(
        self,
        name: str,
        floor: Cell,
        targets: list[Target],
        judges: Mapping[str, str],
        progress: Progress,
    ) -> None:
        """Every unconditional sample, up to END, against every target; one row a target is
        stored."""
        samples = next(iter(floor.samples().values()))
        whole = [tuple(record["words"]) for record in samples]
        texts = list(map(to_end, whole))
        cache, fluent = floor.folder / ANNOTATIONS, self.plan.task(name).fluency
        cell = Cell(self.folder / name / FLOOR, floor.identity)
        rows = self._means(name, {t: texts for t in targets}, cache, progress)
        write_lines(cell.folder / SCORES, rows)
        said = self._said_of(texts if fluent else None)
        cell.write_config(judges=judges, **said, cut=cut(whole))
        lm = [
            {"target": FLOOR, "index": i, **fluency_facts(one)}
            for i, one in enumerate(self.judge.fluency(texts, cache))
        ]
        write_lines(floor.folder / SCORES, lm)

    def _human(self, name: str, judges: Mapping[str, str], progress: Progress) -> None:
        """The human texts that are meant to satisfy each target, judged like samples; targets
        without any are left out. The teachers read one of each target: the text that it comes from,
        or, where it comes from none, a seeded draw."""
        task, corpus = self.plan.task(name), self.corpus(self.plan.texts_for(name))
        cell = Cell(self.folder / name / HUMAN, {"method": HUMAN})
        sources = {target.id: target.source for target in self.sources(name)}
        texts = {
            target: task.references(replace(target, source=sources[target.id]), corpus)
            for target in self.targets(name)
        }
        cell.write_config()
        cache = cell.folder / ANNOTATIONS
        rows = self._means(
            name, {t: references for t, references in texts.items() if references}, cache, progress
        )
        own = [
            sources[target.id] or found[stream_seed(0, target.id) % len(found)]
            for target, found in texts.items()
            if found
        ]
        if task.fluency:
            read = self.judge.fluency(own, cache)
            rows = [row | fluency_facts(one) for row, one in zip(rows, read, strict=True)]
        cache.unlink(missing_ok=True)  # real text, see write_targets
        write_lines(cell.folder / SCORES, rows)
        words = sum(len(visible_words(text)) for text in own)
        cell.write_config(judges=judges, own={"texts": len(own), "words": words})

    def _means(
        self,
        name: str,
        texts: Mapping[Target, Sequence[Words]],
        cache: Path,
        progress: Progress,
    ) -> list[dict[str, Any]]:
        """One record a target: the scores of its texts together."""
        task = self.plan.task(name)
        pairs = [(target, words) for target, group in texts.items() for words in group]
        annotated = iter(self.judge.annotate(task, pairs, cache, progress, fluency=False))
        return [
            {
                "target": target.id,
                "index": 0,
                "of": len(group),
                "scores": together([task.score(target, next(annotated)) for _ in group]),
            }
            for target, group in texts.items()
        ]

    # human lm-score

    def _human_cell(self) -> Cell:
        identity = {"method": HUMAN, "texts": self.plan.role("corpus").key, "n": HUMAN_TEXTS}
        return Cell(self.folder / HUMAN, identity)

    def human_done(self) -> bool:
        return self._human_cell().scored_by(self.judge.identity(frozenset()))

    def score_human(self, progress: Progress) -> None:
        """The teacher on validation texts, a seeded draw without replacement."""
        cell = self._human_cell()
        rows = human_texts(self.corpus(self.plan.role("corpus")))
        texts = list(rows.values())
        annotated = self.judge.fluency(texts, cell.folder / ANNOTATIONS, progress)
        (cell.folder / ANNOTATIONS).unlink(missing_ok=True)  # real text, see write_targets
        records = [
            {"target": str(i), "index": 0, **fluency_facts(one)}
            for i, one in zip(rows, annotated, strict=True)
        ]
        write_lines(cell.folder / SCORES, records)
        cell.write_config(judges=self.judge.identity(frozenset()), **self._said_of(texts))

    def _said_of(self, texts: Sequence[Words] | None) -> dict[str, Any]:
        """What a cell says of its texts as a whole: of words that the first teacher does not know,
        and of copies of training texts; None: no teacher reads its texts."""
        if texts is None:
            return {}
        counts = outside(texts, self._known())
        return {"outside": counts, "copied": copied(texts, self._training)}

    @cached_property
    def _training(self) -> frozenset[Words]:
        return frozenset(text.words for text in self.corpus(self.plan.role("corpus")).train)


def human_texts(corpus: Corpus) -> dict[int, Words]:
    """The validation texts whose lm-score tables show, by row: a seeded draw without
    replacement."""
    rows = np.random.default_rng(0).permutation(len(corpus.valid))[:HUMAN_TEXTS]
    return {int(row): corpus.valid[row].words for row in sorted(rows)}


def together(scores: Sequence[Mapping[str, Score]]) -> dict[str, Score]:
    """Scores of several texts under one target: means, and sums of both parts of a ratio."""
    combined: dict[str, Score] = {}
    for metric in scores[0]:
        pairs = [as_ratio(one[metric]) for one in scores]
        sums = sum(p[0] for p in pairs), sum(p[1] for p in pairs)
        combined[metric] = sums if isinstance(scores[0][metric], tuple) else sums[0] / sums[1]
    return combined
