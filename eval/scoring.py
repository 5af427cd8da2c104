"""From samples to scores: each cell's, the floor's, and those of human texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.cells import ANNOTATIONS, SCORES, Cell, score_records, write_lines
from eval.judge import Judge
from eval.recipes import Plan
from eval.store import Recipe
from tasks.base import Corpus, Target
from tasks.progress import Progress

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
        corpus: Callable[[Recipe], Corpus],
        targets: Callable[[str], list[Target]],
        sources: Callable[[str], list[Target]],
    ) -> None:
        """``targets``: the stored ones of a task; ``sources``: the same with their human texts."""
        self.folder, self.plan, self.judge = folder, plan, judge
        self.corpus, self.targets, self.sources = corpus, targets, sources

    def rates(
        self, name: str, cell: Cell, targets: list[Target], finished: TargetSamples
    ) -> list[float]:
        """Headline scores of samples just generated; their annotations are kept."""
        task = self.plan.task(name)
        target = next(t for t in targets if t.id == finished.target_id)
        texts = [sample.words for sample in finished.samples]
        found = self.judge.annotate(texts, task.needs, cell.folder / ANNOTATIONS)
        headline = next(iter(task.metrics))
        return [task.score(target, found[words])[headline] for words in texts]

    def score_task(
        self,
        name: str,
        cells: Mapping[str, Cell],
        records: Mapping[str, Mapping[str, Any]],
        floor: Cell,
        progress: Progress,
    ) -> None:
        """Scores every cell of a task, the floor and the human sources of its targets."""
        task, targets = self.plan.task(name), self.targets(name)
        judges = self.judge.identity(task.needs)
        for method, cell in cells.items():
            samples = cell.samples()
            pairs = [
                (target, record["index"], tuple(record["words"]))
                for target in targets
                for record in samples[target.id]
            ]
            found = self.judge.annotate(
                [words for _, _, words in pairs], task.needs, cell.folder / ANNOTATIONS, progress
            )
            write_lines(cell.folder / SCORES, score_records(task, pairs, found))
            cell.write_config(**records[method], judges=judges)
        self._floor(name, floor, targets, judges, progress)
        self._human(name, judges, progress)

    def _floor(
        self,
        name: str,
        floor: Cell,
        targets: list[Target],
        judges: Mapping[str, str],
        progress: Progress,
    ) -> None:
        """Every unconditional sample against every target; means for each target are stored."""
        task = self.plan.task(name)
        samples = next(iter(floor.samples().values()))
        texts = [tuple(record["words"]) for record in samples]
        found = self.judge.annotate(texts, task.needs, floor.folder / ANNOTATIONS, progress)
        rows = []
        for target in targets:
            scores = [task.score(target, found[words]) for words in texts]
            means = {m: float(np.mean([s[m] for s in scores])) for m in task.metrics}
            rows.append({"target": target.id, "index": 0, "of": len(texts), "scores": means})
        cell = Cell(self.folder / name / FLOOR, floor.identity)
        write_lines(cell.folder / SCORES, rows)
        cell.write_config(judges=judges)
        lm = [
            {"target": FLOOR, "index": i, "nll": found[w].nll, "tokens": found[w].tokens}
            for i, w in enumerate(texts)
        ]
        write_lines(floor.folder / SCORES, lm)

    def _human(self, name: str, judges: Mapping[str, str], progress: Progress) -> None:
        """The human text that each target was taken from, judged like a sample."""
        task = self.plan.task(name)
        cell = Cell(self.folder / name / HUMAN, {"method": HUMAN})
        pairs = [(t, 0, t.source) for t in self.sources(name) if t.source is not None]
        cell.write_config()
        found = self.judge.annotate(
            [words for _, _, words in pairs], task.needs, cell.folder / ANNOTATIONS, progress
        )
        (cell.folder / ANNOTATIONS).unlink(missing_ok=True)  # real text, see write_targets
        write_lines(cell.folder / SCORES, score_records(task, pairs, found))
        cell.write_config(judges=judges)

    # human lm-score

    def _human_cell(self) -> Cell:
        identity = {"method": HUMAN, "texts": self.plan.corpus.key, "n": HUMAN_TEXTS}
        return Cell(self.folder / HUMAN, identity)

    def human_done(self) -> bool:
        return bool(self._human_cell().scored_by() == self.judge.identity(frozenset()))

    def score_human(self, progress: Progress) -> None:
        """The teacher on validation texts, a seeded draw without replacement."""
        cell = self._human_cell()
        valid = self.corpus(self.plan.corpus).valid
        rows = np.random.default_rng(0).permutation(len(valid))[:HUMAN_TEXTS]
        texts = [valid[i].words for i in sorted(rows)]
        found = self.judge.annotate(texts, frozenset(), cell.folder / ANNOTATIONS, progress)
        (cell.folder / ANNOTATIONS).unlink(missing_ok=True)  # real text, see write_targets
        records = [
            {"target": str(i), "index": 0, "nll": found[w].nll, "tokens": found[w].tokens}
            for i, w in zip(sorted(int(r) for r in rows), texts, strict=True)
        ]
        write_lines(cell.folder / SCORES, records)
        cell.write_config(judges=self.judge.identity(frozenset()))
