"""Retrieval: training sentences that satisfy the control, word for word (the RetrieveOnly of Li et
al. 2018). It writes nothing. Its row says what control and fluency are worth that copying has too.

A text satisfies a control by what its annotations say of it, as where networks learn of it, and
among those texts are kept that the task's own rule finds right, where there are any. Where no text
satisfies the control, or all of a composition's, the nearest stand in: of the texts whose controls
have most of the prompt's tokens in common with it, those with the best scores. Samples of a target
are drawn without replacement, as far as there are texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from baselines.rules import full
from models.base import Card, Generator, TargetSamples, sample_rng
from tasks.base import Annotation, Score, Target, Task, Text, Words
from tasks.common import stop
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.corpora.stored import read_corpus

if TYPE_CHECKING:
    import torch

    from models.jobs import Job, Made

TEXTS = "task_texts"
#: texts whose scores are asked for, of each part of a control
SHORTLIST = 1000

CARD = Card(
    "retrieved",
    "baselines.retrieved:Retrieved",
    label="Retrieval (copies)",
    paper="Li et al. 2018, Delete, Retrieve, Generate (RetrieveOnly): copies training texts",
    order=47,
    uses=(TEXTS,),
    group="references",
    trained=True,
    knows_rule=True,
)


class Retrieved(Generator):
    """Network evaluations: none."""

    card: ClassVar[Card] = CARD

    def __init__(self, task: Task, texts: Sequence[Text]) -> None:
        """Raises ``UserError`` where no text is an example of ``task``."""
        from baselines.controls_of_texts import Index

        self.task = task
        # one of texts that are the same word for word: copies of it would be no other sample
        self.texts = list({text.words: text for text in texts}.values())
        self.parts: Sequence[Task] = getattr(task, "parts", (task,))
        self.indices = [Index(part, self.texts) for part in self.parts]
        if not all(index.rows for index in self.indices):
            raise UserError(f"no training text is an example of {task.name}: nothing to retrieve")

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        return cls(task, read_corpus(folders[TEXTS]).train)

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """As for every method."""
        from models.jobs import Made, run

        found = {target.id: self.order(target, seed) for target in targets}

        def made(jobs: list[Job[Words]], report: Progress) -> list[Made]:
            return [Made(job.given, job.given, 0.0) for job in jobs]

        return run(
            targets,
            samples_per_target,
            made,
            batch,
            progress,
            given=lambda target, i: found[target.id][i % len(found[target.id])],
        )

    def order(self, target: Target, seed: int) -> list[Words]:
        """The texts that a target's samples are, one after another and again from the first: those
        that satisfy it in random order, or else those near to it, the nearest first."""
        import torch

        stop.check()
        rng = sample_rng(seed, self.name, target.id, 0)
        place = torch.randperm(len(self.texts), generator=rng).tolist()
        controls = [part_target.control for _, part_target in self.task.split(target)]
        exact = [
            sorted(index.rows.get(control, ()), key=place.__getitem__)
            for index, control in zip(self.indices, controls, strict=True)
        ]
        every = set(exact[0]).intersection(*exact[1:])
        rows = [row for row in exact[0] if row in every]
        if rows:
            right = [row for row in rows if self._value(target, row) >= 1]
            return [self.texts[row].words for row in right or rows]
        near = [
            rows[:SHORTLIST] or index.near(control, SHORTLIST)[:SHORTLIST]
            for rows, index, control in zip(exact, self.indices, controls, strict=True)
        ]
        short = dict.fromkeys(row for part in near for row in part)
        ranked = sorted(short, key=lambda row: (-self._value(target, row), place[row]))
        return [self.texts[row].words for row in ranked]

    def _value(self, target: Target, row: int) -> float:
        """How well a text satisfies a target, by its annotations: 1 where all headline metrics are
        full, else their mean; 0 for one that is judged with another number of words."""
        text, values = self.texts[row], list[float]()
        for part, aim in self.task.split(target):
            if len(part.view(aim, text.words)) != len(text.words):
                return 0.0
            scores = part.score(aim, Annotation(text.words, tree=text.tree, tags=text.tags))
            values += [_share(scores[metric]) for metric in part.headlines]
        return sum(values) / len(values)


def _share(score: Score) -> float:
    if full(score):
        return 1.0
    return score[0] / score[1] if isinstance(score, tuple) else score
