"""What methods share that draw several texts for a sample and keep one. Free of torch until
something is loaded."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from baselines.autoregressive import Heads, uniforms
from baselines.settings import SampleSettings
from baselines.steering import Steered, naming_owners
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    from baselines.autoregressive import Decoded
    from models.jobs import Job
    from models.nets.backbones import CausalLM
    from models.nets.codec import Codec


@dataclass(frozen=True)
class SeveralSettings(SampleSettings):
    """How many texts one is kept of; the sampling options apply to each."""

    #: texts that are drawn for each sample
    n: int = ranged(16, least=1, most=4096)


#: values that tuning and sweeps try
RANGES = {"n": ("4", "16", "64")}


class OfSeveral(Steered):
    """Candidate 0 of a sample has the sample's random stream, so that the first is what the model
    alone would give."""

    @property
    def source(self) -> tuple[CausalLM, Codec]:
        """The model that draws, and its codec."""
        return self.model, self.codec

    def start(self, heads: Heads) -> tuple[int, ...]:
        """What it reads first."""
        return heads.head

    def candidates(
        self, jobs: Sequence[Job[Heads]], seed: int, limit: int, which: Sequence[int]
    ) -> list[list[list[int]]]:
        """The candidates ``which`` of each job, as many at once as an accelerator's rows."""
        import torch

        from models.nets.decoding import DEVICE_ROWS

        pairs, texts = [(job, j) for job in jobs for j in which], list[list[int]]()
        for at in range(0, len(pairs), DEVICE_ROWS):
            part = pairs[at : at + DEVICE_ROWS]
            owners = [job for job, _ in part]
            u = torch.cat(
                [
                    uniforms(self.name, [job], seed, limit, *(("candidate", str(j)) if j else ()))
                    for job, j in part
                ]
            )
            with naming_owners(owners):
                texts += self.sampled(*self.source, [self.start(job.given) for job in owners], u)
        return [texts[i : i + len(which)] for i in range(0, len(texts), len(which))]


class Ranked(OfSeveral):
    """Keeps the candidate with the highest score, on equal scores the first. One candidate is not
    scored."""

    @abstractmethod
    def scores(self, jobs: Sequence[Job[Heads]], texts: Sequence[list[int]]) -> list[float]:
        """How good the text of each job is; they are equally long, and at most an accelerator's
        rows."""

    @property
    @abstractmethod
    def readers(self) -> int:
        """How many networks read a whole text to score it, each in one evaluation."""

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        from models.nets.decoding import DEVICE_ROWS
        from models.nets.finite import NotFinite

        n = self.settings.n
        several = self.candidates(jobs, seed, limit, range(n))
        places = [
            (len(ids), i, j) for i, texts in enumerate(several) for j, ids in enumerate(texts)
        ]
        found = [[0.0] * n for _ in jobs]
        for _, group in groupby(sorted(places) if n > 1 else (), key=lambda place: place[0]):
            alike = [(i, j) for _, i, j in group]
            for at in range(0, len(alike), DEVICE_ROWS):
                part = alike[at : at + DEVICE_ROWS]
                owners = [jobs[i] for i, _ in part]
                with naming_owners(owners):
                    values = self.scores(owners, [several[i][j] for i, j in part])
                    for row, value in enumerate(values):
                        if not math.isfinite(value):
                            raise NotFinite("the scores that rank texts", row)
                for (i, j), value in zip(part, values, strict=True):
                    found[i][j] = value
        passes = self.readers if n > 1 else 0
        return [
            (texts[row.index(max(row))], float(sum(len(ids) + passes for ids in texts)))
            for texts, row in zip(several, found, strict=True)
        ]
