"""Diffuser as a generator, and as a repairer of what another method wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from models.base import Frame, Generator, TargetSamples, sample_rng
from models.diffuser.card import CARDS, DiffuserCard, edited
from models.diffuser.config import EditModelConfig
from models.diffuser.decoding import Revisions, Row, See
from models.diffuser.draft import Draft
from models.diffuser.reviser import SILENT, Reviser
from models.diffuser.role import EDIT_MODEL, build
from models.diffuser.starts import Drafts, known, random_words, read_stored, stored
from models.diffusion.classifiers.kinds import GUIDED_BY
from models.diffusion.loop import moments
from models.diffusion.pinning import read_lengths
from models.diffusion.words.decoding import Maker, makers
from models.diffusion.words.frame import Frames, word_ids
from models.diffusion.words.guide import Guides
from models.diffusion.words.noising import WordGuide
from models.infilling import answer, infill
from models.jobs import Job, Made, run
from models.nets.artefact import load_network
from tasks.base import Target, Task, Words
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary


class Diffuser(Generator):
    """Network evaluations: one of the encoder a candidate, one of the decoder each token that it
    reads, one of each classifier a text, one of the language model each token of a draft."""

    card: ClassVar[DiffuserCard] = CARDS[0]
    reviser: Reviser
    config: EditModelConfig
    frames: Frames
    ids: Sequence[int]
    guides: Sequence[Maker] = ()
    middles: Mapping[int, int] | None = None
    drafts: Drafts | None = None
    texts: Mapping[tuple[str, int], Words] | None = None

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        made, folder = cls(settings), folders[EDIT_MODEL.name]
        network, made.config, words = load_network(
            folder, EditModelConfig, build, words=("vocabulary", Vocabulary.load)
        )
        made.reviser = Reviser(network.to(device), made.config.length)
        made.frames = Frames(folder, words, made.config.length)
        made.ids = [i for i in word_ids(len(words)).tolist() if i not in SILENT]
        if task.fills:
            made.middles = read_lengths(folders["lengths"])
        else:
            made.guides = makers(folders, task, settings.guidance, made.frames, device)
        if settings.start == "draft":
            made.drafts = Drafts(folders["lm"], device)
        elif settings.start == "source":
            made.texts = read_stored(edited(settings.source, task))
        return made

    def generate(
        self, targets: Sequence[Target], samples_per_target: int, seed: int, batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:  # fmt: skip
        """As for every method. Raises ``UserError`` for a target that does not fit the network."""
        results = run(
            targets,
            samples_per_target,
            lambda jobs, report: self._decode(jobs, seed, report),
            batch,
            progress,
            given=lambda target, index: self._words(target, index, seed),
        )
        for target, made in zip(targets, results, strict=bool(samples_per_target)):
            yield made if self.middles is None else answer(made, infill(target))

    def trajectory(self, target: Target, seed: int, frames: int) -> list[Frame]:
        """The text before the first revision, and after each."""
        steps, states = self.settings.steps, list[tuple[int, Draft]]()
        job = Job(0, target, 0, self._words(target, 0, seed))
        self._decode(
            [job], seed, silent, lambda done, drafts: states.append((steps - 1 - done, drafts[0]))
        )
        wanted, decode = moments(steps, frames), self.frames.vocabulary.decode
        return [
            Frame(t, (t + 1) / steps, decode(draft.middle)) for t, draft in states if t in wanted
        ]

    def _words(self, target: Target, index: int, seed: int) -> int:
        """How many words a text would have whose words are random; refuses what does not fit."""
        rng = sample_rng(seed, self.name, target.id, index, "words")
        if self.middles is None:
            row = self.frames.of(target.control, target.id, rng)
        else:
            control = infill(target)
            row = self.frames.between(control.left, control.right, self.middles, target.id, rng)
        return row.stop - row.start

    def _decode(
        self, jobs: list[Job[int]], seed: int, report: Progress, see: See = lambda n, drafts: None
    ) -> list[Made]:
        rows = [Row(j.target.id, j.index, j.target.control.exact_words) for j in jobs]
        revisions = Revisions(
            self.reviser, self.settings, rows, seed, self.name, edits=self.config.edits,
            ids=self.ids, guides=self._guides(jobs),
        )  # fmt: skip
        drafts, spent = self._starts(jobs, seed)
        steps = self.settings.steps

        def seen(done: int, now: Sequence[Draft]) -> None:
            report(done, steps)
            see(done, now)

        done, decode = revisions.run(drafts, seen), self.frames.vocabulary.decode
        if revisions.guides is not None:
            revisions.spent += revisions.guides.evaluations.numpy()
        made = []
        for draft, nfe, before in zip(done, revisions.spent.tolist(), spent, strict=True):
            words = decode(draft.middle)
            made.append(Made(words, words, float(nfe) + before))
        return made

    def _guides(self, jobs: Sequence[Job[int]]) -> Guides | None:
        """None where nothing is guided: in infilling, and without weight."""
        if self.middles is not None or not self.settings.guidance.weight:
            return None
        controls = [
            [part for part in job.target.control.parts if part.kind in GUIDED_BY] for job in jobs
        ]
        columns = list(zip(*controls, strict=True)) if self.guides else []
        made = [
            (WordGuide(one.make(column), one.steps), one.weight)
            for one, column in zip(self.guides, columns, strict=True)
        ]
        return Guides(made, len(jobs), self.frames.longest)

    def _starts(self, jobs: Sequence[Job[int]], seed: int) -> tuple[list[Draft], list[float]]:
        """The drafts that are revised first, and evaluations that they cost."""
        encode, longest = self.frames.vocabulary.encode, self.reviser.longest
        ends: list[tuple[Words, Words]] = [((), ())] * len(jobs)
        if self.middles is not None:
            controls = [infill(job.target) for job in jobs]
            ends = [(control.left, control.right) for control in controls]
        spent = [0.0] * len(jobs)
        stream = partial(sample_rng, seed, self.name)
        middles: list[Any] = [()] * len(jobs)
        if self.settings.start == "random":
            middles = [
                random_words(j.given, self.ids, stream(j.target.id, j.index, "start")) for j in jobs
            ]
        elif self.drafts is not None:
            asked = [(j.target.id, j.index, left) for j, (left, _) in zip(jobs, ends, strict=True)]
            drafted = self.drafts.of(asked, seed, self.name, longest - 2)
            middles = [encode(words) for words, _ in drafted]
            spent = [float(tokens) for _, tokens in drafted]
        elif self.texts is not None:
            middles = [encode(stored(self.texts, j.target.id, j.index)) for j in jobs]
        out = []
        wants = [j.target.control.exact_words for j in jobs]
        for (left, right), middle, wanted in zip(ends, middles, wants, strict=True):
            first, last = tuple(encode(left)), tuple(encode(right))
            room = longest - 2 - len(first) - len(last)
            words = (*first, *known(middle, room), *last)
            out.append(Draft(words, len(first), len(last), wanted))
        return out, spent


class Repairer(Diffuser):
    """The samples of ``source`` in, edited towards the control out."""

    card: ClassVar[DiffuserCard] = CARDS[1]
