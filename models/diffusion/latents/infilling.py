"""Sentence infilling with Diffusion-LM: contexts pinned at every step, the middle sampled, and one
of the samples chosen by minimum Bayes risk (paper, sections 5.2 and 6.1; reference notes, 2.10).

Shapes: B batch, L length, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from models.base import TargetSamples
from models.diffusion.latents.decoding import InfillingConfig
from models.diffusion.latents.diffusion import Diffusion
from models.diffusion.latents.network import nearest
from models.diffusion.latents.way import Streams, Way
from models.diffusion.loop import Noise
from models.diffusion.pinning import Pins, Row, arrange, draw_slots
from models.infilling import answer, infill
from models.jobs import Job, Made
from models.nets.precision import LEAST_TOKENS
from models.nets.unk import MaskedRepair
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.vocabulary import END, PAD, SPECIALS, START, UNK, Vocabulary

#: tokens that are no words of a middle
FRAME = (SPECIALS[START], SPECIALS[END], SPECIALS[PAD])


class Infilling(Way[Row]):
    """A sample's words and tokens are the middle alone.

    ``lengths``: what a variable middle draws its number of words from; numbers that do not fit
    between a target's contexts are left out. A sample draws its latents, its number of words and
    the noise of its contexts from three streams of its own.
    """

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
        diffusion.network.sharpen(config.word_temperature)
        framed = {START, END, PAD} if config.layout == "framed" else set()
        self.forbidden = sorted(framed | ({UNK} if config.unk == "avoid" else set()))
        kept = [i for i in range(len(vocabulary)) if i not in self.forbidden]
        self._words = diffusion.denoiser.embedding.weight.float()[kept]

    def check(self, targets: Sequence[Target]) -> None:
        """Raises ``UserError`` for a target that asks for something else or is longer than the
        network."""
        for target in targets:
            self._room(target)

    def given(self, target: Target, index: int, streams: Streams) -> Row:
        """The sequence of one sample."""
        control, slots = infill(target), self.config.slots
        if self.lengths is not None:
            slots = draw_slots(self.lengths, self._room(target), streams(target.id, index, "slots"))
        left, right = map(self.vocabulary.encode, (control.left, control.right))
        return arrange(left, slots, right, self.config.layout, self.diffusion.shape[0])

    def alike(self, job: Job[Row]) -> object:
        """Rows of one call are equally long, so that nothing is padded."""
        return len(job.given.ids)

    def decode(self, jobs: list[Job[Row]], streams: Streams, progress: Progress) -> list[Made]:
        """Network evaluations: one a step."""
        short = -(-LEAST_TOKENS // len(jobs[0].given.ids)) - len(jobs)
        padded = [*jobs, *[jobs[0]] * short]
        names = [(job.target.id, job.index) for job in padded]
        x = self.latents([job.given for job in padded], names, streams, progress)
        nfe, made = float(self.diffusion.schedule.steps), []
        for ids, job in zip(self.diffusion.ids(x, self.forbidden), jobs):
            tokens = self.vocabulary.decode(ids[job.given.start : job.given.stop])
            made.append(Made(tuple(w for w in tokens if w not in FRAME), tokens, nfe))
        return made

    def answer(self, target: Target, samples: TargetSamples) -> TargetSamples:
        """With the chosen sample, and UNKs replaced where they are to be."""
        return answer(samples, infill(target), self.repair)

    def latents(
        self,
        rows: Sequence[Row],
        names: Sequence[tuple[str, int]],
        streams: Streams,
        progress: Progress = silent,
    ) -> Tensor:
        """The final latents (B, L, D) of rows that are equally long. ``names``: each row's target
        id and sample index, which with ``streams`` are all that its noise depends on."""
        diffusion, config = self.diffusion, self.config
        process, length = diffusion.process, len(rows[0].ids)
        table = diffusion.denoiser.embedding.weight.float()
        places = torch.arange(length)
        fixed = torch.stack([(places < row.start) | (places >= row.stop) for row in rows])
        noise = None
        if config.context == "noised":
            rngs = [streams(*name, "context") for name in names]
            noise = Noise(rngs, (length, diffusion.shape[1]))
        ids = torch.tensor([row.ids for row in rows], device=diffusion.device)
        clean, fixed = table[ids], fixed.to(diffusion.device)
        shown = diffusion.network.reads_known and config.context == "clean"
        return diffusion.latents(
            [streams(*name) for name in names],
            length=length,
            known=ids.masked_fill(~fixed, -1) if shown else None,
            clamp=self._clamping(fixed),
            # before the first step a context has the noise that its positions start from
            pin=Pins(
                clean,
                fixed,
                process,
                noise,
                first=lambda x: process.corrupt(clean, process.steps - 1, x),
            ),
            progress=progress,
        )

    def _clamping(self, fixed: Tensor) -> Callable[[Tensor], Tensor]:
        """Clamping of the middles alone, as every position ``fixed`` (B, L) is overwritten; of 48
        positions a middle has ten, and a vocabulary of thousands to compare each with."""
        free = (~fixed).flatten().nonzero()[:, 0].to(self.diffusion.device)

        def project(x: Tensor) -> Tensor:
            rows = x.reshape(-1, x.shape[-1])
            middle = rows[free]
            lacking = max(0, LEAST_TOKENS - len(middle))
            padded = torch.cat([middle, middle.new_zeros(lacking, middle.shape[1])])
            return rows.index_copy(0, free, nearest(padded, self._words)[: len(free)]).view_as(x)

        return project

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
