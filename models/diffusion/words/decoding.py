"""Decoding with a denoising network of words, whatever its family.

Shapes: B batch, L length, V words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from models.base import Frame, TargetSamples, sample_rng
from models.diffusion.classifiers.kinds import GUIDED_BY, control_kinds
from models.diffusion.classifiers.training import MakeClassifierGuide, load_guide
from models.diffusion.loop import Noise, moments, uniform, walk
from models.diffusion.pinning import Row, read_lengths
from models.diffusion.prompts import Front
from models.diffusion.words.card import WordsCard, classifier_role
from models.diffusion.words.config import NATURAL, WordClassifierConfig, WordGuidanceConfig
from models.diffusion.words.frame import Frames
from models.diffusion.words.guide import Candidates, FirstOrder, Guides
from models.diffusion.words.noising import WordGuide, space
from models.diffusion.words.prompts import behind, starts
from models.diffusion.words.reader import Reader, Said
from models.diffusion.words.role import build
from models.infilling import answer, infill
from models.jobs import Job, Made, run
from models.nets.artefact import CONFIG, load_network, read_config
from models.nets.precision import matrix_dtype
from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.controls import Control
from tasks.vocabulary import Vocabulary

#: how a mask is shown
MASKED = "·"


class Family(Protocol):
    """What a method says of its noise (:class:`models.diffusion.words.method.WordDiffusion`)."""

    settings: Any

    @property
    def name(self) -> str: ...

    def process(self, free: Tensor) -> Any: ...

    def estimate(self, logits: Tensor, x: Tensor, time: Tensor) -> Tensor: ...


def load(
    card: WordsCard, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
) -> Decoder:
    """The network of ``card`` and what guides it under ``task``. Raises ``UserError`` for files
    that are missing, damaged or do not fit together."""
    folder = folders[card.network]
    (role,) = (role for role in card.brings if role.name == card.network)
    assert role.Config is not None
    make = partial(build, role.name)
    read = ("vocabulary", Vocabulary.load)
    module, config, words = load_network(folder, role.Config, make, words=read)
    reader = Reader(module.to(device, matrix_dtype(device)), len(words))
    frames = Frames(folder, words, config.length)
    if task.fills:
        return Decoder(reader, words, frames, middles=read_lengths(folders["lengths"]))
    guidance = getattr(settings, "guidance", None)
    guides = makers(folders, task, guidance, frames, device) if guidance is not None else []
    return Decoder(reader, words, frames, guides)


class Weighted(Protocol):
    """Settings of guidance by classifiers."""

    @property
    def weight(self) -> float: ...


class Room(Protocol):
    """The texts that classifiers read: their words, and how many tokens they have."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def longest(self) -> int: ...


def makers(
    folders: Mapping[str, Path], task: Task, guidance: Weighted, frames: Room, device: torch.device
) -> list[Maker]:
    """What guides texts in ``frames`` under ``task``: one for each control of a target that a
    classifier guides; none without weight."""
    made: list[Maker] = []
    for kind in filter(GUIDED_BY.get, control_kinds(task.name).values()) if guidance.weight else ():
        place = folders[classifier_role(GUIDED_BY[kind])]
        steps = read_config(place / CONFIG, WordClassifierConfig).steps
        known = space(frames.vocabulary, frames.longest, steps, device)
        guide = load_guide(kind, place, known)
        made.append(Maker(guide, guidance.weight * NATURAL[kind], steps))
    return made


@dataclass(frozen=True)
class Maker:
    """What makes the guides of one kind of control, their weight, and the levels of noise that
    their classifier knows."""

    make: MakeClassifierGuide
    weight: float
    steps: int


