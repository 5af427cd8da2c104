"""Prompting (Brown et al. 2020): a language model is told the control in words, with examples of
training texts that satisfy theirs, and answers with a text.

Nothing is trained, and the answer is taken as it comes, as one text in the corpus's words; those
that its vocabulary lacks stay as they are (a table counts them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from baselines.autoregressive import check_lengths
from baselines.prompted.asked import Asked
from baselines.prompted.card import CARD
from baselines.prompted.shots import Messages, Shots, turns, writing
from models.base import Card, Generator, TargetSamples
from models.jobs import Job, Made, run
from tasks.base import Corpus, Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.corpora.stored import read_corpus

if TYPE_CHECKING:
    import torch

#: tokens that a word may take, of models of subwords
TOKENS = 3


class Prompted(Generator):
    """Network evaluations: the tokens of an answer, as far as a server counts them; those of the
    prompt are read together.

    The random numbers of a sample are its own here; a server is sent a seed of the sample's own,
    and what it makes of that is its affair.
    """

    card: ClassVar[Card] = CARD

    def __init__(self, asked: Asked, corpus: Corpus, task: Task, settings: Any) -> None:
        self.asked, self.task, self.settings = asked, task, settings
        self.corpus, self.writing = corpus, writing(corpus)

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        from baselines.prompted.endpoint import Endpoint
        from baselines.prompted.local import Local

        corpus = read_corpus(folders["task_texts"])
        if settings.endpoint:
            return cls(Endpoint(settings), corpus, task, settings)
        return cls(Local.load(folders["instruct"], settings, device), corpus, task, settings)

    @property
    def limit(self) -> int:
        """The most tokens of an answer."""
        return TOKENS * int(self.settings.max_words) + 1

    def prompts(self, targets: Sequence[Target], seed: int) -> list[list[Messages]]:
        """Of each target the prompt with all of its examples, then with ever fewer."""
        options = self.settings
        shots = Shots(self.task, self.corpus.train, options.max_words, seed)
        if options.shots and not shots.pool:
            raise UserError(
                f"no training text of at most {options.max_words} words is an example of "
                f"{self.task.name}: prompted.shots=0"
            )
        found = []
        for target in targets:
            examples = shots.of(target, options.shots, options.pick)
            of = partial(turns, target.control, join=self.writing.join)
            found.append([of(examples=examples[i:]) for i in range(len(examples) + 1)])
        return found

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """Raises ``UserError`` for a target that needs more words than fit, and as the model that
        is asked does."""
        most, limit = self.settings.max_words, self.limit
        check_lengths(targets, [most] * len(targets), most)
        given = {
            target.id: self.asked.given(ways, target, limit)
            for target, ways in zip(targets, self.prompts(targets, seed), strict=True)
        }

        def made(jobs: list[Job[Any]], report: Progress) -> list[Made]:
            said = self.asked.answers(self.name, jobs, seed, limit)
            return [Made(self.writing.answer(one.text, most), *one[1:]) for one in said]

        return run(
            targets,
            samples_per_target,
            made,
            self.asked.rows(batch),
            progress,
            given=lambda target, index: given[target.id],
            alike=lambda job: self.asked.alike(job.given),
        )
