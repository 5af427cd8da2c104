"""Sentence infilling with Diffusion-LM: contexts pinned at every step, the middle sampled, and one
of the samples chosen by minimum Bayes risk (paper, sections 5.2 and 6.1; reference notes, 2.10).

Shapes: B batch, L length, D embedding dimension.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from models.base import Card, Generator, Sample, TargetSamples, sample_rng, stream_seed
from models.diffusion.classifiers.training import refuse_block
from models.diffusion.loop import Noise, sample
from models.diffusion.pinning import Pins, Row, arrange, draw_slots, read_lengths
from models.diffusion_lm.card import DIFFUSION_LM
from models.diffusion_lm.config import InfillingConfig
from models.diffusion_lm.method import Diffusion
from models.diffusion_lm.training import load_diffusion
from models.diffusion_lm.word_denoiser import WordDenoiser
from models.nets.precision import LEAST_TOKENS
from models.nets.unk import MaskedRepair, repairer
from tasks.base import Target, Task, Words
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.controls import Control, Infill
from tasks.metrics import mbr
from tasks.vocabulary import END, PAD, SPECIALS, START, UNK, UNKNOWN, Vocabulary

#: tokens that are no words of a middle
FRAME = (SPECIALS[START], SPECIALS[END], SPECIALS[PAD])


def infill(target: Target) -> Infill:
    """The control of an infilling target; ``UserError`` for any other."""
    control: Control = target.control
    if not isinstance(control, Infill):
        raise UserError(f"target {target.id}: infilling cannot read {control}")
    return control


def answer(
    found: TargetSamples, control: Infill, repair: MaskedRepair | None = None
) -> TargetSamples:
    """``found`` with the UNKs of its samples replaced, if ``repair`` is given, and with the sample
    chosen that has the least expected risk against the others (paper, section 5.2)."""
    samples = found.samples
    if repair is not None:
        samples = tuple(
            dataclasses.replace(s, words=repair.repair(control.left, s.words, control.right))
            if UNKNOWN in s.words
            else s
            for s in samples
        )
    chosen = mbr.choose([s.words for s in samples]) if samples else None
    return TargetSamples(found.target_id, samples, chosen)


@dataclass(frozen=True)
class _Job:
    position: int
    target: Target
    index: int
    row: Row


class Infilling(Generator):
    """Diffusion-LM under the task infilling; a sample's words and tokens are the middle alone.

    ``lengths``: what a variable middle draws its number of words from; numbers that do not fit
    between a target's contexts are left out. A sample draws its latents, its number of words and
    the noise of its contexts from three streams of its own.
    """

    card: ClassVar[Card] = DIFFUSION_LM

    def __init__(
        self,
        diffusion: Diffusion,
        vocabulary: Vocabulary,
        config: InfillingConfig,
        lengths: Mapping[int, int] | None = None,
        repair: MaskedRepair | None = None,
    ) -> None:
        self.diffusion, self.vocabulary, self.config = diffusion, vocabulary, config
        self.lengths = lengths if config.middle == "variable" else None
        self.repair = repair
        if isinstance(diffusion.network, WordDenoiser):
            diffusion.network.temperature = config.word_temperature
        elif config.word_temperature != 1:
            raise UserError("word_temperature needs a network with diffusion.output=words")
        framed = {START, END, PAD} if config.layout == "framed" else set()
        self.forbidden = sorted(framed | ({UNK} if config.unk == "avoid" else set()))
        kept = [i for i in range(len(vocabulary)) if i not in self.forbidden]
        self._words = diffusion.denoiser.embedding.weight.float()[kept]

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Infilling:
        config = settings.infilling or InfillingConfig()
        denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
        refuse_block(denoiser)
        lengths = read_lengths(folders["lengths"]) if config.middle == "variable" else None
        repair = repairer(config.unk, config.repair_model, device)
        return cls(
            Diffusion(denoiser, config.sampling, device), vocabulary, config, lengths, repair
        )

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """As for every method; each target's samples come with the chosen one. Raises ``UserError``
        for a target that asks for something else or is longer than the network."""
        rooms = [self._room(target) for target in targets]
        waiting = [
            _Job(position, target, index, self._row(target, room, seed, index))
            for position, (target, room) in enumerate(zip(targets, rooms, strict=True))
            for index in range(samples_per_target)
        ]
        found: list[list[Sample]] = [[] for _ in targets]
        count, sent = len(waiting), 0
        while waiting:
            # rows of one call are equally long, so that nothing is padded
            length = len(waiting[0].row.ids)
            like = [i for i, job in enumerate(waiting) if len(job.row.ids) == length]
            chosen = like[: max(1, batch)]
            jobs = [waiting[i] for i in chosen]
            before = count - len(waiting)

            def report(done: float, total: float, note: str = "") -> None:
                progress(before + len(jobs) * done / total, count, note)  # noqa: B023

            started = time.perf_counter()
            middles = self._middles(jobs, seed, report)
            seconds = (time.perf_counter() - started) / len(jobs)
            for job, tokens in zip(jobs, middles, strict=True):
                words = tuple(token for token in tokens if token not in FRAME)
                nfe = float(self.diffusion.schedule.steps)
                found[job.position].append(Sample(job.index, words, tokens, nfe, seconds))
            taken = set(chosen)
            waiting = [job for i, job in enumerate(waiting) if i not in taken]
            while sent < len(targets) and len(found[sent]) == samples_per_target:
                ordered = tuple(sorted(found[sent], key=lambda sample: sample.index))
                target = targets[sent]
                yield answer(TargetSamples(target.id, ordered), infill(target), self.repair)
                sent += 1

    def latents(
        self,
        rows: Sequence[Row],
        streams: Sequence[tuple[str, int]],
        seed: int,
        progress: Progress = silent,
    ) -> Tensor:
        """The final latents (B, L, D) of rows that are equally long. ``streams``: each row's target
        id and sample index, which with ``seed`` are all that its noise depends on."""
        diffusion, device = self.diffusion, self.diffusion.device
        shape = (len(rows[0].ids), diffusion.shape[1])
        table = diffusion.denoiser.embedding.weight.float()
        places = torch.arange(shape[0])
        fixed = torch.stack([(places < row.start) | (places >= row.stop) for row in rows])
        noise = None
        if self.config.context == "noised":
            noise = Noise([self._stream(seed, *names, "context") for names in streams], shape)
        levels = diffusion.schedule.alpha_bar.tolist()
        ids = torch.tensor([row.ids for row in rows], device=device)
        clean, fixed = table[ids], fixed.to(device)
        known = ids.masked_fill(~fixed, -1)

        def denoise(x: Tensor, t: int) -> Tensor:
            return diffusion.x0(x, t, known)

        told = diffusion.denoiser.config.output == "words" and self.config.context == "clean"
        with torch.no_grad():
            return sample(
                denoise if told else diffusion.x0,
                diffusion.schedule,
                Noise([sample_rng(seed, self.name, *names) for names in streams], shape),
                diffusion.sampling,
                device,
                project=self._clamping(fixed) if diffusion.sampling.clamp else None,
                pin=Pins(clean, fixed, levels, noise),
                on_step=lambda t: progress(len(levels) - t, len(levels)),
            )

    def _middles(self, jobs: Sequence[_Job], seed: int, progress: Progress) -> list[Words]:
        """The tokens of each job's middle."""
        short = -(-LEAST_TOKENS // len(jobs[0].row.ids)) - len(jobs)
        run = [*jobs, *[jobs[0]] * short]
        names = [(job.target.id, job.index) for job in run]
        x = self.latents([job.row for job in run], names, seed, progress)
        logits = self.diffusion.denoiser.logits(x)
        logits[..., self.forbidden] = -torch.inf
        ids = logits.argmax(-1).tolist()
        return [
            self.vocabulary.decode(line[job.row.start : job.row.stop])
            for line, job in zip(ids, jobs)
        ]

    def _clamping(self, fixed: Tensor) -> Callable[[Tensor], Tensor]:
        """Clamping of the middles alone, as every position ``fixed`` (B, L) is overwritten; of 48
        positions a middle has ten, and a vocabulary of thousands to compare each with."""
        free = (~fixed).flatten().nonzero()[:, 0].to(self.diffusion.device)

        def project(x: Tensor) -> Tensor:
            rows = x.reshape(-1, x.shape[-1])
            middle = rows[free]
            lacking = max(0, LEAST_TOKENS - len(middle))
            padded = torch.cat([middle, middle.new_zeros(lacking, middle.shape[1])])
            return rows.index_copy(0, free, self._nearest(padded)[: len(free)]).view_as(x)

        return project

    def _nearest(self, x: Tensor) -> Tensor:
        """Each latent replaced by the nearest embedding of a word that may come out."""
        table = self._words
        flat = x.reshape(-1, x.shape[-1])
        distance = torch.addmm(table.square().sum(1), flat, table.t(), alpha=-2)
        return table[distance.argmin(-1)].view_as(x)

    def _room(self, target: Target) -> int:
        """How many words fit between the contexts. ``UserError`` where too few do."""
        control = infill(target)
        longest = self.diffusion.shape[0] - (2 if self.config.layout == "framed" else 0)
        contexts = len(control.left) + len(control.right)
        least = self.config.slots if self.lengths is None else min(self.lengths)
        if contexts + least > longest:
            raise UserError(
                f"target {target.id} needs {contexts + least} words, {least} of them between its "
                f"contexts; this Diffusion-LM has {longest}"
            )
        return longest - contexts

    def _row(self, target: Target, room: int, seed: int, index: int) -> Row:
        control, slots = infill(target), self.config.slots
        if self.lengths is not None:
            slots = draw_slots(self.lengths, room, self._stream(seed, target.id, index, "slots"))
        left, right = map(self.vocabulary.encode, (control.left, control.right))
        return arrange(left, slots, right, self.config.layout, self.diffusion.shape[0])

    def _stream(self, seed: int, target_id: str, index: int, use: str) -> torch.Generator:
        """A further stream of a sample, beside the one of its latents."""
        names = (self.name, target_id, index, use)
        return torch.Generator().manual_seed(stream_seed(seed, *names))