@dataclass(frozen=True)
class Decoder:
    """``guides``: makers of one for each control of a target that a frame does not satisfy, with
    their weights; ``middles``: how often middle sentences have each number of words, where middles
    are filled in; ``front``: the prompts that stand in front of a text;
    ``steer``: what the network is made to say under the controls of a batch, one column for each
    control of a target that a frame does not satisfy."""

    reader: Reader
    vocabulary: Vocabulary
    frames: Frames
    guides: Sequence[Maker] = ()
    middles: Mapping[int, int] | None = None
    front: Front | None = None
    steer: Callable[[Sequence[Sequence[Control]]], Said] | None = None

    def generate(
        self, method: Family, targets: Sequence[Target], samples: int, seed: int,
        batch: int, progress: Progress,
    ) -> Iterator[TargetSamples]:  # fmt: skip
        streams = partial(sample_rng, seed, method.name)
        results = run(
            targets,
            samples,
            lambda jobs, report: self._decode(method, jobs, streams, report),
            batch,
            progress,
            given=lambda target, index: self._row(target, streams(target.id, index, "words")),
            alike=lambda job: (len(job.given.ids), *starts(job.given.ids, self.reader.words)),
        )
        for target, made in zip(targets, results, strict=bool(samples)):
            yield answer(made, infill(target)) if self.middles is not None else made

    def trajectory(self, method: Family, target: Target, seed: int, frames: int) -> list[Frame]:
        """The text of ``target``'s first sample at levels in equal distances."""
        streams = partial(sample_rng, seed, method.name)
        row = self._row(target, streams(target.id, 0, "words"))
        text, mask = starts(row.ids, self.reader.words)[-1], self.reader.words
        states: list[tuple[int, list[int]]] = []
        self._decode(
            method, [Job(0, target, 0, row)], streams, silent,
            see=lambda x, s: states.append((s, x[0, text:].tolist())),
        )  # fmt: skip
        steps = states[0][0] + 1
        wanted, shown = moments(steps, frames), [*self.vocabulary.words, MASKED]
        return [
            Frame(s, (s + 1) / steps, tuple(shown[min(id, mask)] for id in ids))
            for s, ids in states
            if s in wanted
        ]

    def _row(self, target: Target, rng: torch.Generator) -> Row:
        if self.middles is None:
            row = self.frames.of(target.control, target.id, rng)
            return row if self.front is None else behind(self._prompts(target), row)
        control = infill(target)
        return self.frames.between(control.left, control.right, self.middles, target.id, rng)

    def _prompts(self, target: Target) -> list[int]:
        assert self.front is not None
        try:
            return self.front(target)
        except UserError as error:
            raise UserError(f"target {target.id}: {error}") from None

    def _decode(
        self, method: Family, jobs: list[Job[Row]], streams: Any, report: Progress,
        see: Callable[[Tensor, int], None] = lambda x, s: None,
    ) -> list[Made]:  # fmt: skip
        """The texts of ``jobs``; ``see`` gets each state, prompts included, with its level."""
        rows, device = [job.given for job in jobs], self.reader.device
        given = torch.tensor([row.ids for row in rows])
        places = torch.arange(given.shape[1])
        free = torch.stack([(places >= row.start) & (places < row.stop) for row in rows])
        given, free = given.to(device), free.to(device)
        text = starts(rows[0].ids, self.reader.words)[-1]
        process = method.process(free)

        def pin(x: Tensor, s: int) -> Tensor:
            x = torch.where(free, x, given)
            see(x, s)
            return x

        def noise(*uses: str) -> Noise:
            rngs = [streams(job.target.id, job.index, *uses) for job in jobs]
            return Noise(rngs, (2, given.shape[1]), uniform)

        guides = self._guides(jobs, text)
        config = method.settings.guidance if guides else WordGuidanceConfig()
        exact = config.kind == "exact"
        reading = self.reader.reading(
            len(rows), method.settings.temperature, method.estimate,
            self.steer(self._columns(jobs)) if self.steer else None,
        )  # fmt: skip
        with torch.no_grad():
            x = walk(
                lambda x, t, _: reading(x, process.time(x, t)),
                process,
                noise(),
                device,
                bend=FirstOrder(guides) if guides and not exact else None,
                correct=Candidates(guides, config, noise("guidance")) if guides and exact else None,
                pin=pin,
                on_step=lambda t: report(process.steps - t, process.steps),
            )
        spent = reading.evaluations + (guides.evaluations if guides else 0)
        made = []
        for row, ids, nfe in zip(rows, x.tolist(), spent.tolist()):
            words = self.vocabulary.decode(ids[row.start : row.stop])
            whole = words if self.middles is not None else self.vocabulary.decode(ids[text:])
            made.append(Made(words, whole, float(nfe)))
        return made

    def _guides(self, jobs: list[Job[Row]], front: int) -> Guides | None:
        """``front``: how many tokens of prompts stand before each text."""
        if not self.guides:
            return None
        made = [
            (WordGuide(one.make(column), one.steps), one.weight)
            for one, column in zip(self.guides, self._columns(jobs), strict=True)
        ]
        return Guides(made, len(jobs), self.frames.longest, front)

    def _columns(self, jobs: list[Job[Row]]) -> list[tuple[Control, ...]]:
        guided = [
            [part for part in job.target.control.parts if part.kind in GUIDED_BY] for job in jobs
        ]
        return list(zip(*guided, strict=True))
